"""The pure stages in their order: plan, route, validate, compile, simulate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field

from genesis.compile import apply_amendments, compile_program
from genesis.errors import GenesisError, PlanInvalidError, PlanningError
from genesis.model import (
    Amendment,
    ErrorInfo,
    Model,
    Plan,
    PlannerLevel,
    Program,
    Registry,
    Report,
    Resources,
    RoutedPlan,
    Task,
)
from genesis.model.base import Usd
from genesis.observability.stages import plan_checked, plan_made, plan_routed, plan_told, stage
from genesis.planning import (
    HeuristicPlanner,
    MinimalPlanner,
    Planner,
    PlanningCall,
    PlanningContext,
    Playbook,
    Selectors,
    UnavailablePlanner,
    load_plan,
    load_playbooks,
    select_tasks,
)
from genesis.planning import make_plan as planned
from genesis.planning.replan import ReplanProposal, plan_again
from genesis.resilience.taxonomy import classify
from genesis.routing import load_registry, parse_decision, route
from genesis.schedule import (
    PoolCosts,
    ScheduleLimits,
    add_rules,
    rank_work,
    schedule_job,
    schedule_limits,
    simulate_jobs,
)
from genesis.settings import Limits as Bounds
from genesis.settings import Settings
from genesis.structure import can_hold, parse_condition, read_wait_time
from genesis.validation import Probe, refuse_size, validate

__all__ = [
    "Prepared",
    "SimulatedTask",
    "Simulation",
    "amend_program",
    "check_plan",
    "compile_prepared",
    "count_work",
    "find_skipped",
    "make_plan",
    "plan_within",
    "prepare",
    "program_of",
    "refuse_invalid",
    "room_left",
    "route_group",
    "simulate",
]


_Made = TypeVar("_Made")


def make_plan(
    request: str,
    *,
    planner: Planner | PlannerLevel | None = None,
    registry: Registry | None = None,
    settings: Settings | None = None,
    variables: Mapping[str, str] | None = None,
    playbooks: Path | None = None,
    on_call: Callable[[PlanningCall], None] | None = None,
) -> Plan:
    """Plan a request with the best level that succeeds; the plan records which one, and why better ones did not.

    Args:
        request: The request in plain text.
        planner: A planner or the name of the first level to try; by default the model if one is configured.
        registry: Its task types and skills are the vocabulary of plans; by default that of the installed fleets.
        settings: Limits and the model; by default read from the environment.
        variables: Values for the plan's variables; they take precedence over those in the request.
        playbooks: Folder of playbooks tried before those of Genesis and the installed fleets.
        on_call: Called before each call to a model.

    Raises:
        UsageError: The request is empty, too long, or asks for nothing.
    """
    settings = settings or Settings()
    with stage("plan", _category) as made:
        registry = registry or load_registry(settings.agents)
        context = _context(registry, settings.limits, variables or {})
        context = replace(context, on_call=on_call) if on_call is not None else context
        chosen = _planners(planner, registry, settings, playbooks or settings.playbooks)
        plan = planned(request, planners=chosen, context=context)
        plan_made(made, plan)
    return plan


def _category(error: BaseException) -> str:
    return classify(error).category


def _context(registry: Registry, limits: Bounds, variables: Mapping[str, str]) -> PlanningContext:
    return PlanningContext(
        task_types=tuple(dict.fromkeys(name for agent in registry.agents for name in agent.task_types)),
        skills=tuple(dict.fromkeys(name for agent in registry.agents for name in agent.skills)),
        vars=variables,
        limits=limits,
    )


def _planners(
    first: Planner | PlannerLevel | None, registry: Registry, settings: Settings, playbooks: Path | None
) -> list[Planner]:
    """Return the levels to try, best first; the minimal one is always last."""
    if first is not None and not isinstance(first, str):
        return [first, MinimalPlanner()]
    if first == "minimal":
        return [MinimalPlanner()]
    known = _level("heuristic", lambda: load_playbooks(playbooks))
    heuristic = known if isinstance(known, UnavailablePlanner) else HeuristicPlanner(known)
    if first != "llm" and (first is not None or not settings.llm.model):
        return [heuristic, MinimalPlanner()]
    usable = () if isinstance(known, UnavailablePlanner) else known
    return [_level("llm", lambda: _model_level(registry, settings, usable)), heuristic, MinimalPlanner()]


def _level(name: PlannerLevel, make: Callable[[], _Made]) -> _Made | UnavailablePlanner:
    """Create a level or its parts; a level with an internal error is skipped."""
    try:
        return make()
    except GenesisError:
        raise
    except Exception as error:  # noqa: BLE001  # the boundary of a level: the next one plans
        return UnavailablePlanner(name, error)


def _model_level(registry: Registry, settings: Settings, playbooks: Sequence[Playbook] = ()) -> Planner:
    from genesis.planning.llm_level import LlmPlanner  # noqa: PLC0415  # only where a model is configured
    from genesis.resilience.guards import make_guarded_model  # noqa: PLC0415

    return LlmPlanner(make_guarded_model(settings), settings.llm, agents=registry.agents, playbooks=playbooks)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan with its routes and its report."""

    routed: RoutedPlan
    report: Report
    registry: Registry


