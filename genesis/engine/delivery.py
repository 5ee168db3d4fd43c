"""Take in the result of a work order, which a person hands in while nothing of the run runs, or while it does."""

from __future__ import annotations

import asyncio
import json
import secrets
import shlex
from collections.abc import Mapping
from typing import NoReturn

from pydantic import JsonValue

from genesis.agents.output_values import find_mismatch
from genesis.agents.values import plain, wrap_bare_value
from genesis.document import close_matches
from genesis.engine.inputs import missing_outputs
from genesis.engine.limits import DELIVERY_WAIT_S
from genesis.errors import UsageError
from genesis.ledger import Ledger
from genesis.ledger.history import find_run, load_program_state, run_lock
from genesis.model import Handover, Leaf, Outcome, Program
from genesis.model.run import utc_now
from genesis.model.scalars import canonical
from genesis.settings import Settings

__all__ = ["can_continue", "deliver", "find_leaf", "is_worked_on"]

_SURE_S = 3.0
"""A process that works on the run looks for deliveries every second, and once more before the run ends."""
_PATIENCE_S = 60.0
"""How long a delivery waits for a process that holds the run's lock."""
_NAMED = 5
"""Work orders that an error message names."""


async def deliver(run_id: str, task: str, value: object, *, by: str, settings: Settings) -> Outcome:
    """Write the result of a work order into the run's ledger. The run does not continue by this.

    Args:
        run_id: The run.
        task: Path of the leaf.
        value: Its result: a mapping with the promised outputs, or where at most one is promised, any value.
        by: Who delivers it.
        settings: Where the ledger is.

    Returns:
        The leaf's outcome from now on.

    Raises:
        UsageError: There is no such run or task, it has no work order, its result was delivered before, or the result
            lacks a promised output or does not fit its schema.
        TaskError: The result has no JSON form, or is too large to be kept.
        RunError: The run's ledger is damaged.
    """
    ledger, header = await find_run(run_id, settings)
    program = (await load_program_state(ledger, header, settings)).program
    leaf = find_leaf(program, task, run_id)
    briefed = await _read_briefed_outcome(ledger, leaf)
    result = wrap_bare_value(plain(value, source=f"the delivery of {leaf.path}"), leaf.outputs)
    _expect_outputs(leaf, result)
    now = utc_now()
    update = {"state": "completed", "result": result, "ended_at": now, "delivered": Handover(by=by, at=now)}
    return await ledger.deliver(leaf, briefed.model_copy(update=update), secrets.token_hex(4))


def find_leaf(program: Program, task: str, run_id: str) -> Leaf:
    """Find the leaf with this path, however its characters are composed.

    Raises:
        UsageError: There is none.
    """
    by_path, task = {leaf.path: leaf for leaf in program.leaves}, canonical(task)
    found = by_path.get(task)
    if found is not None:
        return found
    inside = [path for path in by_path if path.startswith(f"{task}/")]
    if inside:
        named = ", ".join(inside[:_NAMED]) + (f" and {len(inside) - _NAMED} more" if len(inside) > _NAMED else "")
        raise UsageError(f"{task!r} of run {run_id!r} is a group of tasks", hint=f"name one of them: {named}")
    ends = [path for path in by_path if path.rpartition("/")[2] == task]
    hint = f"did you mean {ends[0]!r}?" if len(ends) == 1 else close_matches(task, by_path)
    raise UsageError(
        f"run {run_id!r} has no task {task!r}",
        hint=hint or f"its tasks: genesis runs show {run_id}",
        code="GEN-TASK-UNKNOWN",
    )


async def _read_briefed_outcome(ledger: Ledger, leaf: Leaf) -> Outcome:
    """Read the outcome of a leaf whose work order is out.

    Raises:
        UsageError: It is in another state.
    """
    outcome = await ledger.outcome(leaf)
    if outcome is None:
        _refuse(ledger, leaf, "it has no work order yet")
    if outcome.delivered is not None:
        handed = outcome.delivered
        _refuse(ledger, leaf, f"its result was delivered before, by {handed.by} at {handed.at:%Y-%m-%d %H:%M} UTC")
    if outcome.state != "briefed":
        _refuse(ledger, leaf, f"it is {outcome.state.replace('_', ' ')}, and no work order of it is out")
    return outcome


def _refuse(ledger: Ledger, leaf: Leaf, why: str) -> NoReturn:
    raise UsageError(
        f"nothing can be delivered for task {leaf.path!r} of run {ledger.run_id!r}: {why}",
        hint=shlex.join(["genesis", "runs", "show", ledger.run_id, "--task", leaf.path]),
        code="GEN-DELIVERY",
    )


def _expect_outputs(leaf: Leaf, result: JsonValue) -> None:
    missing = missing_outputs(leaf, result)
    if not missing:
        if (mismatch := find_mismatch(leaf.schemas, result)) is not None:
            raise UsageError(
                f"the result of {leaf.path!r} does not fit what the task promises: {mismatch}",
                hint=f"its schema: {json.dumps(leaf.schemas[mismatch.output])}",
                code="GEN-DELIVERY",
            )
        return
    has = f"; it has {', '.join(map(repr, result)) or 'nothing'}" if isinstance(result, dict) else ""
    example = ", ".join(f'"{name}": …' for name in leaf.outputs)
    raise UsageError(
        f"the result of {leaf.path!r} lacks {', '.join(map(repr, missing))}, which the task promises{has}",
        hint=f"deliver a JSON object with all of them: {{{example}}}",
        code="GEN-DELIVERY",
    )


def can_continue(program: Program, known: Mapping[int, Outcome]) -> bool:
    """Whether a run whose work orders are out has something to do: a task that could start, or only its own end."""
    finished = {index for index, outcome in known.items() if outcome.is_settled}
    if len(finished) == len(program.leaves):
        return True
    briefed = {index for index, outcome in known.items() if outcome.state == "briefed"}
    left = [leaf for leaf in program.leaves if leaf.index not in finished | briefed]
    return any(finished.issuperset(leaf.after) for leaf in left)


async def is_worked_on(ledger: Ledger, settings: Settings) -> bool:
    """Whether a process works on a run and takes up what was delivered; one that is about to end is waited for."""
    running_s = waited_s = 0.0
    while run_lock(ledger, settings).held_elsewhere and waited_s < _PATIENCE_S:
        run = await ledger.load()
        running_s = running_s + DELIVERY_WAIT_S if run is not None and run.state == "running" else 0.0
        if running_s > _SURE_S:
            return True
        await asyncio.sleep(DELIVERY_WAIT_S)
        waited_s += DELIVERY_WAIT_S
    return run_lock(ledger, settings).held_elsewhere
