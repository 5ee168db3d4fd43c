"""Every metric that Genesis has: its name, what it means, and its labels.

Labels are from closed sets: agents, pools and rules of the registry, states, codes, levels, models. No user's text is
ever one. Dashboards, alerts and their tests take the names from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "BREAKER_CHANGES",
    "BREAKER_STATE",
    "BUDGETS_EXCEEDED",
    "BUILD",
    "CACHE_HITS",
    "CALLS",
    "CALL_SECONDS",
    "COST",
    "DETOURS",
    "DISPATCHES",
    "DISPATCH_SECONDS",
    "FINDINGS",
    "INSTRUMENTS",
    "LLM_CALLS",
    "LLM_SECONDS",
    "LLM_TOKENS",
    "LOG_LINES",
    "PLANS",
    "PLAN_DEPTH",
    "PLAN_TASKS",
    "QUALITY",
    "QUEUE_DEPTH",
    "QUOTA_REFUSALS",
    "QUOTA_SECONDS",
    "QUOTA_WAITS",
    "REHEARSALS",
    "REJECTED",
    "REPEATS",
    "REPLANS",
    "RESUMES",
    "ROUTED",
    "ROUTED_BY_RULE",
    "RUNS",
    "RUNS_ACTIVE",
    "RUN_SECONDS",
    "SERIES_DROPPED",
    "SPANS_DROPPED",
    "STAGE_ERRORS",
    "STAGE_SECONDS",
    "STEPS_DOWN",
    "TASKS",
    "TASKS_READY",
    "TASKS_RUNNING",
    "TASK_SECONDS",
    "TOKENS",
    "UNASSIGNED",
    "WORKER_API_AWAY",
    "WORKER_CHILDREN",
    "WORKER_POLL_AGE",
    "WORKER_REFUSALS",
    "WORKER_RUNNING",
    "WORKER_RUNS",
    "WORKER_UP",
    "Instrument",
    "InstrumentKind",
    "list_exposed_names",
]

InstrumentKind = Literal["counter", "gauge", "histogram"]

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
_STAGE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 5.0, 15.0, 30.0, 60.0, 120.0)
_SHARE = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_COUNT = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 5000.0)
_DEPTH = (1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0)


@dataclass(frozen=True, slots=True)
class Instrument:
    """One metric."""

    name: str
    """As it is exposed; counters end in `_total`."""
    kind: InstrumentKind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram's buckets, in its unit; the last one has no bound."""
    merge: Literal["sum", "last"] = "sum"
    """What becomes of a gauge's values of several processes: added up, or the latest."""


def _counter(name: str, text: str, *labels: str) -> Instrument:
    return Instrument(f"genesis_{name}_total", "counter", text, labels)


def _gauge(name: str, text: str, *labels: str) -> Instrument:
    return Instrument(f"genesis_{name}", "gauge", text, labels)


def _histogram(name: str, text: str, *labels: str, buckets: tuple[float, ...] = _SECONDS) -> Instrument:
    return Instrument(f"genesis_{name}", "histogram", text, labels, buckets)


# Stages
STAGE_SECONDS = _histogram(
    "stage_duration_seconds", "Duration of plan, route, validate, compile.", "stage", buckets=_STAGE_SECONDS
)
STAGE_ERRORS = _counter("stage_errors", "Stages that raised, by the category of the error.", "stage", "category")
STEPS_DOWN = _counter("steps_down", "Steps from a better way to a lesser one.", "layer", "from", "to")

# Plans
PLANS = _counter("plans", "Plans made, by the planner level that made them.", "planner")
PLAN_TASKS = _histogram("plan_tasks", "Leaves of a plan.", buckets=_COUNT)
PLAN_DEPTH = _histogram("plan_depth", "Levels of a plan.", buckets=_DEPTH)
ROUTED = _counter("routing_decisions", "Leaves routed, by agent and by what decided.", "agent", "by")
ROUTED_BY_RULE = _counter("routing_rule_decisions", "Leaves that a rule of the registry routed.", "rule")
UNASSIGNED = _counter("tasks_unassigned", "Leaves for which no agent was found.")
FINDINGS = _counter("validation_findings", "Findings of the checks.", "code", "severity")
QUALITY = _histogram("plan_quality_score", "Score of plans, 0 to 1.", buckets=_SHARE)
REJECTED = _counter("plans_rejected", "Plans that the checks stopped.")

