"""The password of the embedded servers that tests start: one for all of them, in the variable that Prefect reads."""

import os
from pathlib import Path

from genesis.prefect_api.configured import basic_authentication

__all__ = ["HEADERS", "share_password"]

HEADERS = {"authorization": basic_authentication(os.environ["PREFECT_API_AUTH_STRING"])}
"""For requests without Prefect's client."""


def share_password(home: Path) -> Path:
    """Let a server that is started in this home have the password of the tests; gives the home."""
    folder = home / "server"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / "password").write_text(os.environ["PREFECT_API_AUTH_STRING"])
    return home
