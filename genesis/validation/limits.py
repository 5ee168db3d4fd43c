"""Limits that checks share."""

__all__ = ["GUESSES"]

GUESSES = 10
"""Unknown names of one kind for which a similar one is suggested: difflib is slow."""
