"""Every bench can be started as the design says, and says what it was given too little of."""

import importlib
import sys

import pytest

_NAMES = [
    "audit",
    "chaos",
    "dispatch",
    "durability",
    "files",
    "fleet",
    "graphs",
    "memory",
    "observability",
    "overhead",
    "pipeline",
    "planning",
    "routing",
    "schedule",
    "startup",
    "workflows",
]


@pytest.mark.parametrize("name", _NAMES)
def test_bench_has_the_common_flags(name, monkeypatch, capsys):
    module = importlib.import_module(f"bench.{name}")
    monkeypatch.setattr(sys, "argv", [f"bench.{name}", "--help"])
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert all(flag in told for flag in ("--quick", "--json", "--data"))


@pytest.mark.parametrize("name", ["planning", "routing", "schedule", "workflows"])
def test_missing_data_is_told_with_the_flag_that_names_the_folder(name, monkeypatch, tmp_path):
    module = importlib.import_module(f"bench.{name}")
    monkeypatch.setattr(sys, "argv", [f"bench.{name}", "--quick", "--data", str(tmp_path / "none")])
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert str(tmp_path / "none") in str(ended.value.code)
    assert "--data" in str(ended.value.code)
