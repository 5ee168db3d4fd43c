"""Finding flows in a child."""

import sys
from pathlib import Path

import pytest

from genesis.workers.loading import Flows, back_home, is_module


@pytest.mark.parametrize(
    ("entrypoint", "pulls", "module"),
    [
        ("a.b", [], True),
        ("a.b", [{"x": {}}], False),
        ("genesis.flows.x", [{"x": {}}], True),
        ("flows/x.py:f", [], False),
    ],
)
def test_modules_are_told_from_files(entrypoint, pulls, module):
    assert is_module(entrypoint, pulls=pulls) is module


def test_one_comes_back_from_wherever_loading_went(tmp_path):
    home, path = Path.cwd(), list(sys.path)
    (tmp_path / "deeper").mkdir()
    with back_home(str(tmp_path)):
        assert Path.cwd() == tmp_path
        sys.path.insert(0, "deeper")
    assert (Path.cwd(), sys.path) == (home, path)
    with back_home(None):
        assert Path.cwd() == home


async def test_a_module_is_imported_once(tmp_path, monkeypatch):
    (tmp_path / "once_only.py").write_text("from prefect import flow\n@flow\nasync def f(): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    flows = Flows()
    monkeypatch.setattr(flows, "_default_storage", _nothing)
    first = await flows.find("once_only.f", pulls=[])
    (tmp_path / "once_only.py").write_text("raise SystemExit")
    assert await flows.find("once_only.f", pulls=[]) is first


async def _nothing():
    return None
