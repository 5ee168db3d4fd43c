"""What a run does at present: its program, and the amendments that were added while it ran."""

from __future__ import annotations

from dataclasses import dataclass

from genesis.model import Amendment, Program

__all__ = ["ProgramState"]


@dataclass(slots=True)
class ProgramState:
    """The program of a run as it is now, and the amendments that made it so."""

    program: Program
    amendments: tuple[Amendment, ...] = ()
