import sys

import pytest

from bench.server import private_environment
from bench.startup import genesis, prefect_modules, time_command


def test_planning_imports_nothing_of_prefect(tmp_path):
    assert prefect_modules(private_environment(tmp_path)) == 0


def test_help_runs_to_its_end(tmp_path):
    wall, cpu = time_command(genesis("--help"), private_environment(tmp_path))
    assert 0 < cpu < 60
    assert 0 < wall < 60


def test_the_least_processor_time_is_measured(tmp_path):
    spent = [time_command([sys.executable, "-c", "pass"], private_environment(tmp_path))[1] for _ in range(3)]
    assert min(spent) > 0
    assert any(round(each, 2) != round(each, 6) for each in spent)  # finer than the clock tick of `os.times`


def test_command_that_fails_ends_the_bench_with_its_words(tmp_path):
    with pytest.raises(SystemExit, match="ended with 3"):
        time_command([sys.executable, "-c", "raise SystemExit(3)"], private_environment(tmp_path))
