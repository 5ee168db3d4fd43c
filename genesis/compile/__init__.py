"""Compile: from a routed plan to the flat program that runs."""

from genesis.compile.program import compile_program

__all__ = ["compile_program"]
