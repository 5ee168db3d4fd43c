"""Compose the tasks of a request: from one playbook, several, plain steps, or a mixture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from genesis.errors import PlanningError
from genesis.model import Task
from genesis.planning.enumerations import blocks
from genesis.planning.match import PlaybookMatch, best_playbook, covers, is_exact
from genesis.planning.mentions import speaks_of
from genesis.planning.naming import unique
from genesis.planning.network import fill_parameters, nest_tasks, refine_tasks
from genesis.planning.parameters import Variables, several
from genesis.planning.planner import PlanningContext
from genesis.planning.playbook import Playbook
from genesis.planning.sentences import mask
from genesis.planning.step_tasks import step_tasks
from genesis.planning.steps import RequestStep, find_steps
from genesis.planning.words import stem

__all__ = ["Composition", "compose"]

_SHOWN = 60
"""Maximum length of a value in a note."""


@dataclass(slots=True)
class Composition:
    """The tasks of a request and their source."""

    tasks: tuple[Task, ...] = ()
    """Empty when neither a playbook nor steps answer the request."""
    variables: dict[str, str] = field(default_factory=dict)
    defaults: tuple[str, ...] = ()
    """Variables that a playbook set."""
    notes: list[str] = field(default_factory=list)
    exact: str = ""
    """Names of the playbooks, where each covers nearly all of its part of the request; else empty."""


@dataclass(slots=True)
class _Wish:
    """One thing that a request asks for."""

    step: RequestStep
    hit: PlaybookMatch | None = None
    more: list[str] = field(default_factory=list)
    """Words of further wishes that its playbook covers."""
    chosen: dict[str, str] = field(default_factory=dict)
    """Parameters that distinguish this use of the playbook from another one in the same words."""

    @property
    def texts(self) -> list[str]:
        """Where the playbook's parameters are looked for."""
        return [self.step.text, *self.more]


def compose(request: str, playbooks: Sequence[Playbook], context: PlanningContext) -> Composition:
    """Compose the tasks of a request from playbooks and spelled-out steps.

    Args:
        request: A checked request.
        playbooks: In the order in which they are tried.
        context: Types, variables and limits.

    Raises:
        PlanningError: The request spells out more steps than fit into a plan.
    """
    steps = find_steps(request)
    if len(steps) > context.limits.leaves:
        raise PlanningError(
            f"the request spells out {len(steps):,} steps; the limit is {context.limits.leaves:,}",
            hint="split the request, or raise GENESIS_LIMITS__LEAVES",
        )
    wishes = _after_products(_multiply_wishes(_wishes(request, steps, playbooks, context.limits.fan_out), context))
    if len(wishes) == 1 and wishes[0].hit:
        return _whole(wishes[0], wishes[0].hit, context)
    if len(wishes) > 1 and any(wish.hit for wish in wishes):
        return _mixture(wishes, context)
    if len(steps) > 1:
        limits = context.limits
        tasks = step_tasks(steps, context.task_types, fan_out=limits.fan_out, depth=limits.depth)
        return Composition(tasks, dict(context.vars), (), [f"{len(steps)} steps that the request spells out"])
    return Composition()


def _wishes(request: str, steps: list[RequestStep], playbooks: Sequence[Playbook], fan_out: int) -> list[_Wish]:
    """Find the playbook of each step, and drop steps that the playbook of an earlier one covers."""
    if headed := _find_headed_wish(request, steps, playbooks):
        return [headed]
    if len(steps) <= 1:
        texts = [step.text for step in steps] + [request]
        hits = ((text, best_playbook(text, playbooks)) for text in texts)
        return [_Wish(RequestStep(text), hit, [request]) for text, hit in hits if hit][:1]
    if len(steps) > fan_out:
        return []
    wishes: list[_Wish] = []
    place: list[int] = []
    for step in steps:
        hit = None if step.children else best_playbook(step.text, playbooks)
        host = _host(wishes, step.text, hit)
        if host is not None:
            wishes[host].more.append(step.text)
            place.append(host)
            continue
        after = list(dict.fromkeys(place[source] for source in step.after if source < len(place)))
        place.append(len(wishes))
        wishes.append(_Wish(RequestStep(step.text, after, step.children), hit))
    if len(wishes) == 1:
        wishes[0].more.append(request)
    return wishes


def _multiply_wishes(wishes: list[_Wish], context: PlanningContext) -> list[_Wish]:
    """Make one wish for each value where the words name several: "audit ./api and ./web"."""
    result: list[_Wish] = []
    places: list[list[int]] = []
    for wish in wishes:
        uses = several(wish.hit.playbook, wish.step.text, context.vars) if wish.hit else []
        after = [place for source in wish.step.after for place in places[source]]
        step = RequestStep(wish.step.text, after, wish.step.children)
        places.append(list(range(len(result), len(result) + max(1, len(uses)))))
        result += [replace(wish, step=step, chosen=use) for use in uses or [{}]]
    return result if len(result) <= context.limits.fan_out else wishes


