"""The first planner level: a language model decomposes the request, level by level.

The model is asked for the tasks at the top, and then once for each task that it marks as composite. Limits on depth,
fan-out, leaves, calls and tokens are checked before a call is made. Faults of the structure are fixed by rule; where
that would lose something, the model first gets the list of faults, at most twice. Its answer sets only what describes
work: agents, executors, secrets, limits and approvals come from the registry and the user.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from genesis.errors import ModelError, PlanningError
from genesis.llm import LanguageModel, run_blocking
from genesis.model import AgentProfile, Plan, PlannerLevel
from genesis.planning.llm_budget import CallBudget
from genesis.planning.llm_draft import Draft, PlanDraft, draft_schema, letters, read_drafts
from genesis.planning.llm_prompt import (
    EXAMPLE_DESCRIPTIONS,
    again_prompt,
    refine_prompt,
    split_prompt,
    system_prompt,
    top_prompt,
)
from genesis.planning.llm_refine import PlaybookPlan, basis_of, refine_plan
from genesis.planning.llm_vocabulary import RegistryVocabulary
from genesis.planning.planner import PlanningCall, PlanningContext
from genesis.planning.playbook import Playbook
from genesis.settings import LlmSettings
from genesis.structure.repair import Repair, repair

__all__ = ["LlmPlanner"]

_REPAIR_TURNS = 2
"""Questions to the model about its own faults; more rarely improve the plan."""
_AT_ONCE = 3
"""Decompositions of one level that are requested concurrently."""
_TOKENS_PER_TASK = 110
"""What a task takes of an answer, so that the number of tasks fits the token limit."""
_FEWEST = 2
"""Decomposing into one task would change nothing."""
_NOTED = 5
"""Repairs that the planner's note lists."""
_LOSSY = frozenset({"GEN-REPAIR-UNKNOWN", "GEN-REPAIR-CYCLE", "GEN-REPAIR-LIMIT"})
_WORTH_ANOTHER_TURN = frozenset({"GEN-MODEL-ANSWER", "GEN-MODEL-LENGTH"})


class LlmPlanner:
    """Plans with a language model.

    Args:
        model: The model; see `genesis.llm.open_model`.
        settings: Its bounds: tokens of an answer, calls and tokens of a plan, seconds of a call.
        agents: The registry's agents. With them a task never requires a combination of skills that no agent of its
            type has.
        playbooks: If one of them matches a request exactly, its plan is refined instead of a new one.
    """

    level: PlannerLevel = "llm"

    def __init__(
        self,
        model: LanguageModel,
        settings: LlmSettings,
        *,
        agents: Sequence[AgentProfile] = (),
        playbooks: Sequence[Playbook] = (),
    ) -> None:
        self._model = model
        self._playbooks = tuple(playbooks)
        self._settings = settings
        self._agents = tuple(agents)

    def plan(self, request: str, context: PlanningContext) -> Plan:
        """Turn a request into a plan.

        Raises:
            PlanningError: The model's answers do not address the request, or the budget allows no call.
            ModelError: The model cannot be reached or returns no usable answer.
        """
        return run_blocking(lambda: self._plan(request, context))

    async def _plan(self, request: str, context: PlanningContext) -> Plan:
        if not request.strip() or len(request) > context.limits.request_characters:
            raise PlanningError(
                f"a request has 1 to {context.limits.request_characters:,} characters, this one {len(request):,}",
                hint="describe in a few sentences what is to be done",
            )
        work = _Planning(self._model, self._settings, request, context, self._agents)
        basis = basis_of(request, self._playbooks, context)
        if basis is not None:
            plan = await work.refine(basis)
        else:
            drafts = await work.top()
            await work.split(drafts)
            plan = _as_plan(request, context, drafts)
        repaired = repair(plan, context.limits)
        if basis is not None and any(item.code in _LOSSY for item in repaired.repairs):
            raise PlanningError(
                f"its refinement of the playbook {basis.playbook} is not valid, so the playbook's plan is kept"
            )
        note = work.note((*work.repairs, *repaired.repairs))
        if basis is not None:
            note = f"{basis.note}; refined: {note}"
        return repaired.plan.model_copy(update={"planner": "llm", "planner_note": note})


def _as_plan(request: str, context: PlanningContext, drafts: Sequence[Draft]) -> Plan:
    return Plan(request=request, tasks=tuple(draft.task() for draft in drafts), vars=dict(context.vars))


