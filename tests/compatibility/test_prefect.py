"""Whether the installed Prefect has what Genesis uses of it. Quick, and without a server.

CI runs this with the oldest version that `pyproject.toml` allows (`.ci/test_oldest_prefect`) and with the newest (the
suite).
"""

import ast
import contextlib
import importlib
import inspect
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from .prefect_names import ATTRIBUTES, NAMES, ROUTES

_ROOT = Path(__file__).parents[2]
_FOLDERS = ("genesis", "genesis_audit", "flows", "docker", "bench", "tests")
_VARIABLE = re.compile(r"\bPREFECT_[A-Z][A-Z_]*[A-Z]\b")
_IMPORT = re.compile(
    r"^[ \t]*((?:from prefect(?:\.\w+)* import (?:\([^)]*\)|[\w, ]+))|(?:import prefect(?:\.\w+)*))", re.MULTILINE
)
_NO_SETTING = {
    "PREFECT_FILE",  # a constant of our own
    "PREFECT_PROFILE",  # chooses the profile, before there are settings
    "PREFECT_SERVER_DATABASE_SQLALCHEMY_CONNECT_ARGS",  # the start of several names
    "PREFECT_LOGGING_HANDLERS",  # the same
}
_REDIS = "PREFECT_REDIS_"
"""Settings of prefect-redis; `tests/unit/deployment_files/test_settings.py` knows them."""


def _resolve(path: str) -> Any:
    """Import what a dotted path names; a method as its class has it."""
    parts = path.split(".")
    for count in range(len(parts), 0, -1):
        with contextlib.suppress(ModuleNotFoundError):
            found: Any = importlib.import_module(".".join(parts[:count]))
            for part in parts[count:]:
                found = inspect.getattr_static(found, part) if inspect.isclass(found) else getattr(found, part)
            return found
    raise ModuleNotFoundError(path)


def _function(found: Any) -> Any:
    return found.__func__ if isinstance(found, (classmethod, staticmethod)) else found


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.path)
def test_a_name_is_what_it_is_used_as(name):
    found = _resolve(name.path)
    function = _function(found)
    inner = inspect.unwrap(function) if callable(function) else function
    if name.kind == "class":
        assert inspect.isclass(found)
    elif name.kind == "property":
        assert isinstance(found, property)
    elif name.kind == "async":
        assert inspect.iscoroutinefunction(inner)
    elif name.kind == "function":
        assert callable(function)
        assert not inspect.iscoroutinefunction(inner)
    elif name.kind == "context":
        assert inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner)
        assert function is not inner  # wrapped by contextlib


@pytest.mark.parametrize("name", [name for name in NAMES if name.takes], ids=lambda name: name.path)
def test_a_name_takes_what_it_is_given(name):
    found = _resolve(name.path)
    parameters = inspect.signature(inspect.unwrap(found) if inspect.isclass(found) else _function(found)).parameters
    assert set(name.takes) <= set(parameters)
    needed = {
        each.name
        for each in parameters.values()
        if each.default is each.empty
        and each.kind not in {each.VAR_KEYWORD, each.VAR_POSITIONAL}
        and each.name not in {"self", "cls", "client"}  # the client is put in by a decorator of Prefect's
    }
    assert needed <= set(name.takes), "it wants more than it is given"


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.path)
def test_a_name_is_still_used_where_the_list_says(name):
    word = name.path.rpartition(".")[2]
    assert re.search(rf"\b{word}\b", (_ROOT / name.user).read_text("utf-8"))


def _objects() -> dict[str, Any]:
    """An object of each class whose attributes are used, by the class and those that it inherits from."""
    from prefect import flow, task
    from prefect.client.orchestration import PrefectClient
    from prefect.settings import Settings
    from prefect.settings.sources import FilteredDotEnvSettingsSource, PrefectTomlConfigSettingsSource

    from genesis.workers import GenesisWorker

    def work() -> None:
        pass

    made: list[Any] = [
        GenesisWorker("a-pool"),
        PrefectClient("http://127.0.0.1:9/api"),
        task(work),
        flow(work),
        PrefectTomlConfigSettingsSource(Settings),
        FilteredDotEnvSettingsSource(Settings),
    ]
    return {f"{kind.__module__}.{kind.__qualname__}": each for each in made for kind in type(each).__mro__}


