"""Whether design, build, test and deploy come in an order that makes sense.

Only leaves whose phase is clear take part (`genesis.validation.phases`), and only within one piece of work
(`genesis.validation.delivery`). The phases before and after each leaf are passed along the order once, so the checks
are linear.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from genesis.validation.check import CheckFinding, check
from genesis.validation.facts import PlanFacts
from genesis.validation.phases import Phase, Phases

__all__ = ["build_before_design", "deploy_before_build", "deploy_before_test", "test_before_build"]


@check(
    "GEN-ORDER-DEPLOY-BUILD",
    "warning",
    finds="a deployment that does not wait for the build, although the plan builds something",
    remedy="let the deployment depend on the build",
)
def deploy_before_build(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find deployments before or beside the build, and builds that no deployment waits for."""
    for scope in facts.delivery.scopes:
        yield from _deploy_early(facts, Phase.BUILD, scope.get(Phase.DEPLOY, ()), scope.get(Phase.BUILD, ()))


@check(
    "GEN-ORDER-DEPLOY-TEST",
    "warning",
    finds="a deployment that does not wait for the tests, although the plan runs some",
    remedy="let the deployment depend on the tests",
)
def deploy_before_test(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find deployments before or beside the tests.

    Tests of what has been deployed come after it, tests of what existed before may run at any time, and a deployment to
    a place where tests are run comes before them.
    """
    for scope in facts.delivery.scopes:
        yield from _deploy_early(facts, Phase.TEST, scope.get(Phase.DEPLOY, ()), scope.get(Phase.TEST, ()))


def _deploy_early(
    facts: PlanFacts, phase: Phase, deploys: Sequence[int], needed: Sequence[int]
) -> Iterator[CheckFinding]:
    """Find deployments that wait for no leaf of a phase; if all wait for one, the leaves that run beside them all."""
    delivery = facts.delivery
    early = [leaf for leaf in deploys if not delivery.comes_after(leaf, phase)]
    beside = [leaf for leaf in needed if not delivery.comes_before(leaf, Phase.DEPLOY)]
    if phase is Phase.TEST:
        early = [leaf for leaf in early if not Phases.is_trial(_description(facts, leaf))]
        beside = [leaf for leaf in beside if not _is_excused(_description(facts, leaf))]
    name = phase.name.lower()
    if early and beside:
        for leaf in early:
            yield _finding(facts, leaf, beside[0], f"deploys without waiting for a {name} task, for example")
    elif deploys:
        for leaf in beside:
            if not delivery.comes_after(leaf, Phase.DEPLOY):
                yield _finding(facts, deploys[0], leaf, f"deploys without waiting for the {name} task")


def _description(facts: PlanFacts, leaf: int) -> str:
    return facts.outline.nodes[leaf].task.description


def _is_excused(description: str) -> bool:
    """Whether a test looks at what has been deployed, or at what was there before."""
    return Phases.is_aftercare(description) or Phases.is_baseline(description)


@check(
    "GEN-ORDER-TEST-BUILD",
    "warning",
    finds="tests that run before anything is built, although the plan builds something",
    remedy="let the tests depend on what they test; tests may be written first, but not run first",
)
def test_before_build(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find runs of tests that wait for no build."""
    delivery = facts.delivery
    for scope in delivery.scopes:
        builds = scope.get(Phase.BUILD, ())
        for leaf in scope.get(Phase.TEST, ()) if builds else ():
            ready = delivery.comes_after(leaf, Phase.BUILD) or delivery.comes_after(leaf, Phase.DEPLOY)
            if not ready and not Phases.is_baseline(_description(facts, leaf)):
                yield _finding(facts, leaf, builds[0], "runs tests without waiting for a build task, for example")


@check(
    "GEN-ORDER-BUILD-DESIGN",
    "warning",
    finds="requirements or a design that come after everything is built",
    remedy="let the build depend on the design",
)
def build_before_design(facts: PlanFacts) -> Iterator[CheckFinding]:
    """Find designs that wait for a build and that nothing is built from."""
    delivery = facts.delivery
    for scope in delivery.scopes:
        for leaf in scope.get(Phase.DESIGN, ()):
            if delivery.comes_after(leaf, Phase.BUILD) and not delivery.comes_before(leaf, Phase.BUILD):
                builds = scope.get(Phase.BUILD, (leaf,))
                yield _finding(facts, leaf, builds[0], "designs what is already built by, for example")


def _finding(facts: PlanFacts, leaf: int, other: int, relation: str) -> CheckFinding:
    own, second = facts.path(leaf), facts.path(other)
    return CheckFinding(leaf, f"task {own!r} {relation} {second!r}", evidence={"task": own, "other": second})
