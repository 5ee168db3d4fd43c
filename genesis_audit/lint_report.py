"""What a linter found, counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

__all__ = ["BrokenSource", "LintReport"]


@dataclass(frozen=True)
class BrokenSource:
    """A place that is not of its language at all."""

    path: str
    line: int
    message: str


@dataclass
class LintReport:
    """What one linter found in the files that were given to it."""

    name: str
    """The program."""
    language: str = "Python"
    default: str = "ruff's default rules E4, E7, E9 and F"
    """Its rules where the repository chooses none, for a sentence."""
    command: str = "ruff check --fix"
    available: bool = True
    version: str = ""
    settings: str = ""
    """The repository's configurations that were used; empty where it has none."""
    is_minor: bool = False
    """Whether its language is a small part of the project's own code."""
    is_configured: bool = False
    """Whether the rules are the repository's own."""
    problem: str = ""
    """Why it could not judge, or could not judge everything."""
    refused: list[tuple[str, str]] = field(default_factory=list)
    """Configurations of which a part was not followed, and which part."""
    not_taken: list[str] = field(default_factory=list)
    """Configurations that the program refuses."""
    other_versions: list[tuple[str, str]] = field(default_factory=list)
    """Configurations that ask for another version, and which."""
    files: int = 0
    by_rule: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Counts by code and name."""
    fixable: int = 0
    by_file: Counter[str] = field(default_factory=Counter)
    broken: list[BrokenSource] = field(default_factory=list)
