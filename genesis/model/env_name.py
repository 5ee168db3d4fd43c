"""Names of environment variables that a task may set."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

__all__ = ["EnvName", "VariableName", "is_env_name"]

_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"
_LONGEST = 200
_REFUSED = frozenset({"PATH", "ENV", "BASH_ENV", "IFS", "TRACEPARENT", "TRACESTATE", "BAGGAGE"})
_REFUSED_BEGINNINGS = ("LD_", "DYLD_", "PYTHON", "PREFECT_", "GENESIS_")


def is_env_name(name: str) -> bool:
    """Whether a task may set an environment variable of this name."""
    return re.fullmatch(_PATTERN, name) is not None and len(name) <= _LONGEST and not _is_refused(name)


def _is_refused(name: str) -> bool:
    return name.upper() in _REFUSED or name.upper().startswith(_REFUSED_BEGINNINGS)


def _check_name(name: str) -> str:
    """Refuse variables that decide which code a program loads, or that Genesis sets itself."""
    if _is_refused(name):
        raise ValueError(
            f"{name!r} cannot be set by a task: it decides which code runs, or Genesis sets it; "
            "the agents file can set it, in `env` of the executor"
        )
    return name


VariableName = Annotated[str, Field(pattern=_PATTERN, max_length=_LONGEST)]
"""Letters, digits and `_`."""
EnvName = Annotated[VariableName, AfterValidator(_check_name)]
"""Letters, digits and `_`; not of the variables that protect the process."""
