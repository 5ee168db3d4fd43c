"""The one settings tree. Environment variables start with `GENESIS_`, nested ones use `__`.

`GENESIS_LLM__MODEL=openai:gpt-5-mini`, `GENESIS_LIMITS__LEAVES=2000`, `GENESIS_HOME=/var/lib/genesis`.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
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
]


def _expand_path(path: Path | None) -> Path | None:
    """Expand `~`, as a shell does where it is not quoted, and refuse a name that no file or folder can have."""
    if path is None:
        return None
    try:
        expanded = path.expanduser()
    except RuntimeError as error:
        raise ValueError(f"there is no home of {path.parts[0]} on this machine") from error
    try:
        (expanded / ("x" * _LONGEST_BELOW)).lstat()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise ValueError("the path is too long for a file on this machine") from error
    return expanded


_LONGEST_BELOW = 200
"""Characters that a path in a setting leaves for the names of files below it."""
_EXPANDED = AfterValidator(_expand_path)


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Limits(_Group):
    """Bounds on requests, documents and plans."""

    request_characters: Annotated[int, Field(ge=1)] = 5_000
    """Longest request."""
    depth: Annotated[int, Field(ge=1)] = 5
    """Deepest nesting that planners and expansion create; a person's plan beyond it is warned about."""
    fan_out: Annotated[int, Field(ge=1)] = 20
    """Most subtasks of one task that planners and expansion create."""
    leaves: Annotated[int, Field(ge=1)] = 1_000
    """Most leaves over a plan's whole life."""
    document_bytes: Annotated[int, Field(ge=1)] = 10_000_000
    """Largest plan, agents or playbook file."""
    document_nodes: Annotated[int, Field(ge=1)] = 1_000_000
    """Most values in a document once its aliases are expanded."""
    document_depth: Annotated[int, Field(ge=1, le=200)] = 100
    """Deepest nesting of a document."""
    result_inline_bytes: Annotated[int, Field(ge=0)] = 65_536
    """A larger result is kept beside the ledger's record and named by reference."""
    result_bytes: Annotated[int, Field(ge=1)] = 50_000_000
    """Largest result of one leaf, as JSON."""
    output_bytes: Annotated[int, Field(ge=1)] = 1_000_000
    """How much of a command's or a service's output is kept."""


class LlmSettings(_Group):
    """The language model that plans and that `llm` executors use."""

    model: str | None = None
    """`openai:gpt-…`, `anthropic:…`, `openai:NAME` with a base URL for any compatible server; none plans without."""
    base_url: str | None = None
    """Base URL of an OpenAI-compatible API, local servers included."""
    api_key: SecretStr | None = None
    """Key for the API; the provider's own variable (`OPENAI_API_KEY` …) is used if omitted."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.3
    """Of the planner and of `llm` executors; left out for models that refuse it."""
    timeout_s: Annotated[float, Field(gt=0)] = 120.0
    """For one call."""
    max_tokens: Annotated[int, Field(gt=0)] = 900
    """Bound on one answer of the planner."""
    token_budget: Annotated[int, Field(gt=0)] = 50_000
    """For one plan, all calls together."""
    max_calls: Annotated[int, Field(gt=0)] = 24
    """For one plan, repair turns included."""


class ServerSettings(_Group):
    """The embedded Prefect server, and how long a configured one is waited for."""

    host: str = "127.0.0.1"
    """Address that it listens on."""
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    """0 takes a free port."""
    start_timeout_s: Annotated[float, Field(gt=0)] = 180.0
    """How long a start may take."""
    wait_s: Annotated[float, Field(ge=0)] = 60.0
    """How long a command waits for a configured Prefect API that does not answer."""


class RunSettings(_Group):
    """How programs run."""

    slots: Annotated[int, Field(ge=1, le=1000)] = 16
    """Leaves running at once."""
    default_seconds: Annotated[float, Field(ge=0)] = 1.0
    """Duration of a leaf without an estimate."""
    timeout_s: Annotated[float, Field(gt=0)] = 3600.0
    """Time limit of an attempt where neither the task nor its agent gives one."""
    retry_delay_s: Annotated[float, Field(ge=0)] = 1.0
    """Longest pause before the first repeat; it doubles up to a minute, and each pause is drawn from zero up to it."""


class PoolSettings(_Group):
    """How leaves run on the work pools of their agents."""

    heartbeat_s: Annotated[float, Field(gt=0)] = 2.0
    """How often a worker says that it is alive, to the pools of which flow runs are on it."""
    lost_after_s: Annotated[float, Field(gt=0)] = 8.0
    """How long a worker may say nothing, while the API answers, before its work is given to another."""
    no_worker: Literal["wait", "fail"] = "wait"
    """What to do when no worker serves a pool: wait for one, or fail the leaf."""
    dispatch_timeout_s: Annotated[float | None, Field(gt=0)] = None
    """How long a leaf may wait for a worker; without it as long as it takes."""
    batch_seconds: Annotated[float, Field(ge=0)] = 0.5
    """Ready leaves of one agent share a flow run while the work ahead in it is expected to take less than this."""
    batch_leaves: Annotated[int, Field(ge=1, le=100)] = 8
    """Most leaves in one flow run."""
    lane_idle_s: Annotated[float, Field(ge=0, le=300)] = 30.0
    """How long at most a flow run that has done its leaves waits for others of its agent and run; 0 ends it at once."""
    busy_poll_s: Annotated[float, Field(gt=0)] = 0.2
    """Pause between two polls of a pool that has work."""
    idle_poll_s: Annotated[float, Field(gt=0)] = 10.0
    """Pause between two looks at all quiet pools for flow runs that are due; an event tells of them earlier."""
    orchestrators: Annotated[int, Field(ge=1)] = 10
    """Runs that are orchestrated at once on the pool `genesis`, apart from the agents' slots."""


