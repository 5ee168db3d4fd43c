"""What Genesis uses of Prefect beyond its documented interface: the one list of it.

Add a line here for each further name that begins with an underscore or is in a module of that kind, for each method
that is overridden or replaced, and for each address of the API that is written out. `test_prefect.py` compares the list
with the installed Prefect; CI does so with the oldest and the newest version that `pyproject.toml` allows.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["ATTRIBUTES", "NAMES", "ROUTES", "Name", "Route"]

Kind = Literal["async", "class", "context", "function", "object", "property"]


class Name(NamedTuple):
    """A name of Prefect."""

    path: str
    user: str
    """File that uses it."""
    kind: Kind
    """What it has to be; `context` is a context manager, `object` anything else."""
    takes: tuple[str, ...] = ()
    """Parameters that are passed to it by name, or, for what is overridden or replaced, that it is called with."""


class Route(NamedTuple):
    """An address of the API that is called without a method of Prefect's client."""

    method: str
    path: str
    user: str
    sends: tuple[str, ...] = ()
    """Fields of the JSON object that is sent."""
    gets: tuple[str, ...] = ()
    """Fields that are read of the answer."""


_ENGINE = "prefect.flow_engine.AsyncFlowRunEngine"
_ENGINE_USER = "genesis/workers/engine.py"
_WORKER = "prefect.workers.base.BaseWorker"
_WORKER_USER = "genesis/workers/worker.py"
_HOST = "genesis/server/host.py"
_TASKS = "genesis/engine/tasks.py"
_FILES = "genesis/server/prefect_files.py"
_CHILD = "genesis/workers/child_main.py"
_EVENTS = "tests/integration/test_run_events.py"
_EVENTS_USER = "genesis/prefect_api/events_client.py"

