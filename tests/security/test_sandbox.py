"""What a hostile program of an agent reaches, with the sandbox and (the control) without it."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time

import pytest

from genesis.agents.command import CommandExecutor
from genesis.agents.contract import Work
from genesis.agents.processes import below
from genesis.errors import SecurityError, TaskError, TaskTimeoutError
from genesis.model import AgentProfile, CommandSpec
from genesis.security import sandbox
from genesis.testing.processes import is_running

pytestmark = pytest.mark.skipif(
    sandbox.find_sandbox() != "bubblewrap", reason="bubblewrap is not installed, or does not work on this machine"
)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A machine in small: a home with keys, Genesis's own home with records, a working folder, another project."""
    for folder in ("home/.ssh", "genesis/runs/other", "work", "leaf", "project"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "home/.ssh/id_ed25519").write_text("the private key")
    (tmp_path / "genesis/runs/other/run.json").write_text("another run")
    (tmp_path / "project/notes.txt").write_text("notes")
    (tmp_path / "work/input.txt").write_text("honest input")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


def run(place, code, *, env=None, timeout_s=20, spec=None, inputs=None, sources=None, **rules):
    """Run a Python program as the command of an agent with these rules, and return what it printed as JSON."""
    argv = [sys.executable, "-c", textwrap.dedent(code), *(spec or {}).pop("arguments", ())]
    made = CommandExecutor(
        CommandSpec(kind="command", argv=argv, cwd=str(place / "work"), **(spec or {})),
        output_bytes=100_000,
        environment={"PATH": os.environ["PATH"], "HOME": str(place / "home"), **(env or {})},
        secrets=lambda name: None,
        home=place / "genesis",
    )
    agent = AgentProfile(name="x", sandbox=rules or "preferred")
    work = _work(
        place / "leaf/files", agent, inputs=inputs or {}, sources=sources or {}, outputs=("got",), timeout_s=timeout_s
    )
    value = asyncio.run(made.execute(work)).value
    return value["got"] if "got" in value else json.loads(value["stdout"])


def _work(folder, agent, **more):
    about = {
        "run_id": "run-1",
        "correlation_id": "cid-1",
        "request": "q",
        "path": "a/b",
        "type": "t",
        "description": "d",
    }
    return Work(**{**about, "inputs": {}, "outputs": (), "agent": agent, "folder": folder, **more})


READ = """
import json, pathlib, sys
def read(path):
    try:
        return pathlib.Path(path).read_text()
    except OSError:
        return None
print(json.dumps([read(path) for path in sys.argv[1:]]))
"""


def read(place, *paths, **rules):
    return run(place, READ, spec={"arguments": ["", *map(str, paths)]}, **rules)[1:]


@pytest.mark.parametrize("secret", ["home/.ssh/id_ed25519", "genesis/runs/other/run.json"])
def test_keys_of_the_home_and_records_of_other_runs_are_out_of_reach(place, secret):
    code = READ.replace("sys.argv[1:]", f"[{str(place / secret)!r}]")
    assert run(place, code) == [None]
    assert run(place, code, mode="off") != [None]  # the control


def test_environment_of_the_parent_is_out_of_reach(place, monkeypatch):
    code = """
        import json, os, pathlib
        found = []
        for process in pathlib.Path("/proc").iterdir():
            if process.name.isdigit():
                try:
                    found += (process / "environ").read_text().split(chr(0))
                except OSError:
                    pass
        print(json.dumps([each for each in found if "PARENT_MARK" in each and "TASK" not in each]))
    """
    # /proc shows the environment that a process was started with, so the secret is in that of a process of its own
    holder = asyncio.run(_hold({"PARENT_MARK": "a secret"}))
    try:
        assert run(place, code) == []
        assert run(place, code, mode="off") == ["PARENT_MARK=a secret"]
    finally:
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)


async def _hold(environment):
    return os.posix_spawn("/bin/sleep", ["sleep", "100"], environment)


def test_variables_that_the_agent_does_not_list_do_not_arrive(place):
    code = "import json, os; print(json.dumps(sorted(os.environ)))"
    got = run(place, code, env={"INTERNAL_URL": "x", "MYAPP_PIN": "1234", "LANG": "C.UTF-8"}, mode="off")
    assert "LANG" in got
    assert not {"INTERNAL_URL", "MYAPP_PIN"} & {*got}


