"""Which code a worker runs, and how: decided by its own settings, never by what the Prefect API says.

Whoever reaches the API can write a deployment, a flow run and a work pool. Each can name an entry point, pull steps, an
environment, a command, an image or a working directory, and each of these is code. A worker runs the flows of
`genesis.flows.deployed`, and what its operator allows in `genesis.settings.WorkerSettings`. Nothing else is run, and
placeholders are not filled: `{{ $NAME }}` is a variable of the worker, and `{{ prefect.blocks… }}` a block of the API.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from prefect.client.schemas.responses import DeploymentResponse

from genesis.errors import SecurityError
from genesis.settings import WorkerSettings
from genesis.workers.configuration import GenesisJobConfiguration

__all__ = ["PACKAGED", "REFUSED", "CodePolicy"]

_FLOWS = ("orchestrate", "preflight", "agent_task", "housekeeping")
PACKAGED = frozenset(f"genesis.flows.deployed.{flow}" for flow in _FLOWS)
"""Entry points that every worker runs."""
REFUSED = "GEN-WORKER-REFUSED"
_FILES = frozenset(f"flows/{flow}.py:{flow}" for flow in _FLOWS)
"""Entry points in a project's files, which `genesis init` writes for a project with pull steps."""
_PLAIN = frozenset({"isolation", "recycle_after", "memory_mb", "time_limit_s"})
"""Variables that bound a flow run, and choose no code."""
_LABELS = frozenset({"labels", "name"})
"""Variables that every worker type of Prefect has, and that have no effect here."""
_VARIABLE = re.compile(r"\{\{\s*([\w.]+)\s*\}\}")
_LONGEST = 80
"""Most characters of a value in a message."""


class CodePolicy:
    """Decides about deployments and job variables.

    Args:
        allowed: What the operator allows beyond the flows of Genesis.
    """

    def __init__(self, allowed: WorkerSettings):
        self._allowed = allowed

    def pull_steps(self, deployment: DeploymentResponse) -> list[dict[str, Any]]:
        """Check where a deployment's code comes from.

        Returns:
            The operator's own pull steps where the deployment has the same ones, else none.

        Raises:
            SecurityError: Its entry point, its pull steps or its storage are not allowed. `data["what"]` says which.
        """
        entrypoint = str(deployment.entrypoint)
        if deployment.storage_document_id is not None:
            raise _refusal("storage", "a storage block", None)
        allowed = [dict(step) for step in self._allowed.pull_steps]
        given = [step for step in deployment.pull_steps or () if step]
        if given and _canonical(given) != _canonical(allowed):
            names = ", ".join(str(name) for step in given for name in step)
            raise _refusal("pull_steps", f"the pull steps {_short(names)}", "GENESIS_WORKER__PULL_STEPS")
        if entrypoint not in PACKAGED and not self._allows(entrypoint, pulled=bool(given)):
            raise _refusal("entrypoint", f"the entry point {_short(entrypoint)}", "GENESIS_WORKER__ENTRYPOINTS")
        return allowed if given else []

    def _allows(self, entrypoint: str, *, pulled: bool) -> bool:
        if ":" in entrypoint and not pulled:  # Prefect would copy the file from a path that the API names
            return False
        if pulled and entrypoint in _FILES:
            return True
        return any(
            entrypoint.startswith(each[:-1]) if each.endswith(".*") else entrypoint == each
            for each in self._allowed.entrypoints
        )

    def configure(self, template: Mapping[str, Any], *layers: Mapping[str, Any]) -> GenesisJobConfiguration:
        """Build a flow run's job configuration from literal values.

        Args:
            template: The base job template of its pool.
            layers: Job variables, of which the later ones count; `env` is merged.

        Raises:
            SecurityError: A value would choose code, or has a placeholder. `data["what"]` has the variable.
            ValidationError: A value is not of its type.
        """
        properties = (template.get("variables") or {}).get("properties") or {}
        values = {name: schema["default"] for name, schema in properties.items() if "default" in schema}
        for layer in layers:
            self._refuse_unknown(layer)
            both = {**(values.get("env") or {}), **(layer.get("env") or {})} if "env" in layer else values.get("env")
            values |= {**layer, "env": both}
        wanted = dict(_resolve(template.get("job_configuration") or {}, properties, values))
        found = {name: wanted[name] for name in _PLAIN | _LABELS if wanted.get(name) is not None}
        if env := {name: value for name, value in (wanted.get("env") or {}).items() if value is not None}:
            found["env"] = self._check_env(env)
        if wanted.get("command"):
            raise _refusal("command", "a command", None)
        if wanted.get("working_dir"):
            found["working_dir"] = self._check_folder(str(wanted["working_dir"]))
        if "{{" in json.dumps(found, default=str):
            raise _refusal("placeholder", "a placeholder ({{ … }}) in a job variable", None)
        return GenesisJobConfiguration.model_validate(found)

    def _refuse_unknown(self, layer: Mapping[str, Any]) -> None:
        """Refuse variables that this worker type does not have, such as an image, where they have a value."""
        known = GenesisJobConfiguration.model_fields.keys()
        if unknown := sorted(str(name) for name, value in layer.items() if name not in known and value):
            raise _refusal("variable", f"the job variable {_short(unknown[0])}", None)

    def _check_env(self, env: Mapping[str, Any]) -> dict[str, Any]:
        if others := sorted(name for name in env if name not in self._allowed.env):
            raise _refusal("env", f"the environment variable {_short(others[0])}", "GENESIS_WORKER__ENV")
        return dict(env)

    def _check_folder(self, given: str) -> Path:
        folder = Path(given).resolve()
        if not any(folder.is_relative_to(allowed.resolve()) for allowed in self._allowed.working_dirs):
            raise _refusal("working_dir", f"the working directory {_short(given)}", "GENESIS_WORKER__WORKING_DIRS")
        return folder


def _resolve(
    configuration: Mapping[str, Any], declared: Collection[str], values: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    """Put the values of variables into a template's job configuration, where an entry is nothing but a variable."""
    for name, entry in configuration.items():
        whole = _VARIABLE.fullmatch(entry) if isinstance(entry, str) else None
        yield name, values.get(whole[1]) if whole is not None and whole[1] in declared else entry


def _canonical(steps: list[dict[str, Any]]) -> str:
    return json.dumps(steps, sort_keys=True, default=str)


def _short(text: str) -> str:
    return repr(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…")


def _refusal(what: str, said: str, setting: str | None) -> SecurityError:
    hint = "it is decided by the worker, not by the Prefect API"
    return SecurityError(
        f"this worker does not accept {said} of a deployment, flow run or work pool",
        hint=hint if setting is None else f"{hint}: its operator can allow it in {setting}",
        code=REFUSED,
        data={"what": what},
    )
