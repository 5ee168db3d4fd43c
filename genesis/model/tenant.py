"""Tenants: workers serve the waiting runs of the tenants in turn."""

from __future__ import annotations

import re
from collections.abc import Iterable

from genesis.errors import UsageError

__all__ = ["check_tenant", "tenant_in_tags", "tenant_tag"]

_TAG = "tenant:"
_NAME = re.compile(r"[^\W_][\w.@+-]{0,62}")


def check_tenant(name: str | None) -> str | None:
    """Check a tenant's name and return it.

    Raises:
        UsageError: It is empty, too long, or has a character that a tag should not have.
    """
    if name is None or _NAME.fullmatch(name):
        return name
    raise UsageError(
        f"{name!r:.200} is not a valid tenant name",
        hint="use at most 63 letters, digits and . _ @ + -, the first a letter or a digit",
    )


def tenant_tag(tenant: str) -> str:
    """Return the tag that all flow runs of a tenant's runs have."""
    return f"{_TAG}{tenant}"


def tenant_in_tags(tags: Iterable[str]) -> str | None:
    """Read the tenant from a flow run's tags; None where they name none."""
    return next((tag.removeprefix(_TAG) for tag in sorted(tags) if tag.startswith(_TAG) and tag != _TAG), None)
