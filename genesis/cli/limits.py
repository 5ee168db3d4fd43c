"""Limits that commands share."""

__all__ = ["EXIT_INTERRUPTED", "INDENT"]

EXIT_INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 and the number of SIGINT, as shells have it."""
INDENT = 2
"""Columns by which lines below another are indented."""
