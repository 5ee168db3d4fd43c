"""One run's ledger: a header with the plan, then one record a leaf, written before the leaf is final.

```
genesis/<run id>/run.json             header: plan with routes, registry, options
genesis/<run id>/leaves/00012-….json  one final leaf: its outcome and fingerprint
genesis/<run id>/results/00012-….json a result too large for the record
genesis/<run id>/attempts/00012-…/<token>.json  what a worker's attempt came to, until the orchestrator adopts it
genesis/<run id>/lanes/<flow run>/0001.json  an order of further leaves for a flow run; state.json is its answer
genesis/<run id>/deliveries/00012-….json  what a person handed in for a leaf; written once, and counts before its record
genesis/<run id>/mutexes/00012-….json  the lease of a leaf's mutex, so that the next execution continues it
genesis/<run id>/amendments/0001.json  a change of the plan while it ran, whole
genesis/<run id>/waits/00012-….json   when a leaf began to wait
genesis/<run id>/owner.json           which flow run orchestrates
genesis/<run id>/suspended.json       whether workers are to begin no leaf for now
genesis/<run id>/state.json           the run's last known state
genesis/<run id>/moments.json         what happened besides the leaves' outcomes; written when the run ends
genesis/<run id>/files/…              what agents leave: briefs, logs
genesis/<run id>/.reserve             space for the last records of a run whose disk is full
```
A record that is missing, cut off or not of this leaf counts as not written: the leaf runs again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import JsonValue, ValidationError

from genesis.errors import ResourceError, RunError, ServiceError, TaskError, UsageError
from genesis.foreign import encodable
from genesis.ledger.records import (
    Header,
    LaneOrder,
    LaneState,
    LeafRecord,
    Moments,
    Owner,
    leaf_name,
    parse_amendments,
    parse_header,
)
from genesis.ledger.reserve import Reserve
from genesis.ledger.store import ROOT, FolderStore, LedgerStore, is_run_id
from genesis.model import Amendment, Leaf, Outcome, Run
from genesis.model.scalars import plain_value
from genesis.structure import copy_json

__all__ = ["Ledger", "find_kept", "is_done", "with_allowance"]

_NO_SPACE = ("ENOSPC", "EDQUOT")
_PAUSES_S = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Between tries to write while the machine is short of open files or memory, or the storage does not answer."""