def test_network_is_open_only_to_agents_that_list_hosts(place):
    code = """
        import json, socket, sys
        try:
            socket.create_connection(("127.0.0.1", PORT), 5).close()
            print(json.dumps("connected"))
        except OSError as error:
            print(json.dumps("refused"))
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = code.replace("PORT", str(server.getsockname()[1]))
        assert run(place, code) == "refused"
        assert run(place, code, hosts=["api.example"]) == "connected"


@pytest.mark.parametrize("target", ["home/.bashrc", "project/notes.txt", "home/.ssh/id_ed25519"])
def test_nothing_outside_the_working_folder_changes(place, target):
    before = (place / target).read_text() if (place / target).exists() else None
    code = f"""
        import json, pathlib
        try:
            pathlib.Path({str(place / target)!r}).write_text("changed")
        except OSError:
            pass
        print(json.dumps(0))
    """
    run(place, code)
    assert ((place / target).read_text() if (place / target).exists() else None) == before
    run(place, code, mode="off")
    assert (place / target).read_text() == "changed"


def test_system_files_cannot_be_changed_not_even_by_root(place):
    code = """
        import json, os
        failed = []
        for path in ("/etc/genesis-test", "/usr/bin/genesis-test", "/var/lib/genesis-test"):
            try:
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
            except OSError:
                failed.append(path)
        print(json.dumps(failed))
    """
    assert len(run(place, code)) == 3


@pytest.mark.parametrize(
    "way",
    [
        "os.setsid()",
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); os.setsid()",
        "os.setsid(); os.environ.clear()",
        "os.setpgid(0, 0)",
    ],
)
def test_a_daemon_ends_with_its_leaf(place, way):
    code = f"""
        import json, os, signal, sys, time
        if os.fork() == 0:
            {way}
            if os.fork() == 0:
                for name in (0, 1, 2):
                    os.close(name)
                for _ in range(200):
                    with open("beat", "a") as file:
                        file.write("x")
                    time.sleep(0.05)
            os._exit(0)
        os.wait()
        while not os.path.exists("beat"):
            time.sleep(0.01)
        print(json.dumps(1))
    """
    run(place, code)
    beats = (place / "work/beat").stat().st_size
    time.sleep(0.5)
    assert (place / "work/beat").stat().st_size == beats


def test_a_program_cannot_signal_what_it_did_not_start(place):
    holder = os.posix_spawn("/bin/sleep", ["sleep", "100"], {})
    code = f"""
        import json, os, signal
        try:
            os.kill({holder}, signal.SIGKILL)
            print(json.dumps("killed"))
        except OSError:
            print(json.dumps("no such process"))
    """
    try:
        assert run(place, code) == "no such process"
        assert is_running(holder)
    finally:
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)


def test_work_in_the_working_folder_and_the_leafs_folder_stays(place):
    code = """
        import json, os, pathlib
        pathlib.Path("made.txt").write_text(pathlib.Path("input.txt").read_text())
        (pathlib.Path(os.environ["GENESIS_TASK_FOLDER"]) / "kept.txt").write_text("kept")
        pathlib.Path(os.environ["HOME"], ".cache").mkdir()
        pathlib.Path("/tmp/scratch").write_text("scratch")
        print(json.dumps("done"))
    """
    assert run(place, code) == "done"
    assert (place / "work/made.txt").read_text() == "honest input"
    assert (place / "leaf/files/kept.txt").read_text() == "kept"
    assert not (place / "home/.cache").exists()


def test_listed_folders_can_be_read_and_written(place):
    code = """
        import json, pathlib
        home, project = pathlib.Path(HOME), pathlib.Path(PROJECT)
        (project / "new.txt").write_text((home / "id_ed25519").read_text())
        try:
            (home / "other").write_text("x")
        except OSError:
            print(json.dumps("read-only"))
    """
    code = code.replace("HOME", repr(str(place / "home/.ssh"))).replace("PROJECT", repr(str(place / "project")))
    assert run(place, code, read=["~/.ssh"], write=[str(place / "project")]) == "read-only"
    assert (place / "project/new.txt").read_text() == "the private key"


def test_paths_that_the_agents_file_names_can_be_read(place):
    assert read(place, place / "project/notes.txt") == ["notes"]
    code = "import json, os; print(json.dumps(open(os.environ['NOTES']).read()))  # $NOTES"
    assert run(place, code, env={"NOTES": str(place / "project/notes.txt")}) == "notes"


@pytest.mark.parametrize(("from_whom", "seen"), [("a person", True), ("a result", False)])
def test_paths_in_inputs_can_be_read_if_a_person_has_named_them(place, from_whom, seen):
    path = str(place / "project/notes.txt")
    sources = {} if from_whom == "a person" else {"path": "result"}
    code = """
        import json, os, sys
        path = json.load(sys.stdin)["path"]
        try:
            open(path, "a").close()
        except OSError:
            pass
        else:
            sys.exit("written")
        print(json.dumps(os.path.exists(path)))
    """
    assert run(place, code, inputs={"path": path}, sources=sources) is seen


def test_a_labelled_path_of_a_person_can_be_written(place):
    path = str(place / "project/notes.txt")
    code = "import json, sys; print(json.dumps(open(json.load(sys.stdin)['path'], 'w').write('changed')))"
    spec = {"parameters": {"path": "write_path"}}
    assert run(place, code, inputs={"path": path}, spec=spec) == 7
    assert (place / "project/notes.txt").read_text() == "changed"


def test_a_home_as_working_folder_is_not_opened(place, monkeypatch):
    (place / "work/.ssh").mkdir()
    (place / "work/.ssh/id").write_text("key")
    monkeypatch.setenv("HOME", str(place / "work"))
    code = "import json, os; print(json.dumps(sorted(os.listdir('.'))))"
    assert run(place, code, env={"HOME": str(place / "work")}) == []


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        ({"memory_mb": 200}, "bytearray(400_000_000)"),
        ({"file_mb": 1}, "open('big', 'wb').write(bytes(3_000_000))"),
    ],
)
def test_limits_hold(place, rules, code):
    with pytest.raises(TaskError):
        run(place, code, **rules)


def test_a_time_limit_leaves_time_to_clean_up(place):
    code = """
        import pathlib, signal, sys, time
        def stop(*_):
            pathlib.Path("cleaned").write_text("yes")
            sys.exit(0)
        signal.signal(signal.SIGTERM, stop)
        time.sleep(100)
    """
    with pytest.raises(TaskTimeoutError):
        run(place, code, timeout_s=1)
    assert (place / "work/cleaned").read_text() == "yes"


@pytest.mark.parametrize("mode", ["required", "preferred"])
def test_a_machine_without_a_sandbox(place, monkeypatch, mode):
    monkeypatch.setattr("genesis.agents.command.find_sandbox", lambda: None)
    monkeypatch.setattr(sandbox, "find_sandbox", lambda: None)
    if mode == "required":
        with pytest.raises(SecurityError, match="requires a sandbox") as caught:
            run(place, "print(1)", mode=mode)
        assert caught.value.code == "GEN-SANDBOX"
    else:
        assert run(place, "print('{\"got\": 1}')", mode=mode) == 1


def test_a_program_that_is_not_there_is_named_as_without_a_sandbox(place):
    with pytest.raises(TaskError, match="there is no program 'genesis-no-such' here"):
        asyncio.run(
            CommandExecutor(
                CommandSpec(kind="command", argv=["genesis-no-such"]),
                output_bytes=10,
                environment={"PATH": os.environ["PATH"]},
                secrets=lambda name: None,
            ).execute(_work(place / "leaf", AgentProfile(name="x")))
        )


def test_the_fallback_hides_processes_and_the_network(place):
    if sandbox.shutil.which("unshare") is None or os.geteuid() != 0:
        pytest.skip("unshare needs user namespaces here")
    argv = sandbox.sandbox_argv(
        [sys.executable, "-c", "import os, json; print(json.dumps([os.listdir('/sys/class/net'), os.getpid()]))"],
        AgentProfile(name="x").sandbox,
        "unshare",
        folders=sandbox.Folders(place / "work", place / "leaf"),
        environment={},
    )
    made = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=20)
    assert json.loads(made.stdout)[1] < 10


def test_a_program_ends_when_the_process_that_started_it_is_killed(place):
    """Also where that is killed before it could write down what it started."""
    argv = sandbox.sandbox_argv(
        ["/bin/sh", "-c", "echo began > began; exec sleep 100"],
        AgentProfile(name="x").sandbox,
        "bubblewrap",
        folders=sandbox.Folders(place / "work", place / "leaf"),
        environment={},
    )
    code = f"import subprocess, time; subprocess.Popen({argv!r}, start_new_session=True); time.sleep(100)"
    starter = subprocess.Popen([sys.executable, "-c", code])
    try:
        _wait((place / "work/began").exists)
        [group] = [each.pid for each in below(starter.pid) if each.ppid() == starter.pid]
    finally:
        starter.kill()
        starter.wait()
    _wait(lambda: not is_running(group))


def _wait(until):
    limit = time.monotonic() + 30
    while not until():
        assert time.monotonic() < limit
        time.sleep(0.02)
