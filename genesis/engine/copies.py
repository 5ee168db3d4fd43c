"""The copies of a `for_each` task while a plan runs: the values of its list, and the list of what they gave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from genesis.engine.attempts import error_info
from genesis.engine.inputs import References, read_output
from genesis.engine.run_context import RunContext
from genesis.engine.working_folder import gather_files
from genesis.errors import TaskError
from genesis.ledger.program_state import ProgramState
from genesis.model import FINISHED, KEPT, Leaf, Outcome, Program
from genesis.structure import combine_lists, count_values, find_lists, parse_variable

__all__ = ["find_forgiven", "gather_copies", "list_values", "read_references"]

_SHOWN = 3


async def read_references(session: RunContext, leaf: Leaf, outcomes: Mapping[int, Outcome]) -> References:
    """Read what the references of a leaf without an agent stand for.

    Args:
        session: The run.
        leaf: The leaf.
        outcomes: Those of the leaves that it comes after, by index.

    Raises:
        GenesisError: The ledger cannot be read.
    """
    program = session.program
    results = {
        source: await session.ledger.result(outcomes[source])
        for source in leaf.sources.values()
        if outcomes[source].state in KEPT
    }
    gathered = {source for source in results if program.leaves[source].gathers is not None}
    return References(leaf, program.values, results, gathered)


async def list_values(session: RunContext, leaf: Leaf, outcomes: Mapping[int, Outcome], room: int) -> list[JsonValue]:
    """List the values of a `for_each` task whose list is a result. A rehearsed result is no list: it is one value.

    Args:
        session: The run.
        leaf: The task.
        outcomes: Those of the leaves that it comes after, by index.
        room: How many leaves may still be added.

    Raises:
        TaskError: It is no list, or has more values than leaves may be added.
    """
    references, values = await read_references(session, leaf, outcomes), session.program.values

    def lookup(name: str) -> JsonValue:
        value = references.lookup(name)
        if name in values and name not in leaf.items:
            value = parse_variable(name, value)
        return [value] if session.rehearse is not None and not isinstance(value, list) else value

    try:
        lists = find_lists(leaf.for_each, lookup)
    except ValueError as error:
        hint = "return a list of JSON values under that key, also where it has one value or none"
        raise TaskError(f"for_each of task {leaf.path!r}: {error}", hint=hint, code="GEN-TASK-FOR-EACH") from error
    count = count_values(lists)
    if count > room:
        raise TaskError(
            f"for_each of task {leaf.path!r} has {count:,} values, and the plan has room for {room:,} more leaves",
            hint="raise GENESIS_LIMITS__LEAVES, and resume; or let the task before return a shorter list",
            code="GEN-TASK-FOR-EACH",
        )
    return combine_lists(lists)


async def gather_copies(session: RunContext, leaf: Leaf, outcomes: Mapping[int, Outcome]) -> Outcome:
    """Return the end of a `for_each` task whose copies have ended, and write it down: the list of their values.

    Raises:
        GenesisError: The ledger cannot be read or written.
    """
    try:
        return await session.record(leaf, await _gather(session, leaf, outcomes))
    except TaskError as refused:  # for example, the list is larger than a result may be
        now = session.now()
        failed = Outcome(id=leaf.path, agent=leaf.agent, state="failed", started_at=now, ended_at=now)
        return await session.record(leaf, failed.model_copy(update={"error": error_info(refused)}))


async def _gather(session: RunContext, leaf: Leaf, outcomes: Mapping[int, Outcome]) -> Outcome:
    values: list[JsonValue] = []
    failed: list[str] = []
    copies = _list_copies(session.program, leaf)
    allowing = _list_allowing(session.program, leaf)
    for name, leaves in copies.items():
        ends = [outcomes[each.index] for each in leaves]
        if all(end.state in FINISHED or end.skipped_by or allowing.intersection(_list_up(end.id)) for end in ends):
            values.append(await _read_value(session, f"{leaf.path}/{name}", leaves, outcomes))
        else:
            values.append(None)
            failed.append(name)
    if failed and (leaf.gathers == "all" or len(failed) == len(copies)):
        shown = ", ".join(failed[:_SHOWN]) + (f" and {len(failed) - _SHOWN} more" if len(failed) > _SHOWN else "")
        raise TaskError(
            f"{len(failed)} of {len(copies)} copies did not finish: {shown}",
            hint="their own errors say why",
            code="GEN-TASK-COPIES",
        )
    done = {name: leaves for name, leaves in copies.items() if name not in failed}
    files = await gather_files(session, done, outcomes)
    note = f"{len(failed)} of {len(copies)} copies did not finish, and have null in the list" if failed else ""
    now = session.now()
    ended = Outcome(id=leaf.path, agent=leaf.agent, state="completed", started_at=now, ended_at=now, result=values)
    return ended.model_copy(update={"note": note, "files": files})


def find_forgiven(state: ProgramState, outcomes: Mapping[int, Outcome]) -> set[int]:
    """Find the leaves that need not finish: those of failed copies where one that succeeds is enough, and one has."""
    leaves = state.program.leaves
    enough = {
        leaf.path
        for leaf in leaves
        if leaf.gathers == "any" and leaf.index in outcomes and outcomes[leaf.index].state in FINISHED
    }
    if not enough:
        return set()
    groups = {each.group.id: each.task for each in state.amendments if each.kind != "for_each"}
    return {leaf.index for leaf in leaves if not enough.isdisjoint(_list_around(leaf.path, groups))}


def _list_around(path: str, groups: Mapping[str, str]) -> Iterator[str]:
    """List the paths of all that is around a leaf; around a group that was added is the task that it is for."""
    while path:
        above = path.rpartition("/")[0]
        path = above or groups.get(path, "")
        if path:
            yield path


def _list_allowing(program: Program, leaf: Leaf) -> set[str]:
    """List the paths inside of the copies of a task whose failure counts for nothing by their own `allow_failure`."""
    ends = [(gate.path, gate.rule) for gate in program.gates if gate.is_end]
    rules = [*ends, *((each.path, each.rule) for each in program.leaves)]
    inside = f"{leaf.path}/"
    return {path for path, rule in rules if rule is not None and rule.allow_failure and path.startswith(inside)}


def _list_up(path: str) -> list[str]:
    return [path, *_list_around(path, {})]


def _list_copies(program: Program, leaf: Leaf) -> dict[str, list[Leaf]]:
    """List the copies of a task by id, in order, each with its leaves but those of copies inside of it."""
    start = len(leaf.path) + 1
    inside = [each for each in program.leaves if each.path.startswith(f"{leaf.path}/")]
    gathers = {each.path for each in inside if each.gathers is not None}
    copies: dict[str, list[Leaf]] = {}
    for each in inside:
        if gathers.isdisjoint(_list_around(each.path, {})):
            copies.setdefault(each.path[start:].partition("/")[0], []).append(each)
    return copies


async def _read_value(session: RunContext, path: str, leaves: list[Leaf], outcomes: Mapping[int, Outcome]) -> JsonValue:
    """Read the value of a copy: the result of its one leaf, else what its leaves promise, by name.

    What a leaf promises that did not run, or failed where that is allowed, is null; so is a copy of which nothing ran.
    """
    if not any(outcomes[leaf.index].state in FINISHED for leaf in leaves):
        return None
    if len(leaves) == 1 and leaves[0].path == path:
        return await session.ledger.result(outcomes[leaves[0].index])
    found: dict[str, JsonValue] = {}
    promised = [name for leaf in leaves for name in leaf.outputs]
    for leaf in leaves:
        names = [name for name in leaf.outputs if promised.count(name) == 1]
        if not names and promised:
            continue
        if outcomes[leaf.index].state not in FINISHED:
            found |= dict.fromkeys(names if promised else [leaf.path[len(path) + 1 :]])
            continue
        result = await session.ledger.result(outcomes[leaf.index])
        if promised:
            gathered = leaf.gathers is not None
            found |= {name: read_output(leaf.path, name, name, result, is_gathered=gathered) for name in names}
        else:
            found[leaf.path[len(path) + 1 :]] = result
    return next(iter(found.values())) if len(found) == 1 and not promised else found