class Ledger:
    """The ledger of one run."""

    def __init__(self, store: LedgerStore, run_id: str, *, inline_bytes: int = 65_536, most_bytes: int = 50_000_000):
        if not is_run_id(run_id):
            raise UsageError(f"{run_id!r} is not a run id", hint="run: genesis runs")
        self.store = store
        self.run_id = run_id
        self._inline_bytes = inline_bytes
        self._most_bytes = most_bytes
        self.reserve = Reserve(self.folder)
        self.full: ResourceError | None = None
        """What a write has said that found no space, where giving up the reserve has helped."""

    @property
    def folder(self) -> Path | None:
        """The run's folder on this machine; None in a remote storage."""
        return self.store.root / ROOT / self.run_id if isinstance(self.store, FolderStore) else None

    async def begin(self, header: Header) -> None:
        """Write the header. From then on the run exists."""
        await self._write("run.json", header.model_dump(mode="json", by_alias=True, exclude_none=True))

    async def exists(self) -> bool:
        """Whether the run has begun."""
        return await self.store.read(self._name("run.json")) is not None

    async def header(self) -> Header:
        """Read the header.

        Raises:
            UsageError: There is no such run.
            RunError: The header is damaged.
        """
        return parse_header(self.run_id, await self.header_bytes())

    async def header_bytes(self) -> bytes:
        """Read the header as it is stored.

        Raises:
            UsageError: There is no such run.
        """
        raw = await self.store.read(self._name("run.json"))
        if raw is None:
            raise UsageError(
                f"there is no run {self.run_id!r} in {self.store.url(ROOT)}",
                hint="run: genesis runs",
                code="GEN-RUN-UNKNOWN",
            )
        return raw

    async def amend(self, amendment: Amendment) -> None:
        """Write a change of the plan. From then on the run has it, whole."""
        await self._write(_amendment_name(amendment.number), amendment.model_dump(mode="json", exclude_none=True))

    async def amendments(self) -> tuple[Amendment, ...]:
        """Read all changes of the plan, in their order.

        Raises:
            RunError: One is damaged, or was written by another version of Genesis.
        """
        return parse_amendments(self.run_id, await self.amendments_bytes())

    async def amendments_bytes(self) -> tuple[bytes, ...]:
        """Read all changes of the plan as they are stored."""
        found: list[bytes] = []
        while (raw := await self.store.read(self._name(_amendment_name(len(found) + 1)))) is not None:
            found.append(raw)
        return tuple(found)

    async def record(self, leaf: Leaf, outcome: Outcome) -> Outcome:
        """Write a leaf's final outcome; a large result goes beside it.

        Returns:
            The outcome as it was written: with `result_ref` in place of a large `result`.

        Raises:
            TaskError: The result is too large to be kept.
        """
        outcome = await self._large_result_aside(leaf_name(leaf), with_allowance(leaf, outcome))
        await self._write_record(f"leaves/{leaf_name(leaf)}.json", leaf, outcome)
        return outcome

    async def record_attempt(self, leaf: Leaf, outcome: Outcome, token: str) -> Outcome:
        """Write what a worker's attempt came to. It counts once the orchestrator adopts it.

        Args:
            leaf: The leaf.
            outcome: What the attempt came to, final.
            token: Tells this attempt from all others: the id of its flow run.

        Returns:
            The outcome as it was written: with `result_ref` in place of a large `result`.
        """
        outcome = await self._large_result_aside(f"{leaf_name(leaf)}.{token}", with_allowance(leaf, outcome))
        await self._write_record(_attempt_name(leaf, token), leaf, outcome)
        return outcome

    async def attempt(self, leaf: Leaf, token: str) -> Outcome | None:
        """Read what an attempt came to; None where no whole record of it is there."""
        return await self._read_record(_attempt_name(leaf, token), leaf)

    async def read_attempts(self, leaves: Sequence[Leaf]) -> list[tuple[Leaf, Outcome]]:
        """Read what all attempts came to; nothing from a storage that cannot list."""
        tried = set(await self.store.names(self._name("attempts")) or ())
        found: list[tuple[Leaf, Outcome]] = []
        for leaf in leaves:
            name = leaf_name(leaf)
            tokens = await self.store.names(self._name(f"attempts/{name}")) if name in tried else None
            for token in tokens or ():
                outcome = await self.attempt(leaf, token.removesuffix(".json"))
                found += [(leaf, outcome)] if outcome is not None else []
        return found

    async def adopt(self, leaf: Leaf, outcome: Outcome) -> Outcome:
        """Make the outcome of an attempt the leaf's own. Only the run's orchestrator may."""
        outcome = with_allowance(leaf, outcome)
        await self._write_record(f"leaves/{leaf_name(leaf)}.json", leaf, outcome)
        return outcome

    async def outcome(self, leaf: Leaf) -> Outcome | None:
        """Read a leaf's outcome; None where no whole record of this very leaf is there."""
        delivered = await self._read_record(_delivery_name(leaf), leaf)
        return delivered or await self._read_record(f"leaves/{leaf_name(leaf)}.json", leaf)

    async def deliver(self, leaf: Leaf, outcome: Outcome, token: str) -> Outcome:
        """Write what a person hands in for a leaf, once: it is a file of its own, which no other writer touches.

        Args:
            leaf: The leaf.
            outcome: Completed, with its result.
            token: Tells this call from all others.

        Returns:
            The outcome as it was written: with `result_ref` in place of a large `result`.

        Raises:
            TaskError: The result is too large to be kept.
            UsageError: A result was delivered before.
        """
        outcome = await self._large_result_aside(f"{leaf_name(leaf)}.{token}", outcome)
        record = LeafRecord(fingerprint=leaf.fingerprint, outcome=outcome)
        if not await self.store.create(self._name(_delivery_name(leaf)), record.model_dump_json().encode()):
            raise UsageError(
                f"a result of {leaf.path!r} of run {self.run_id!r} was delivered before",
                hint=f"it stands: genesis runs show {self.run_id} --task {leaf.path}",
                code="GEN-DELIVERY",
            )
        return outcome

    async def deliveries(self, leaves: Iterable[Leaf]) -> dict[int, Outcome]:
        """Read what people have handed in for some leaves, by index."""
        names = await self.store.names(self._name("deliveries"))
        found: dict[int, Outcome] = {}
        for leaf in leaves:
            if names is not None and f"{leaf_name(leaf)}.json" not in names:
                continue
            outcome = await self._read_record(_delivery_name(leaf), leaf)
            if outcome is not None:
                found[leaf.index] = outcome
        return found

    async def begin_wait(self, leaf: Leaf, now: datetime) -> datetime:
        """Write when a leaf begins to wait, and return that time: the first one, until the wait has ended.

        A wait that is done again after it has failed begins anew.
        """
        began, ended = await self._read_wait(leaf), await self.outcome(leaf)
        if began is not None and (ended is None or ended.started_at != began):
            return began
        outcome = Outcome(id=leaf.path, agent=leaf.agent, state="running", started_at=now)
        await self._write_record(_wait_name(leaf), leaf, outcome)
        return now

    async def _read_wait(self, leaf: Leaf) -> datetime | None:
        record = await self._read_record(_wait_name(leaf), leaf)
        return None if record is None else record.started_at

    async def _large_result_aside(self, name: str, outcome: Outcome) -> Outcome:
        result = json.dumps(outcome.result, ensure_ascii=False, separators=(",", ":"))
        if len(result) <= self._inline_bytes:
            return outcome
        if len(result) > self._most_bytes:
            size = f"{len(result):,} characters, and at most {self._most_bytes:,} are kept"
            raise TaskError(
                f"the result of {outcome.id!r} has {size}",
                hint="leave it in a file and return the path, or raise GENESIS_LIMITS__RESULT_BYTES",
                code="GEN-TASK-RESULT-SIZE",
            )
        reference = f"results/{name}.json"
        await self._put(reference, result.encode("utf-8", "surrogatepass"))
        return outcome.model_copy(update={"result": None, "result_ref": reference})

    async def _write_record(self, name: str, leaf: Leaf, outcome: Outcome) -> None:
        record = LeafRecord(fingerprint=leaf.fingerprint, outcome=outcome)
        await self._put(name, record.model_dump_json().encode())

    async def _read_record(self, name: str, leaf: Leaf) -> Outcome | None:
        raw = await self.store.read(self._name(name))
        if raw is None:
            return None
        try:
            record = LeafRecord.model_validate_json(raw)
        except ValidationError:
            return None
        return record.outcome if record.fingerprint == leaf.fingerprint else None

    async def read_finished(self, leaves: tuple[Leaf, ...]) -> dict[int, Outcome]:
        """Read the outcomes of all leaves that a resume keeps, by index."""
        return find_kept(leaves, await self.read_outcomes(leaves))

    async def read_outcomes(self, leaves: tuple[Leaf, ...]) -> dict[int, Outcome]:
        """Read the outcomes of all leaves that have one, failed ones as well, by index."""
        listed = await self.store.names(self._name("leaves"))
        names = None if listed is None else set(listed)
        found = await self.deliveries(leaves)
        for leaf in leaves:
            if leaf.index in found or (names is not None and f"{leaf_name(leaf)}.json" not in names):
                continue
            outcome = await self._read_record(f"leaves/{leaf_name(leaf)}.json", leaf)
            if outcome is not None:
                found[leaf.index] = outcome
        return found

    async def result(self, outcome: Outcome) -> JsonValue:
        """Return a copy of a leaf's result, from beside the record where it is large: its reader may change it.

        Raises:
            RunError: The result has gone, or is damaged.
        """
        if outcome.result_ref is None:
            return copy_json(outcome.result)
        raw = await self.store.read(self._name(outcome.result_ref))
        if raw is None:
            raise RunError(f"the result of {outcome.id!r} has gone from {self.store.url(self._name(''))}")
        try:
            value: JsonValue = plain_value(json.loads(raw))
        except (ValueError, RecursionError) as error:
            where = self.store.url(self._name(outcome.result_ref))
            raise RunError(f"the result of {outcome.id!r} is damaged: {where}: {error}") from error
        return value

    async def result_start(self, outcome: Outcome, most: int) -> str:
        """Return the first characters of a result that is kept beside the record; nothing where it has gone.

        Args:
            outcome: Of the leaf.
            most: Characters at most.
        """
        raw = await self.store.read(self._name(outcome.result_ref)) if outcome.result_ref is not None else None
        return "" if raw is None else raw[: 4 * most].decode("utf-8", "replace")[:most]

    async def order(self, token: str, number: int, order: LaneOrder) -> None:
        """Write an order for a flow run. Only the run's orchestrator may.

        Args:
            token: The flow run's id.
            number: Number of the order, from 1.
            order: Its further leaves, or that it is to end.
        """
        await self._write(_order_name(token, number), order.model_dump(mode="json"))

    async def read_order(self, token: str, number: int) -> LaneOrder | None:
        """Read an order for a flow run; None where no whole one of that number is there."""
        raw = await self.store.read(self._name(_order_name(token, number)))
        try:
            return LaneOrder.model_validate_json(raw) if raw is not None else None
        except ValidationError:
            return None

    async def answer(self, token: str, state: LaneState) -> None:
        """Write what a flow run says of the orders for it. Only the flow run itself may."""
        await self._write(f"lanes/{token}/state.json", state.model_dump(mode="json"))

    async def read_lane_state(self, token: str) -> LaneState | None:
        """Read what a flow run says of the orders for it; None where it takes none, or has not come to that yet."""
        raw = await self.store.read(self._name(f"lanes/{token}/state.json"))
        try:
            return LaneState.model_validate_json(raw) if raw is not None else None
        except ValidationError:
            return None

    async def write_mutex(self, leaf: Leaf, lease: str) -> None:
        """Write the id of the lease of a leaf's mutex. Only the run's orchestrator may."""
        await self._write(f"mutexes/{leaf_name(leaf)}.json", lease)

    async def read_mutex(self, leaf: Leaf) -> str | None:
        """Read the id of the lease that a leaf's mutex had last; None where none is known."""
        raw = await self.store.read(self._name(f"mutexes/{leaf_name(leaf)}.json"))
        try:
            return None if raw is None else str(UUID(json.loads(raw)))
        except (ValueError, TypeError, AttributeError):
            return None

    async def suspend(self, *, suspended: bool) -> None:
        """Note whether workers are to begin no leaf for now."""
        if suspended or await self.is_suspended():
            await self._write("suspended.json", suspended)

    async def is_suspended(self) -> bool:
        """Whether workers are to begin no leaf for now."""
        return await self.store.read(self._name("suspended.json")) == b"true"

    async def take_over(self, owner: Owner) -> None:
        """Note which flow run orchestrates from now on."""
        await self._write("owner.json", owner.model_dump(mode="json"))

    async def owner(self) -> Owner | None:
        """Return which flow run orchestrates; None where none is noted, or the note cannot be read."""
        raw = await self.store.read(self._name("owner.json"))
        try:
            return Owner.model_validate_json(raw) if raw is not None else None
        except ValidationError:
            return None

    async def save(self, run: Run) -> None:
        """Write the run's state."""
        await self._write("state.json", run.model_dump(mode="json"))

    async def load(self) -> Run | None:
        """Read the run's last written state."""
        raw = await self.store.read(self._name("state.json"))
        try:
            return Run.model_validate_json(raw) if raw is not None else None
        except ValidationError:
            return None

    async def has_state(self) -> bool:
        """Whether a state was ever written, be it readable or not."""
        return await self.store.read(self._name("state.json")) is not None

    async def write_moments(self, moments: Moments) -> None:
        """Write what happened in the run besides its leaves' outcomes."""
        await self._write("moments.json", moments.model_dump(mode="json"))

    async def moments(self) -> Moments:
        """Read what happened in the run besides its leaves' outcomes; none where nothing readable is there."""
        raw = await self.store.read(self._name("moments.json"))
        try:
            return Moments.model_validate_json(raw) if raw is not None else Moments()
        except ValidationError:
            return Moments()

    def where(self, name: str = "") -> str:
        """Describe where a part of the ledger is."""
        return self.store.url(self._name(name))

    def _name(self, name: str) -> str:
        return f"{ROOT}/{self.run_id}/{name}" if name else f"{ROOT}/{self.run_id}"

    async def _write(self, name: str, value: Any) -> None:
        await self._put(name, json.dumps(encodable(value), ensure_ascii=True, indent=1).encode("ascii"))

    async def _put(self, name: str, data: bytes) -> None:
        """Write, if need be in the place of the reserve, or once what is short or away is there again.

        Raises:
            ResourceError: The machine does not take it. It is not to be repeated: the work would be done twice.
            ServiceError: The storage does not; neither is this.
        """
        for pause_s in (*_PAUSES_S, None):
            try:
                await self.store.write(self._name(name), data)
            except (ResourceError, ServiceError) as error:
                error.data["retry"] = False
                passes = isinstance(error, ServiceError) or error.code == "GEN-RESOURCE-SHORT"
                if isinstance(error, ResourceError) and error.data.get("errno") in _NO_SPACE and self.reserve.drop():
                    self.full = error
                elif passes and pause_s is not None:
                    await asyncio.sleep(pause_s)
                else:
                    raise
            else:
                return


