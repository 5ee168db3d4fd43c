"""The boundary of the program, in this process."""

import errno
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from genesis.cli import app
from genesis.cli.app import main
from genesis.cli.options import is_plan_file, load_settings, variables
from genesis.cli.output import show_warnings
from genesis.errors import SecurityError, UsageError

AUDIT = "Audit the repository at ."


def call(*words):
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return ended.value.code


@pytest.fixture
def failing(monkeypatch):
    """Make the program raise."""

    def fail(error):
        def raise_it(**_):
            raise error

        monkeypatch.setattr(app._genesis, "main", raise_it)

    return fail


def test_an_error_on_the_command_line_has_its_three_keys_and_what_machines_need(failing, capsys):
    error = SecurityError("no", hint="ask", code="GEN-USAGE", data={"a": 1})
    error.__cause__ = OSError("from here")
    failing(error)
    call("plan", "x", "--json")
    said = {"code": "GEN-USAGE", "message": "no", "hint": "ask", "data": {"a": 1}}
    assert json.loads(capsys.readouterr().out) == {"error": said}


@pytest.mark.parametrize(
    ("error", "code", "hint"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/x"), "GEN-RESOURCE", "free some space"),
        (OSError(errno.EMFILE, "Too many open files"), "GEN-RESOURCE-SHORT", "ulimit -n"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "/x"), "GEN-RESOURCE", "GENESIS_HOME"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "/x"), "GEN-RESOURCE", "GENESIS_HOME"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "/x"), "GEN-INTERNAL", "report"),
    ],
)
def test_what_the_machine_refuses_is_no_fault_of_ours(failing, capsys, error, code, hint):
    failing(error)
    assert call("plan", "x") == 1
    seen = capsys.readouterr().err
    assert code in seen
    assert hint in seen


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (SecurityError("no", hint="ask"), 3, "GEN-SECURITY"),
        (MemoryError(), 1, "GEN-RESOURCE"),
        (ZeroDivisionError("by zero"), 1, "GEN-INTERNAL"),
        (KeyboardInterrupt(), 130, "GEN-INTERRUPTED"),
    ],
)
def test_every_error_is_a_message_and_an_exit_code(failing, capsys, error, code, said):
    failing(error)
    assert call("plan", "x", "--json") == code
    assert json.loads(capsys.readouterr().out)["error"]["code"] == said
    assert call("plan", "x") == code
    seen = capsys.readouterr()
    assert seen.out == ""
    assert said in seen.err
    assert "Traceback" not in seen.err


@pytest.mark.parametrize("asked", ["flag", "setting"])
def test_traceback_is_for_who_asks(failing, capsys, monkeypatch, asked):
    failing(ZeroDivisionError("by zero"))
    words = ["--debug"] if asked == "flag" else []
    if asked == "setting":
        monkeypatch.setenv("GENESIS_DEBUG", "true")
    call("plan", "x", *words)
    assert "ZeroDivisionError: by zero" in capsys.readouterr().err


def test_settings_that_cannot_be_read_hide_no_error(failing, capsys, monkeypatch):
    monkeypatch.setenv("GENESIS_DEBUG", "maybe")
    failing(SecurityError("no"))
    assert call("plan", "x", "--json") == 3
    assert json.loads(capsys.readouterr().out)["error"]["message"] == "no"


def test_stages_in_this_process(tmp_path, capsys):
    path = tmp_path / "plan.yaml"
    assert call("plan", AUDIT, "-o", str(path)) == 0
    capsys.readouterr()
    for words in (["validate"], ["route"], ["simulate", "--slots", "2"], ["simulate", "--pools"], ["plan"]):
        assert call(*words, str(path)) == 0
        assert capsys.readouterr().out
        assert call(*words, str(path), "--json") == 0
        json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("words", [["--help"], ["plan", AUDIT, "--json"], ["agents"], ["schema", "plan"]])
def test_commands_that_run_nothing_do_not_import_prefect(words):
    code = (
        "import sys\nfrom genesis.cli.app import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "sys.exit('prefect' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, check=False, env=os.environ)
    assert done.returncode == 0


def test_variables_are_names_and_values():
    assert variables(("a=1", "b = x=y")) == {"a": "1", "b": " x=y"}
    for wrong in ("a", "=1", " =1"):
        with pytest.raises(UsageError, match="name=value"):
            variables((wrong,))


@pytest.mark.parametrize("name", ["plan", "plan.txt", "plan.yaml.bak"])
def test_a_plan_is_not_written_to_what_would_be_taken_for_a_request(tmp_path, capsys, name):
    assert call("plan", AUDIT, "-o", str(tmp_path / name)) == 2
    assert ".yaml, .yml or .json" in capsys.readouterr().err
    assert not (tmp_path / name).exists()


def test_plan_file_is_told_from_a_request_by_its_ending():
    assert is_plan_file("a/b.YAML")
    assert is_plan_file("x.json")
    assert not is_plan_file("Write a.txt")
    assert not is_plan_file("Do this\nand x.yaml")


def test_options_win_over_settings(monkeypatch):
    monkeypatch.setenv("GENESIS_LLM__MODEL", "openai:one")
    assert load_settings().llm.model == "openai:one"
    assert load_settings(llm="openai:two").llm.model == "openai:two"
    assert load_settings(llm="OFF", slots=3).llm.model is None
    assert load_settings(slots=3).run.slots == 3


@pytest.mark.parametrize("name", ["HOME", "AGENTS", "PLAYBOOKS", "LOG__FILE"])
def test_a_path_of_the_settings_may_begin_with_a_home_that_there_is(monkeypatch, name):
    monkeypatch.setenv("HOME", "/somewhere")
    monkeypatch.setenv(f"GENESIS_{name}", "~/x")
    settings = load_settings()
    assert Path("/somewhere/x") in (settings.home, settings.agents, settings.playbooks, settings.log.file)
    monkeypatch.setenv(f"GENESIS_{name}", "~no-such-user/x")
    with pytest.raises(UsageError, match=f"GENESIS_{name} cannot be used: ~no-such-user has no home folder"):
        load_settings()


@pytest.mark.parametrize("path", ["/tmp/" + "h" * 400, "/tmp" + "/hhhh" * 1000])
@pytest.mark.parametrize("name", ["HOME", "AGENTS", "PLAYBOOKS", "LOG__FILE"])
def test_a_path_of_the_settings_that_no_file_can_have_is_refused(monkeypatch, name, path):
    monkeypatch.setenv(f"GENESIS_{name}", path)
    with pytest.raises(UsageError, match=f"GENESIS_{name} cannot be used: .* too long"):
        load_settings()


def test_a_group_of_settings_that_is_no_json_is_named_by_its_variable(monkeypatch):
    monkeypatch.setenv("GENESIS_LIMITS", "x")
    with pytest.raises(UsageError, match="the setting GENESIS_LIMITS cannot be used: it is not JSON"):
        load_settings()


def test_warnings_of_the_log_are_shown_once_with_their_reason():
    said = []
    log = logging.getLogger("genesis.somewhere")
    with show_warnings(said.append):
        log.info("nothing to see")
        log.warning("the server has gone", extra={"reason": "refused [bold]"})
        log.warning("the server has gone", extra={"reason": "refused again"})
    log.warning("not any more")
    assert said == ["Note: the server has gone: refused [bold]"]
