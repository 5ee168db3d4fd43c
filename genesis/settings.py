"""The settings tree. Environment variables start with `GENESIS_`, nested ones use `__`.

`GENESIS_LLM__MODEL=openai:gpt-5-mini`, `GENESIS_LIMITS__LEAVES=2000`, `GENESIS_HOME=/var/lib/genesis`.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from genesis.errors import UsageError

__all__ = [
    "NO_HOME",
    "Limits",
    "LlmSettings",
    "LogSettings",
    "ObservabilitySettings",
    "OriginSettings",
    "OtelSettings",
    "PoolSettings",
    "ResilienceSettings",
    "RunSettings",
    "ServerSettings",
    "Settings",
    "WorkerSettings",
]


def _expand_path(path: Path | None) -> Path | None:
    """Expand `~` as a shell does, and refuse a name that no file or folder can have."""
    if path is None:
        return None
    try:
        expanded = path.expanduser()
    except RuntimeError as error:
        raise ValueError(f"{path.parts[0]} has no home folder on this machine") from error
    try:
        (expanded / ("x" * _LONGEST_BELOW)).lstat()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise ValueError("the path is too long for a file on this machine") from error
    return expanded


_LONGEST_BELOW = 200
"""Characters reserved for the names of files below a path in a setting."""
_EXPANDED = AfterValidator(_expand_path)


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Limits(_Group):
    """Bounds on requests, documents and plans."""

    request_characters: Annotated[int, Field(ge=1)] = 5_000
    """Longest request."""
    depth: Annotated[int, Field(ge=1)] = 5
    """Maximum nesting that planners and expansion create; a plan file that exceeds it gets a warning."""
    fan_out: Annotated[int, Field(ge=1)] = 20
    """Maximum number of subtasks of one task that planners and expansion create."""
    leaves: Annotated[int, Field(ge=1)] = 1_000
    """Maximum number of leaves of a plan, later additions included."""
    document_bytes: Annotated[int, Field(ge=1)] = 10_000_000
    """Maximum size of a plan, agents or playbook file."""
    document_nodes: Annotated[int, Field(ge=1)] = 1_000_000
    """Maximum number of values in a document once its aliases are expanded."""
    document_depth: Annotated[int, Field(ge=1, le=200)] = 100
    """Maximum nesting of a document."""
    result_inline_bytes: Annotated[int, Field(ge=0)] = 65_536
    """A larger result is stored in a separate file that the ledger's record refers to."""
    result_bytes: Annotated[int, Field(ge=1)] = 50_000_000
    """Maximum size of one leaf's result as JSON."""
    output_bytes: Annotated[int, Field(ge=1)] = 1_000_000
    """Maximum size of a command's or a service's output that is kept."""
    file_bytes: Annotated[int, Field(ge=1)] = 10_000_000_000
    """Maximum size of one output of `files` of a task, a file or a folder with all its files."""
    file_count: Annotated[int, Field(ge=1)] = 10_000
    """Maximum number of files in one folder that `files` keeps."""


class LlmSettings(_Group):
    """The language model that plans and that `llm` executors use."""

    model: str | None = None
    """`openai:gpt-…`, `anthropic:…`, `openai:NAME` with a base URL for any compatible server; none if omitted."""
    base_url: str | None = None
    """Base URL of an OpenAI-compatible API, local servers included."""
    api_key: SecretStr | None = None
    """Key for the API; the provider's own variable (`OPENAI_API_KEY` …) is used if omitted."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.3
    """Temperature of the planner and of `llm` executors; omitted for models that reject it."""
    timeout_s: Annotated[float, Field(gt=0)] = 120.0
    """Time limit of one call."""
    max_tokens: Annotated[int, Field(gt=0)] = 900
    """Maximum number of tokens of one answer of the planner."""
    token_budget: Annotated[int, Field(gt=0)] = 50_000
    """Time limit of planning, all calls together."""
    max_calls: Annotated[int, Field(gt=0)] = 24
    """Maximum number of calls for one plan, repair turns included."""


class ServerSettings(_Group):
    """The embedded Prefect server, and how long to wait for a configured one."""

    host: str = "127.0.0.1"
    """Address that it listens on."""
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Port; 0 picks a free one."""
    start_timeout_s: Annotated[float, Field(gt=0)] = 180.0
    """Time limit of a start."""
    wait_s: Annotated[float, Field(ge=0)] = 60.0
    """How long a command waits for a configured Prefect API that does not respond."""
    allowed_hosts: tuple[str, ...] = ()
    """More names by which the embedded server may be addressed, such as that of a proxy in front of it."""


