"""Find the expressions in a text that its system evaluates: `{{ x }}`, `${{ x }}`, `{% x %}`. Linear in the text."""

from __future__ import annotations

from collections.abc import Callable, Iterator

__all__ = ["fill_expressions", "find_expressions"]

_CLOSINGS = {"{{": "}}", "${{": "}}", "{%": "%}"}


def find_expressions(text: str, *openings: str) -> list[str]:
    """List the expressions that begin with one of these, with their braces; one that is not closed goes to the end."""
    return [part for opening in openings for part, is_expression in _split(text, opening) if is_expression]


def fill_expressions(text: str, opening: str, fill: Callable[[str], str]) -> str:
    """Replace each expression by what a function returns for it; the function gets it with its braces."""
    return "".join(fill(part) if is_expression else part for part, is_expression in _split(text, opening))


def _split(text: str, opening: str) -> Iterator[tuple[str, bool]]:
    """Yield the parts of a text, each with whether it is an expression."""
    closing, start = _CLOSINGS[opening], 0
    while (found := text.find(opening, start)) >= 0:
        end = text.find(closing, found + len(opening))
        end = len(text) if end < 0 else end + len(closing)
        yield text[start:found], False
        yield text[found:end], True
        start = end
    yield text[start:], False
