"""Compare a fleet with what a Prefect server has. Nothing here asks the server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import JsonValue

from genesis.errors import RunError
from genesis.fleet.automations import AutomationSpec
from genesis.fleet.desired import WORKER_TYPE, Fleet, PoolSpec, owner_of
from genesis.fleet.template import Template, merge_templates, template_for
from genesis.model.base import Model

__all__ = [
    "Change",
    "Difference",
    "Field",
    "SeenAutomation",
    "SeenPool",
    "SeenServer",
    "compare",
    "compare_automation",
]

_TOLD_TOGETHER = 5
"""Names of one kind of difference in a sentence."""
_NAMELESS = "sync the project that owns it; if none does: prefect work-pool delete"


class SeenPool(Model):
    """A work pool as the server has it."""

    name: str
    type: str
    description: str | None = None
    concurrency_limit: int | None = None
    is_paused: bool = False
    has_workers: bool = False
    template: dict[str, Any] = {}

    @property
    def is_ours(self) -> bool:
        """Whether it was made by a synchronisation."""
        return self.owner is not None

    @property
    def owner(self) -> str | None:
        """The project that it is of; None of one that was made by hand, empty where it has no project's name."""
        return owner_of(self.description)


class SeenAutomation(Model):
    """An automation as the server has it, in the words of its API."""

    id: str
    name: str
    enabled: bool = True
    description: str = ""
    trigger: dict[str, Any]
    actions: tuple[dict[str, Any], ...]
    more: dict[str, Any] = {}
    """What else it has, such as tags and a team's own actions."""


class SeenServer(Model):
    """What was found on a server."""

    pools: tuple[SeenPool, ...] = ()
    automations: tuple[SeenAutomation, ...] = ()
    deployments: tuple[str, ...] = ()
    """`flow/name` of every deployment of the fleet's flows."""
    deployed_on: Mapping[str, str] = {}
    """The pools of those that have one."""
    busy: Mapping[str, int] = {}
    """Unfinished flow runs of the pools that could be removed."""


class Field(Model):
    """A property that differs."""

    name: str
    before: JsonValue = None
    after: JsonValue = None


class Change(Model):
    """One thing to make, bring up to date or remove."""

    action: Literal["create", "update", "delete"]
    kind: Literal["pool", "automation", "deployment", "schedule"]
    name: str
    fields: tuple[Field, ...] = ()
    values: dict[str, Any] = {}
    """The values sent to the server; for an automation all of them."""
    id: str | None = None
    """Of an automation, a deployment or a schedule that is there."""
    deployment: str | None = None
    """Id of a schedule's deployment."""


class Difference(Model):
    """All that stands between a server and a fleet."""

    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()
    """What a person should know: what was kept, and what still has to be done."""


def compare(
    fleet: Fleet,
    specs: tuple[AutomationSpec, ...],
    seen: SeenServer,
    *,
    base: Template,
    prune: bool = False,
) -> Difference:
    """Find what has to change.

    Args:
        fleet: Wanted pools.
        specs: Wanted automations.
        seen: What the server has.
        base: Base job template of the worker type.
        prune: Remove pools of agents that are gone, with their deployments. Those of other projects are left alone.

    Raises:
        RunError: Something that is wanted belongs to another project.
    """
    _refuse_clashes(fleet, seen)
    pools = {pool.name: pool for pool in seen.pools}
    changes: list[Change] = []
    notes: list[str] = []
    for pool in fleet.pools:
        found = pools.get(pool.name)
        change = _make_create_change(pool, base) if found is None else _make_update_change(pool, found, base, notes)
        changes += [change] if change else []
    named = {automation.name: automation for automation in seen.automations}
    for spec in specs:
        automation = compare_automation(spec, named.get(spec.name), notes)
        changes += [automation] if automation else []
    changes += _make_delete_changes(fleet, seen, prune, notes)
    notes += _still_to_do(fleet, seen)
    return Difference(changes=tuple(changes), notes=tuple(notes))


def _refuse_clashes(fleet: Fleet, seen: SeenServer) -> None:
    """Make sure that nothing that is wanted belongs to another project."""
    others = {pool.name: pool.owner for pool in seen.pools if _is_anothers(pool, fleet)}
    wanted = [pool.name for pool in fleet.pools]
    clashes = [f"work pool {name!r} belongs to {others[name]!r}" for name in wanted if name in others]
    for name, pool in _deployments(fleet):
        if (whose := others.get(seen.deployed_on.get(name, ""))) is not None and pool not in others:
            clashes.append(f"deployment {name!r} belongs to {whose!r}")
    if not clashes:
        return
    this = f"project {fleet.project!r}" if fleet.project else "no project"
    raise RunError(
        f"another project owns what this one would create: {_format_names(clashes)}; this is {this}",
        hint="to give pools and deployments the name of this one: genesis init --project NAME; if it is the same "
        "project, give it the same `name` in prefect.yaml",
        code="GEN-FLEET-CLASH",
    )


def _deployments(fleet: Fleet) -> Iterator[tuple[str, str]]:
    """Name the deployments of a fleet, each with its pool."""
    for flow in ("orchestrate", "preflight", "housekeeping"):
        yield f"{flow}/{fleet.deployment}", fleet.pools[0].name
    for pool in fleet.agent_pools:
        yield f"agent_task/{pool.deployment}", pool.name


def _is_anothers(pool: SeenPool | None, fleet: Fleet) -> bool:
    return pool is not None and pool.owner not in (None, "", fleet.project)


