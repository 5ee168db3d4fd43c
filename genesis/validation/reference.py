"""Generates the reference page of the checks from the checks."""

from __future__ import annotations

from genesis.validation.checks import CHECKS
from genesis.validation.validate import NOTICES

__all__ = ["checks_page"]

_HEAD = """# Checks

`genesis validate` and the pre-flight of `genesis run` check a routed plan. An **error** stops the run before anything
executes; a **warning** needs a review; an **info** is for information. At most 50 findings of one code are
listed, and one more counts the rest. This page is generated from the checks (`genesis.validation.checks_page`).
"""
_TITLES = {"error": "Errors", "warning": "Warnings", "info": "Infos"}


def checks_page() -> str:
    """Return the reference of all checks as Markdown, one table per severity."""
    parts = [_HEAD]
    for severity, title in _TITLES.items():
        rows = [
            f"| `{check.code}` | {check.finds} | {check.remedy} |"
            for check in (*CHECKS, *NOTICES)
            if check.severity == severity
        ]
        parts.append("\n".join([f"## {title}\n", "| code | finds | what to do |", "|---|---|---|", *rows]) + "\n")
    return "\n".join(parts)