def _after_products(wishes: list[_Wish]) -> list[_Wish]:
    """Place a plain step that mentions a playbook's outputs ("send me the report") after it."""
    result: list[_Wish] = []
    for index, wish in enumerate(wishes):
        after = list(wish.step.after)
        if wish.hit is None:
            after += [i for i in range(index) if i not in after and speaks_of(wish.step.text, _products(wishes[i].hit))]
        result.append(replace(wish, step=RequestStep(wish.step.text, after, wish.step.children)))
    return result


def _products(hit: PlaybookMatch | None) -> set[str]:
    """Return the stems of the outputs of a playbook's tasks."""
    if hit is None:
        return set()
    found: set[str] = set()
    waiting = list(hit.playbook.tasks)
    while waiting:
        task = waiting.pop()
        waiting.extend(task.subtasks)
        found.update(stem(word) for output in task.outputs for word in output.split("_"))
    return found


def _find_headed_wish(request: str, steps: list[RequestStep], playbooks: Sequence[Playbook]) -> _Wish | None:
    """Take "Audit the repository: - licences - tests" as one wish when the list only details the audit."""
    lists = [block for block in blocks(mask(request)) if block.items]
    if len(lists) != 1 or not lists[0].header:
        return None
    header = lists[0].header.rstrip(" :")
    hit = best_playbook(header, playbooks)
    if hit is None or not all(covers(hit.playbook, step.text) for step in steps):
        return None
    return _Wish(RequestStep(header), hit, [request])


def _host(wishes: list[_Wish], text: str, hit: PlaybookMatch | None) -> int | None:
    """Find the latest wish whose playbook covers a step."""
    for index in reversed(range(len(wishes))):
        earlier = wishes[index].hit
        if earlier is None or (hit and hit.playbook.name != earlier.playbook.name):
            continue
        if covers(earlier.playbook, text):
            return index
    return None


def _network(wish: _Wish, playbook: Playbook, variables: Variables) -> tuple[tuple[Task, ...], list[str]]:
    """Instantiate a playbook for a wish; returns its tasks, or the missing parameters."""
    values = variables.take(playbook, wish.texts, wish.chosen)
    if values.missing:
        return (), values.missing
    variables.add(values)
    return fill_parameters(refine_tasks(playbook.tasks, playbook.refine), values.values, values.names), []


def _note(hit: PlaybookMatch, variables: Mapping[str, str]) -> str:
    names = (parameter.name for parameter in hit.playbook.parameters)
    said = ", ".join(f"{name}={_shorten(variables[name])}" for name in names)
    return f"playbook {hit.playbook.name} ({hit.reason})" + (f" with {said}" if said else "")


def _shorten(value: str) -> str:
    return value if len(value) <= _SHOWN else f"{value[: _SHOWN - 1]}…"


def _lacking(hit: PlaybookMatch, missing: list[str]) -> str:
    return f"playbook {hit.playbook.name} needs {' and '.join(missing)}, which the request does not specify"


def _whole(wish: _Wish, hit: PlaybookMatch, context: PlanningContext) -> Composition:
    """Answer a request that means one playbook with its network."""
    variables = Variables(context.vars)
    tasks, missing = _network(wish, hit.playbook, variables)
    if missing:
        return Composition(notes=[_lacking(hit, missing)])
    values = {**variables.made, **context.vars}
    exact = hit.playbook.name if is_exact(hit.playbook, wish.step.text, values.values()) else ""
    return Composition(tasks, values, tuple(variables.defaults), [_note(hit, values)], exact)


def _mixture(wishes: list[_Wish], context: PlanningContext) -> Composition:
    """Answer several wishes: a composite for each playbook, a task for each other step, in the request's order."""
    variables = Variables(context.vars)
    plain = step_tasks([wish.step for wish in wishes], context.task_types, fan_out=context.limits.fan_out)
    notes: list[str] = []
    renamed: dict[str, str] = {}
    made: list[Task] = []
    for wish, task in zip(wishes, plain, strict=True):
        name, subtasks = task.id, task.subtasks
        if wish.hit:
            network, missing = _network(wish, wish.hit.playbook, variables)
            notes.append(
                _lacking(wish.hit, missing) if missing else f"playbook {wish.hit.playbook.name} ({wish.hit.reason})"
            )
            if network:
                name = unique(wish.hit.playbook.name, {*renamed.values(), *(each.id for each in plain)})
                subtasks = nest_tasks(network, name)
        renamed[task.id] = name
        update = {"id": name, "subtasks": subtasks, "type": "generic" if subtasks else task.type}
        made.append(task.model_copy(update=update))
    tasks = tuple(
        task.model_copy(update={"depends_on": tuple(renamed[name] for name in task.depends_on)}) for task in made
    )
    steps = sum(1 for task in tasks if not task.subtasks)
    if steps:
        notes.append(f"{steps} further step{'s' if steps > 1 else ''} in the words of the request")
    values = {**variables.made, **context.vars}
    hits = [(wish.hit.playbook, wish.step.text) for wish in wishes if wish.hit]
    is_met = all(is_exact(playbook, text, values.values()) for playbook, text in hits)
    exact = ", ".join(dict.fromkeys(playbook.name for playbook, _ in hits)) if is_met else ""
    return Composition(tasks, values, tuple(variables.defaults), notes, exact)
