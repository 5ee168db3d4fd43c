"""The base job template of a `genesis` work pool, and how a team's own settings in it outlive a synchronisation."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from genesis.execute.fleet.desired import Isolation

__all__ = ["DEFAULT_TEMPLATE", "Template", "merged", "template_for"]

Template = dict[str, Any]
"""`{"job_configuration": {name: "{{ name }}"}, "variables": {a JSON Schema}}`, as Prefect has it."""

_RECORD = "x-genesis"
"""Keyword in a variable's schema: the default that was last written here. Another default is the team's own."""


def _text(title: str, description: str) -> dict[str, Any]:
    return {
        "anyOf": [{"type": "string"}, {"type": "null"}],
        "default": None,
        "title": title,
        "description": description,
    }


def _texts(title: str, description: str) -> dict[str, Any]:
    values = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    return {"additionalProperties": values, "type": "object", "title": title, "description": description}


def _number(kind: str, title: str, description: str) -> dict[str, Any]:
    some = {"type": kind, "exclusiveMinimum": 0}
    return {"anyOf": [some, {"type": "null"}], "default": None, "title": title, "description": description}


_VARIABLES: dict[str, Any] = {
    "name": _text("Name", "Name given to infrastructure created by a worker."),
    "env": _texts("Environment Variables", "Environment variables to set when starting a flow run."),
    "labels": _texts("Labels", "Labels applied to infrastructure created by a worker."),
    "command": _text("Command", "Left out by warm workers; other workers generate it."),
    "isolation": {
        "enum": ["process", "thread"],
        "type": "string",
        "default": "process",
        "title": "Isolation",
        "description": "process: each run in a warm child process, which can be killed. thread: many runs in one event "
        "loop, for agents that only wait on the network.",
    },
    "recycle_after": {
        "type": "integer",
        "minimum": 1,
        "default": 200,
        "title": "Recycle after",
        "description": "Runs after which a warm child is replaced by a new one.",
    },
    "memory_mb": _number("integer", "Memory limit (MB)", "Most memory of a warm child with all that it starts."),
    "time_limit_s": _number("number", "Time limit (seconds)", "Most seconds of a flow run."),
    "working_dir": _text(
        "Working directory", "Folder in which a flow run works; the worker's own where it is missing."
    ),
}

DEFAULT_TEMPLATE: Template = {
    "job_configuration": {name: f"{{{{ {name} }}}}" for name in _VARIABLES},
    "variables": {"type": "object", "properties": _VARIABLES},
}
"""For a pool of type `genesis` where no worker's own template is given."""


def template_for(isolation: Isolation, base: Template) -> Template:
    """Give the template of a pool: the worker type's, with this isolation, and a record of the defaults in it."""
    made = deepcopy(base)
    properties = made["variables"]["properties"]
    if "isolation" in properties:
        properties["isolation"]["default"] = isolation
    for schema in properties.values():
        if schema.get("default") is not None:
            schema[_RECORD] = schema["default"]
    return made


def merged(wanted: Template, found: Template, base: Template) -> tuple[Template, tuple[str, ...]]:
    """Bring a pool's template up to date and keep what the team changed in it.

    A default that is not the one that was written here last is the team's; so are variables and entries of the job
    configuration that the worker type does not have.

    Args:
        wanted: From `template_for`.
        found: What the pool has.
        base: The worker type's template, which a pool has that was made by a worker's start.

    Returns:
        The template, and the names of the variables whose defaults were kept.
    """
    result, kept = deepcopy(wanted), []
    if not found:
        return result, ()
    properties, plain = result["variables"]["properties"], base["variables"]["properties"]
    for name, schema in _properties(found).items():
        if name not in properties:
            properties[name] = schema
            continue
        before = schema.get(_RECORD, plain.get(name, {}).get("default"))
        default = schema.get("default")
        if default != before and default != properties[name].get("default"):
            properties[name]["default"] = default
            kept.append(name)
    result["job_configuration"] |= {
        key: value
        for key, value in found.get("job_configuration", {}).items()
        if key not in result["job_configuration"]
    }
    extra = {key: value for key, value in (found.get("variables") or {}).items() if key not in result["variables"]}
    result["variables"] |= extra
    return result, tuple(kept)


def _properties(template: Template) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = (template.get("variables") or {}).get("properties") or {}
    return found