class RunSettings(_Group):
    """How programs run."""

    slots: Annotated[int, Field(ge=1, le=1000)] = 16
    """Maximum number of leaves running concurrently."""
    default_seconds: Annotated[float, Field(ge=0)] = 1.0
    """Duration of a leaf without an estimate."""
    timeout_s: Annotated[float, Field(gt=0)] = 3600.0
    """Time limit of an attempt where neither the task nor its agent sets one."""
    always_timeout_s: Annotated[float, Field(gt=0)] = 300.0
    """The same for tasks with `run_if: always`, which run after a deadline and a cancellation, too."""
    retry_delay_s: Annotated[float, Field(ge=0)] = 1.0
    """Maximum delay before the first retry; it doubles up to a minute, with full jitter from zero."""


class PoolSettings(_Group):
    """How leaves run on the work pools of their agents."""

    heartbeat_s: Annotated[float, Field(gt=0)] = 2.0
    """How often a worker sends a heartbeat to each pool of which it holds flow runs."""
    lost_after_s: Annotated[float, Field(gt=0)] = 8.0
    """How long a worker may send no heartbeat, while the API responds, before its work goes to another."""
    no_worker: Literal["wait", "fail"] = "wait"
    """What to do when no worker serves a pool: wait for one, or fail the leaf."""
    dispatch_timeout_s: Annotated[float | None, Field(gt=0)] = None
    """How long a leaf may wait for a worker; without a limit if omitted."""
    batch_seconds: Annotated[float, Field(ge=0)] = 0.5
    """Ready leaves of one agent share a flow run while its queued work is expected to take less than this."""
    batch_leaves: Annotated[int, Field(ge=1, le=100)] = 8
    """Maximum number of leaves in one flow run."""
    lane_idle_s: Annotated[float, Field(ge=0, le=300)] = 30.0
    """Maximum time that a flow run with no leaves left waits for more of its agent and run; 0 ends it immediately."""
    busy_poll_s: Annotated[float, Field(gt=0)] = 0.2
    """Interval between two polls of a pool that has work."""
    idle_poll_s: Annotated[float, Field(gt=0)] = 10.0
    """Interval between two polls of all idle pools for due flow runs; an event usually announces them earlier."""
    orchestrators: Annotated[int, Field(ge=1)] = 10
    """Maximum number of runs orchestrated concurrently on the pool `genesis`, separate from the agents' slots."""


