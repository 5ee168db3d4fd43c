"""What a work pool of type `genesis` and its deployments can set for their flow runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from prefect.workers.base import BaseJobConfiguration, BaseVariables
from pydantic import Field

__all__ = ["GenesisJobConfiguration", "GenesisVariables", "Isolation"]

Isolation = Literal["process", "thread"]

_ISOLATION = Field(
    title="Isolation",
    description=(
        "process: each flow run has its own warm process, which can be killed. thread: many flow runs share one "
        "process and one event loop; for work that only waits on the network."
    ),
)
_RECYCLE = Field(ge=1, title="Recycle after", description="Flow runs after which a warm process is replaced.")
_MEMORY = Field(
    ge=1,
    title="Memory limit (MB)",
    description="Resident memory of a flow run's process and all that it starts; above it, it is killed.",
)
_TIME = Field(gt=0, title="Time limit (seconds)", description="How long a flow run may take before it is ended.")
_FOLDER = Field(
    title="Working directory",
    description="Folder in which a flow run's process works; the worker's own if omitted.",
)


class GenesisJobConfiguration(BaseJobConfiguration):
    """How one flow run is to run."""

    isolation: Annotated[Isolation, _ISOLATION] = "process"
    recycle_after: Annotated[int, _RECYCLE] = 200
    memory_mb: Annotated[int | None, _MEMORY] = None
    time_limit_s: Annotated[float | None, _TIME] = None
    working_dir: Annotated[Path | None, _FOLDER] = None

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that it adds."""
        return {name: value for name, value in sorted(self.env.items()) if value is not None}


class GenesisVariables(BaseVariables):
    """What the UI offers as the pool's and a deployment's settings."""

    isolation: Annotated[Isolation, _ISOLATION] = "process"
    recycle_after: Annotated[int, _RECYCLE] = 200
    memory_mb: Annotated[int | None, _MEMORY] = None
    time_limit_s: Annotated[float | None, _TIME] = None
    working_dir: Annotated[Path | None, _FOLDER] = None
