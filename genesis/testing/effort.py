"""Measure work in calls and not in seconds, so that a test of growth says the same on any machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["calls_made_by"]


def calls_made_by(function: Callable[[], object]) -> int:
    """Count the calls, of Python functions and of built-in ones, that a function makes."""
    count = 0

    def note(frame: FrameType, event: str, argument: Any) -> None:
        del frame, argument
        nonlocal count
        if event in {"call", "c_call"}:
            count += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(before)
    return count
