import asyncio
import sys
from collections import Counter
from decimal import Decimal

import pytest

from bench import chaos, chaos_dead, chaos_faults
from bench.chaos_faults import AGENTS, Disturbed, plan, program_of
from bench.report import Bench
from genesis.agents.contract import Work
from genesis.model import Outcome, Run
from genesis.resilience import BreakerRules
from genesis.settings import ResilienceSettings
from genesis.testing import Effects, Faults, Witness, an_agent

_RULES = (
    "failures", "failure_rate", "minimum_calls", "window_s", "cooling_s", "longest_cooling_s", "successes",
)  # fmt: skip
PROGRAM = program_of(plan(1), AGENTS)


def _work(agent="first_agent"):
    return Work("r", "c", "", "a", "work", "", {}, ("did",), an_agent(agent))


def _make_disturbed(state="completed", broken=(), seconds=1.0, attempts=1, agent=None):
    tasks = tuple(
        Outcome(id=leaf.path, agent=agent or leaf.agent, state="completed", attempts=attempts)
        for leaf in PROGRAM.leaves
    )
    fields = {"run_id": "r", "correlation_id": "c", "planner": "file", "cost_usd": Decimal(0)}
    run = Run(**fields, state=state, tasks=tasks, duration_s=seconds)
    witness = Witness()
    witness.began(_work())
    return Disturbed(run, PROGRAM, witness, Faults(1), list(broken), seconds)


def _make_report(*pairs):
    bench = Bench("chaos")
    chaos_faults._report(bench, chaos_faults._Setting("all", len(pairs)), list(pairs), 1.0)
    return bench


@pytest.mark.parametrize("seed", range(8))
def test_plans_have_a_realistic_shape_and_every_leaf_has_someone_else_who_can(seed):
    assert plan(seed) == plan(seed)
    program = program_of(plan(seed), AGENTS)
    assert 10 <= len(program.leaves) <= 20
    assert {len(leaf.fallbacks) for leaf in program.leaves if not leaf.side_effects} == {3}
    assert Counter(leaf.side_effects for leaf in program.leaves)[True] == 1
    assert {leaf.retries for leaf in program.leaves} == {0, 2}
    assert any(leaf.sources for leaf in program.leaves)


def test_a_campaign_counts_what_completes_what_degrades_and_what_it_costs():
    bench = _make_report(
        (_make_disturbed(), _make_disturbed(seconds=2.0, attempts=2)),
        (_make_disturbed(), _make_disturbed(seconds=4.0, agent="other")),
        (_make_disturbed(), _make_disturbed(seconds=3.0)),
    )
    first, second = bench.rows
    assert (first["completed"], first["degraded"], first["invariants_broken"]) == (1.0, 0.6667, 0)
    assert (second["ratio_median"], second["ratio_p95"]) == (3.0, 4.0)
    assert second["leaves_repeated"] == second["leaves_moved"] == 0.3333
    assert all(target.met for target in bench.targets)


def test_a_campaign_misses_its_targets_when_runs_fail_or_an_invariant_is_broken():
    failed = _make_report((_make_disturbed(), _make_disturbed(state="failed")))
    assert [target.name for target in failed.targets if not target.met] == ["part of runs that complete, all"]
    broken = _make_report((_make_disturbed(broken=["x"]), _make_disturbed()))
    assert [target.name for target in broken.targets if not target.met] == ["invariants broken, all"]
    calm = _make_report((_make_disturbed(state="failed"), _make_disturbed()))
    assert [target.name for target in calm.targets if not target.met] == [
        "runs without faults that do not complete, all"
    ]


async def test_a_worker_leaves_one_effect_a_call(tmp_path):
    effects = Effects(tmp_path / "effects")
    result = await chaos_faults.FaultyWorker(effects, 0).execute(_work())
    assert result.value == {"did": "did a"}
    assert effects.of("r") == {"a": 1}


async def test_an_agent_is_down_for_a_time_after_its_first_call():
    up = chaos_dead.Down("refuses", 60.0, 60.0, 0.0)
    assert (await up.execute(_work())).value == {"did": "a"}
    down = chaos_dead.Down("refuses", 0.0, 60.0, 0.0)
    with pytest.raises(ConnectionRefusedError):
        await down.execute(_work())
    hanging = chaos_dead.Down("hangs", 0.0, 60.0, 0.0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await hanging.execute(_work())


def test_an_agent_that_is_down_comes_back():
    down = chaos_dead.Down("refuses", 5.0, 60.0, 0.0)
    assert not down.is_down(100.0)
    down._first = 100.0
    assert [down.is_down(100.0 + after) for after in (0, 5, 64, 65)] == [False, True, True, False]


def test_each_leaf_of_the_hundred_can_go_to_the_other_agent():
    program = program_of(chaos_dead.plan(100, 1), chaos_dead.AGENTS)
    assert len(program.leaves) == 100
    assert all(len(leaf.fallbacks) == 1 for leaf in program.leaves)
    assert sum(leaf.agent == "first_agent" for leaf in program.leaves) > 30


def test_the_breakers_of_the_dead_agent_have_the_rules_that_are_the_default():
    rules, default = BreakerRules(), ResilienceSettings()
    assert {name: getattr(rules, name) for name in _RULES} == {name: getattr(default, name) for name in _RULES}


@pytest.mark.parametrize(
    ("words", "called"), [([], "kills"), (["kills"], "kills"), (["faults"], "faults"), (["dead-agent"], "dead")]
)
def test_the_command_line_chooses_what_goes_wrong(words, called, monkeypatch, capsys):
    seen = []
    monkeypatch.setattr(chaos, "_kills", lambda *_: seen.append("kills"))
    monkeypatch.setattr(chaos, "faults_case", lambda *_, **__: seen.append("faults"))
    monkeypatch.setattr(chaos, "dead_agent_case", lambda *_, **__: seen.append("dead"))
    monkeypatch.setattr(sys, "argv", ["bench.chaos", *words, "--json"])
    chaos.main()
    assert seen == [called]
    assert '"name": "chaos"' in capsys.readouterr().out
