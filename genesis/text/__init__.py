"""Escape untrusted text for what it is shown in, one function per sink, and format durations and costs.

Plans, requests, agents' answers, arguments and error messages come from anywhere. What shows them calls the function
of its sink: `escape_terminal` and `one_line`, `escape_log`, `escape_json`, `prompt.escape_prompt`,
`markdown.escape_markdown` and `markdown.escape_document`, `html.escape_html` and `html.link_address`. Decision 55 has
the reasons.
"""

from genesis.text.figures import (
    cost,
    describe_rehearsal,
    duration,
    format_known_cost,
    money,
    rehearsal,
    size_text,
)
from genesis.text.terminal import (
    INVISIBLE,
    cells,
    escape_json,
    escape_log,
    escape_terminal,
    fit_line,
    one_line,
)

__all__ = [
    "INVISIBLE",
    "cells",
    "cost",
    "describe_rehearsal",
    "duration",
    "escape_json",
    "escape_log",
    "escape_terminal",
    "fit_line",
    "format_known_cost",
    "money",
    "one_line",
    "rehearsal",
    "size_text",
]