def test_objects_have_the_attributes_that_are_used():
    objects = _objects()
    for path, (user, names) in ATTRIBUTES.items():
        made = objects[path]
        for name in names:
            assert hasattr(made, name), f"{path}.{name}"
            assert name in (_ROOT / user).read_text("utf-8"), f"{path}.{name}"


@lru_cache(maxsize=1)
def _imports() -> dict[tuple[str, str], str]:
    """Every name that is imported from Prefect, with a file that does it.

    Statements are found by their first words: the trees of 800 files take ten seconds.
    """
    found = {}
    for folder in _FOLDERS:
        for path in sorted((_ROOT / folder).rglob("*.py")):
            for statement in _IMPORT.findall(path.read_text("utf-8")):
                node = ast.parse(statement.strip()).body[0]
                assert isinstance(node, (ast.Import, ast.ImportFrom))
                for alias in node.names:
                    name = (node.module or "", alias.name) if isinstance(node, ast.ImportFrom) else (alias.name, "")
                    found[name] = str(path.relative_to(_ROOT))
    return found


def test_every_import_from_prefect_can_be_made():
    missing = []
    for (module, name), user in sorted(_imports().items()):
        try:
            _resolve(f"{module}.{name}" if name else module)
        except (ImportError, AttributeError) as error:
            missing.append(f"{module}.{name} in {user}: {error!r}")
    assert not missing


def test_every_private_import_is_in_the_list():
    private = {
        f"{module}.{name}".rstrip(".")
        for module, name in _imports()
        if any(part.startswith("_") for part in [*module.split("."), name])
    }
    assert private
    assert private <= {name.path for name in NAMES}


def test_every_variable_that_is_set_or_read_is_a_setting():
    from prefect.settings import Settings
    from prefect.settings.legacy import _get_settings_fields

    known = set(_get_settings_fields(Settings))
    used = {
        name: str(path.relative_to(_ROOT))
        for path in sorted((_ROOT / "genesis").rglob("*.py"))
        for name in _VARIABLE.findall(path.read_text("utf-8"))
        if name not in _NO_SETTING and not name.startswith(_REDIS)
    }
    aliases = {"PREFECT_SERVER_DATABASE_SQLALCHEMY_CONNECT_ARGS_APPLICATION_NAME"}
    assert used.keys() - known <= aliases | _validation_aliases(), "no settings of this Prefect"


def _validation_aliases() -> set[str]:
    """Further names that Prefect's settings have in the environment."""
    from prefect.settings import Settings
    from pydantic import AliasChoices, BaseModel

    found: set[str] = set()
    models: list[type[BaseModel]] = [Settings]
    while models:
        for field in models.pop().model_fields.values():
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                models.append(field.annotation)
            if isinstance(field.validation_alias, AliasChoices):
                found |= {str(each).upper() for each in field.validation_alias.choices}
    return found


@pytest.fixture(scope="module")
def api() -> dict[str, Any]:
    """The API of Prefect's server in its own description."""
    from prefect.server.api.server import create_app
    from prefect.settings import PREFECT_SERVER_ANALYTICS_ENABLED, PREFECT_UI_ENABLED, temporary_settings

    with temporary_settings({PREFECT_UI_ENABLED: False, PREFECT_SERVER_ANALYTICS_ENABLED: False}):
        app: Any = create_app(ephemeral=True, ignore_cache=True)
    return app.api_app.openapi()


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_the_api_has_an_address_with_its_fields(api, route):
    prefix = "" if route.path in api["paths"] else "/api"
    operation = api["paths"][prefix + route.path][route.method.lower()]
    if route.sends:
        assert set(route.sends) <= _fields(api, operation["requestBody"])
    if route.gets:
        answers = [answer for code, answer in operation["responses"].items() if code.startswith("2")]
        assert set(route.gets) <= _fields(api, answers[0])
    assert route.path.strip("/").partition("{")[0].rstrip("/") in (_ROOT / route.user).read_text("utf-8")


def _fields(api: dict[str, Any], body: dict[str, Any]) -> set[str]:
    schema = body["content"]["application/json"]["schema"]
    for each in [schema, *schema.get("anyOf", ())]:
        if "$ref" in each:
            schema = api["components"]["schemas"][each["$ref"].rpartition("/")[2]]
    return set(schema["properties"])


