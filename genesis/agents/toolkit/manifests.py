"""What a manifest declares: the shape that every ecosystem's reader gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from genesis.agents.toolkit.files import SourceFile
from genesis.agents.toolkit.pins import Pin

__all__ = ["Dependency", "Manifest", "Reader"]


@dataclass(frozen=True)
class Dependency:
    """One requirement as a manifest writes it."""

    name: str
    spec: str
    pin: Pin
    group: str = "runtime"
    """`runtime`, `build`, or the name of an extra or a group."""


@dataclass
class Manifest:
    """A manifest file and what it declares."""

    file: SourceFile
    ecosystem: str
    kind: str
    dependencies: list[Dependency] = field(default_factory=list)
    problem: str = ""
    is_lock: bool = False
    """Whether it only fixes versions, as a compiled requirements file does."""
    is_library: bool = False
    """Whether it describes a package for others to install, which should not pin exactly."""
    indexes: list[str] = field(default_factory=list)
    """Extra or insecure package indexes that it names."""


Reader: TypeAlias = Callable[[SourceFile, str], Iterator[Manifest]]
"""Reads a file's text into its manifest, or into none where it declares nothing."""