NAMES = (
    # the engine of flow runs
    Name(_ENGINE, _ENGINE_USER, "class", ("flow", "flow_run", "parameters")),
    Name(f"{_ENGINE}.start", _ENGINE_USER, "context"),
    Name(f"{_ENGINE}.is_running", _ENGINE_USER, "function"),
    Name(f"{_ENGINE}.run_context", _ENGINE_USER, "context"),
    Name(f"{_ENGINE}.call_flow_fn", _ENGINE_USER, "async"),
    Name(f"{_ENGINE}.call_hooks", _ENGINE_USER, "async", ("state",)),
    Name(f"{_ENGINE}.state", _ENGINE_USER, "property"),
    Name(f"{_ENGINE}.client", _ENGINE_USER, "property"),
    Name(f"{_ENGINE}.handle_crash", _ENGINE_USER, "async", ("exc",)),
    Name(f"{_ENGINE}.heartbeat_seconds", _ENGINE_USER, "property"),
    Name(f"{_ENGINE}.setup_flow_run_suspension_request", _ENGINE_USER, "context"),
    Name(f"{_ENGINE}._get_flow_run_suspension_request", _ENGINE_USER, "function"),
    Name("prefect._flow_run_suspension.FlowRunSuspensionRequest", _ENGINE_USER, "class"),
    Name("prefect.flow_engine.run_flow", _ENGINE_USER, "function", ("flow", "flow_run", "return_type")),
    Name("prefect.flow_engine.run_flow_async", "genesis/flows/orchestrate.py", "async", ("flow", "return_type")),
    Name("prefect.utilities.callables.get_call_parameters", _ENGINE_USER, "function"),
    Name("prefect.utilities.callables.parameters_to_args_kwargs", _ENGINE_USER, "function"),
    # the engine of task runs
    Name(
        "prefect.task_engine.run_task_sync",
        _TASKS,
        "function",
        ("task", "task_run_id", "parameters", "dependencies", "return_type"),
    ),
    Name("prefect.context.SyncClientContext.get_or_create", _TASKS, "context"),
    Name("prefect.results.ResultRecord", _TASKS, "class", ("result", "metadata")),
    Name("prefect.results.ResultRecordMetadata", _TASKS, "class", ("storage_key",)),
    Name(
        "prefect.utilities.engine.emit_task_run_state_change_event",
        "genesis/engine/task_runs.py",
        "function",
        ("task_run", "initial_state", "validated_state"),
    ),
    # the worker
    Name(
        _WORKER,
        _WORKER_USER,
        "class",
        ("work_pool_name", "work_queues", "name", "create_pool_if_not_found", "limit", "base_job_template"),
    ),
    Name(f"{_WORKER}.start", _WORKER_USER, "async", ("run_once", "with_healthcheck", "printer")),
    Name(f"{_WORKER}.run", _WORKER_USER, "async", ("flow_run", "configuration", "task_status")),
    Name(f"{_WORKER}.is_worker_still_polling", _WORKER_USER, "function", ("query_interval_seconds",)),
    Name(f"{_WORKER}.get_default_base_job_template", _WORKER_USER, "function"),
    Name(f"{_WORKER}._description", _WORKER_USER, "object"),
    # a worker's children
    Name("prefect.context.AsyncClientContext.get_or_create", _CHILD, "context"),
    Name("prefect.context.refresh_global_settings_context", _CHILD, "function"),
    Name("prefect.events.worker.EventsWorker.drain_all", _CHILD, "function", ("timeout", "at_exit")),
    Name(
        "prefect.logging.handlers.APILogWorker.drain_all",
        "genesis/prefect_api/drain.py",
        "function",
        ("timeout", "at_exit"),
    ),
    Name(
        "prefect.flows.load_flow_from_entrypoint",
        "genesis/workers/loading.py",
        "function",
        ("entrypoint", "use_placeholder_flow"),
    ),
    Name(
        "prefect.deployments.steps.core.run_steps",
        "genesis/workers/loading.py",
        "async",
        ("steps", "print_function"),
    ),
    Name("prefect.results.aget_default_result_storage", "genesis/workers/loading.py", "async"),
    Name(
        "prefect.settings.Settings.to_environment_variables",
        "genesis/workers/environment.py",
        "function",
        ("exclude_unset",),
    ),
    # events and log lines
    Name("prefect.events.clients.RETRYABLE_EXCEPTIONS", _EVENTS_USER, "object"),
    Name("prefect.events.clients.PrefectEventsClient", _EVENTS_USER, "class", ("reconnection_attempts",)),
    Name("prefect.events.related.RESOURCE_CACHE", _EVENTS_USER, "object"),
    Name("prefect.events.worker.EventsWorker._client_override", _EVENTS_USER, "object"),
    Name("prefect.events.worker.EventsWorker.set_client_override", _EVENTS_USER, "function", ("client_type",)),
    Name("prefect.events.worker.emit_events_to_cloud", _EVENTS_USER, "function"),
    Name("prefect.events.worker.should_emit_events_to_running_server", _EVENTS_USER, "function"),
    Name(
        "prefect.events.clients.get_events_subscriber",
        "genesis/dispatch/waiter.py",
        "function",
        ("filter", "reconnection_attempts", "reconnect_on_clean_close"),
    ),
    Name("prefect.logging.handlers.APILogHandler", "genesis/engine/observers/run_logs.py", "class", ("level",)),
    Name(
        "prefect.logging.handlers.APILogHandler.emit", "genesis/engine/observers/run_logs.py", "function", ("record",)
    ),
    # settings
    Name(
        "prefect.settings.base.PrefectBaseSettings.settings_customise_sources",
        _FILES,
        "function",
        ("settings_cls", "init_settings", "env_settings", "dotenv_settings", "file_secret_settings"),
    ),
    Name("prefect.settings.sources.TomlConfigSettingsSourceBase", _FILES, "class"),
    Name("prefect.settings.sources.FilteredDotEnvSettingsSource", _FILES, "class"),
    # the embedded server
    Name("prefect.server.api.server.create_app", _HOST, "function"),
    Name("prefect.utilities.schema_tools.validation._VALIDATOR", _HOST, "class"),
    Name(
        "prefect.server.database.configurations.AioSqliteConfiguration.begin_transaction",
        _HOST,
        "context",
        ("session", "with_for_update"),
    ),
    Name(
        "prefect.server.models.block_registration.run_block_auto_registration",
        "docker/register_blocks.py",
        "async",
        ("session",),
    ),
    # benches and tests
    Name("prefect._internal.concurrency.api.create_call", "bench/durability_loop.py", "function"),
    Name("prefect._internal.concurrency.api.from_sync", "bench/durability_loop.py", "class"),
    Name("prefect.settings.legacy._get_settings_fields", "tests/unit/deployment_files/test_settings.py", "function"),
    Name("prefect.cli._app._app", "tests/unit/deployment_files/test_commands.py", "object"),
    Name("prefect.cli._server_utils", "tests/unit/deployment_files/test_scripts.py", "object"),
    Name("prefect.cli._server_utils._run_all_services", "tests/unit/deployment_files/test_scripts.py", "async"),
    Name("prefect.cli.deploy._models.PrefectYamlModel", "tests/unit/fleet/test_prefect_yaml.py", "class"),
)

