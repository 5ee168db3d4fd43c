"""Schedules and notifications of a plan, which only a deployment of it has."""

from __future__ import annotations

from collections.abc import Iterator

from genesis.structure import schedule_faults
from genesis.validation.check import CheckFinding, check
from genesis.validation.facts import PlanFacts

__all__ = ["deployment_only", "schedule_parameters"]


@check(
    "GEN-SCHEDULE-PARAM",
    "warning",
    finds="a schedule with a parameter that the plan does not declare, of another type, or without a required one",
    remedy="correct the schedule's `params`; until then `genesis deploy` refuses the plan",
)
def schedule_parameters(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find schedules whose runs would not start."""
    for schedule in facts.plan.schedules:
        for name, reason in schedule_faults(facts.plan, schedule).items():
            yield CheckFinding(
                None,
                f"schedule {schedule.name!r}, parameter {name!r}: {reason}",
                hint=facts.guess(name, facts.plan.params) if name not in facts.plan.params else "",
                evidence={"schedule": schedule.name, "parameter": name},
            )


@check(
    "GEN-DEPLOYED-ONLY",
    "info",
    finds="`schedules` or `notify`, which `genesis run` ignores",
    remedy="deploy the plan: genesis deploy PLAN",
)
def deployment_only(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Report what takes effect in a deployment only."""
    keys = [key for key in ("schedules", "notify") if getattr(facts.plan, key)]
    if keys:
        yield CheckFinding(None, f"the plan's {' and '.join(keys)} take effect once it is deployed, not by genesis run")
