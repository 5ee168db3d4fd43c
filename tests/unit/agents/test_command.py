import asyncio
import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from genesis.agents.arguments import fill_arguments
from genesis.agents.child_environment import child_environment
from genesis.agents.command import CommandExecutor
from genesis.agents.contract import Work
from genesis.errors import SecurityError, TaskError, TaskTimeoutError
from genesis.model import AgentProfile
from genesis.model import CommandSpec as Spec
from genesis.observability.correlation import bind_context
from genesis.testing.processes import is_running


def work(outputs=(), timeout_s=None, secrets=(), sandbox="preferred", **inputs):
    return Work(
        run_id="run-1",
        correlation_id="cid-1",
        request="q",
        path="a/b",
        type="t",
        description="d",
        inputs=inputs,
        outputs=tuple(outputs),
        agent=AgentProfile(name="x", secrets=tuple(secrets), sandbox=sandbox),
        timeout_s=timeout_s,
    )


def executor(*argv, output_bytes=10_000, secrets=None, environment=None, **spec):
    return CommandExecutor(
        Spec(kind="command", argv=argv, **spec),
        output_bytes=output_bytes,
        environment={"PATH": os.environ["PATH"], **(environment or {})},
        secrets=(secrets or {}).get,
    )


def python(code, *arguments, **options):
    return executor(sys.executable, "-c", code, *arguments, **options)


async def value_of(made, given=None):
    return (await made.execute(given or work())).value


async def test_json_object_on_stdout_is_the_result():
    assert await value_of(python("print('{\"a\": [1, 2]}')")) == {"a": [1, 2]}


async def test_json_list_takes_the_name_of_the_only_promised_output():
    assert await value_of(python("print([1, 2])"), work(outputs=["all"])) == {"all": [1, 2]}


@pytest.mark.parametrize("text", ["3.10", "hello", "{not json", ""])
async def test_other_text_is_given_as_stdout(text):
    assert await value_of(python("import sys; print(sys.argv[1], end='')", text)) == {"stdout": text}


async def test_inputs_are_a_json_document_on_stdin():
    code = "import json, sys; print(json.dumps({'got': json.load(sys.stdin)}))"
    assert await value_of(python(code), work(a=1, b=["x"])) == {"got": {"a": 1, "b": ["x"]}}


async def test_value_with_blanks_and_quotes_stays_one_argument():
    nasty = "a b; rm -rf \"$HOME\" 'x' *\n`id`"
    made = python("import json, sys; print(json.dumps(sys.argv[1:]))", "{text}", "--n={number}", "{{x}}")
    assert await value_of(made, work(text=nasty, number=[1, True])) == [nasty, "--n=[1, true]", "{x}"]


async def test_exit_code_is_a_failure_with_the_last_lines_of_stderr():
    code = "import sys\nfor i in range(20): print('line', i, file=sys.stderr)\nsys.exit(3)"
    with pytest.raises(TaskError, match=r"(?s)ended with exit code 3: line 15\nline 16.*line 19$") as caught:
        await value_of(python(code))
    assert caught.value.data["exit_code"] == 3


async def test_silent_failure_says_that_nothing_was_written():
    with pytest.raises(TaskError, match="exit code 1, and wrote nothing to stderr"):
        await value_of(executor("false"))


@pytest.mark.parametrize(("number", "name"), [(9, "SIGKILL"), (40, "signal 40")])
async def test_end_by_a_signal_names_it(number, name):
    with pytest.raises(TaskError, match=f"was ended by {name}"):
        await value_of(python(f"import os; os.kill(os.getpid(), {number})"))


async def test_missing_program_and_missing_folder_are_told_apart(tmp_path):
    with pytest.raises(TaskError, match="there is no program 'genesis-no-such' here"):
        await value_of(executor("genesis-no-such"))
    with pytest.raises(TaskError, match="there is no folder '/no/such'"):
        await value_of(executor("true", cwd="/no/such"))
    assert await value_of(python("import os; print(os.getcwd())", cwd=str(tmp_path))) == {"stdout": f"{tmp_path}\n"}


