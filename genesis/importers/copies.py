"""Read the values of a loop that the file has as literals. What `for_each` cannot say exactly is refused."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

from genesis.importers.limits import MOST_STEPS
from genesis.importers.workflow import Loop, WorkflowParameter
from genesis.model.scalars import restore_text
from genesis.security.redact import redact
from genesis.structure.for_each import ITEM, is_item_name

__all__ = ["find_item_names", "read_copies"]

_KEY = re.compile(r"[A-Za-z_][\w\-]*", re.ASCII)
_TYPED = re.compile(r"[-+]?\.(inf|nan)|[-+]?0[xob][0-9a-f_]+|~|y|n|yes|no|on|off", re.ASCII | re.IGNORECASE)
"""Texts that some readers of YAML take for numbers, truth values or nothing, if they are not quoted."""
_LARGEST = 10**15
"""Whole numbers from here on have an exponent in some systems."""
_EVALUATED = ("{{", "{%", "{#", "$(", "${", "\0")
"""What a system may evaluate in a text; no program takes NUL."""


def read_copies(values: Any, parameters: Iterable[WorkflowParameter], max_parallel: Any = None) -> Loop | None:
    """Return the copies that a loop makes; None where they are not known exactly before it runs.

    Args:
        values: A list of scalars or of maps of scalars, or a map of lists of scalars.
        parameters: Those of the workflow. None may have the name of a copy's value or position.
        max_parallel: How many copies run at once: a whole number, or None for all.
    """
    if max_parallel is not None and not (type(max_parallel) is int and max_parallel >= 1):
        return None
    if any(is_item_name(each.name) for each in parameters):
        return None
    if isinstance(values, dict):
        lists = [each for key, each in values.items() if _is_key(key) and isinstance(each, list)]
        items = [item for each in lists for item in each]
        is_known = len(lists) == len(values) and all(map(_is_exact, items))
        count = math.prod(map(len, lists)) if lists else 0
    else:
        items = values if isinstance(values, list) else []
        is_known = all(_is_exact_map(each) if isinstance(each, dict) else _is_exact(each) for each in items)
        count = len(items)
    return Loop(values, max_parallel) if is_known and 0 < count <= MOST_STEPS else None


def find_item_names(copies: Loop | None) -> frozenset[str]:
    """List the names of values that a program can take as an argument: of all copies, and read as no option.

    These are `item` where the values are scalars, else `item.key` for each key that all of them have.
    """
    if copies is None:
        return frozenset()
    if isinstance(copies.values, dict):
        lists = {f"{ITEM}.{key}": values for key, values in copies.values.items()}
    elif not any(isinstance(each, dict) for each in copies.values):
        lists = {ITEM: copies.values}
    else:
        maps = [each if isinstance(each, dict) else {} for each in copies.values]
        common = set(maps[0]).intersection(*maps)
        lists = {f"{ITEM}.{key}": [each[key] for each in maps] for key in common}
    return frozenset(name for name, values in lists.items() if not any(map(_is_option, values)))


def _is_option(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("-")


def _is_key(key: object) -> bool:
    return isinstance(key, str) and _KEY.fullmatch(key) is not None


def _is_exact_map(value: dict[Any, Any]) -> bool:
    return all(_is_key(key) and _is_exact(each) for key, each in value.items())


def _is_exact(value: Any) -> bool:
    """Whether a scalar is the same text in all systems: `3.10` is the text `3.1` in some, and `3.10` in others."""
    if type(value) is str:
        is_plain = value.isascii() or value.isprintable()
        is_plain = is_plain and _TYPED.fullmatch(value) is None
        return is_plain and redact(value) == value and not any(each in value for each in _EVALUATED)
    if type(value) is float:
        return math.isfinite(value) and f"{value:.15g}" == restore_text(value)
    return type(value) is bool or (type(value) is int and abs(value) < _LARGEST)
