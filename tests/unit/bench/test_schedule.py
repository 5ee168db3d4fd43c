import json
import sys

import pytest

from bench import schedule
from genesis.schedule import ScheduleJob

_FORK = {
    "file": "fork",
    "tasks": [[0, 0, []], [1, 4, [0]], [2, 2, [0]], [3, 2, [0]], [4, 3, [1]], [5, 1, [2, 3]], [6, 0, [4, 5]]],
    "opt_makespan": {"2": 7, "4": 7, "8": 7, "16": 7},
}


@pytest.fixture
def data(tmp_path):
    (tmp_path / "stg").mkdir()
    (tmp_path / "stg" / "stg_50_100.jsonl").write_text(json.dumps(_FORK) + "\n", "utf-8")
    return tmp_path


def test_document_has_the_shape_that_tools_rely_on(data, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bench.schedule", "--quick", "--json", "--data", str(data)])
    schedule.main()
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"name", "machine", "commit", "rows", "targets"}
    assert document["name"] == "schedule"
    assert all(set(target) == {"name", "target", "value", "met"} for target in document["targets"])
    assert [row["genesis"] for row in document["rows"] if "slots" in row] == [1.0] * 4


def test_graph_is_read_without_its_entry_and_exit(data):
    (graph,) = schedule.graphs(data)
    assert graph.jobs == (
        ScheduleJob(4.0),
        ScheduleJob(2.0),
        ScheduleJob(2.0),
        ScheduleJob(3.0, (0,)),
        ScheduleJob(1.0, (1, 2)),
    )


def test_chains_count_the_job_itself_and_its_longest_follower(data):
    (graph,) = schedule.graphs(data)
    assert schedule.chains(graph.jobs) == [7.0, 3.0, 3.0, 3.0, 1.0]


def test_case_compares_both_rules_on_the_same_slots():
    given = ((2, ()), (3, ()), (4, (1,)), (4, ()), (1, (0,)), (4, (4,)))
    graph = schedule.JobGraph("hard", tuple(ScheduleJob(float(seconds), after) for seconds, after in given), {2: 9.0})
    found = schedule.case(graph, 2)
    assert (found.genesis, found.critical_path, found.listed) == (9.0, 11.0, 9.0)
    assert found.repeated
