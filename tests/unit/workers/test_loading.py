"""Finding flows in a child."""

import sys
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun

from genesis.workers.loading import Flows, back_home, is_module


@pytest.mark.parametrize(
    ("entrypoint", "pulls", "module"),
    [("a.b", False, True), ("a.b", True, False), ("genesis.flows.x", True, True), ("flows/x.py:f", False, False)],
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
    run = FlowRun(id=uuid4(), flow_id=uuid4(), name="x")
    first = await flows.find(run, "once_only.f", pulls=False)
    (tmp_path / "once_only.py").write_text("raise SystemExit")
    assert await flows.find(run, "once_only.f", pulls=False) is first


async def _nothing():
    return None
