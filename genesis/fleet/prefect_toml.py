"""Configure Prefect's commands in a project to use the server that Genesis started."""

from __future__ import annotations

import json
from pathlib import Path

from genesis.document import write_atomic

__all__ = ["PREFECT_FILE", "point_prefect_here"]

PREFECT_FILE = Path("prefect.toml")
_PROJECT_FILE = Path("prefect.yaml")
_MARK = (
    "# Written by `genesis pools sync` for Prefect's own commands in this folder. Of this machine: do not commit it.\n"
)


def point_prefect_here(api_url: str, folder: Path, password: str | None = None) -> bool:
    """Write `prefect.toml` into a project's folder, unless the project has one of its own. Only its user can read it.

    Args:
        api_url: The API of the server that Genesis started on this machine.
        password: What the server asks for; it is written, too.
        folder: The project's folder.

    Returns:
        Whether Prefect's own commands in this folder use that server now.

    Raises:
        ResourceError: The file cannot be written.
    """
    file = folder / PREFECT_FILE
    if not (folder / _PROJECT_FILE).is_file():
        return False
    content = f"{_MARK}[api]\nurl = {json.dumps(api_url)}\n"
    if password is not None:
        content += f"# The password of that server.\nauth_string = {json.dumps(password)}\n"
    if file.exists():
        old = file.read_text(encoding="utf-8", errors="replace")
        if not old.startswith(_MARK):
            return False
        if old == content:
            return True
    write_atomic(file, content)
    return True