def test_at_most_fifty_flow_runs_are_deleted_at_once(api):
    from genesis.retention.flow_runs import _PAGE

    body = api["paths"]["/flow_runs/bulk_delete"]["post"]["requestBody"]
    name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    assert api["components"]["schemas"][name]["properties"]["limit"]["maximum"] >= _PAGE


def test_states_are_those_that_genesis_tells_apart():
    from prefect.client.schemas.objects import TERMINAL_STATES, StateType

    final = {"CANCELLED", "COMPLETED", "CRASHED", "FAILED"}
    assert {each.value for each in TERMINAL_STATES} == final
    assert set(StateType.__members__) == final | {"CANCELLING", "PAUSED", "PENDING", "RUNNING", "SCHEDULED"}


def test_events_of_flow_runs_have_the_fields_that_are_read():
    from prefect.server.models import events

    source = inspect.getsource(events.flow_run_state_change_event)
    assert 'f"prefect.flow-run.{' in source.replace("'", '"')
    assert '"validated_state"' in source
    assert '"prefect.work-pool."' in inspect.getsource(events) or "prefect.work-pool.{" in inspect.getsource(events)


def test_the_label_of_a_trace_is_prefects():
    from prefect.telemetry.run_telemetry import LABELS_TRACEPARENT_KEY

    from genesis.observability.correlation import TRACE_LABEL

    assert TRACE_LABEL == LABELS_TRACEPARENT_KEY


def test_loggers_of_runs_are_prefects():
    import prefect.logging

    from genesis.workers.logs import _RUN_LOGGERS

    text = (Path(prefect.logging.__file__).parent / "logging.yml").read_text("utf-8")
    assert set(_RUN_LOGGERS) <= set(yaml.safe_load(text)["loggers"])


def test_modules_that_children_share_exist():
    from genesis.workers.service import _PRELOADED

    for name in _PRELOADED:
        importlib.import_module(name)


def test_workers_are_found_by_their_entry_points():
    from prefect.plugins import load_prefect_collections

    assert 'group="prefect.collections"' in inspect.getsource(load_prefect_collections)


def test_every_migration_is_known_by_its_revision():
    import prefect

    from genesis.server.postgres import _is_installed

    folder = Path(prefect.__file__).parent / "server/database/_migrations/versions/postgresql"
    texts = [path.read_text("utf-8") for path in folder.glob("*.py")]
    revisions = {found for text in texts for found in re.findall(r'^revision(?:: str)? = "(\w+)"', text, re.MULTILINE)}
    assert len(revisions) == len(texts) > 50
    followed = {found for text in texts for found in re.findall(r'^down_revision.* = "(\w+)"', text, re.MULTILINE)}
    (newest,) = revisions - followed
    for revision in (newest, *sorted(revisions)[:3]):
        assert _is_installed(revision)
    assert not _is_installed("0123456789ab")


def test_the_automations_of_takeovers_are_ones():
    from prefect.events.schemas.automations import AutomationCore

    from genesis.fleet.automations import takeover

    for spec in takeover():
        AutomationCore.model_validate(spec.model_dump(mode="json"))


def test_the_engine_asks_whether_to_repeat_before_it_reads_the_pause():
    from prefect import task
    from prefect.client.schemas.objects import TaskRun
    from prefect.task_engine import SyncTaskRunEngine

    class Engine(SyncTaskRunEngine):
        reached = None

        def set_state(self, state, force=False):
            self.reached = state
            return state

    @task(retries=1)
    def work():
        pass

    def again(*_):
        work.retry_delay_seconds = [30]
        return True

    work.retry_condition_fn = again
    run = TaskRun(name="r", flow_run_id=None, task_key="k", dynamic_key="d")
    engine = Engine(task=work, task_run=run)
    assert engine.handle_retry(ValueError("no"))
    assert engine.reached.name == "AwaitingRetry"
    assert engine.reached.state_details.scheduled_time > engine.reached.timestamp


def test_schemas_are_checked_by_the_class_that_is_changed(monkeypatch):
    from prefect.utilities.schema_tools import validation

    seen = []
    monkeypatch.setattr(validation._VALIDATOR, "check_schema", lambda schema, *_, **__: seen.append(schema["title"]))
    validation.is_valid_schema({"title": "one", "type": "object", "properties": {}})
    validation.validate({}, {"title": "two", "type": "object", "properties": {}}, raise_on_error=True)
    assert seen == ["one", "two"]
