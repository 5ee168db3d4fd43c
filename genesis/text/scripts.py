"""The scripts of a name, and names that look alike: `agent` with a Cyrillic first letter passes for `agent`.

After Unicode's security mechanisms (UTS 39): a name is of one script, or of Latin with those of Chinese, Japanese or
Korean ("highly restrictive"). Python's `unicodedata` has no scripts; the first word of a letter's name is its script.
"""

from __future__ import annotations

import unicodedata

__all__ = ["find_script_fault", "scripts_of", "skeleton"]

_MIXED = frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA", "BOPOMOFO", "HANGUL"})
_COMMON = frozenset({"MODIFIER", "COMBINING", "DIGIT"})
_LOOKALIKES = {
    # Cyrillic
    **dict(zip("авекмнорстухѕіјһԁԛԝӏьгпґ", "abekmhopctyxsijhdqwlbrnr", strict=True)),
    # Greek
    **dict(zip("αβεζηικμνορτυχγωϲϳ", "abezniknvoptuxywcj", strict=True)),
    # Armenian
    **dict(zip("աոսհօցզքտյ", "wnuhogqpwj", strict=True)),
    # other letters of Latin
    **dict(zip("ıɑɡʋꞵ", "iagub", strict=True)),
}
"""Letters of other scripts, in small, that look like one of ASCII in small or in capitals."""


def scripts_of(name: str) -> frozenset[str]:
    """Return the scripts of a name's letters and digits, in capitals; ASCII digits and marks belong to any."""
    if name.isascii():
        return frozenset({"LATIN"}) if any(map(str.isalpha, name)) else frozenset()
    return frozenset(_script(char) for char in name if unicodedata.category(char)[0] in "LN") - _COMMON


def find_script_fault(name: str) -> str | None:
    """Say why a name could pass for another one; None where it could not.

    Args:
        name: An id or an agent's name, in its canonical form (NFC).
    """
    if name.isascii():
        return None
    plain = unicodedata.normalize("NFKC", name)
    if plain != name:
        return f"it has variants of letters, such as full-width ones, and reads as {plain!r}"
    scripts = scripts_of(name)
    if len(scripts) > 1 and not scripts <= _MIXED:
        return f"it mixes letters of {' and '.join(sorted(script.capitalize() for script in scripts))}: {name!a}"
    return None


def skeleton(name: str) -> str:
    """Return what a name looks like in ASCII, in small; names of one skeleton can be taken for each other."""
    if name.isascii():
        return name.lower()
    folded = unicodedata.normalize("NFKC", name).lower()
    return "".join(_LOOKALIKES.get(char, char) for char in folded)


def _script(char: str) -> str:
    words = unicodedata.name(char, "UNKNOWN").replace("-", " ").split()
    return words[1] if words[0] == "EXTENDED" and len(words) > 1 else words[0]
