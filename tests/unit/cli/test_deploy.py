"""`genesis deploy` as it is called, on a server that is only a list of changes."""

import json
from contextlib import nullcontext

import pytest

from genesis.cli.app import main
from genesis.errors import ServiceError
from genesis.fleet import plan_server
from genesis.fleet.diff import Change, Difference
from genesis.server import ApiEndpoint

_PLAN = {
    "request": "Count",
    "params": {"top": {}, "names": {"type": "array", "default": ["a"]}},
    "schedules": [{"name": "daily", "cron": "@daily", "params": {"top": "x"}}],
    "tasks": [{"id": "a", "type": "test", "description": "Count to {top} for {item}", "for_each": "{names}"}],
}
_CHANGES = (
    Change(action="create", kind="deployment", name="orchestrate/nightly"),
    Change(action="delete", kind="schedule", name="daily of orchestrate/nightly", id="1", deployment="2"),
)


class ListedServer:
    """Keeps whether the changes were made, and what was wanted."""

    def __init__(self):
        self.wanted, self.is_done, self.is_asked = None, False, False

    async def compare(self, place, wanted):
        self.wanted, self.is_asked = wanted, True
        return Difference(changes=() if self.is_done else _CHANGES, notes=("no worker",))

    async def apply(self, found, place, wanted):
        self.is_done = True
        return await self.compare(place, wanted)


@pytest.fixture
def listed(monkeypatch):
    found = ListedServer()
    monkeypatch.setattr(plan_server, "compare_with_server", found.compare)
    monkeypatch.setattr(plan_server, "apply_changes", found.apply)
    monkeypatch.setattr("genesis.cli.deploy.before_prefect", lambda: None)
    monkeypatch.setattr("genesis.flows.connection.connect", nullcontext)
    endpoint = ApiEndpoint("http://127.0.0.1:9/api", None, embedded=True)
    monkeypatch.setattr("genesis.server.ensure_api", lambda _: endpoint)
    return found


@pytest.fixture
def call(tmp_path, monkeypatch, capsys, listed):
    monkeypatch.chdir(tmp_path)

    def run(*words, plan=_PLAN, **keys):
        (tmp_path / "nightly.yaml").write_text(json.dumps({"version": 1, **plan, **keys}))
        with pytest.raises(SystemExit) as ended:
            main(["deploy", *(words or ("nightly.yaml",))])
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    return run


def test_differences_come_first_then_how_to_start_it(call, listed):
    code, out, err = call()
    assert code == 0
    assert out.splitlines() == [
        "+ deployment orchestrate/nightly",
        "- schedule daily of orchestrate/nightly",
        "orchestrate/nightly is deployed. To start it now: prefect deployment run 'orchestrate/nightly'",
    ]
    assert "Note: no worker" in err
    assert call()[1].splitlines() == ["orchestrate/nightly is up to date."]


def test_check_changes_nothing_and_fails_until_it_is_deployed(call, listed):
    code, out, _ = call("nightly.yaml", "--check")
    assert (code, listed.is_done) == (1, False)
    assert out.splitlines()[-1] == "Nothing was changed: 2 differences."


def test_somebody_at_a_terminal_is_asked(call, listed, monkeypatch):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.confirm", lambda *_, **__: False)
    assert (call()[0], listed.is_done) == (1, False)
    assert (call("nightly.yaml", "--yes")[0], listed.is_done) == (0, True)


def test_document_of_a_call(call):
    code, out, err = call("nightly.yaml", "--json", "--name", "other")
    document = json.loads(out)
    assert (code, err) == (0, "")
    assert (document["deployment"], document["in_step"], document["applied"]) == ("orchestrate/other", True, True)
    assert document["changes"][1] == {
        "action": "delete",
        "kind": "schedule",
        "name": "daily of orchestrate/nightly",
        "fields": [],
    }


def test_delete_needs_no_file_and_wants_nothing(call, listed):
    code, out, _ = call("gone.yaml", "--delete")
    assert (code, listed.wanted) == (0, None)
    assert out.splitlines()[-1] == "orchestrate/gone was removed."


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"schedules": [{"name": "d", "cron": "@daily"}]}, "'top': it has no value"),
        ({"schedules": [{"name": "d", "cron": "@daily", "params": {"top": 3}}]}, "expected: a string"),
        ({"schedules": [{"name": "d", "cron": "@daily", "params": {"tpo": "x"}}]}, "no such parameter"),
        (
            {"schedules": [{"name": "d", "cron": "@daily", "params": {"top": "x", "names": ["y"] * 2000}}]},
            "with the parameters of schedule 'd'",
        ),
        ({"schedules": [{"name": "d", "cron": "61 * * * *"}]}, "its minute is '61'"),
        ({"tasks": [{"id": "a", "type": "test", "description": "Count", "depends_on": ["b"]}]}, "'b'"),
    ],
)
def test_a_plan_or_a_schedule_with_errors_asks_no_server(call, listed, keys, said):
    code, _, err = call(**keys)
    assert (code, listed.is_asked) == (1, False)
    assert said in " ".join(err.split())


def test_a_schedule_that_prefect_refuses_asks_no_server(call, listed):
    code, _, err = call(schedules=[{"name": "d", "cron": "0 0 30 2 *", "params": {"top": "x"}}])
    assert (code, listed.is_asked) == (2, False)
    assert "GEN-SCHEDULE-INVALID" in err


def test_a_required_parameter_may_be_left_to_whoever_starts_it(call, listed):
    assert call(schedules=[])[0] == 0
    assert listed.wanted.form["required"] == ["params"]
    assert call("nightly.yaml", "--param", "top=z", schedules=[])[0] == 0
    assert listed.wanted.form["required"] == []


def test_a_request_is_no_plan(call):
    code, _, err = call("Audit the repository")
    assert code == 2
    assert "genesis plan REQUEST -o plan.yaml" in err


def test_no_server_is_exit_code_4(call, monkeypatch):
    def raise_unreachable(_):
        raise ServiceError("cannot be reached")

    monkeypatch.setattr("genesis.server.ensure_api", raise_unreachable)
    assert call()[0] == 4
