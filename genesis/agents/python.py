"""Call a Python function: sync, async, an object with `__call__`, or an existing Prefect task or flow."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from genesis.agents.contract import Result, Work
from genesis.agents.deadline import time_limit
from genesis.agents.functions import Functions, find_function
from genesis.agents.own_loop import OwnLoop
from genesis.agents.parameter_kinds import labels_of, parameter_kinds
from genesis.agents.threads import Threads
from genesis.agents.untrusted_inputs import refuse_untrusted
from genesis.agents.values import plain, wrap_bare_value
from genesis.agents.venv_call import VenvTools, call_in_venv
from genesis.errors import TaskError
from genesis.model import PythonSpec

__all__ = ["PythonExecutor"]


class PythonExecutor:
    """Call the function that the spec names.

    The leaf's inputs go to the parameters of the same name; inputs that the function does not take are left out, unless
    it takes `**kwargs`. A parameter annotated `Work`, or named `work` without an annotation, gets the work itself.

    The call is made in a thread of its own with the caller's context variables, so that a Prefect task or flow called
    there belongs to the flow run around it. What it returns is awaited when it can be, which is how a coroutine
    function runs: on an event loop of that thread, so that one that blocks holds up nobody else. When the time is over
    a coroutine is cancelled. A thread cannot be stopped: the attempt ends, the function continues unheard, and
    it does not keep the process alive.

    What the function raises passes through as it is, so that retries can tell errors apart. What is no `Exception`,
    such as `SystemExit`, ends the attempt, not the process.

    Args:
        spec: What to call.
        functions: Functions of this process that cannot be imported, by `module:name`.
        venvs: For tasks with a virtual environment: the function is called there, in a process of its own.
    """

    def __init__(self, spec: PythonSpec, *, functions: Functions | None = None, venvs: VenvTools | None = None) -> None:
        self._venvs = venvs or VenvTools()
        self._spec = spec
        self._call = spec.call
        self._functions = functions or {}
        self._threads = Threads()

    async def execute(self, work: Work) -> Result:
        """Call the function and take what it returns; a `Result` from it is taken as it is."""
        if work.requirements:
            refuse_untrusted(work, self._spec, parameter_kinds(self._spec, self._functions))
            async with time_limit(work):
                return await call_in_venv(self._call, work, self._venvs)
        loop = OwnLoop()
        async with time_limit(work):
            return await self._threads.run(lambda: self._call_function(work, loop), label=self._call, stop=loop.cancel)

    def _call_function(self, work: Work, loop: OwnLoop) -> Result:
        function = find_function(self._call, self._functions)
        refuse_untrusted(work, self._spec, labels_of(function))
        arguments = _arguments(function, work, self._call)
        value = function(*arguments.args, **arguments.kwargs)
        return self._result(loop.run(value) if inspect.isawaitable(value) else value, work)

    def _result(self, value: object, work: Work) -> Result:
        if isinstance(value, Result):
            return Result(plain(value.value, source=self._call), value.state, value.usd, value.tokens)
        return Result(wrap_bare_value(plain(value, source=self._call), work.outputs))


def _arguments(function: Callable[..., Any], work: Work, call: str) -> inspect.BoundArguments:
    """Bind the leaf's inputs to the function's parameters."""
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):  # some builtins have none
        signature = inspect.Signature([inspect.Parameter("inputs", inspect.Parameter.VAR_KEYWORD)])
    arguments: OrderedDict[str, Any] = OrderedDict()
    missing: list[str] = []
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.VAR_POSITIONAL:
            continue
        if parameter.kind is parameter.VAR_KEYWORD:
            arguments[name] = _others(work.inputs, signature)
        elif _wants_work(parameter):
            arguments[name] = work
        elif name in work.inputs:
            arguments[name] = work.inputs[name]
        elif parameter.default is parameter.empty:
            missing.append(name)
        elif parameter.kind is parameter.POSITIONAL_ONLY:
            arguments[name] = parameter.default  # args stops at a gap
    if missing:
        needed, given = ", ".join(map(repr, missing)), ", ".join(map(repr, work.inputs)) or "none"
        raise TaskError(
            f"{call!r} needs {needed}, which {work.path!r} does not give it (its inputs: {given})",
            hint="add it to the task's inputs, or give the parameter a default",
        )
    return inspect.BoundArguments(signature, arguments)


def _others(inputs: Mapping[str, Any], signature: inspect.Signature) -> dict[str, Any]:
    keyword_only = {
        name for name, parameter in signature.parameters.items() if parameter.kind is not parameter.POSITIONAL_ONLY
    }
    return {name: value for name, value in inputs.items() if name not in keyword_only}


def _wants_work(parameter: inspect.Parameter) -> bool:
    annotation = parameter.annotation
    if annotation is parameter.empty:
        return parameter.name == "work"
    if isinstance(annotation, str):
        return annotation.strip("'\"").rpartition(".")[2] == "Work"
    return annotation is Work