async def test_file_that_is_no_program_cannot_be_started(tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("\0")
    with pytest.raises(TaskError, match=r"cannot start .*ermission denied.*executable"):
        await value_of(executor(str(plain)))
    plain.chmod(0o755)
    with pytest.raises(TaskError, match=r"cannot start .*a program for this machine"):
        await value_of(executor(str(plain)), work(sandbox="off"))


async def test_too_long_arguments_hint_at_stdin():
    with pytest.raises(TaskError, match="read them from stdin"):
        await value_of(executor("true", "{text}"), work(text="x" * 5_000_000))


async def test_nul_in_an_argument_or_a_variable_is_refused():
    with pytest.raises(TaskError, match="NUL"):
        await value_of(executor("true", "{text}"), work(text="a\0b"))
    with pytest.raises(TaskError, match="cannot start 'true'"):
        await value_of(executor("true", env={"A": "a\0b"}))


async def test_output_beyond_the_cap_is_counted_and_said():
    made = python("print('x' * 50_000)", output_bytes=10)
    assert await value_of(made) == {"stdout": "x" * 10, "omitted_bytes": 49_991}


async def test_output_that_is_cut_is_said_where_more_was_promised():
    with pytest.raises(TaskError, match="was cut after 10") as caught:
        await value_of(python("print('{\"n\": \"' + 'x' * 50_000 + '\"}')", output_bytes=10), work(outputs=["n"]))
    assert caught.value.code == "GEN-TASK-RESULT-SIZE"


async def test_output_is_cut_between_characters():
    made = python("print('é' * 50)", output_bytes=5)
    assert await value_of(made) == {"stdout": "éé", "omitted_bytes": 97}


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'{"loss": NaN, "n": 3}', {"loss": None, "n": 3}),
        (b'\xef\xbb\xbf{"n": 3}\r\n', {"n": 3}),
        (b"caf\xe9\r\n", {"stdout": "caf\\xe9\r\n"}),
        (b"[" * 150 + b"]" * 150, {"stdout": "[" * 150 + "]" * 150}),
    ],
)
async def test_output_of_all_kinds_is_kept(raw, value):
    assert await value_of(python(f"import sys; sys.stdout.buffer.write({raw!r})")) == value


async def test_a_printed_key_that_stands_twice_is_said():
    with pytest.raises(TaskError, match="two keys are both 'n'"):
        await value_of(python('print(\'{"n": 1, "n": 2}\')'))


@pytest.mark.parametrize("text", ["{.Names}", "{a: {b: 1} }", 'BEGIN {FS=","} {print $1}', "{ name }", "{}", "{", "}"])
async def test_braces_around_what_is_no_name_reach_the_program(text):
    assert await value_of(python("import json, sys; print(json.dumps(sys.argv[1:]))", text), work(outputs=["a"])) == {
        "a": [text]
    }


async def test_hanging_program_times_out_with_what_it_started(tmp_path):
    marker = tmp_path / "pid"
    code = (
        "import subprocess, sys, time; p = subprocess.Popen(['sleep', '300'])\n"
        "open(sys.argv[1], 'w').write(str(p.pid))\n"
        "time.sleep(300)"
    )
    started = time.monotonic()
    with pytest.raises(TaskTimeoutError, match="limit of 1 s"):
        await value_of(python(code, str(marker)), work(timeout_s=1, sandbox="off"))
    assert time.monotonic() - started < 10
    assert await is_gone(int(marker.read_text()))


async def is_gone(pid):
    for _ in range(100):
        if not is_running(pid):
            return True
        await asyncio.sleep(0.02)
    return False


async def test_a_hundred_megabytes_of_output_are_a_result_that_says_what_is_missing():
    code = "import sys\nfor _ in range(100): sys.stdout.write('x' * 1_000_000)"
    assert await value_of(python(code)) == {"stdout": "x" * 10_000, "omitted_bytes": 99_990_000}


