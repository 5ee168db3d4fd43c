import os
import sys
import time

import pytest

from genesis_audit.process import get_trusted_path, run_child, scrub_environment


def _python(code, tmp_path, **how):
    return run_child([sys.executable, "-c", code], cwd=tmp_path, env={"PATH": os.defpath}, **{"timeout_s": 20, **how})


def test_output_and_code_are_given(tmp_path):
    done = _python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)", tmp_path)
    assert (done.end, done.code, done.stdout, done.complaint) == ("exited", 3, b"out\n", "err")
    assert not done.ok


def test_missing_program_is_no_exception(tmp_path):
    done = run_child(["/nowhere/program"], cwd=tmp_path, env={}, timeout_s=5)
    assert (done.end, done.code) == ("missing", None)


def test_timeout_kills_grandchildren_too(tmp_path):
    mark = tmp_path / "mark"
    grandchild = f"import time; time.sleep(1.5); open({str(mark)!r}, 'w').close()"
    code = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {grandchild!r}]); time.sleep(60)"
    started = time.monotonic()
    done = _python(code, tmp_path, timeout_s=0.7)
    assert done.end == "timeout"
    assert done.code is None
    assert time.monotonic() - started < 30
    time.sleep(1.6)
    assert not mark.exists()


def test_a_grandchild_that_holds_the_pipe_does_not_hold_the_caller(tmp_path):
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(30)']); print('x')"
    started = time.monotonic()
    done = _python(code, tmp_path)
    assert (done.end, done.stdout) == ("exited", b"x\n")
    assert time.monotonic() - started < 25


def test_too_much_output_stops_the_child(tmp_path):
    done = _python("while True: print('x' * 1000)", tmp_path, output_limit=10_000)
    assert done.end == "output_limit"
    assert len(done.stdout) == 10_000


def test_keep_tail_lets_the_child_go_on_and_keeps_the_end(tmp_path):
    done = _python("for n in range(200_000): print(n)", tmp_path, output_limit=1_000, keep_tail=True)
    assert done.end == "exited"
    assert len(done.stdout) == 1_000
    assert done.stdout.endswith(b"199999\n")


def test_a_child_that_closes_its_pipes_is_still_waited_for(tmp_path):
    done = _python("import os, time; os.close(1); os.close(2); time.sleep(0.3); os._exit(4)", tmp_path)
    assert (done.end, done.code) == ("exited", 4)


def test_stdin_is_empty(tmp_path):
    assert _python("import sys; print(len(sys.stdin.read()))", tmp_path).stdout == b"0\n"


def test_environment_has_nothing_of_ours(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("LANG", "C.UTF-8")
    env = scrub_environment("/bin", {"HOME": "/h"})
    assert env == {**env, "PATH": "/bin", "HOME": "/h", "LANG": "C.UTF-8"}
    assert "AWS_SECRET_ACCESS_KEY" not in env


@pytest.mark.parametrize("entry", [".", "relative/bin", ""])
def test_trusted_path_has_no_relative_entry(monkeypatch, tmp_path, entry):
    monkeypatch.setenv("PATH", os.pathsep.join([entry, "/usr/bin"]))
    assert get_trusted_path(tmp_path) == "/usr/bin"


def test_trusted_path_has_no_folder_inside_the_audited_one(monkeypatch, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path.parent / f"{tmp_path.name}-link").symlink_to(tmp_path / "bin")
    entries = [str(tmp_path), str(tmp_path / "bin"), str(tmp_path.parent / f"{tmp_path.name}-link"), "/usr/bin"]
    monkeypatch.setenv("PATH", os.pathsep.join(entries))
    assert get_trusted_path(tmp_path) == "/usr/bin"
