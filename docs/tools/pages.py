"""Write the parts of the documentation that the code knows better: `python docs/tools/pages.py`.

A generated part stands between `<!-- generated: NAME -->` and `<!-- /generated -->`. A test compares each with what is
made here, so that a setting or an error cannot change without its page.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from genesis import errors
from genesis.engine.observers.event_table import EVENT_TABLE
from genesis.observability.instruments import INSTRUMENTS
from genesis.resilience.taxonomy import BY_CLASS, BY_CODE
from genesis.settings import Settings

__all__ = ["PARTS", "regenerate", "write"]

_DOCS = Path(__file__).parents[1]
_PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- /generated -->)", re.DOTALL)
_TYPES = {str: "text", int: "integer", float: "number", bool: "true or false", Path: "path", SecretStr: "secret"}
_SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def settings() -> str:
    """One table a group of settings."""
    groups = {name: field for name, field in Settings.model_fields.items() if _is_group(field)}
    plain = {name: field for name, field in Settings.model_fields.items() if name not in groups}
    parts = ["## General\n", _table(plain, "GENESIS_")]
    for name, field in groups.items():
        group = field.annotation
        title = (group.__doc__ or name).strip().rstrip(".")
        parts += [f"\n## {title}\n", _table(group.model_fields, f"GENESIS_{name.upper()}__")]
    return "\n".join(parts) + "\n"


def error_tree() -> str:
    """One row a class of the error tree, parents before children."""
    rows = ["| class | code | exit code | meaning |", "|---|---|---|---|"]
    for depth, kind in _descendants(errors.GenesisError, 0):
        name = f"{'&nbsp;&nbsp;' * depth}`{kind.__name__}`"
        meaning = (kind.__doc__ or "").split("\n\n", maxsplit=1)[0]
        rows.append(f"| {name} | `{kind.code}` | {kind.exit_code} | {_cell(meaning)} |")
    return "\n".join(rows) + "\n"


def meanings() -> str:
    """One row a class of the error tree, and one a code that means something else than its class."""
    rows = ["| class or code | category | severity | again | then | counts |", "|---|---|---|---|---|---|"]
    named = {f"`{kind.__name__}`": meaning for kind, meaning in BY_CLASS.items()}
    named |= {f"`{code}`": meaning for code, meaning in sorted(BY_CODE.items())}
    for name, meaning in named.items():
        again, blames = ("yes" if each else "no" for each in (meaning.retryable, meaning.blames))
        then = meaning.recovery.replace("_", " ")
        rows.append(f"| {name} | {meaning.category} | {meaning.severity} | {again} | {then} | {blames} |")
    return "\n".join(rows) + "\n"


def events() -> str:
    """One row a kind of event."""
    rows = ["| event | when | payload | labels of the resource |", "|---|---|---|---|"]
    for kind in EVENT_TABLE:
        payload, labels = (", ".join(f"`{name}`" for name in names) for names in (kind.payload, kind.labels))
        rows.append(f"| `{kind.name}`<br>of `{kind.resource}` | {_cell(kind.when)} | {payload} | {labels} |")
    return "\n".join(rows) + "\n"


def metrics() -> str:
    """One row a metric."""
    rows = ["| metric | kind | labels | meaning |", "|---|---|---|---|"]
    for each in INSTRUMENTS:
        labels = " ".join(f"`{label}`" for label in each.labels)
        rows.append(f"| `{each.name}` | {each.kind} | {labels} | {_cell(each.help)} |")
    return "\n".join(rows) + "\n"


PARTS: dict[str, Callable[[], str]] = {
    "settings": settings,
    "errors": error_tree,
    "events": events,
    "meanings": meanings,
    "metrics": metrics,
}


def regenerate(text: str) -> str:
    """Return a page with its generated parts as they should be."""
    return _PART.sub(lambda found: f"{found[1]}{PARTS[found[2]]()}{found[3]}", text)


def write() -> list[Path]:
    """Write all pages anew, and say which changed."""
    changed = []
    for page in sorted(_DOCS.rglob("*.md")):
        old = page.read_text(encoding="utf-8")
        if (new := regenerate(old)) != old:
            page.write_text(new, encoding="utf-8")
            changed.append(page)
    return changed


def _is_group(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def _table(fields: dict[str, FieldInfo], prefix: str) -> str:
    rows = ["| variable | type | default | meaning |", "|---|---|---|---|"]
    rows += [
        f"| `{prefix}{name.upper()}` | {_type(field)} | {_default(field)} | {_cell(field.description or '')} |"
        for name, field in fields.items()
    ]
    return "\n".join(rows)


def _type(field: FieldInfo) -> str:
    kind: Any = field.annotation
    if get_origin(kind) in (Union, types.UnionType):
        kind = next(part for part in get_args(kind) if part is not type(None))
    if get_origin(kind) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(kind))
    if get_origin(kind) is dict:
        return "JSON object"
    if get_origin(kind) is tuple:
        return "JSON list"
    marks = [(mark, name) for mark in field.metadata for name in _SIGNS if hasattr(mark, name)]
    return ", ".join([_TYPES[kind], *(f"{_SIGNS[name]} {getattr(mark, name):,}" for mark, name in marks)])


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return "`~/.genesis`"  # the one default that depends on who asks
    value = field.default
    if value is None:
        return "none"
    if value == ():
        return "`[]`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _descendants(kind: type[errors.GenesisError], depth: int) -> Iterator[tuple[int, type[errors.GenesisError]]]:
    yield depth, kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from _descendants(child, depth + 1)


if __name__ == "__main__":
    for page in write():
        print(page.relative_to(_DOCS))
