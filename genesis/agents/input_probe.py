"""Ask executors, before anything runs, whether the inputs of their tasks can be used."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from genesis.agents.functions import Functions, find_function, function_problem
from genesis.model import AgentProfile, ExecutorSpec, PythonSpec

__all__ = ["InputProbe"]


class InputProbe:
    """Answers about inputs only, for plans that may run elsewhere or under another environment.

    Args:
        functions: Functions of this process, see `functions_of`.
    """

    def __init__(self, functions: Functions | None = None) -> None:
        self._functions = functions or {}

    def executor_problem(self, spec: ExecutorSpec, agent: AgentProfile) -> str | None:
        """Leave executors to the run's own check."""
        del spec, agent
        return None

    def secret_present(self, name: str) -> bool:
        """Leave secrets to the run's own check."""
        del name
        return True

    def input_problem(self, spec: PythonSpec, inputs: Mapping[str, JsonValue]) -> str | None:
        """Call the executor's check, if it has one and it is here; one that fails by itself is a problem too."""
        if spec.check is None or function_problem(spec.check, self._functions):
            return None
        try:
            problem = find_function(spec.check, self._functions)(inputs)
        except Exception as error:  # noqa: BLE001  # the check is the team's own code
            return f"its check {spec.check!r} failed with {type(error).__name__}: {error}"
        return str(problem) if problem else None
