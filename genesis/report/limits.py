"""Limits that the pages and pictures of a report share."""

__all__ = ["CELL_CHARACTERS"]

CELL_CHARACTERS = 300
"""Most characters of a cell of a table."""
