"""Names of environment variables that a task may set."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

__all__ = ["EnvName"]

_REFUSED = frozenset({"PATH", "ENV", "BASH_ENV", "IFS", "TRACEPARENT", "TRACESTATE", "BAGGAGE"})
_REFUSED_BEGINNINGS = ("LD_", "DYLD_", "PYTHON", "PREFECT_", "GENESIS_")


def _check_name(name: str) -> str:
    """Refuse variables that decide which code a program loads, or that Genesis sets itself."""
    if name.upper() in _REFUSED or name.upper().startswith(_REFUSED_BEGINNINGS):
        raise ValueError(
            f"{name!r} cannot be set by a task: it decides which code runs, or Genesis sets it; "
            "the agents file can set it, in `env` of the executor"
        )
    return name


EnvName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=200), AfterValidator(_check_name)]
"""Letters, digits and `_`; not of the variables that protect the process."""