def prepare(
    plan: Plan,
    registry: Registry,
    *,
    settings: Settings,
    keep: bool = False,
    probe: Probe | None = None,
    selectors: Selectors | None = None,
) -> Prepared:
    """Route and validate a plan, or the part of it that is selected.

    A plan with more leaves than the limit is neither routed nor checked: its report says that alone.

    Args:
        plan: The plan.
        registry: Agents and rules.
        settings: Limits and slots.
        keep: Keep the routes that the plan's document has, and route only the rest.
        probe: Answers questions that need I/O; without it those checks are skipped.
        selectors: What of the plan is to stay; all of it by default.

    Raises:
        UsageError: The selectors cannot be used; see `genesis.planning.select_tasks`.
    """
    too_large = refuse_size(plan, settings.limits) if selectors is None else None
    if too_large is not None:
        return Prepared(RoutedPlan(plan=plan, routes={}), too_large, registry)
    with stage("route", _category) as made:
        routed = route(plan, registry, keep=keep)
        routed = select_tasks(routed, selectors) if selectors is not None else routed
        plan_routed(made, routed, parse_decision)
    with stage("validate", _category) as made:
        report = check_plan(routed, registry, settings, probe)
        plan_checked(made, report)
    plan_told(routed, report)
    return Prepared(routed, report, registry)


def check_plan(
    routed: RoutedPlan,
    registry: Registry,
    settings: Settings,
    probe: Probe | None = None,
    *,
    planned: bool | None = None,
) -> Report:
    """Validate a routed plan with the limits, slots and model of the settings; see `validate`."""
    return validate(
        routed,
        registry,
        probe=probe,
        limits=settings.limits,
        slots=settings.run.slots,
        planned=planned,
        default_seconds=settings.run.default_seconds,
        model=settings.llm.model,
    )


def refuse_invalid(report: Report) -> None:
    """Raise an error when validation found errors.

    Raises:
        PlanInvalidError: With the report in its data.
    """
    if report.ok:
        return
    first = report.errors[0]
    count = len(report.errors)
    more = f" (and {count - 1} more)" if count > 1 else ""
    raise PlanInvalidError(
        f"the plan has {count} error{'s' if count > 1 else ''}: {first.message}{more}",
        hint=first.hint or "run `genesis validate` on the plan to see all errors",
        data={"report": report.model_dump(mode="json", exclude_none=True)},
    )


class SimulatedTask(Model):
    """Start and end of a leaf in a simulation."""

    task: str
    agent: str
    start_s: float
    end_s: float
    skipped: Annotated[bool, Field(exclude_if=lambda value: not value)] = False
    """Whether its `run_if` or `when` leaves it out if nothing fails."""


class Simulation(Model):
    """The predicted run of a program."""

    makespan_s: float
    critical_path_s: float
    total_work_s: float
    cost_usd: Usd
    slots: int
    timeline: tuple[SimulatedTask, ...]
    """One entry per leaf, in document order."""


def simulate(
    program: Program,
    *,
    slots: int = 16,
    pools: PoolCosts | None = None,
    machine: Resources | None = None,
    now: datetime | None = None,
) -> Simulation:
    """Predict the run of a program with the real scheduler on virtual time; a leaf lasts its estimate, and none fails.

    A condition on variables and parameters is evaluated; one on results holds.

    Args:
        program: What to run.
        slots: Maximum number of concurrent leaves; agents' limits also apply.
        pools: Overhead of work pools; None where the leaves run in one process.
        machine: What the machine has that runs the leaves; without it only what the agents offer counts.
        now: The start, for tasks that wait for a moment; without it their estimates count.
    """
    work = [schedule_job(leaf) for leaf in program.leaves]
    jobs = add_rules(program, work)
    limits = schedule_limits(program, slots, machine)
    false = _find_false_conditions(program)
    timeline = simulate_jobs(
        jobs, limits, rank_work(work, jobs, limits), pools=pools, false=false, until=_find_moments(program, now)
    )
    left_out = {job for job in timeline.left_out if job < len(work)}
    return Simulation(
        makespan_s=timeline.makespan_s,
        critical_path_s=timeline.critical_path_s,
        total_work_s=timeline.total_work_s,
        cost_usd=sum((leaf.usd for leaf in program.leaves if leaf.index not in left_out), Decimal(0)),
        slots=slots,
        timeline=tuple(
            SimulatedTask(task=leaf.path, agent=leaf.agent, start_s=start, end_s=end, skipped=leaf.index in left_out)
            for leaf, start, end in zip(program.leaves, timeline.start_s, timeline.end_s, strict=True)
        ),
    )


def find_skipped(program: Program) -> set[int]:
    """Find the leaves that their rules and conditions leave out if nothing fails, as `simulate` does."""
    if not any(leaf.rule for leaf in program.leaves):
        return set()
    jobs = add_rules(program, [schedule_job(leaf) for leaf in program.leaves])
    limits = ScheduleLimits(len(jobs))
    timeline = simulate_jobs(jobs, limits, [0] * len(jobs), false=_find_false_conditions(program))
    return {job for job in timeline.left_out if job < len(program.leaves)}


