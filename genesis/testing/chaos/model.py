"""A language model that misbehaves now and then: a script for `FakeLlmServer`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from genesis.testing.chaos.faults import Fault, FaultKind, Faults
from genesis.testing.llm_server import ServerStep, hang_up, html, slow, status, truncate

__all__ = ["misbehaving"]

_KINDS: tuple[FaultKind, ...] = ("error", "delay", "hang", "garbage", "partial", "duplicate", "disconnect")


def misbehaving(
    faults: Faults, then: ServerStep | Callable[[dict[str, Any]], ServerStep]
) -> Callable[[dict[str, Any]], ServerStep]:
    """Make a script that goes wrong as models and their services do.

    `error` is a status of 500 or 503, `garbage` a page instead of an answer, `partial` an object that breaks off,
    `duplicate` an answer that comes twice in one, `disconnect` a line that is closed without an answer.

    Args:
        faults: Decides; a call's key is a digest of its last message.
        then: The answer of a call that goes well, or a function of the request's body.
    """

    def step(body: dict[str, Any]) -> ServerStep:
        said = json.dumps(body.get("messages", [])[-1:], sort_keys=True, default=str)
        fault = faults.draw("model", hashlib.blake2b(said.encode(), digest_size=6).hexdigest(), _KINDS)
        good = then(body) if callable(then) else then
        return good if fault is None else _wrong(fault, faults, good)

    return step


def _wrong(fault: Fault, faults: Faults, good: ServerStep) -> ServerStep:
    match fault.kind:
        case "error":
            return status(500 if fault.amount < 0.5 else 503, str(fault))  # noqa: PLR2004  # one half each
        case "delay":
            return slow(fault.amount * faults.delay_s, good)
        case "hang":
            return slow(faults.hang_s, good)
        case "garbage":
            return html()
        case "partial":
            return truncate()
        case "duplicate":
            return replace(good, text=good.text * 2) if isinstance(good.text, str) else good
        case _:
            return hang_up()
