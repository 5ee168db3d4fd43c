"""The one place that reads this process's environment for what is not a setting: secrets, and what children get."""

from __future__ import annotations

import os
from collections.abc import Mapping

__all__ = ["child_environment", "secret"]


def secret(name: str) -> str | None:
    """Look a secret up: an environment variable of that name."""
    return os.environ.get(name) or None


def child_environment() -> Mapping[str, str]:
    """Give the variables that child processes may see."""
    return dict(os.environ)