def _refuse_governing_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse names of variables that decide which code a process runs, or with which settings."""
    for name in names:
        if name.upper().startswith(_GOVERNING) or name.upper() in {"PATH", "HOME"} or not name.isidentifier():
            raise ValueError(f"{name!r} may not be set by a deployment: it can decide which code a process runs")
    return names


_GOVERNING = ("GENESIS_", "PREFECT_", "PYTHON", "LD_", "DYLD_", "OTEL_", "BASH_", "GIT_", "SSL_")
"""Starts of the names of variables that a worker never takes from the Prefect API."""


class WorkerSettings(_Group):
    """What a worker accepts of the Prefect API beyond the flows of Genesis."""

    entrypoints: tuple[str, ...] = ()
    """More entry points of deployments that it runs: `["team.flows.nightly"]`, or `["team.flows.*"]`."""
    pull_steps: tuple[dict[str, JsonValue], ...] = ()
    """The pull steps that deployments may have. The worker runs these, not those that the API names."""
    env: Annotated[tuple[str, ...], AfterValidator(_refuse_governing_names)] = ()
    """Names of environment variables that deployments and flow runs may set."""
    working_dirs: tuple[Annotated[Path, _EXPANDED], ...] = ()
    """Folders in which, or below which, flow runs may work."""
    purge_min_days: Annotated[int | None, Field(ge=0)] = None
    """Age in days below which a deployed housekeeping removes nothing; it removes nothing at all if omitted."""

    def __hash__(self) -> int:
        return hash(self.model_dump_json())


class ResilienceSettings(_Group):
    """Circuit breakers, quotas and replanning."""

    share: Literal["memory", "machine", "redis"] = "machine"
    """Scope of circuit breakers and quotas: one process, the processes of this machine, all hosts."""
    redis_url: SecretStr | None = None
    """`redis://…` of the database that all hosts share; needed for `redis`."""
    failures: Annotated[int, Field(ge=1)] = 5
    """Number of consecutive failures that opens a breaker."""
    failure_rate: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Share of failures in the window that opens a breaker."""
    minimum_calls: Annotated[int, Field(ge=1)] = 10
    """Minimum number of calls in the window before the share counts."""
    window_s: Annotated[float, Field(gt=0)] = 60.0
    """Length of the window in seconds."""
    cooling_s: Annotated[float, Field(gt=0)] = 60.0
    """How long an open breaker rejects calls; doubles with each failed probe."""
    longest_cooling_s: Annotated[float, Field(gt=0)] = 600.0
    """Maximum time that a breaker stays open before a probe."""
    successes: Annotated[int, Field(ge=1)] = 2
    """Number of consecutive successful probes that closes it."""
    wait_s: Annotated[float, Field(ge=0)] = 90.0
    """How long a task may wait for an agent whose breaker is open, where no other agent can take it."""
    replans: Annotated[int, Field(ge=0)] = 3
    """Maximum number of permanently failed tasks of a run that are replanned, resumes included."""
    host_calls: dict[str, Annotated[int, Field(ge=1)]] = {}
    """Calls a minute by remote host, as JSON: `{"api.example.com": 60, "openai": 500}`. Calls over the limit wait."""

    def __hash__(self) -> int:
        return hash(self.model_dump_json())


class LogSettings(_Group):
    """Log lines of Genesis."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Minimum level of the lines that are written."""
    file: Annotated[Path | None, _EXPANDED] = None
    """Where JSON lines go. Deployed runs and workers write to `logs/genesis.jsonl` in the home if omitted."""
    file_bytes: Annotated[int, Field(ge=10_000)] = 20_000_000
    """Size at which a log file is rotated."""
    files: Annotated[int, Field(ge=0)] = 5
    """Number of rotated files that are kept."""
    console: Literal["auto", "human", "json", "off"] = "auto"
    """Format on standard error; if omitted, lines for people on a terminal and nothing elsewhere."""
    in_ui: bool = True
    """Whether lines of a run appear in the Prefect UI, too."""


class ObservabilitySettings(_Group):
    """Traces and metrics. Traces are on where the standard `OTEL_EXPORTER_OTLP_ENDPOINT` is set."""

    content: bool = False
    """Whether spans may hold what people and models wrote: requests, descriptions, error messages."""
    most_series: Annotated[int, Field(ge=10)] = 500
    """Maximum number of label combinations of one metric; the rest is counted under `other`."""


NO_HOME = Path(os.devnull) / "genesis"
"""The home of a user without one: a path that cannot exist, so that use of it is an error."""


def _default_home() -> Path:
    try:
        return Path.home() / ".genesis"
    except RuntimeError:  # no HOME, and no entry in the user database
        return NO_HOME