def _make_create_change(pool: PoolSpec, base: Template) -> Change:
    values = {
        "type": WORKER_TYPE,
        "description": pool.description,
        "concurrency_limit": pool.concurrency_limit,
        "base_job_template": template_for(pool.isolation, base),
    }
    shown = {"type": WORKER_TYPE, "concurrency_limit": pool.concurrency_limit, "isolation": pool.isolation}
    fields = tuple(Field(name=name, after=value) for name, value in shown.items())
    return Change(action="create", kind="pool", name=pool.name, fields=fields, values=values)


def _make_update_change(pool: PoolSpec, found: SeenPool, base: Template, notes: list[str]) -> Change | None:
    """Bring a pool up to date: all of it where it is of our type, else the limit alone, and only where it was ours."""
    values: dict[str, Any] = {}
    fields: list[Field] = []
    if found.type != WORKER_TYPE:
        notes.append(_foreign(found))
        if not found.is_ours:
            return None
    else:
        template, kept = merge_templates(template_for(pool.isolation, base), found.template, base)
        if kept:
            notes.append(f"pool {pool.name!r} keeps the team's own {', '.join(kept)} in its base job template")
        if template != found.template:
            values["base_job_template"] = template
            fields += _template_fields(found.template, template)
    for name in ("description", "concurrency_limit"):
        before, after = getattr(found, name), getattr(pool, name)
        if before != after:
            values[name] = after
            fields.append(Field(name=name, before=before, after=after))
    if not values:
        return None
    return Change(action="update", kind="pool", name=pool.name, fields=tuple(fields), values=values)


def _foreign(found: SeenPool) -> str:
    whose = "its type and base job template are kept" if found.is_ours else "it was created by hand and is not changed"
    return f"pool {found.name!r} is of type {found.type!r}: {whose}, and a {found.type} worker has to serve it"


def _template_fields(before: Template, after: Template) -> Iterator[Field]:
    """Name the variables whose defaults change; another difference is that of the template as a whole."""
    old = (before.get("variables") or {}).get("properties") or {}
    found = False
    for name, schema in after["variables"]["properties"].items():
        was, now = old.get(name, {}).get("default"), schema.get("default")
        if was != now:
            found = True
            yield Field(name=name, before=was, after=now)
    if not found:
        yield Field(name="base_job_template", before="of another version", after="of this version")


def compare_automation(spec: AutomationSpec, found: SeenAutomation | None, notes: list[str]) -> Change | None:
    """Return what creates an automation or brings it up to date; one that is switched off stays so, with a note."""
    values = spec.model_dump(mode="json")
    if found is None:
        return Change(action="create", kind="automation", name=spec.name, values=values)
    if not found.enabled:
        notes.append(f"the automation {spec.name!r} is switched off, and stays so")
    fields = tuple(
        Field(name=name, before=before, after=after)
        for name, before, after in (
            ("description", found.description, spec.description),
            ("trigger", found.trigger, _like(spec.trigger, found.trigger)),
            (
                "actions",
                list(found.actions),
                [_like(action, found.actions, at) for at, action in enumerate(spec.actions)],
            ),
        )
        if before != after
    )
    if not fields:
        return None
    values = {**found.more, **values, "enabled": found.enabled}
    return Change(action="update", kind="automation", name=spec.name, fields=fields, values=values, id=found.id)


def _like(wanted: dict[str, Any], found: Any, at: int | None = None) -> dict[str, Any]:
    """Add to the wanted values those that only the server gives, as defaults: they are no difference."""
    if at is not None:
        found = found[at] if at < len(found) else {}
    return {**{key: value for key, value in found.items() if key not in wanted}, **wanted}


def _make_delete_changes(fleet: Fleet, seen: SeenServer, prune: bool, notes: list[str]) -> Iterator[Change]:
    wanted = {pool.name for pool in fleet.pools}
    deployments = {pool.deployment for pool in fleet.pools}
    for pool in seen.pools:
        if pool.name in wanted or pool.owner != fleet.project:
            if pool.owner == "" and pool.name not in wanted:
                notes.append(f"pool {pool.name!r} has no project's name; {_NAMELESS}")
            continue
        busy = seen.busy.get(pool.name, 0)
        if not prune:
            notes.append(f"pool {pool.name!r} is of an agent that is gone; --prune removes it")
        elif busy:
            notes.append(
                f"pool {pool.name!r} is of an agent that is gone, and kept while it has {busy} unfinished runs"
            )
        else:
            name = PoolSpec(name=pool.name, description="", isolation="process", concurrency_limit=1).deployment
            on = seen.deployed_on.get(f"agent_task/{name}", pool.name)
            if f"agent_task/{name}" in seen.deployments and name not in deployments and on == pool.name:
                yield Change(action="delete", kind="deployment", name=f"agent_task/{name}")
            yield Change(action="delete", kind="pool", name=pool.name)


def _still_to_do(fleet: Fleet, seen: SeenServer) -> Iterator[str]:
    """Report what a synchronisation does not do."""
    pools = {pool.name: pool for pool in seen.pools}
    paused = [pool.name for pool in fleet.pools if pool.name in pools and pools[pool.name].is_paused]
    for name in paused:
        yield f"pool {name!r} is paused, so its work waits; to continue: prefect work-pool resume {name}"
    missing = [name for name, _ in _deployments(fleet) if name not in seen.deployments]
    if missing:
        yield f"missing deployments: {_format_names(missing)}; to create them: genesis init, then prefect deploy --all"
    idle = [pool.name for pool in fleet.pools if not (pool.name in pools and pools[pool.name].has_workers)]
    if idle:
        yield f"no worker serves {_format_names(idle)}; to start one: genesis worker --all"


def _format_names(names: list[str]) -> str:
    more = f" and {len(names) - _TOLD_TOGETHER} more" if len(names) > _TOLD_TOGETHER else ""
    return ", ".join(names[:_TOLD_TOGETHER]) + more
