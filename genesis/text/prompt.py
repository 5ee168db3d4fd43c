"""Text in the prompts of language models, whose sections stand between marks such as `<request>` and `</request>`."""

from __future__ import annotations

import re
import unicodedata

from genesis.text.terminal import escape_terminal, one_line

__all__ = ["SECTIONS", "escape_prompt", "escape_prompt_value"]

SECTIONS = ("request", "task", "inputs", "results", "answer")
"""Names of the sections of all prompts."""
_OPENING = frozenset("<\u02c2\u1438\u2039\u2329\u276e\u276c\u2770\u27e8\u2a9d\u3008\ufe64\uff1c\u227a\U0001f894")
_CLOSING = frozenset(">\u02c3\u1433\u203a\u232a\u276f\u276d\u2771\u27e9\u2a9e\u3009\ufe65\uff1e\u227b")
_SLASHES = frozenset("/\\\u2044\u2215\u29f8\u29f5\u2571\u2afd\u3033\uff0f\uff3c")
_LOOKS = str.maketrans("013457\\", "oleast/")
_FOREIGN = "\x00"
"""A letter of another script: it may look like any."""
_NAMES = [[f"[{'il' if letter == 'i' else letter}{_FOREIGN}]" for letter in name] for name in SECTIONS]
_NAME = "|".join("".join(letters) for letters in _NAMES)
_SPACED = "|".join(r"\s*".join(letters) for letters in _NAMES)
_MARK = re.compile(
    rf"<\s*/+\s*(?:{_SPACED})(?:\s*>)?"  # the end of a section, however it is spaced and whatever comes after
    rf"|<\s*(?:{_NAME})\s*(?:/\s*)?>"
    rf"|<(?:{_NAME})(?=\s+[a-z_-]+\s*=)"
    r"|<\|(?=[a-z_])|(?<=[a-z_])\|>"  # chat templates of models: <|im_start|>
    r"|<</?sys>>|\[/?inst\]|</?(?:start|end)_of_turn>|</?s>"
)
_BRACKETS = str.maketrans({"<": "(", ">": ")", "[": "(", "]": ")"})


def escape_prompt(text: str) -> str:
    """Return a text of several lines for one section of a prompt, which it can neither end nor begin another.

    Marks of sections and of chat templates get round brackets, also where they are written in capitals, with spaces,
    in full width, with invisible characters or letters of other scripts. All else stays as it is.
    """
    shown = escape_terminal(text)
    folded, places = _fold(shown)
    characters = list(shown)
    for found in _MARK.finditer(folded):
        for place in range(found.start(), found.end()):
            if folded[place] in "<>[]":
                characters[places[place]] = folded[place].translate(_BRACKETS)
    return "".join(characters)


def escape_prompt_value(name: str, value: str) -> str:
    """Return a named value for a section that has one a line; further lines of a value are indented.

    Args:
        name: Its name; it is put in one line.
        value: Untrusted text of any number of lines.
    """
    lines = escape_prompt(value).splitlines() or [""]
    return f"{escape_prompt(one_line(name))}: " + "\n  ".join(lines)


def _fold(text: str) -> tuple[str, list[int]]:
    """Return how a text looks, and for each character of that its place in the text."""
    if text.isascii():
        folded = text.lower()
        return folded.translate(_LOOKS), list(range(len(folded)))
    looks, places = [], []
    for place, char in enumerate(text):
        for look in _look(char):
            looks.append(look)
            places.append(place)
    return "".join(looks).translate(_LOOKS), places


def _look(char: str) -> str:
    if char in _OPENING:
        return "<"
    if char in _CLOSING:
        return ">"
    if char in _SLASHES:
        return "/"
    if char.isascii():
        return char.lower()
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return ""
    normal = unicodedata.normalize("NFKD", char).lower()
    return "".join(
        part if part.isascii() or part.isspace() else _FOREIGN
        for part in normal
        if unicodedata.category(part) not in ("Mn", "Me", "Cf")
    )
