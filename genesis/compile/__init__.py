"""Compile: from a routed plan to the flat program that runs."""

from genesis.compile.amend import apply_amendments
from genesis.compile.program import compile_program

__all__ = ["apply_amendments", "compile_program"]