class Settings(BaseSettings):
    """All settings with their defaults."""

    model_config = SettingsConfigDict(
        env_prefix="GENESIS_", env_nested_delimiter="__", extra="ignore", frozen=True, use_attribute_docstrings=True
    )

    home: Annotated[Path, _EXPANDED] = Field(default_factory=_default_home)
    """State of this machine: the embedded server, its database and logs."""
    agents: Annotated[Path | None, _EXPANDED] = None
    """Agents file; the agents of the installed fleets if omitted."""
    playbooks: Annotated[Path | None, _EXPANDED] = None
    """Folder of the team's playbooks, tried before those of Genesis and the installed fleets."""
    project: Annotated[Path | None, _EXPANDED] = None
    """Folder of a project made by `genesis init`: its agents and playbooks are used where no others are named."""
    debug: bool = False
    """Show tracebacks."""
    limits: Limits = Limits()
    llm: LlmSettings = LlmSettings()
    server: ServerSettings = ServerSettings()
    run: RunSettings = RunSettings()
    pools: PoolSettings = PoolSettings()
    resilience: ResilienceSettings = ResilienceSettings()
    log: LogSettings = LogSettings()
    observability: ObservabilitySettings = ObservabilitySettings()
    worker: WorkerSettings = WorkerSettings()


def _is_true(given: object) -> bool:
    """Whether a boolean of OpenTelemetry is true: by its specification every value but `true` is false."""
    return str(given).strip().lower() == "true"


class OtelSettings(BaseSettings):
    """The OpenTelemetry standard variables that decide whether and how traces are sent."""

    # An empty variable is an unset one, by the specification.
    model_config = SettingsConfigDict(env_prefix="OTEL_", env_ignore_empty=True, extra="ignore", frozen=True)

    sdk_disabled: Annotated[bool, BeforeValidator(_is_true)] = False
    traces_exporter: str = ""
    exporter_otlp_endpoint: str = ""
    exporter_otlp_traces_endpoint: str = ""
    exporter_otlp_protocol: str = ""
    exporter_otlp_traces_protocol: str = ""
    exporter_otlp_timeout: str = ""
    exporter_otlp_traces_timeout: str = ""
    service_name: str = ""

    @property
    def wanted(self) -> bool:
        """Whether to send traces: an address or the exporter is set, and nothing disables them.

        Raises:
            UsageError: An exporter other than `otlp` is named, or an unsupported protocol.
        """
        exporter = self.traces_exporter.strip().lower()
        if self.sdk_disabled or exporter == "none":
            return False
        if not (exporter or self.exporter_otlp_endpoint or self.exporter_otlp_traces_endpoint):
            return False
        if exporter not in {"", "otlp"}:
            raise UsageError(f"OTEL_TRACES_EXPORTER is {self.traces_exporter!r}", hint="Genesis supports otlp and none")
        if self.protocol not in {"grpc", "http/protobuf"}:
            raise UsageError(
                f"OTEL_EXPORTER_OTLP_PROTOCOL is {self.protocol!r}", hint="use grpc or http/protobuf, the default"
            )
        return True

    @property
    def protocol(self) -> str:
        """Return how spans are sent."""
        return (self.exporter_otlp_traces_protocol or self.exporter_otlp_protocol).strip().lower() or "http/protobuf"

    @property
    def timeout_s(self) -> float | None:
        """Return the time limit of an export in seconds, the exporter's unit; None where it is unset."""
        said = self.exporter_otlp_traces_timeout or self.exporter_otlp_timeout
        try:
            return float(said) if said else None
        except ValueError:
            return None


class OriginSettings(BaseSettings):
    """The correlation id and the trace context that a command inherits from its caller."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    genesis_correlation_id: str = ""
    traceparent: str = ""
    baggage: str = ""

    @property
    def carrier(self) -> dict[str, str]:
        """Return the trace context by header name."""
        return {name: value for name, value in self.model_dump().items() if value}
