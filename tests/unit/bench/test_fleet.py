import json

import pytest

from bench import fleet
from bench.fleet import Size
from bench.plans import convert, read_recorded
from bench.report import Bench

_RUN = {
    "leaves": 10, "completed": 10, "flow_runs": 5, "window_s": 2.0, "leaves_a_second": 5.0, "before_s": 1.0,
    "after_s": 0.5, "server_cpu_ms": 100.0, "orchestrator_cpu_ms": 10.0, "load": 1.0, "peak_mb": 120.0,
}  # fmt: skip


@pytest.fixture
def stub(monkeypatch):
    """No fleet: each run gives what the test says."""
    runs = []

    class _Nowhere:
        server_pid = 0

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

    def measure(_stack, plan, **variables):
        runs.append((plan["request"], variables))
        rate = 13.0 if "in a row" in plan["request"] else 7.0
        return {**_RUN, "leaves_a_second": 1.0 if "GENESIS_POOLS__BATCH_LEAVES" in variables else rate}

    monkeypatch.setattr(fleet, "_warm_fleet", lambda *_: _Nowhere())
    monkeypatch.setattr(fleet, "run_plan", lambda *_, **__: {})
    monkeypatch.setattr(fleet, "_measure", measure)
    return runs


def test_throughput_takes_turns_and_targets_what_is_fused(stub):
    bench = Bench("fleet")
    fleet.throughput(bench, Size(10, 2, 0, 0, 0, 1.0, 0, 0))
    assert len(stub) == 8
    assert stub[:4] == stub[:3:-1]
    assert [(target.value, target.met) for target in bench.targets] == [(7.0, True), (13.0, True)]
    assert {(row["plan"], row["fusing"], row["cpu_ms"]) for row in bench.rows} == {
        (plan, fusing, 110.0) for plan in ("random", "runs of four") for fusing in ("fused", "one by one")
    }


def test_large_run_has_to_complete_within_its_memory(stub):
    bench = Bench("fleet")
    fleet.large(bench, Size(10, 1, 0, 0, 0, 1.0, 0, 0))
    assert not bench.rows
    fleet.large(bench, Size(10, 1, 11, 0, 0, 1.0, 0, 0))
    assert [target.met for target in bench.targets] == [False, True]


def test_makespan_parts_what_the_scheduler_loses_from_what_the_pools_add(stub, tmp_path):
    (tmp_path / "wfinstances").mkdir()
    tasks = [{"id": f"a_{n}", "name": f"a_{n}", "parents": [], "runtime_s": 8.0} for n in range(17)]
    (tmp_path / "wfinstances" / "flat.json").write_text(json.dumps({"tasks": tasks}), "utf-8")
    assert fleet._simulate_s(convert(read_recorded(tmp_path)[0]), fleet.registry(fleet._TIMER, 16)) == 16.0
    bench = Bench("fleet")
    fleet.makespan(bench, Size(10, 1, 0, 0, 1, 1.0, 0, 0), tmp_path)
    (row,) = bench.rows
    scale = 1.0 / (17 * 8.0 / 16)
    assert row["simulated_s"] == round(16 * scale, 2)
    assert row["scheduling_s"] == round(16 * scale - 1.0, 2)
    assert row["overhead_s"] == round(2.0 - 16 * scale, 2)
    assert row["over_bound"] == 2.0
