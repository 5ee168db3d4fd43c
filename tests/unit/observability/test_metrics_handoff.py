import json
import subprocess
import sys

from genesis.observability.instruments import STAGE_SECONDS, TASKS, TASKS_RUNNING
from genesis.observability.metrics import Metrics
from genesis.observability.metrics_handoff import MetricsHandoff, store_metrics

PROGRAM = """
import sys
from pathlib import Path
from genesis.observability.metrics_handoff import store_metrics
from genesis.observability.instruments import TASKS
from genesis.observability.metrics import Metrics
for _ in range(20):
    metrics = Metrics()
    metrics.count(TASKS, "a", "completed")
    store_metrics(metrics.drain_changes(), Path(sys.argv[1]))
"""


def count(**tasks):
    metrics = Metrics()
    for agent, amount in tasks.items():
        metrics.count(TASKS, agent, "completed", amount=amount)
    metrics.observe(STAGE_SECONDS, "plan", value=1.0)
    metrics.set(TASKS_RUNNING, "a", value=5)
    return metrics


def render(home, metrics=None):
    page = MetricsHandoff(home)
    try:
        return page.combine_with(metrics or Metrics())
    finally:
        page.close()


def test_what_processes_leave_adds_up_and_their_gauges_go_with_them(tmp_path):
    store_metrics(count(a=1, b=2).drain_changes(), tmp_path)
    store_metrics(count(a=4).drain_changes(), tmp_path)
    together = render(tmp_path, count(a=10))
    assert together.values(TASKS) == {("a", "completed"): 15, ("b", "completed"): 2}
    assert together.value(STAGE_SECONDS, "plan") == 3
    assert together.value(TASKS_RUNNING, "a") == 5


def test_processes_that_end_at_the_same_time_lose_nothing(tmp_path):
    started = [subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)]) for _ in range(4)]
    assert [each.wait(60) for each in started] == [0] * 4
    assert render(tmp_path).value(TASKS, "a", "completed") == 80


def test_one_process_shows_it_and_the_next_one_when_it_is_gone(tmp_path):
    store_metrics(count(a=3).drain_changes(), tmp_path)
    first, second = MetricsHandoff(tmp_path), MetricsHandoff(tmp_path)
    assert first.combine_with(Metrics()).value(TASKS, "a", "completed") == 3
    assert second.combine_with(Metrics()).value(TASKS, "a", "completed") == 0
    first.close()
    assert second.combine_with(Metrics()).value(TASKS, "a", "completed") == 3
    second.close()


def test_a_damaged_document_is_begun_anew(tmp_path, caplog):
    (tmp_path / "metrics.json").write_text('{"counts": [["genesis_tasks_total"')
    store_metrics(count(a=3).drain_changes(), tmp_path)
    assert "damaged" in caplog.text
    assert render(tmp_path).value(TASKS, "a", "completed") == 3
    (tmp_path / "metrics.json").write_text(json.dumps([1, 2]))
    assert render(tmp_path).value(TASKS, "a", "completed") == 0


def test_a_home_that_cannot_be_written_costs_the_figures_only(tmp_path):
    (tmp_path / "file").write_text("no folder")
    store_metrics(count(a=3).drain_changes(), tmp_path / "file")
    assert render(tmp_path / "file", count(a=1)).value(TASKS, "a", "completed") == 1


def test_nothing_counted_writes_nothing(tmp_path):
    store_metrics(Metrics().drain_changes(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_home_is_made_for_it(tmp_path):
    store_metrics(count(a=1).drain_changes(), tmp_path / "none")
    assert render(tmp_path / "none", count(a=1)).value(TASKS, "a", "completed") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_home_whose_name_is_too_long_costs_the_figures_only(tmp_path):
    store_metrics(count(a=1).drain_changes(), tmp_path / ("1" * 400))
    assert list(tmp_path.iterdir()) == []
