import json
from itertools import pairwise

import pytest

from bench.plans import AGENTS, chains_plan, convert, layered_plan, lower_bound_s, read_recorded, registry, small_plan
from genesis.model import Registry
from genesis.pipeline import compile_prepared, prepare
from genesis.planning import load_plan
from genesis.settings import Settings

_RECORD = {
    "tasks": [
        {"id": "join_3", "name": "join_3", "parents": ["cut_1", "cut_2"], "runtime_s": 2.0},
        {"id": "cut_1", "name": "cut_1", "parents": [], "runtime_s": 3.0},
        {"id": "cut_2", "name": "cut_2", "parents": [], "runtime_s": 5.0},
    ]
}


@pytest.fixture
def data(tmp_path):
    (tmp_path / "wfinstances").mkdir()
    (tmp_path / "wfinstances" / "small.json").write_text(json.dumps(_RECORD), "utf-8")
    return tmp_path


def _compile(document):
    settings = Settings()
    agents = Registry.model_validate(registry({"kind": "rehearsal"}))
    return compile_prepared(prepare(load_plan(document), agents, settings=settings, keep=True), settings)


def test_layered_plan_draws_from_five_agents_and_gives_three_parents_at_most():
    program = _compile(layered_plan(200))
    assert layered_plan(200) == layered_plan(200)
    assert layered_plan(200) != layered_plan(200, seed=8)
    assert len(program.leaves) == 200
    assert {leaf.agent for leaf in program.leaves} == set(AGENTS)
    assert max(len(leaf.after) for leaf in program.leaves) == 3
    assert {leaf.seconds for leaf in program.leaves} == {0.0}


def test_chains_have_four_leaves_of_one_agent_one_after_the_other():
    leaves = _compile(chains_plan(80)).leaves
    assert len(leaves) == 80
    for start in range(0, 80, 4):
        chain = leaves[start : start + 4]
        assert len({leaf.agent for leaf in chain}) == 1
        assert all(leaf.after == (before.index,) for before, leaf in pairwise(chain))


def test_small_plans_differ_and_have_three_leaves():
    assert small_plan(1) == small_plan(1)
    assert small_plan(1)["request"] != small_plan(2)["request"]
    leaves = _compile(small_plan(3)).leaves
    assert [leaf.after for leaf in leaves] == [(), (0,), (0,)]


def test_recorded_workflow_is_read_with_parents_first(data):
    (workflow,) = read_recorded(data)
    assert workflow.tasks == (("cut_1", "cut", 3.0, ()), ("cut_2", "cut", 5.0, ()), ("join_3", "join", 2.0, (0, 1)))
    assert (workflow.work_s, workflow.critical_path_s) == (10.0, 7.0)
    assert lower_bound_s(workflow, 16) == 7.0
    assert lower_bound_s(workflow, 1) == 10.0


def test_converted_workflow_keeps_edges_and_times_and_gives_each_kind_an_agent(data):
    leaves = _compile(convert(read_recorded(data)[0])).leaves
    assert [(leaf.after, leaf.seconds) for leaf in leaves] == [((), 3.0), ((), 5.0), ((0, 1), 2.0)]
    assert leaves[0].agent == leaves[1].agent != leaves[2].agent


def test_circle_in_a_record_is_told(data):
    circle = {"tasks": [{"id": "a", "name": "a", "parents": ["a"], "runtime_s": 1}]}
    (data / "wfinstances" / "small.json").write_text(json.dumps(circle), "utf-8")
    with pytest.raises(SystemExit, match="circle"):
        read_recorded(data)


def test_missing_workflows_are_told_with_the_flag(tmp_path):
    with pytest.raises(SystemExit, match="--data"):
        read_recorded(tmp_path)