def _amendment_name(number: int) -> str:
    return f"amendments/{number:04d}.json"


def _delivery_name(leaf: Leaf) -> str:
    return f"deliveries/{leaf_name(leaf)}.json"


def _order_name(token: str, number: int) -> str:
    return f"lanes/{token}/{number:04d}.json"


def _wait_name(leaf: Leaf) -> str:
    return f"waits/{leaf_name(leaf)}.json"


def _attempt_name(leaf: Leaf, token: str) -> str:
    return f"attempts/{leaf_name(leaf)}/{token}.json"


def with_allowance(leaf: Leaf, outcome: Outcome) -> Outcome:
    """Return an outcome that says so where it is a failure that the plan allows."""
    if outcome.state != "failed" or not leaf.allow_failure or outcome.failure_allowed:
        return outcome
    return outcome.model_copy(update={"failure_allowed": True})


def is_done(leaf: Leaf, known: Mapping[int, Outcome]) -> bool:
    """Whether a resume keeps a leaf's outcome: its work is done, is a person's to do, or the plan does without it."""
    outcome = known[leaf.index]
    is_a_persons = outcome.state == "briefed" or outcome.delivered is not None
    return is_a_persons or (outcome.is_settled and leaf.cache != "none")


def find_kept(leaves: Sequence[Leaf], known: Mapping[int, Outcome]) -> dict[int, Outcome]:
    """Return the outcomes that a resume keeps, by leaf index.

    What ran, or did not, by how the leaves before it ended is kept only with all of those: a leaf that cleans up after
    one that failed does so again when that one is done again.

    Args:
        leaves: All leaves.
        known: The outcomes that are known of them, by index.
    """
    kept = {leaf.index: known[leaf.index] for leaf in leaves if leaf.index in known and is_done(leaf, known)}
    by_rule = [leaf for leaf in leaves if leaf.index in kept and _goes_by_ends(leaf, kept[leaf.index])]
    dependants: dict[int, list[Leaf]] = {}
    for leaf in by_rule:
        for source in leaf.after:
            dependants.setdefault(source, []).append(leaf)
    lost = [leaf.index for leaf in leaves if leaf.index not in kept]
    while lost:
        found = [leaf.index for leaf in dependants.get(lost.pop(), ()) if leaf.index in kept]
        for index in found:
            del kept[index]
        lost += found
    return kept


def _goes_by_ends(leaf: Leaf, outcome: Outcome) -> bool:
    """Whether a leaf did what it did because of how the leaves before it ended."""
    return leaf.goes_by_ends or outcome.state == "skipped"
