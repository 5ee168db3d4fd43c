"""Where log lines go: what is set up, and that it can be taken back."""

import io
import json
import logging
import sys

import pytest
from pydantic import SecretStr

from genesis.observability.correlation import bind_context
from genesis.observability.instruments import LOG_LINES
from genesis.observability.log_setup import configure_logs, is_configured
from genesis.observability.metrics import metrics_of_process
from genesis.settings import LlmSettings, LogSettings, Settings

_log = logging.getLogger("genesis.some.module")


@pytest.fixture
def logs(tmp_path):
    """Sets logs up, and takes them back at the end."""
    setups = []

    def make(*, role="worker", deployed=False, home=tmp_path, llm=None, more=None, **log):
        settings = Settings(home=home, log=LogSettings(**log), llm=llm or LlmSettings())
        setups.append(configure_logs(settings, role=role, deployed=deployed, **more or {}))
        return setups[-1]

    yield make
    for setup in setups:
        setup.close()
    assert not is_configured()


class Terminal(io.StringIO):
    def isatty(self):
        return True


def lines(setup):
    return [json.loads(line) for line in setup.path.read_text().splitlines()]


@pytest.mark.parametrize(
    ("role", "deployed", "wanted"),
    [("worker", False, True), ("agent", False, True), ("orchestrator", True, True), ("orchestrator", False, False),
     ("cli", False, False), ("cli", True, True)],
)  # fmt: skip
def test_deployed_runs_and_workers_write_to_the_home(logs, tmp_path, role, deployed, wanted):
    setup = logs(role=role, deployed=deployed)
    assert setup.path == (tmp_path / "logs" / "genesis.jsonl" if wanted else None)
    _log.info("hello")
    assert (tmp_path / "logs").exists() is wanted


def test_a_file_that_is_named_is_used_by_all(logs, tmp_path):
    setup = logs(role="cli", file=tmp_path / "mine")
    _log.info("hello")
    assert lines(setup)[0]["message"] == "hello"
    assert lines(setup)[0]["role"] == "cli"


