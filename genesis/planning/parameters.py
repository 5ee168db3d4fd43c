"""Take a playbook's parameters from the words of a request."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from genesis.planning.playbook import Parameter, Playbook
from genesis.planning.words import strip_polite

__all__ = ["Values", "Variables"]

_CLOSERS = ".,;:!?"
_LONGEST = 1_000


@dataclass(slots=True)
class Values:
    """The parameters of one use of a playbook."""

    values: dict[str, str] = field(default_factory=dict)
    """Value by parameter."""
    names: dict[str, str] = field(default_factory=dict)
    """The plan's variable by parameter."""
    missing: list[str] = field(default_factory=list)
    """Parameters without a default that the request does not say."""


@dataclass(slots=True)
class Variables:
    """The variables of a plan that is being made of playbooks."""

    given: Mapping[str, str]
    """Variables that the person gave; they win."""
    made: dict[str, str] = field(default_factory=dict)

    def take(self, playbook: Playbook, texts: Sequence[str]) -> Values:
        """Find the parameters of a use of a playbook and give each a variable of its own where uses differ.

        Args:
            playbook: The playbook.
            texts: Where to look, the most telling text first.
        """
        result = Values()
        for parameter in playbook.parameters:
            name = parameter.name
            if name in self.given:
                result.values[name], result.names[name] = self.given[name], name
                continue
            found = _said(parameter, texts)
            value = _default(parameter, texts) if found is None else found
            if value is None:
                result.missing.append(name)
                continue
            result.values[name], result.names[name] = self._claim(parameter, value)
        return result

    def keep(self, values: Values) -> None:
        """Make a use's variables the plan's."""
        for parameter, name in values.names.items():
            self.made[name] = values.values[parameter]

    def _claim(self, parameter: Parameter, value: str) -> tuple[str, str]:
        name, number = parameter.name, 1
        while name in self.made and (parameter.distinct or self.made[name] != value):
            number += 1
            name = f"{parameter.name}_{number}"
        if parameter.distinct:
            value = _numbered(value, {self.made[key] for key in self.made})
        return value, name


def _said(parameter: Parameter, texts: Sequence[str]) -> str | None:
    for text in texts:
        for pattern in parameter.patterns:
            for match in re.finditer(pattern, text, re.IGNORECASE):
                if value := _clean(_group(match)):
                    return value
    return None


def _group(match: re.Match[str]) -> str:
    if "value" in match.re.groupindex:
        return match["value"] or ""
    return (match[1] if match.re.groups else match[0]) or ""


def _clean(value: str) -> str:
    """Take quotes and the sentence's own punctuation off a value; `.` and `..` are folders."""
    value = " ".join(value.split())[:_LONGEST]
    while len(value) > 1 and value[-1] in _CLOSERS and value not in {".", ".."} and not value.endswith("/.."):
        value = value[:-1].rstrip()
    for opening, closing in ('""', "''", "``", "“”", "‘’", "«»"):
        if len(value) > 2 and value[0] == opening and value[-1] == closing:
            return value[1:-1].strip()
    return value


def _default(parameter: Parameter, texts: Sequence[str]) -> str | None:
    if parameter.default is None:
        return None
    wish = strip_polite(texts[0]).strip().rstrip(_CLOSERS) or texts[0]
    return parameter.default.replace("{request}", " ".join(wish.split()))


def _numbered(value: str, taken: set[str]) -> str:
    """Make a value new by a number: `report.md` becomes `report-2.md`."""
    path = PurePosixPath(value)
    candidate, number = value, 1
    while candidate in taken:
        number += 1
        candidate = str(path.with_name(f"{path.stem}-{number}{path.suffix}")) if path.name else f"{value}-{number}"
    return candidate
