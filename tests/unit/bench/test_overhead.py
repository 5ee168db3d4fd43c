import pytest

from bench.overhead import RATIO, _report, cpu_with_drain, handling
from bench.report import Bench

_NAMES = ("window_s", "window_cpu_s", "window_server_cpu_s", "before_s", "before_cpu_s", "after_s", "drain_s")


def _run(window: float, cpu: float, **more: float) -> dict[str, float]:
    made = dict.fromkeys((*_NAMES, "whole_s", "whole_server_cpu_s"), 0.5)
    return made | {"window_s": window, "window_cpu_s": cpu, "whole_cpu_s": cpu + 1.0} | more


def test_processor_time_leaves_out_what_comes_before_the_first_submit():
    assert cpu_with_drain({"whole_cpu_s": 3.0, "before_cpu_s": 0.5}) == 2.5


def test_ratios_are_of_each_turn():
    bench = Bench("overhead")
    found = {
        "genesis": [_run(1.0, 1.0), _run(4.0, 2.0), _run(3.0, 3.0)],
        "persisted": [_run(1.0, 1.0), _run(2.0, 1.0), _run(3.0, 3.0)],
        "bare": [_run(0.5, 0.5)] * 3,
    }
    _report(bench, 200, found)
    values = {target.name: (target.value, target.met) for target in bench.targets}
    assert values["time over the persisted flow's, 200 tasks"] == (1.0, True)
    assert len(bench.targets) == 3
    assert all(target.target == RATIO for target in bench.targets)
    ratios = {row["genesis_over"]: row for row in bench.rows if "genesis_over" in row}
    assert ratios["bare"]["window"] == 6.0


def test_handling_is_measured_with_its_parts_and_as_a_part_of_a_second():
    bench = Bench("overhead")
    handling(bench, repeats=20, pairs=0)
    (row,) = bench.rows
    assert min(row["of_it_ledger_us"], row["of_it_executor_us"], row["attempt_us"]) > 0
    whole_us = row["attempt_us"] - row["of_it_executor_us"]
    assert bench.targets[0].value == pytest.approx(whole_us / 1e4, abs=1e-4)
