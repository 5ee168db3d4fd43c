"""The value of `use`: a plan file, and the content that it must have."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field

__all__ = ["FINGERPRINT_LENGTH", "PlanReference", "split_reference"]

FINGERPRINT_LENGTH = 12
"""Hex digits of a fingerprint that are written; a plan file may pin fewer or more."""
_PATTERN = r"^[^@\\\x00-\x1f]+\.(yaml|yml|json)(@[0-9a-f]{8,64})?$"
_LONGEST = 1000


def split_reference(use: str) -> tuple[str, str]:
    """Split a reference into the path of the plan file and the fingerprint that it must have, which may be empty."""
    path, _, fingerprint = use.partition("@")
    return path, fingerprint


def _check_reference(use: str) -> str:
    if not re.fullmatch(_PATTERN, use):
        raise ValueError(
            f"{use[:80]!r} names no plan file: it is a relative path with `/` that ends in .yaml, .yml or .json; "
            "the beginning of the file's fingerprint may follow: `build.yaml@` and 8 to 64 hex digits"
        )
    if PurePosixPath(split_reference(use)[0]).is_absolute():
        raise ValueError(f"{use[:80]!r} is an absolute path; name the file relative to the plan that uses it")
    return use


PlanReference = Annotated[
    str, Field(max_length=_LONGEST, json_schema_extra={"pattern": _PATTERN}), AfterValidator(_check_reference)
]
"""`PLAN` or `PLAN@FINGERPRINT`; the path is relative to the file that it is written in."""
