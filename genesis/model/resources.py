"""Processors, memory, GPUs and tags: what a task needs, and what an agent or a machine offers."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from genesis.model.base import Model, Text

__all__ = ["Memory", "Resources", "find_lacking", "format_memory"]

_UNITS = {
    **{name: 1024**power for power, name in enumerate(("Ki", "Mi", "Gi", "Ti"), 1)},
    **{name: 1000**power for power, name in enumerate(("k", "M", "G", "T"), 1)},
}
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*(?:(Ki|Mi|Gi|Ti|k|K|M|G|T)?B?)")
_MOST_BYTES = 2**60
_PATTERN = r"^\d+(\.\d+)?\s*((Ki|Mi|Gi|Ti|k|K|M|G|T)?B?)$"


def _parse_memory(value: Any) -> Any:
    """Parse an amount of memory such as `512Mi` or `2GB`; a number is bytes.

    Raises:
        ValueError: It has another form, or is less than a byte or more than an exbibyte.
    """
    if isinstance(value, str):
        match = _MEMORY.fullmatch(value.strip())
        if match is None:
            raise ValueError(
                f"{value[:40]!r} is no amount of memory; write bytes, or a number with Ki, Mi, Gi, Ti (powers of 1024) "
                "or kB, MB, GB, TB (powers of 1000)"
            )
        factor = _UNITS.get("k" if match[2] == "K" else match[2], 1)
        value = (float(match[1]) if "." in match[1] else int(match[1])) * factor
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("an amount of memory is a number of bytes, or a text such as 512Mi")  # noqa: TRY004 (pydantic's)
    if not 1 <= value <= _MOST_BYTES:
        raise ValueError("an amount of memory is at least one byte, and at most 1,048,576 Ti")
    return int(value)


def format_memory(amount: int) -> str:
    """Format bytes in the largest unit that makes them a whole number, for example `512Mi`."""
    units = sorted(_UNITS, key=lambda unit: -_UNITS[unit])
    unit = next((unit for unit in units if amount % _UNITS[unit] == 0), "")
    return f"{amount // _UNITS.get(unit, 1)}{unit}"


Memory = Annotated[
    int,
    BeforeValidator(_parse_memory),
    PlainSerializer(format_memory, return_type=str, when_used="json"),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": _PATTERN}]}),
]
"""Bytes; in a document also a text with a unit."""


class Resources(Model):
    """What a task needs while it runs; or what an agent offers all of its running tasks together."""

    cpu: Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)] | None = None
    """Processors, also parts of one. Without it a task needs none, and an agent has no limit."""
    memory: Memory | None = None
    """Bytes, or a text such as `512Mi` or `2GB`. Without it a task needs none, and an agent has no limit."""
    gpu: Annotated[int, Field(ge=0, le=100_000)] = 0
    """Number of GPUs."""
    tags: tuple[Text, ...] = ()
    """What else the agent must have, such as `linux` or `licence-x`: names that are compared as they are written."""


def find_lacking(needs: Resources | None, offer: Resources | None) -> list[str]:
    """Describe what an agent lacks to run a task; empty where it can.

    Args:
        needs: What the task needs.
        offer: What the agent offers; None if it states nothing: then it has neither GPUs nor tags.
    """
    if needs is None:
        return []
    offer = offer or Resources()
    found = []
    if needs.cpu is not None and offer.cpu is not None and needs.cpu > offer.cpu:
        found.append(f"cpu {needs.cpu:g} (it has {offer.cpu:g})")
    if needs.memory is not None and offer.memory is not None and needs.memory > offer.memory:
        found.append(f"memory {format_memory(needs.memory)} (it has {format_memory(offer.memory)})")
    if needs.gpu > offer.gpu:
        found.append(f"gpu {needs.gpu} (it has {offer.gpu})")
    return found + [f"the tag {tag!r}" for tag in dict.fromkeys(needs.tags) if tag not in offer.tags]