async def test_a_hundred_megabytes_of_complaints_are_an_error_of_their_last_lines():
    code = "import sys\nfor _ in range(100): sys.stderr.write('x' * 1_000_000)\nsys.exit('\\nno space left')"
    with pytest.raises(TaskError, match=r"exit code 1: x+\nno space left$") as caught:
        await value_of(python(code))
    assert len(caught.value.message) < 2_000
    assert caught.value.data["omitted_bytes"] > 99_000_000


async def test_a_program_that_ignores_sigterm_is_killed_at_its_time_limit(tmp_path):
    marker = tmp_path / "pid"
    code = (
        "import os, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "open(sys.argv[1], 'w').write(str(os.getpid()))\n"
        "while True: time.sleep(300)"
    )
    started = time.monotonic()
    with pytest.raises(TaskTimeoutError, match="limit of 1 s"):
        await value_of(python(code, str(marker)), work(timeout_s=1, sandbox="off"))
    assert time.monotonic() - started < 15
    assert await is_gone(int(marker.read_text()))


_DOUBLE_FORK = """
import os, sys, time
if os.fork() == 0:
    {session}
    if os.fork() == 0:
        open(sys.argv[1] + ".new", "w").write(str(os.getpid()))
        os.rename(sys.argv[1] + ".new", sys.argv[1])
        time.sleep(300)
    os._exit(0)
os.wait()
while not os.path.exists(sys.argv[1]): time.sleep(0.01)
print('{{"n": 3}}', flush=True)
{then}
"""
"""Leaves a grandchild that has its stdout and stderr open."""


@pytest.mark.parametrize(("then", "code"), [("", None), ("sys.exit('broken')", "GEN-TASK-EXIT")])
async def test_a_grandchild_whose_parent_has_gone_neither_holds_the_task_nor_stays(tmp_path, then, code):
    marker = tmp_path / "pid"
    started = time.monotonic()
    made = python(_DOUBLE_FORK.format(session="pass", then=then), str(marker))
    if code is None:
        assert await value_of(made, work(sandbox="off")) == {"n": 3}
    else:
        with pytest.raises(TaskError, match="broken") as caught:
            await value_of(made, work(sandbox="off"))
        assert caught.value.code == code
    assert time.monotonic() - started < 15
    assert await is_gone(int(marker.read_text()))


async def test_a_daemon_that_keeps_the_pipes_open_does_not_hold_the_task(tmp_path):
    marker = tmp_path / "pid"
    started = time.monotonic()
    try:
        made = python(_DOUBLE_FORK.format(session="os.setsid()", then=""), str(marker))
        assert await value_of(made, work(sandbox="off")) == {"n": 3}
        assert time.monotonic() - started < 15
    finally:
        os.kill(int(marker.read_text()), 9)


@pytest.mark.parametrize("argument", ["{text}", "{text}.txt"])
def test_value_that_would_be_an_option_is_refused(argument):
    with pytest.raises(SecurityError, match="would be read as an option"):
        fill_arguments(["tool", argument], work(text="--output=/etc/passwd"))


def test_value_after_a_double_dash_or_an_equals_sign_is_a_value():
    given = work(text="--x", number=-5)
    assert fill_arguments(["tool", "--", "{text}"], given) == ["tool", "--", "--x"]
    assert fill_arguments(["tool", "--name={text}"], given) == ["tool", "--name=--x"]
    assert fill_arguments(["tool", "-v", "{number}"], given) == ["tool", "-v", "-5"]
    assert fill_arguments(["tool", "-{text}"], given) == ["tool", "---x"]


def test_double_dash_that_comes_from_an_input_does_not_count():
    with pytest.raises(SecurityError):
        fill_arguments(["tool", "{a}", "{b}"], work(a="--", b="--x"))


def test_program_may_not_come_from_an_input():
    with pytest.raises(SecurityError, match="may not come from an input"):
        fill_arguments(["{tool}"], work(tool="rm"))


