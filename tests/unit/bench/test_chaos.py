import json
import random
from collections import Counter

import pytest

from bench import chaos
from bench.chaos import KINDS, Drawn, cases
from bench.chaos_keys import keys_plan
from bench.chaos_runs import AGENTS, ChaosCase, plan
from bench.report import Bench
from genesis.model import Registry
from genesis.pipeline import compile_prepared, prepare
from genesis.planning import load_plan
from genesis.settings import Settings


def _case(**more):
    made = {"run_id": "r", "state": "completed", "kills": 1, "resumed": 0, "recorded": 3, "healed_s": 2.0}
    return ChaosCase(**{**made, "twice": 0, "most_rows": 1, **more})


def test_cases_are_the_same_for_a_seed_and_kill_each_kind_equally_often():
    drawn = cases(60, seed=1)
    assert drawn == cases(60, seed=1)
    assert drawn != cases(60, seed=2)
    assert Counter(each.kill[0] for each in drawn) == dict.fromkeys(KINDS, 12)
    assert 4 <= sum(len(each.kill) == 2 for each in drawn) <= 24
    assert all(list(each.rows) == sorted(each.rows) for each in drawn)
    assert {each.rows[0] for each in drawn} >= {0, 5}


def test_second_kill_is_never_an_orchestrator():
    seconds = {each.kill[1] for each in cases(200, seed=3) if len(each.kill) == 2}
    assert seconds == {"worker", "server", "database"}


def test_plan_of_a_run_compiles_and_routes_to_both_agents():
    document = plan("run0", "/tmp/effects.db", random.Random(5)).document
    assert document == plan("run0", "/tmp/effects.db", random.Random(5)).document
    prepared = prepare(load_plan(document), Registry.model_validate(AGENTS), settings=Settings(), keep=True)
    program = compile_prepared(prepared, Settings())
    assert len(program.leaves) == 12
    assert {leaf.agent for leaf in program.leaves} == {"function_agent", "program_agent"}
    assert {leaf.side_effects for leaf in program.leaves} == {True, False}
    assert max(len(leaf.after) for leaf in program.leaves) == 2


@pytest.mark.parametrize("fails", [False, True])
def test_plan_with_keys_is_sound_and_says_how_each_leaf_ends(fails):
    wanted = keys_plan("run0", "/tmp/effects.db", random.Random(5), fails=fails)
    prepared = prepare(load_plan(wanted.document), Registry.model_validate(AGENTS), settings=Settings(), keep=True)
    paths = {leaf.path for leaf in compile_prepared(prepared, Settings()).leaves}
    copies = {path for path in wanted.states if path.startswith("check/")}
    assert wanted.states.keys() - copies == paths
    assert len(copies) == 5
    assert wanted.acting == (paths | copies) - {"check", "few"} - (set() if fails else {"mend"})
    assert wanted.state == ("failed" if fails else "completed")


@pytest.mark.parametrize(
    ("more", "missed"),
    [
        ({"lost": ["l1"]}, "leaves without their effect"),
        ({"repeated": ["l1"]}, "leaves repeated although they were recorded"),
        ({"state": "failed"}, "runs that did not complete"),
        ({"wrong": ["b is failed and not skipped"]}, "runs that did not end as their rules say"),
        ({"leaked": ["x is Running"]}, "flow runs or slots leaked"),
        ({"left_running": ["12 python"]}, "processes left running"),
        ({"kills": 0}, "runs disturbed"),
    ],
)
def test_each_thing_that_must_not_happen_misses_its_target(more, missed):
    drawn = Drawn(0, ("worker",), (1,), (0.1,), 1.0)
    bench = Bench("chaos")
    chaos._targets(bench, [(drawn, _case(**more))], 1)
    assert [target.name for target in bench.targets if not target.met] == [missed]


def test_rows_and_summary_tell_what_was_killed():
    drawn = Drawn(4, ("worker", "server"), (1, 7), (0.1, 0.2), 1.0)
    alone = Drawn(5, ("worker",), (1,), (0.1,), 1.0)
    bench = Bench("chaos")
    chaos._add(bench, drawn, _case())
    chaos._summary(bench, [(drawn, _case()), (alone, _case(healed_s=4.0, twice=2)), (alone, _case(kills=0))])
    assert bench.rows[0]["killed"] == "worker + server"
    (summary,) = bench.rows[1:]
    assert (summary["killed_alone"], summary["runs"], summary["leaves_twice"]) == ("worker", 1, 2)
    assert json.dumps(bench.document())
