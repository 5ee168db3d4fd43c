"""What the parameters of a deployed run ask for, turned into a prepared plan."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue, ValidationError

from genesis.document import parse
from genesis.errors import DocumentError, UsageError
from genesis.fleet.trusted import use_current_project, use_named_project
from genesis.model import Budget, Plan
from genesis.pipeline import Prepared, make_plan, prepare
from genesis.planning import load_plan
from genesis.routing import load_registry
from genesis.settings import RunSettings, Settings

__all__ = ["RunRequest"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunRequest:
    """The parameters of `orchestrate`, which documents them."""

    request: str | None
    plan: str | Mapping[str, Any] | None
    vars: Mapping[str, str]
    llm: str | None
    budget: Mapping[str, float] | None
    slots: int | None
    correlation_id: str | None
    tenant: str | None = None
    params: Mapping[str, JsonValue] = field(default_factory=dict)

    def settings(self, settings: Settings) -> Settings:
        """Put what is asked for on top of the settings, with the agents and playbooks of a named or trusted project.

        Raises:
            UsageError: The slots are not a number of slots.
        """
        update: dict[str, Any] = {}
        if self.llm:
            model = None if self.llm.lower() in ("off", "none", "no") else self.llm
            update["llm"] = settings.llm.model_copy(update={"model": model})
        if self.slots is not None:
            try:
                update["run"] = RunSettings(**{**settings.run.model_dump(), "slots": self.slots})
            except ValidationError as error:
                raise UsageError(f"slots is {self.slots!r}", hint="use a number from 1 to 1,000") from error
        settings = settings.model_copy(update=update)
        if settings.project is not None:
            return use_named_project(settings, settings.project, _log.warning)
        return use_current_project(settings, _log.warning)

    def prepare_plan(self, settings: Settings) -> Prepared:
        """Plan, route and validate. This may take as long as a model takes.

        Raises:
            UsageError: Neither or both of request and plan are given, or they cannot be used.
            DocumentError: The plan is none.
        """
        if (self.request is None) == (self.plan is None):
            raise UsageError("pass either a request or a plan", hint="both are parameters of orchestrate")
        registry = load_registry(settings.agents)
        if self.plan is not None:
            return prepare(self._with_budget(self._load_given_plan(settings)), registry, settings=settings, keep=True)
        if self.params:
            raise UsageError(
                "`params` are for a plan that declares them, and this is a request",
                hint="for variables use `vars`",
                code="GEN-PARAM-UNKNOWN",
            )
        plan = make_plan(self.request or "", registry=registry, settings=settings, variables=self.vars)
        return prepare(self._with_budget(plan), registry, settings=settings)

    def _load_given_plan(self, settings: Settings) -> Plan:
        """Load the plan as a mapping or as text, never from a file: whoever may start a run would read files here.

        Raises:
            DocumentError: It is none. A name of a file, and text that is no plan, are not repeated in the message.
        """
        given = self.plan
        if isinstance(given, str):
            try:
                given = parse(given, source="the parameter plan", limits=settings.limits)
            except DocumentError:
                if "\n" in given.strip():
                    raise
                raise _not_a_plan() from None
            if not isinstance(given, Mapping):
                raise _not_a_plan()
        return load_plan(given or {}, limits=settings.limits, params=self.params, variables=self.vars)

    def _with_budget(self, plan: Plan) -> Plan:
        update: dict[str, Any] = {}
        if self.budget:
            try:
                update["budget"] = Budget.model_validate(dict(self.budget))
            except ValidationError as error:
                raise UsageError(
                    f"the budget cannot be used: {error.errors(include_url=False)[0]['msg']}",
                    hint='for example {"usd": 2.5, "tokens": 100000}',
                ) from error
        if self.correlation_id:
            update["correlation_id"] = self.correlation_id
        return plan.model_copy(update=update)


def _not_a_plan() -> DocumentError:
    return DocumentError(
        "the parameter plan is neither a mapping nor the text of a plan; a deployed flow reads no files",
        hint="give the plan itself, as a mapping or as YAML or JSON text",
        code="GEN-PLAN-PATH",
    )