class ResilienceSettings(_Group):
    """What keeps a fault from spreading."""

    share: Literal["memory", "machine", "redis"] = "machine"
    """Who shares the state of circuit breakers and quotas: one process, the processes of this machine, all hosts."""
    redis_url: SecretStr | None = None
    """`redis://…` of the database that all hosts share; needed for `redis`."""
    failures: Annotated[int, Field(ge=1)] = 5
    """So many failures in a row open a breaker."""
    failure_rate: Annotated[float, Field(gt=0, le=1)] = 0.5
    """So does this share of failures in the window."""
    minimum_calls: Annotated[int, Field(ge=1)] = 10
    """With fewer calls in the window, shares mean nothing."""
    window_s: Annotated[float, Field(gt=0)] = 60.0
    """How long a call counts."""
    cooling_s: Annotated[float, Field(gt=0)] = 60.0
    """How long an open breaker lets nothing through; doubles with each probe that fails."""
    longest_cooling_s: Annotated[float, Field(gt=0)] = 600.0
    """Never longer than this."""
    successes: Annotated[int, Field(ge=1)] = 2
    """So many probes in a row that succeed close it."""
    wait_s: Annotated[float, Field(ge=0)] = 90.0
    """How long a task may wait for an agent whose breaker is open, where no other agent can take it."""
    replans: Annotated[int, Field(ge=0)] = 3
    """So many tasks of a run that failed permanently may be planned again, over the run's whole life."""
    host_calls: dict[str, Annotated[int, Field(ge=1)]] = {}
    """Calls a minute by remote host, as JSON: `{"api.example.com": 60, "openai": 500}`. Who comes too early waits."""

    def __hash__(self) -> int:
        return hash(self.model_dump_json())


class LogSettings(_Group):
    """Log lines of Genesis."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is written."""
    file: Annotated[Path | None, _EXPANDED] = None
    """Where JSON lines go. Deployed runs and workers write to `logs/genesis.jsonl` in the home if omitted."""
    file_bytes: Annotated[int, Field(ge=10_000)] = 20_000_000
    """A file that has grown beyond this is put aside."""
    files: Annotated[int, Field(ge=0)] = 5
    """So many files that were put aside are kept."""
    console: Literal["auto", "human", "json", "off"] = "auto"
    """What standard error shows: lines for people on a terminal and nothing elsewhere, unless it is said."""
    in_ui: bool = True
    """Whether lines of a run appear in the Prefect UI, too."""


class ObservabilitySettings(_Group):
    """Traces and metrics. Traces are on where the standard `OTEL_EXPORTER_OTLP_ENDPOINT` is set."""

    content: bool = False
    """Whether spans may hold what people and models wrote: requests, descriptions, error messages."""
    most_series: Annotated[int, Field(ge=10)] = 500
    """Most combinations of labels of one metric; what is beyond them is counted under `other`."""


NO_HOME = Path(os.devnull) / "genesis"
"""The home of a user who has none: there can be no such folder. What needs one says so."""


def _default_home() -> Path:
    try:
        return Path.home() / ".genesis"
    except RuntimeError:  # no HOME, and no entry in the list of users
        return NO_HOME


class Settings(BaseSettings):
    """Everything that can be set, with its defaults."""

    model_config = SettingsConfigDict(
        env_prefix="GENESIS_", env_nested_delimiter="__", extra="ignore", frozen=True, use_attribute_docstrings=True
    )

    home: Annotated[Path, _EXPANDED] = Field(default_factory=_default_home)
    """State of this machine: the embedded server, its database and logs."""
    agents: Annotated[Path | None, _EXPANDED] = None
    """Agents file; the agents of the installed fleets if omitted."""
    playbooks: Annotated[Path | None, _EXPANDED] = None
    """Folder of the team's own playbooks, tried before those of Genesis and the installed fleets."""
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


def _is_true(given: object) -> bool:
    """Whether a boolean of OpenTelemetry's is true: by its specification every value but `true` is false."""
    return str(given).strip().lower() == "true"


class OtelSettings(BaseSettings):
    """Those of OpenTelemetry's standard variables that decide whether and how traces are sent."""

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
        """Whether traces are to be sent: an address or the exporter is named, and nothing says no.

        Raises:
            UsageError: Another exporter than `otlp` is named, or another protocol than there is.
        """
        exporter = self.traces_exporter.strip().lower()
        if self.sdk_disabled or exporter == "none":
            return False
        if not (exporter or self.exporter_otlp_endpoint or self.exporter_otlp_traces_endpoint):
            return False
        if exporter not in {"", "otlp"}:
            raise UsageError(f"OTEL_TRACES_EXPORTER is {self.traces_exporter!r}", hint="Genesis knows otlp and none")
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
        """Return how long an export may take, where it is said; the variable's unit is the exporter's, seconds."""
        said = self.exporter_otlp_traces_timeout or self.exporter_otlp_timeout
        try:
            return float(said) if said else None
        except ValueError:
            return None


class OriginSettings(BaseSettings):
    """What came along with the call of a command: the id and the trace that it is a part of."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    genesis_correlation_id: str = ""
    traceparent: str = ""
    baggage: str = ""

    @property
    def carrier(self) -> dict[str, str]:
        """Return it by name, as headers would."""
        return {name: value for name, value in self.model_dump().items() if value}
