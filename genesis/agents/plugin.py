"""Run work with an executor that an installed fleet contributes."""

from __future__ import annotations

import asyncio
import threading

from genesis.agents.contract import Executor, Result, Work
from genesis.agents.deadline import time_limit
from genesis.agents.functions import find_function, function_problem
from genesis.agents.untrusted_inputs import refuse_untrusted
from genesis.document import close_matches
from genesis.errors import DocumentError, TaskError
from genesis.fleets import find_executors
from genesis.model import PluginSpec

__all__ = ["PluginExecutor", "plugin_problem"]


class PluginExecutor:
    """Creates the fleet's executor for the first work, and passes all work to it.

    Args:
        spec: Which executor, and its options.
    """

    def __init__(self, spec: PluginSpec) -> None:
        self._spec = spec
        self._made: Executor | None = None
        self._making = threading.Lock()

    async def execute(self, work: Work) -> Result:
        """Let the fleet's executor do the work within the attempt's time limit.

        Raises:
            TaskError: No installed fleet contributes it, it cannot be created, or does not return a `Result`. Its own
                exceptions pass through.
        """
        refuse_untrusted(work, self._spec, {})
        async with time_limit(work):
            executor = self._made
            if executor is None:
                executor = await asyncio.to_thread(self._make)
            return self._check_result(await executor.execute(work))

    def _check_result(self, result: object) -> Result:
        if isinstance(result, Result):
            return result
        what = f"the executor {self._spec.name!r} returned a {type(result).__name__!r}"
        raise TaskError(what, hint="it must return a genesis.agents.Result")

    def _make(self) -> Executor:
        """Import its code and make it, once; this may take a while, so it is done in a thread."""
        with self._making:
            if self._made is None:
                self._made = _make(self._spec)
            return self._made


def _make(spec: PluginSpec) -> Executor:
    function = find_function(_call_of(spec.name), {})
    try:
        executor: Executor = function(**spec.options)
    except TypeError as error:
        hint = "check the options of the agent's executor"
        raise TaskError(f"the executor {spec.name!r} cannot be created: {error}", hint=hint) from error
    return executor


def _call_of(name: str) -> str:
    """Return the `module:function` that makes an executor.

    Raises:
        TaskError: No installed fleet contributes it, or two do.
    """
    try:
        found = find_executors()
    except DocumentError as error:
        raise TaskError(error.message, hint=error.hint) from error
    if name not in found:
        known = f"available: {', '.join(sorted(found))}" if found else "none is available"
        hint = close_matches(name, found) or f"{known}; install the distribution that has it"
        raise TaskError(f"no installed fleet contributes an executor {name!r}", hint=hint)
    return found[name].fleet.executors[name]


def plugin_problem(spec: PluginSpec) -> str | None:
    """Return why a fleet's executor cannot be used here, without importing its code; None where it can."""
    try:
        call = _call_of(spec.name)
    except TaskError as error:
        return f"{error.message}; {error.hint}"
    return function_problem(call, {})