def test_a_home_is_expanded(logs, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert logs(file="~/x.jsonl").path == tmp_path / "x.jsonl"


def test_the_level_holds_for_the_file_and_never_for_those_who_want_warnings(logs, caplog):
    setup = logs(level="error")
    _log.warning("a warning")
    _log.error("an error")
    assert [line["message"] for line in lines(setup)] == ["an error"]
    assert [record.message for record in caplog.records] == ["a warning", "an error"]


def test_debug_lines_are_made_when_they_are_asked_for(logs):
    setup = logs(level="debug")
    _log.debug("fine")
    assert lines(setup)[0]["level"] == "debug"


def test_the_root_logger_is_left_alone(logs):
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    logs()
    assert (root.level, list(root.handlers)) == before
    assert logging.getLogger("genesis").propagate


def test_everything_is_taken_back(logs):
    logger, other = logging.getLogger("genesis"), logging.getLogger("test.other")
    handler = logging.NullHandler()
    other.addHandler(handler)
    before = (logger.level, list(logger.handlers), list(other.handlers))
    setup = logs(level="debug", console="json", more={"others": ["test.other"]})
    assert len(other.handlers) == 2
    assert handler.filters
    setup.close()
    setup.close()
    assert (logger.level, list(logger.handlers), list(other.handlers)) == before
    assert not handler.filters
    other.removeHandler(handler)


def test_done_again_it_replaces_what_was_there(logs, tmp_path):
    first = logs(level="debug", file=tmp_path / "first")
    second = logs(file=tmp_path / "second")
    _log.info("once")
    first.close()
    _log.info("twice")
    assert not (tmp_path / "first").exists()
    assert len(lines(second)) == 2
    second.close()
    assert logging.getLogger("genesis").level == logging.NOTSET


def test_lines_have_the_ids_of_the_run(logs):
    setup = logs()
    with bind_context(correlation_id="c-1", run_id="r-1", task="a/b", agent="x_agent", attempt=2):
        _log.info("inside")
    _log.info("outside")
    inside, outside = lines(setup)
    assert [inside[name] for name in ("correlation_id", "run_id", "task", "agent", "attempt")] == [
        "c-1", "r-1", "a/b", "x_agent", 2,
    ]  # fmt: skip
    assert "run_id" not in outside


def test_lines_are_counted_by_level(logs):
    counted = []
    logs(more={"counted": counted.append})
    _log.info("one")
    _log.warning("two")
    _log.debug("none")
    assert counted == ["info", "warning"]


def test_the_metrics_of_the_process_count_them(logs):
    logs()
    before = metrics_of_process().values(LOG_LINES).get(("warning",), 0)
    _log.warning("one")
    assert metrics_of_process().values(LOG_LINES)["warning",] == before + 1


def test_secrets_of_the_settings_and_of_the_caller_are_struck_out(logs):
    setup = logs(llm=LlmSettings(api_key=SecretStr("key-of-the-model-1")), more={"secrets": ["of-the-caller-1"]})
    _log.info("it has key-of-the-model-1 and %s", "of-the-caller-1")
    assert lines(setup)[0]["message"] == "it has *** and ***"


def test_lines_of_other_loggers_get_into_the_file_and_their_handlers_see_no_secret(logs):
    other = logging.getLogger("test.runs")
    other.setLevel(logging.INFO)
    shown = logging.StreamHandler(io.StringIO())
    other.addHandler(shown)
    setup = logs(more={"others": ["test.runs"]})
    other.info("password=%s", "hunter2", extra={"flow_run_id": "f-1", "task_run_id": "t-1", "flow_run_name": "n"})
    other.getChild("deeper").info("token=abc")
    setup.close()
    other.removeHandler(shown)
    assert shown.stream.getvalue() == "password=***\ntoken=***\n"
    first, second = lines(setup)
    assert (first["message"], first["flow_run_id"], first["task_run_id"]) == ("password=***", "f-1", "t-1")
    assert first["data"] == {"flow_run_name": "n"}
    assert second["message"] == "token=***"


@pytest.mark.parametrize(
    ("console", "role", "is_terminal", "wanted"),
    [("auto", "cli", True, ""), ("auto", "worker", True, ""), ("auto", "agent", False, ""),
     ("auto", "agent", True, "human"), ("off", "worker", True, ""),
     ("human", "cli", False, "human"), ("json", "cli", False, "json"),
     ("json", "worker", True, "json")],
)  # fmt: skip
def test_standard_error_shows_what_is_asked_for(  # noqa: PLR0917  # a table of cases
    logs, monkeypatch, console, role, is_terminal, wanted
):
    monkeypatch.setattr(sys, "stderr", stream := Terminal() if is_terminal else io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # those of pytest
    logs(role=role, console=console)
    _log.info("hello", extra={"n": 1})
    shown = stream.getvalue()
    if wanted == "json":
        assert json.loads(shown)["message"] == "hello"
    elif wanted:
        assert shown.endswith("hello  n=1\n")
    else:
        assert not shown


def test_lines_that_the_root_logger_shows_are_not_shown_twice(logs, monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    handler = logging.StreamHandler(io.StringIO())
    logging.getLogger().addHandler(handler)
    try:
        logs(role="agent")
        _log.info("hello")
    finally:
        logging.getLogger().removeHandler(handler)
    assert not stream.getvalue()
    assert handler.stream.getvalue() == "hello\n"


def test_no_colours_where_they_are_not_wanted(logs, monkeypatch):
    """Dim is no colour."""
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    logs(console="human")
    _log.warning("hello")
    assert "\x1b" not in stream.getvalue()
    monkeypatch.delenv("NO_COLOR")
    logs(console="human")
    _log.warning("hello")
    assert "\x1b[33m" in stream.getvalue()


def test_prefect_s_own_set_up_later_leaves_the_file_working(logs):
    import logging.config

    setup = logs()
    _log.info("before")
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
    _log.info("after")
    assert [line["message"] for line in lines(setup)] == ["before", "after"]
