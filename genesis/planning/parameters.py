"""Take a playbook's parameters from the words of a request."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from genesis.planning.playbook import Parameter, Playbook
from genesis.planning.words import strip_polite

__all__ = ["Values", "Variables", "several"]

_CLOSERS = ".,;:!?"
_LONGEST = 1_000
"""Most characters of a parameter's value."""
_LAST_PART = re.compile(r"\{-(\w+)\}")
_RULED_OUT = re.compile(
    r"\b(?:except|excluding|but\s+not|not|without|ignoring|ignore|skip|skipping)\s+(?:for\s+)?$", re.IGNORECASE
)
"""Words before a value that exclude it."""


@dataclass(slots=True)
class Values:
    """The parameters of one use of a playbook."""

    values: dict[str, str] = field(default_factory=dict)
    """Value by parameter."""
    names: dict[str, str] = field(default_factory=dict)
    """The plan's variable by parameter."""
    defaults: list[str] = field(default_factory=list)
    """Variables whose values are the playbook's defaults, without words of the request."""
    missing: list[str] = field(default_factory=list)
    """Parameters without a default that the request does not specify."""


@dataclass(slots=True)
class Variables:
    """The variables of a plan that is being made of playbooks."""

    given: Mapping[str, str]
    """Variables set by the user; they take precedence."""
    made: dict[str, str] = field(default_factory=dict)
    defaults: list[str] = field(default_factory=list)
    """Those of them that a playbook set, and no words of the request."""

    def take(self, playbook: Playbook, texts: Sequence[str], chosen: Mapping[str, str]) -> Values:
        """Find the parameters of a use of a playbook and give each a separate variable where uses differ.

        Args:
            playbook: The playbook.
            texts: Where to look, the most specific text first.
            chosen: Values that are already known.
        """
        result = Values()
        for parameter in playbook.parameters:
            name = parameter.name
            if name in self.given:
                result.values[name], result.names[name] = self.given[name], name
                continue
            found = chosen.get(name) or _find_value(parameter, texts)
            value = _default(parameter, texts, result.values) if found is None else found
            if value is None:
                result.missing.append(name)
                continue
            result.values[name], result.names[name] = self._claim(parameter, value)
            if found is None and value == parameter.default:
                result.defaults.append(result.names[name])
        return result

    def add(self, values: Values) -> None:
        """Add a use's variables to the plan's."""
        for parameter, name in values.names.items():
            self.made[name] = values.values[parameter]
        self.defaults += values.defaults

    def _claim(self, parameter: Parameter, value: str) -> tuple[str, str]:
        name, number = parameter.name, 1
        while name in self.made and (parameter.distinct or self.made[name] != value):
            number += 1
            name = f"{parameter.name}_{number}"
        if parameter.distinct:
            value = _number_value(value, {self.made[key] for key in self.made})
        return value, name


def several(playbook: Playbook, text: str, given: Container[str]) -> list[dict[str, str]]:
    """Find several values of a parameter, each for one use of the playbook; empty when there are not several."""
    for parameter in playbook.parameters:
        if parameter.each and parameter.name not in given:
            values = next(filter(None, (_all_said(pattern, text) for pattern in parameter.patterns)), [])
            if len(values) > 1:
                return [{parameter.name: value} for value in values]
    return []


def _find_value(parameter: Parameter, texts: Sequence[str]) -> str | None:
    for text in texts:
        for pattern in parameter.patterns:
            if values := _all_said(pattern, text):
                return values[0]
    return None


def _all_said(pattern: str, text: str) -> list[str]:
    """Return the values that a pattern finds, without those excluded by the words before them."""
    matches = re.finditer(pattern, text, re.IGNORECASE)
    found = (_clean(_group(match)) for match in matches if not _RULED_OUT.search(text[: _place(match)]))
    return list(dict.fromkeys(filter(None, found)))


def _place(match: re.Match[str]) -> int:
    if "value" in match.re.groupindex:
        return max(0, match.start("value"))
    return max(0, match.start(1)) if match.re.groups else match.start()


def _group(match: re.Match[str]) -> str:
    if "value" in match.re.groupindex:
        return match["value"] or ""
    return (match[1] if match.re.groups else match[0]) or ""


def _clean(value: str) -> str:
    """Strip quotes and the sentence's punctuation from a value; `.` and `..` are folders."""
    value = " ".join(value.split())[:_LONGEST]
    while len(value) > 1 and value[-1] in _CLOSERS and value not in {".", ".."} and not value.endswith("/.."):
        value = value[:-1].rstrip()
    for opening, closing in ('""', "''", "``", "“”", "\u2018\u2019", "«»"):
        if value[1:-1] and value[0] == opening and value[-1] == closing:
            return value[1:-1].strip()
    return value


def _default(parameter: Parameter, texts: Sequence[str], earlier: Mapping[str, str]) -> str | None:
    if parameter.default is None:
        return None
    wish = strip_polite(texts[0]).strip().rstrip(_CLOSERS) or texts[0]
    named = _LAST_PART.sub(lambda match: _make_suffix(earlier.get(match[1], "")), parameter.default)
    return named.replace("{request}", " ".join(wish.split()))


def _make_suffix(path: str) -> str:
    """Turn a path's last part into a word for file names, with a dash before it; `.` and the like have none."""
    last = re.split(r"[/\\]", path.rstrip("/\\"))[-1]
    word = re.sub(r"[^\w.-]+", "-", last).strip("-.")[:60]
    return f"-{word}" if word else ""


def _number_value(value: str, taken: set[str]) -> str:
    """Make a value unique by a number: `report.md` becomes `report-2.md`."""
    path = PurePosixPath(value)
    candidate, number = value, 1
    while candidate in taken:
        number += 1
        candidate = str(path.with_name(f"{path.stem}-{number}{path.suffix}")) if path.name else f"{value}-{number}"
    return candidate