def _find_moments(program: Program, now: datetime | None) -> dict[int, float]:
    """Return the moments that leaves wait for, as far as they are known before the run, in seconds from now."""
    found: dict[int, float] = {}
    for leaf in program.leaves:
        if now is None or leaf.wait_for is None:
            continue
        moment = read_wait_time(leaf.wait_for, {**program.values, **leaf.items})
        if isinstance(moment, datetime):
            found[leaf.index] = (moment - now).total_seconds()
    return found


def _find_false_conditions(program: Program) -> list[int]:
    """Return the jobs, of leaves and then of gates, whose conditions are false by values that the plan itself has."""
    rules = [*(leaf.rule for leaf in program.leaves), *(gate.rule for gate in program.gates)]
    return [
        job
        for job, rule in enumerate(rules)
        if rule and rule.when and not can_hold(parse_condition(rule.when.text), {**program.values, **rule.when.items})
    ]


def compile_prepared(prepared: Prepared, settings: Settings) -> Program:
    """Compile a plan that passed validation.

    Raises:
        PlanInvalidError: Validation found errors.
    """
    refuse_invalid(prepared.report)
    with stage("compile", _category) as made:
        program = compile_program(prepared.routed, prepared.registry, default_seconds=settings.run.default_seconds)
        made.set("genesis.plan.tasks", len(program.leaves))
    return program


def program_of(
    document: Mapping[str, Any], registry: Registry, settings: Settings, amendments: Sequence[Amendment] = ()
) -> Program:
    """Compile a routed plan document with its amendments; its routes are kept.

    Raises:
        DocumentError: It is not a valid plan.
        PlanInvalidError: It cannot be compiled.
    """
    routed = route(load_plan(document, limits=settings.limits), registry, keep=True)
    return compile_program(apply_amendments(routed, amendments), registry, default_seconds=settings.run.default_seconds)


def plan_within(
    task: Task, error: ErrorInfo, program: Program, settings: Settings, *, depth: int, references: Mapping[str, str]
) -> ReplanProposal:
    """Replan a task that failed permanently; see `plan_again`.

    Args:
        task: The leaf.
        error: The error of its last attempt.
        program: The current program.
        settings: The model, and the limits on the plan, amendments included.
        depth: Nesting depth of the leaf; 1 is the top.
        references: The absolute form of each reference in its inputs.

    Raises:
        PlanningError: No level finds an alternative, or the limits leave no room for one.
    """
    registry = program.registry
    context = _context(registry, room_left(program, settings.limits, depth), {})
    model = _model_level(registry, settings) if settings.llm.model else None
    return plan_again(task, error, references=references, model=model, context=context)


def room_left(program: Program, limits: Bounds, depth: int) -> Bounds:
    """Return the limits on an amendment below a task at this depth.

    Raises:
        PlanningError: The limits are reached.
    """
    leaves, levels = limits.leaves - count_work(program), limits.depth - depth
    if leaves < 1 or levels < 1:
        what = f"{limits.leaves:,} leaves" if leaves < 1 else f"{limits.depth} levels"
        raise PlanningError(f"the plan has reached its limit: {what}, amendments included")
    return limits.model_copy(update={"leaves": leaves, "depth": levels})


def count_work(program: Program) -> int:
    """Count the leaves that the limit on a plan is about: all but those that only gather what copies gave."""
    return sum(leaf.gathers is None for leaf in program.leaves)


def route_group(program: Program, group: Task) -> Task:
    """Route the leaves of a group before it is added to a program; the routes are stored in its tasks."""
    alone = group.model_copy(update={"depends_on": ()})
    routes = route(Plan(request=program.request, tasks=(alone,)), program.registry).routes

    def with_routes(task: Task, prefix: str) -> Task:
        path = f"{prefix}{task.id}"
        if not task.subtasks:
            return task.model_copy(update={"route": routes[path]})
        return task.model_copy(update={"subtasks": tuple(with_routes(child, f"{path}/") for child in task.subtasks)})

    return with_routes(group, "")


def amend_program(
    program: Program, amendments: Sequence[Amendment], settings: Settings, probe: Probe | None = None
) -> Program:
    """Return the program with more amendments, validated once for all of them, like any plan.

    Raises:
        PlanInvalidError: Validation found an error in an amendment or in the amended plan.
    """
    routed = apply_amendments(program.source, amendments)
    report = check_plan(routed, program.registry, settings, probe, planned=False)
    tasks = {each.task for each in amendments}
    inside = tuple(f"{each.task if each.kind == 'for_each' else each.group.id}/" for each in amendments)
    new = tuple(
        each for each in report.diagnostics if not each.task or each.task in tasks or each.task.startswith(inside)
    )
    refuse_invalid(report.model_copy(update={"diagnostics": new, "ok": all(each.severity != "error" for each in new)}))
    return compile_program(routed, program.registry, default_seconds=settings.run.default_seconds)
