"""Questions about the environment that need I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pydantic import JsonValue

from genesis.model import AgentProfile, ExecutorSpec, PythonSpec, Resources, RoutedPlan
from genesis.structure.provenance import Source

__all__ = ["Probe"]


class Probe(Protocol):
    """Answers what needs I/O, so that the checks themselves need none.

    Each is asked once for each distinct executor, secret and set of inputs. Implementations do not raise: a failure to
    determine the answer is a problem with a reason.
    """

    def executor_problem(self, spec: ExecutorSpec, agent: AgentProfile) -> str | None:
        """Return why an executor cannot be used (a module that is missing, a program that is not there), or None."""
        ...

    def sandbox_gap(self, spec: ExecutorSpec, agent: AgentProfile) -> str | None:
        """Return what this machine lacks of the sandbox that an agent's programs should run in, or None."""
        ...

    def input_problem(self, spec: PythonSpec, inputs: Mapping[str, JsonValue]) -> str | None:
        """Return what the executor's check finds wrong with a task's inputs, or None."""
        ...

    def resources(self) -> Resources | None:
        """Return what the machine has that runs the tasks; None where they may run elsewhere."""
        ...

    def image_problem(self, image: str) -> str | None:
        """Return why a task cannot run in a container image, or None."""
        ...

    def untrusted_problem(
        self,
        spec: ExecutorSpec,
        routed: RoutedPlan,
        inputs: Mapping[str, JsonValue],
        sources: Mapping[str, Source],
    ) -> str | None:
        """Return which of a task's inputs executes, writes or reads something and comes from no person, or None."""
        ...

    def secret_present(self, name: str) -> bool:
        """Whether a secret can be read; its value is never asked for."""
        ...
