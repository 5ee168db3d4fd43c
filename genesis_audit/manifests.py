"""What a manifest declares: the shape that the readers of every ecosystem produce."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from genesis_audit.files import SourceFile
from genesis_audit.pins import Pin

__all__ = ["Dependency", "Manifest", "ManifestReader", "group_of"]


@dataclass(frozen=True)
class Dependency:
    """One requirement as a manifest writes it."""

    name: str
    spec: str
    pin: Pin
    group: str = "runtime"
    """`runtime`, `build`, or the name of an extra, a group or a scope."""
    marker: str = ""
    """When it applies, where the manifest limits that."""


@dataclass
class Manifest:
    """A manifest file and what it declares."""

    file: SourceFile
    ecosystem: str
    kind: str
    dependencies: list[Dependency] = field(default_factory=list)
    problem: str = ""
    is_broken: bool = False
    """Whether the problem is the file's: its syntax is wrong, where otherwise only a value could not be read."""
    is_lock: bool = False
    """Whether it only fixes versions, as a compiled requirements file does."""
    is_library: bool = False
    """Whether it describes a package for others to install, whose dependencies are resolved by them."""
    indexes: list[str] = field(default_factory=list)
    """Extra or insecure package indexes that it names."""
    includes: list[str] = field(default_factory=list)
    """Other files that it takes in, relative to its own folder."""

    @property
    def folder(self) -> str:
        """The folder that it is in, without a slash at the end; the audited folder itself is an empty text."""
        return self.file.path.rpartition("/")[0]


ManifestReader: TypeAlias = Callable[[SourceFile, str], Iterator[Manifest]]
"""Reads a file's text into its manifest, or into none where it declares nothing."""

_GROUPS = (
    ("test", re.compile(r"test", re.IGNORECASE)),
    ("indirect", re.compile(r"indirect")),
    ("dev", re.compile(r"dev", re.IGNORECASE)),
    ("build", re.compile(r"^id$|classpath|processor|kapt|ksp|tool_|build|plugin", re.IGNORECASE)),
)


def group_of(written: str) -> str:
    """Name the group of a configuration, a scope or a block of the manifest."""
    return next((name for name, pattern in _GROUPS if pattern.search(written)), "runtime")
