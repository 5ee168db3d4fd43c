"""The base job template of a `genesis` work pool, and how a team's own settings in it outlive a synchronisation."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from genesis.fleet.desired import Isolation

__all__ = ["Template", "merge_templates", "template_for"]

Template = dict[str, Any]
"""`{"job_configuration": {name: "{{ name }}"}, "variables": {a JSON Schema}}`, as Prefect has it."""

_RECORD = "x-genesis"
"""Keyword in a variable's schema: the default that was last written here. Another default is the team's own."""


def template_for(isolation: Isolation, base: Template) -> Template:
    """Return the template of a pool: the worker type's, with this isolation, and a record of the defaults in it."""
    made = deepcopy(base)
    properties = made["variables"]["properties"]
    if "isolation" in properties:
        properties["isolation"]["default"] = isolation
    for schema in properties.values():
        if schema.get("default") is not None:
            schema[_RECORD] = schema["default"]
    return made


def merge_templates(wanted: Template, found: Template, base: Template) -> tuple[Template, tuple[str, ...]]:
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
