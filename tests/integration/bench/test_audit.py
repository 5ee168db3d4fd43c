import json
import sys

import pytest

from bench import audit
from bench.audit import TOOLS, _compare, measure, peers
from bench.report import Bench


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.py").write_text("import os\n")
    return tmp_path


def test_all_tools_and_the_report_are_run(folder):
    seconds = audit.audit(str(folder))
    assert sorted(seconds) == sorted([*TOOLS, "report"])
    assert not (folder / "genesis-audit.md").exists()


def test_processor_time_of_children_counts(tmp_path):
    burn = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'sum(range(20_000_000))'])"
    spent = measure([sys.executable, "-c", burn], tmp_path)
    assert spent.cpu_s > 0.2
    assert spent.peak_mb > 1


def test_command_that_fails_ends_the_bench_with_its_words(tmp_path):
    with pytest.raises(SystemExit, match="ended with 7"):
        measure([sys.executable, "-c", "raise SystemExit(7)"], tmp_path)


def test_peers_that_are_missing_are_said(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setattr(audit, "peers", lambda path: {**peers(path), "nobody": ["no-such-program"]})
    monkeypatch.setattr(
        audit, "measure", lambda argv, *given: audit.Spent(1.0, 1.0, 1.0, json.dumps({"seconds": {"lint": 1.0}}), "")
    )
    bench = Bench("audit")
    _compare(bench, folder, 1)
    assert "nobody" in {row["missing"] for row in bench.rows if "missing" in row}
    assert len(bench.targets) == 3


def test_missing_folder_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["bench.audit", str(tmp_path / "none")])
    with pytest.raises(SystemExit, match="none"):
        audit.main()


@pytest.mark.parametrize(
    ("shown", "took_s", "off"),
    [
        ("(including start-up: 15 to 30 s)", 33.0, 1.1),
        ("(including start-up: 20 s)", 10.0, 2.0),
        ("(including start-up: 1 min 30 s to 2 min)", 180.0, 1.5),
        ("(including start-up: at least 20 s)", 60.0, 1.0),
        ("(including start-up: at least 20 s)", 10.0, 2.0),
    ],
)
def test_a_run_is_compared_with_the_estimate_that_was_shown(shown, took_s, off):
    bench = Bench("audit")
    audit._judge_estimate(bench, audit.Spent(took_s, 1.0, 1.0, "", f"3 tasks, about 5 s {shown}"))
    assert [target.value for target in bench.targets] == [pytest.approx(off)]