# Runs
RUNS = _counter("runs", "Runs that ended, by state.", "state")
RUN_SECONDS = _histogram("run_duration_seconds", "Duration of runs that ended.", "state")
REHEARSALS = _counter("rehearsals", "Rehearsals that ended, by state; no other figure of runs has them.", "state")
RUNS_ACTIVE = _gauge("runs_active", "Runs that this process orchestrates.")
RESUMES = _counter("resumes", "Executions that continued with an earlier one's run.")
REPLANS = _counter("replans", "Tasks planned again or extended while they ran.", "outcome")
BUDGETS_EXCEEDED = _counter("budgets_exceeded", "Runs that spent their budget.")

# Tasks
TASKS = _counter("tasks", "Leaves that became final, by agent and state.", "agent", "state")
TASK_SECONDS = _histogram("task_duration_seconds", "From a leaf's start to its end.", "agent")
TASKS_RUNNING = _gauge("tasks_running", "Leaves that run now.", "agent")
TASKS_READY = _gauge("tasks_ready", "Leaves that could start and wait for a slot.")
DETOURS = _counter("task_detours", "Leaves given to another agent (other), or made to wait (later).", "agent", "kind")
CACHE_HITS = _counter("cache_hits", "Leaves whose result was known already.", "agent")
COST = _counter("cost_usd", "What leaves cost, in US dollars.", "agent")
TOKENS = _counter("task_tokens", "Tokens of language models that leaves used.", "agent")

# Agents' calls
CALLS = _counter("agent_calls", "Attempts of agents, by how they ended.", "agent", "outcome")
CALL_SECONDS = _histogram("agent_call_duration_seconds", "Duration of an attempt.", "agent")
LLM_CALLS = _counter("llm_calls", "Calls to language models, by how they ended.", "model", "outcome")
LLM_SECONDS = _histogram("llm_call_duration_seconds", "Duration of a call to a language model.", "model")
LLM_TOKENS = _counter("llm_tokens", "Tokens sent to and taken from language models.", "model", "direction")

# Resilience
REPEATS = _counter("retries", "Repeats that were made, or refused by the run's budget.", "layer", "decision")
BREAKER_STATE = Instrument(
    "genesis_breaker_state",
    "gauge",
    "State of a circuit breaker: 0 closed, 1 half open, 2 open.",
    ("kind", "name"),
    merge="last",
)
BREAKER_CHANGES = _counter("breaker_transitions", "Changes of circuit breakers, by the new state.", "kind", "state")
QUOTA_WAITS = _counter("quota_waits", "Calls that waited for a rate limit.", "kind")
QUOTA_SECONDS = _counter("quota_wait_seconds", "How long calls waited for rate limits.", "kind")
QUOTA_REFUSALS = _counter("quota_refusals", "Calls whose turn would have come too late.", "kind")

# Work pools
DISPATCHES = _counter("dispatches", "Flow runs dispatched to work pools, by how they ended.", "pool", "outcome")
DISPATCH_SECONDS = _histogram("dispatch_latency_seconds", "From the dispatch of a flow run to its beginning.", "pool")
QUEUE_DEPTH = _gauge("dispatch_queue_depth", "Dispatched flow runs that have not begun.", "pool")
WORKER_UP = _gauge("worker_up", "1 while the worker polls as it should, else 0.")
WORKER_RUNNING = _gauge("worker_flow_runs_running", "Flow runs that the worker has now.", "pool")
WORKER_RUNS = _counter("worker_flow_runs", "Flow runs that the worker is done with.", "pool", "outcome")
WORKER_REFUSALS = _counter(
    "worker_refusals", "Flow runs refused because the API named code or an environment for them.", "pool", "what"
)
WORKER_POLL_AGE = _gauge("worker_last_poll_seconds", "Time since the pool was last polled.", "pool")
WORKER_CHILDREN = _gauge("worker_children", "Warm children of the worker.")
WORKER_API_AWAY = _gauge("worker_api_away_seconds", "How long the Prefect API has not answered the worker.")

# Of this all itself
BUILD = _gauge("build_info", "Always 1; the version is a label.", "version")
SERIES_DROPPED = _counter("series_dropped", "Observations put under 'other', since a metric had too many series.")
SPANS_DROPPED = _counter("spans_dropped", "Spans that could not be exported.")
LOG_LINES = _counter("log_lines", "Log lines of Genesis, by level.", "level")

INSTRUMENTS: tuple[Instrument, ...] = tuple(value for value in globals().values() if isinstance(value, Instrument))
"""All of them, in the order above."""


def list_exposed_names() -> frozenset[str]:
    """Return the names of all series as Prometheus stores them; a histogram has three."""
    names: set[str] = set()
    for each in INSTRUMENTS:
        if each.kind == "histogram":
            names |= {f"{each.name}_bucket", f"{each.name}_sum", f"{each.name}_count"}
        else:
            names.add(each.name)
    return frozenset(names)
