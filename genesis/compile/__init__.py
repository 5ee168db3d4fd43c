"""Compile: from a routed plan to the flat program that runs."""

from genesis.compile.amend import amended
from genesis.compile.program import compile_program

__all__ = ["amended", "compile_program"]