@dataclass(slots=True)
class _Try:
    """One answer for the top of the plan, parsed and checked."""

    drafts: list[Draft]
    reading: list[Repair]
    faults: list[Repair]
    """What a repair by rule would lose."""
    said: str


@dataclass(slots=True)
class _Planning:
    """The state of planning one request."""

    model: LanguageModel
    settings: LlmSettings
    request: str
    context: PlanningContext
    agents: tuple[AgentProfile, ...]
    repairs: list[Repair] = field(default_factory=list)
    turns: int = 0
    kept_whole: int = 0
    _down: bool = False
    _asked: int = 0
    _budget: CallBudget = field(init=False)
    _vocabulary: RegistryVocabulary = field(init=False)

    def __post_init__(self) -> None:
        self._budget = CallBudget(self.settings)
        self._vocabulary = RegistryVocabulary.of(self.context.task_types, self.context.skills, self.agents)

    async def top(self) -> list[Draft]:
        """Ask for the top tasks, again with the faults while that helps, and use the best answer."""
        most = self._most(self.context.limits.leaves)
        prompt = question = top_prompt(self.request, most)
        best: _Try | None = None
        while True:
            failure, current = None, None
            try:
                current = await self._top_once(question, most)
            except (ModelError, PlanningError) as error:
                if not _worth_another_turn(error):
                    if best is None:
                        raise
                    break
                failure = error
            improved = current is not None and (best is None or len(current.faults) < len(best.faults))
            if improved:
                best = current
            if self.turns == _REPAIR_TURNS or (best is not None and (not best.faults or not improved)):
                break
            self.turns += 1
            if failure is not None and failure.code == "GEN-MODEL-LENGTH":
                most = max(_FEWEST, most // 2)
                prompt = top_prompt(self.request, most)
            question = _question_again(prompt, current, failure)
        if best is None:
            raise failure or PlanningError("the model returned no plan")
        self.repairs.extend(best.reading)
        return best.drafts

    async def refine(self, basis: PlaybookPlan) -> Plan:
        """Ask once for what the request adds to a playbook's plan."""
        tasks = basis.plan.tasks
        most = self._most(self.context.limits.leaves)
        if most < len(tasks):
            raise PlanningError(f"an answer has no room for the {len(tasks)} tasks of the playbook {basis.playbook}")
        answer = await self._ask(refine_prompt(self.request, tasks, most), most, may_split=False)
        if answer is None:
            raise self._no_room()
        return refine_plan(basis, read_drafts(answer, self._vocabulary, self.repairs), self.context.vars)

    def _no_room(self) -> PlanningError:
        return PlanningError(
            f"a call does not fit into {self.settings.max_calls} calls and {self.settings.token_budget:,} tokens",
            hint="raise GENESIS_LLM__TOKEN_BUDGET or GENESIS_LLM__MAX_CALLS",
        )

    async def _top_once(self, prompt: str, most: int) -> _Try:
        may_split = self.context.limits.depth > 1
        answer = await self._ask(prompt, most, may_split=may_split)
        if answer is None:
            raise self._no_room()
        reading: list[Repair] = []
        drafts = read_drafts(answer, self._vocabulary, reading)
        _refuse_unusable(drafts, self.request, self.model.name)
        repaired = repair(_as_plan(self.request, self.context, drafts), self.context.limits)
        faults = [item for item in repaired.repairs if item.code in _LOSSY]
        return _Try(drafts, reading, faults, answer.model_dump_json(exclude_defaults=True))

    async def split(self, drafts: list[Draft]) -> None:
        """Expand the tasks marked as composite, a level at a time; each is asked for once."""
        level, depth = drafts[: self.context.limits.fan_out], 1
        leaves = len(level)
        while level and depth < self.context.limits.depth:
            chosen: list[tuple[Draft, int]] = []
            for draft in level:
                room = self._most(self.context.limits.leaves - leaves + 1)
                if draft.composite and room >= _FEWEST:
                    chosen.append((draft, room))
                    leaves += room - 1
            depth += 1
            gate = asyncio.Semaphore(_AT_ONCE)
            may_split = depth < self.context.limits.depth
            found = await asyncio.gather(
                *(self._split_one(draft, room, level, gate, may_split=may_split) for draft, room in chosen)
            )
            for (draft, room), (children, reading) in zip(chosen, found, strict=True):
                leaves -= room - max(len(children), 1)
                draft.children = children
                self.repairs.extend(reading)
            level = [child for children, _ in found for child in children]

    async def _split_one(
        self, draft: Draft, most: int, level: Sequence[Draft], gate: asyncio.Semaphore, *, may_split: bool
    ) -> tuple[list[Draft], list[Repair]]:
        """Ask for the subtasks of one task; without a usable answer it is not split."""
        others = [other.description for other in level if other is not draft]
        prompt = split_prompt(self.request, draft.description, others, most)
        reading: list[Repair] = []
        try:
            answer = await self._ask(prompt, most, may_split=may_split, gate=gate)
        except ModelError as error:
            answer = None
            self._down = not _worth_another_turn(error)
        children = read_drafts(answer, self._vocabulary, reading)[:most] if answer else []
        children = [child for child in children if letters(child.description) != letters(draft.description)]
        if len(children) < _FEWEST:
            self.kept_whole += 1
            return [], []
        return children, reading

    async def _ask(
        self, prompt: str, most: int, *, may_split: bool, gate: asyncio.Semaphore | None = None
    ) -> PlanDraft | None:
        """Make one call if the budget admits it."""
        system = system_prompt(self._vocabulary, may_split=may_split)
        schema = draft_schema(self._vocabulary, most, may_split=may_split)
        reserved = self._budget.admit(prompt, system, schema)
        if reserved is None:
            return None
        async with gate or asyncio.Semaphore(1):
            if self._down:
                self._budget.release(reserved)
                return None
            used = reserved
            self._asked += 1
            self.context.on_call(PlanningCall(self.model.name, self._asked, self.turns + 1))
            try:
                answer = await self.model.ask(prompt, schema=schema, system=system)
                used = answer.tokens or reserved
            except ModelError as error:
                used = int(error.data.get("tokens", reserved))
                raise
            finally:
                self._budget.settle(reserved, used)
        return answer.value

    def _most(self, room: int) -> int:
        """Return the maximum number of tasks per answer, by the limits and the answer's size."""
        return min(self.context.limits.fan_out, room, max(_FEWEST, self.settings.max_tokens // _TOKENS_PER_TASK))

    def note(self, repairs: Sequence[Repair]) -> str:
        """Describe the model, its calls and tokens, and the repairs."""
        calls = "1 call" if self._budget.calls == 1 else f"{self._budget.calls} calls"
        parts = [f"planned by {self.model.name} in {calls} and {self._budget.tokens:,} tokens"]
        if self.turns:
            parts.append(f"asked again {self.turns} time(s) about faults")
        if self.kept_whole:
            parts.append(f"{self.kept_whole} composite task(s) not split")
        if repairs:
            shown = "; ".join(f"{item.code}: {item.text}" for item in repairs[:_NOTED])
            more = f"; and {len(repairs) - _NOTED} more" if len(repairs) > _NOTED else ""
            parts.append(f"{len(repairs)} repair(s): {shown}{more}")
        return "; ".join(parts)


def _worth_another_turn(error: ModelError | PlanningError) -> bool:
    return error.code in _WORTH_ANOTHER_TURN or error.code.startswith("GEN-PLANNING-")


def _question_again(prompt: str, last: _Try | None, failure: ModelError | PlanningError | None) -> str:
    """Ask again, with the last answer and its faults, or with the reason why it was unusable."""
    if last is not None:
        return again_prompt(prompt, last.said, last.faults)
    what = failure.message if failure else "no answer"
    code = failure.code if failure else "GEN-MODEL-ANSWER"
    return again_prompt(prompt, "", [Repair(code, None, what)])


def _refuse_unusable(drafts: Sequence[Draft], request: str, name: str) -> None:
    """Refuse an answer without content: no task, the request itself, or the prompt's example."""
    example = {letters(text) for text in EXAMPLE_DESCRIPTIONS}
    repeated = sum(letters(draft.description) in example for draft in drafts)
    if not drafts:
        code, what = "GEN-PLANNING-EMPTY", "returned no task"
    elif len(drafts) == 1 and letters(drafts[0].description) in {letters(request), ""}:
        code, what = "GEN-PLANNING-ECHO", "only repeated the request"
    elif repeated * 2 >= len(drafts):
        code, what = "GEN-PLANNING-ECHO", "only repeated the example"
    else:
        return
    raise PlanningError(f"{name!r} {what}", hint="use a larger model, or a more detailed request", code=code)