ATTRIBUTES = {
    "prefect.workers.base.BaseWorker": (
        _WORKER_USER,
        ("_base_job_template", "_create_pool_if_not_found", "_limit", "_work_pool_name", "_work_queues", "name"),
    ),
    "prefect.settings.sources.TomlConfigSettingsSourceBase": (_FILES, ("toml_data",)),
    "prefect.settings.sources.FilteredDotEnvSettingsSource": (_FILES, ("env_vars",)),
    "prefect.tasks.Task": (_TASKS, ("retry_condition_fn", "retry_delay_seconds")),
    "prefect.flows.Flow": (_ENGINE_USER, ("fn", "isasync", "on_cancellation_hooks", "on_crashed_hooks")),
    "prefect.client.orchestration.PrefectClient": ("tests/integration/test_execution.py", ("_client",)),
}
"""What is read or set on objects of a class."""

ROUTES = (
    Route("GET", "/health", "genesis/server/health.py"),
    Route("GET", "/ready", "genesis/server/health.py"),
    Route("GET", "/admin/version", "genesis/server/health.py"),
    Route("POST", "/flow_runs/count", "genesis/server/health.py", sends=("flow_runs",)),
    Route(
        "POST",
        "/flow_runs/bulk_delete",
        "genesis/retention/flow_runs.py",
        sends=("flow_runs", "limit"),
        gets=("deleted",),
    ),
    Route(
        "POST",
        "/task_runs/",
        "genesis/dispatch/dispatcher.py",
        sends=("id", "name", "flow_run_id", "task_key", "dynamic_key", "state", "task_inputs"),
    ),
    Route("POST", "/events/filter", _EVENTS, sends=("filter", "limit"), gets=("events",)),
    Route("POST", "/deployments/{id}/schedule", "tests/integration/test_run_ids.py", sends=("min_runs",)),
    Route("GET", "/flow_runs/{id}/graph-v2", "tests/integration/test_execution.py", gets=("nodes",)),
    Route("GET", "/flow_runs/{id}", "bench/durability_stage.py", gets=("state_name",)),
    Route(
        "PATCH",
        "/deployments/{id}",
        "bench/durability_stage.py",
        sends=("concurrency_limit", "concurrency_options"),
    ),
    Route("POST", "/task_runs/filter", "bench/durability_load.py", sends=("flow_runs", "limit")),
    Route("POST", "/logs/filter", "bench/durability_load.py", sends=("logs", "limit")),
    Route("POST", "/artifacts/filter", "bench/durability_load.py", sends=("flow_runs", "limit")),
)