def test_unknown_input_is_named_with_a_close_match():
    with pytest.raises(TaskError, match=r"uses input 'pth'.*its inputs: 'path'.*did you mean 'path'"):
        fill_arguments(["tool", "{pth}"], work(path="x"))
    with pytest.raises(TaskError, match=r"its inputs: none.*add it"):
        fill_arguments(["tool", "{pth}"], work())


def test_child_gets_the_variables_that_are_allowed_and_no_secrets():
    environment = {
        "PATH": "/bin",
        "LANG": "C",
        "GENESIS_LLM__API_KEY": "1",
        "OPENAI_API_KEY": "2",
        "GITHUB_TOKEN": "3",
        "DB_PASSWORD": "4",
        "AWS_SECRET_ACCESS_KEY": "5",
        "PREFECT_API_AUTH_STRING": "6",
        "DATABASE_URL": "postgres://me:pw@host/db",
        "HTTPS_PROXY": "http://me:pw@proxy:1",
        "LISTED_TOKEN": "7",
        "EDITOR": "vi",
        "NAMED": "8",
        "NAMED_TOKEN": "9",
        "PASSED": "10",
    }
    spec = Spec(
        kind="command",
        argv=["sh", "-c", 'cat "$NAMED" ${NAMED_TOKEN:-}'],
        env={"LANG": "de", "MY_TOKEN": "given"},
        pass_env=["PASSED", "NOT_SET"],
    )
    with bind_context(correlation_id="cid-1", run_id="run-1"):
        made = child_environment(environment, spec, environment.get, work(secrets=["LISTED_TOKEN"]))
    assert {name: value for name, value in made.items() if not name.startswith("GENESIS_TASK_")} == {
        "GENESIS_CORRELATION_ID": "cid-1",
        "BAGGAGE": "genesis.correlation_id=cid-1,genesis.run_id=run-1",
        "PATH": "/bin",
        "LANG": "de",
        "HTTPS_PROXY": "http://me:pw@proxy:1",
        "LISTED_TOKEN": "7",
        "MY_TOKEN": "given",
        "NAMED": "8",
        "PASSED": "10",
    }
    assert made["GENESIS_TASK_PATH"] == "a/b"


async def test_missing_secret_is_named():
    with pytest.raises(TaskError, match=r"needs secret 'KEY', which does not exist"):
        await value_of(executor("true"), work(secrets=["KEY"]))
    shown = await value_of(
        python("import json, os; print(json.dumps([os.environ['KEY']]))", secrets={"KEY": "s"}), work(secrets=["KEY"])
    )
    assert json.dumps(shown) == '["s"]'


async def test_variables_of_the_task_reach_the_program_and_the_agents_file_decides():
    names = ("A", "B", "KEY", "GENESIS_TASK_PATH")
    code = f"import os, json; print(json.dumps({{name: os.environ[name] for name in {names}}}))"
    made = python(code, environment={"A": "inherited"}, secrets={"KEY": "agent's"}, env={"B": "spec's"})
    given = replace(work(secrets=["KEY"]), env={"A": "task's", "B": "task's", "KEY": "task's"})
    assert await value_of(made, given) == {
        "A": "task's",
        "B": "spec's",
        "KEY": "agent's",
        "GENESIS_TASK_PATH": "a/b",
    }


async def test_a_program_of_a_task_with_files_starts_in_its_folder_unless_the_agent_says_where(tmp_path):
    code = "import os, json; print(json.dumps([os.getcwd(), os.environ['GENESIS_TASK_FOLDER']]))"
    folder, elsewhere = tmp_path / "leaf", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    given = replace(work(), folder=folder, has_files=True)
    assert await value_of(python(code), given) == [str(folder), str(folder)]
    assert await value_of(python(code, cwd=str(elsewhere)), given) == [str(elsewhere), str(folder)]
    assert await value_of(python(code), replace(given, has_files=False)) == [str(Path.cwd()), str(folder)]
