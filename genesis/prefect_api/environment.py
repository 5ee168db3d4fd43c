"""The one place that reads this process's environment for what is not a setting: secrets, and what children get."""

from __future__ import annotations

import os
from collections.abc import Mapping

from genesis.security.known_secrets import secrets_of_process
from genesis.security.secret_names import secret_values

__all__ = ["child_environment", "secret", "secrets_here"]


def secret(name: str) -> str | None:
    """Look a secret up: an environment variable of that name. From now on log lines of this process leave it out."""
    value = os.environ.get(name) or None
    if value is not None:
        secrets_of_process().add(value)
    return value


def secrets_here() -> frozenset[str]:
    """Find the values of this process's variables that are secrets by their names, or passwords in a URL."""
    return secret_values(os.environ)


def child_environment() -> Mapping[str, str]:
    """Return the variables that child processes may see."""
    return dict(os.environ)
