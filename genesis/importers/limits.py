"""Limits that the importers share: a small file can stand for a large workflow."""

__all__ = ["LONGEST_TEXT", "MOST_EXPANSIONS", "MOST_STEPS"]

MOST_STEPS = 10_000
"""Tasks that a file may stand for: ten times what a plan may have by default. Templates that use templates multiply."""
MOST_EXPANSIONS = 20
"""Templates in templates, groups in groups and calls in calls that are followed: ones that use themselves end there."""
LONGEST_TEXT = 100_000
"""Characters of a text that is put together from values: less than Linux takes for one argument (128 KiB)."""
