"""Set the variables and parameters of a plan for a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

from genesis.document import close_matches, parse
from genesis.errors import DocumentError, UsageError
from genesis.model import Plan, PlanParameter
from genesis.model.scalars import canonical, plain_value

__all__ = ["set_parameters", "set_variables"]

_SHOWN = 80
_NAMED = 20


def set_variables(plan: Plan, variables: Mapping[str, str]) -> Plan:
    """Set variables; they take precedence over those of the plan.

    Raises:
        UsageError: One of them is a parameter of the plan.
    """
    if not variables:
        return plan
    for name in variables:
        if name in plan.params:
            raise UsageError(
                f"{name!r} is a parameter of the plan, not a variable", hint=f"use --param {name}=…, or `params`"
            )
    update: dict[str, object] = {"vars": {**plan.vars, **variables}}
    if plan.planner != "file":
        update["trusted_vars"] = tuple(dict.fromkeys((*plan.trusted_vars, *variables)))
    return plan.model_copy(update=update)


def set_parameters(plan: Plan, given: Mapping[str, JsonValue], *, as_text: bool = False) -> Plan:
    """Set parameters; they take precedence over the values that the plan has.

    Args:
        plan: The plan; it declares the parameters.
        given: Value by name.
        as_text: Whether the values are texts of the command line, to be read by the declared types.

    Raises:
        UsageError: The plan has no such parameter, or a value is not of its type or out of its bounds.
    """
    if not given:
        return plan
    params = dict(plan.params)
    for each, value in given.items():
        name = canonical(each)
        declared = params.get(name)
        if declared is None:
            raise UsageError(
                f"the plan has no parameter {name!r}",
                hint=close_matches(name, params) or _list_parameters(params),
                code="GEN-PARAM-UNKNOWN",
            )
        params[name] = declared.model_copy(update={"value": _read_value(name, declared, value, as_text=as_text)})
    return plan.model_copy(update={"params": params})


def _read_value(name: str, declared: PlanParameter, value: Any, *, as_text: bool) -> JsonValue:
    try:
        read = plain_value(_parse(declared, value) if as_text and isinstance(value, str) else value)
    except ValueError as error:
        raise _wrong_type(name, declared, value) from error
    if read is None or not declared.accepts(read):
        raise _wrong_type(name, declared, value)
    result: JsonValue = read
    return result


def _parse(declared: PlanParameter, text: str) -> Any:
    """Read a word of the command line: text as it is, any other type as JSON."""
    if declared.type == "string":
        return text
    try:
        return parse(text, as_json=True)
    except DocumentError as error:
        raise ValueError(error.message) from error


def _wrong_type(name: str, declared: PlanParameter, value: Any) -> UsageError:
    shown = repr(value)
    shown = shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 1]}…"
    return UsageError(
        f"parameter {name!r} is {shown}; expected: {declared.expected()}",
        hint=declared.description or f"for example: --param {name}={_example(declared)}",
        code="GEN-PARAM-TYPE",
    )


def _example(declared: PlanParameter) -> str:
    examples = {"string": "text", "integer": "3", "number": "0.5", "boolean": "true", "array": "'[1, 2]'"}
    return examples.get(declared.type, "'{\"key\": 1}'")


def _list_parameters(params: Mapping[str, PlanParameter]) -> str:
    if not params:
        return "it has no `params`; for a variable use --var"
    named = [f"{name} ({each.expected()})" for name, each in params.items()][:_NAMED]
    more = f" and {len(params) - _NAMED} more" if len(params) > _NAMED else ""
    return f"its parameters: {', '.join(named)}{more}"
