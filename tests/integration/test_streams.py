"""Streams of real processes: closed, full, without a reader, of another encoding, and gone folders and homes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PLAN = {"version": 1, "request": "Prüfe ✓", "tasks": [{"id": "t", "description": "ein Schlüssel ✓ \U0001f600"}]}


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(PLAN))
    return str(path)


def genesis(*words, env=None, **more):
    argv = [sys.executable, "-m", "genesis.cli", *words]
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more
    return subprocess.run(argv, env=os.environ | (env or {}), timeout=120, check=False, **given)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_is_whole_in_every_encoding_and_text_is_shown_as_well_as_it_can_be(plan, encoding):
    done = genesis("validate", plan, "--json", env={"PYTHONIOENCODING": encoding})
    assert json.loads(done.stdout.decode(encoding))["tasks"][0]["description"] == PLAN["tasks"][0]["description"]
    shown = genesis("validate", plan, env={"PYTHONIOENCODING": encoding})
    assert (shown.returncode, done.returncode) == (0, 0)
    assert b"Traceback" not in shown.stderr


def test_reader_that_goes_is_no_failure(plan):
    reading, writing = os.pipe()
    os.close(reading)
    done = genesis("validate", plan, "--json", stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_full_disk_is_told(plan):
    with Path("/dev/full").open("w") as full:
        done = genesis("validate", plan, "--json", stdout=full)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [b"Error: the answer could not be written to stdout: No space left on device"]


def test_closed_streams_are_no_failure(plan):
    close = "import os, sys; [os.close(fd) for fd in range(3)]; os.execv(sys.argv[1], sys.argv[1:])"
    argv = [sys.executable, "-c", close, sys.executable, "-m", "genesis.cli", "validate", plan]
    assert subprocess.run(argv, timeout=120, check=False).returncode == 0


def test_a_folder_that_has_gone_is_told(plan, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    leave = "import os, sys; os.chdir(sys.argv[1]); os.rmdir(sys.argv[1]); os.execv(sys.argv[2], sys.argv[2:])"
    called = [sys.executable, "-P", "-m", "genesis.cli", "validate", plan, "--json"]
    argv = [sys.executable, "-c", leave, str(gone), *called]
    done = subprocess.run(argv, capture_output=True, timeout=120, check=False)
    assert done.returncode == 2
    assert "the current folder no longer exists" in json.loads(done.stdout)["error"]["message"]


AS_NOBODY = """
import os, pwd, sys
from genesis.cli.app import main
for name in ("HOME", "GENESIS_HOME", "PREFECT_HOME"):
    os.environ.pop(name, None)
pwd.getpwuid = {}.__getitem__  # knows nobody
main(sys.argv[1:])
"""


@pytest.mark.parametrize("command", ["validate", "route", "simulate", "plan", "schema", "doctor", "run", "runs"])
def test_user_without_a_home(plan, command):
    words = {"schema": ["plan"], "plan": ["Write a poem"], "doctor": [], "runs": []}.get(command, [plan])
    argv = [sys.executable, "-c", AS_NOBODY, command, *words, "--json"]
    done = subprocess.run(argv, capture_output=True, timeout=120, check=False)
    document = json.loads(done.stdout)
    if command in ("run", "runs"):
        assert document["error"]["code"] == "GEN-RESOURCE-HOME"
        assert "GENESIS_HOME" in document["error"]["hint"]
    else:
        assert "error" not in document
    assert b"Traceback" not in done.stderr


def test_settings_that_cannot_be_used_do_not_spoil_the_end_of_a_process_that_agents_left_threads_in(plan):
    code = "import multiprocessing, sys; from genesis.cli.app import main; main(sys.argv[1:])"
    argv = [sys.executable, "-c", code, "validate", plan, "--json"]
    environment = os.environ | {"GENESIS_LIMITS__LEAVES": "many"}
    done = subprocess.run(argv, env=environment, capture_output=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (2, b"")
    assert "GENESIS_LIMITS__LEAVES" in json.loads(done.stdout)["error"]["message"]
