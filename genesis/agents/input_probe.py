"""Check, before anything runs, whether executors can use the inputs of their tasks."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from genesis.agents.functions import Functions, find_function, function_problem
from genesis.agents.parameter_kinds import parameter_kinds
from genesis.agents.untrusted_inputs import NamedFolders, untrusted_problem
from genesis.model import AgentProfile, ExecutorSpec, PythonSpec, Resources, RoutedPlan
from genesis.structure.provenance import Source

__all__ = ["InputProbe"]


class InputProbe:
    """Answers about inputs only, for plans that may run elsewhere or under another environment.

    Args:
        functions: Functions of this process, see `functions_of`.
    """

    def __init__(self, functions: Functions | None = None) -> None:
        self._functions = functions or {}

    def executor_problem(self, spec: ExecutorSpec, agent: AgentProfile) -> str | None:
        """Report nothing: the run checks executors."""
        del spec, agent
        return None

    def sandbox_gap(self, spec: ExecutorSpec, agent: AgentProfile) -> str | None:
        """Report nothing: it depends on the machine that runs the task."""
        del spec, agent
        return None

    def resources(self) -> Resources | None:
        """Return nothing: the tasks may run elsewhere."""
        return None

    def image_problem(self, image: str) -> str | None:
        """Report nothing: a plan may run on work pools."""
        del image
        return None

    def secret_present(self, name: str) -> bool:
        """Report nothing: the run checks secrets."""
        del name
        return True

    def untrusted_problem(
        self,
        spec: ExecutorSpec,
        routed: RoutedPlan,
        inputs: Mapping[str, JsonValue],
        sources: Mapping[str, Source],
    ) -> str | None:
        """Compare where inputs come from with what the executor does with them."""
        kinds = parameter_kinds(spec, self._functions)
        return untrusted_problem(inputs, sources, kinds, NamedFolders(routed))

    def input_problem(self, spec: PythonSpec, inputs: Mapping[str, JsonValue]) -> str | None:
        """Call the executor's check, if it has one that is available; an exception is a problem too."""
        if spec.check is None or function_problem(spec.check, self._functions):
            return None
        try:
            problem = find_function(spec.check, self._functions)(inputs)
        except Exception as error:  # noqa: BLE001  # the check is the team's own code
            return f"its check {spec.check!r} failed with {type(error).__name__}: {error}"
        return str(problem) if problem else None
