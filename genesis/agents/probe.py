"""Find out, without doing any work, whether executors could be used here."""

from __future__ import annotations

import shutil
from pathlib import Path

from genesis.agents.arguments import program_problem
from genesis.agents.build import ExecutorContext
from genesis.agents.functions import function_problem, is_module_here
from genesis.agents.http import secrets_in
from genesis.agents.input_probe import InputProbe
from genesis.agents.machine import machine_resources
from genesis.agents.plugin import plugin_problem
from genesis.model import AgentProfile, CommandSpec, ExecutorSpec, HttpSpec, LlmSpec, PluginSpec, PythonSpec, Resources
from genesis.security.sandbox import sandbox_gap

__all__ = ["LocalProbe"]


class LocalProbe(InputProbe):
    """Answers for this machine what validation asks: is an executor usable, is a secret present, are inputs right.

    Modules are found and read, never imported, but those of checks of inputs; programs are looked for, never run; no
    service is called.

    Args:
        context: What executors may use here.
    """

    def __init__(self, context: ExecutorContext) -> None:
        super().__init__(context.functions)
        self._context = context

    def resources(self) -> Resources | None:
        """Return what this machine has for tasks."""
        return machine_resources()

    def secret_present(self, name: str) -> bool:
        """Whether a secret can be read."""
        return self._context.secrets(name) is not None

    def sandbox_gap(self, spec: ExecutorSpec, agent: AgentProfile) -> str | None:
        """Return what this machine lacks of the sandbox that an agent's programs should run in, or None."""
        return sandbox_gap(agent.sandbox) if isinstance(spec, CommandSpec) else None

    def image_problem(self, image: str) -> str | None:
        """Return why a task cannot run in a container image here: only work pools run any."""
        return f"tasks run in this process here, and not in {image!r}"

    def executor_problem(self, spec: ExecutorSpec, agent: AgentProfile) -> str | None:
        """Return why an executor cannot be used here, or None."""
        if spec.kind in self._context.makers:
            return None
        match spec:
            case PythonSpec():
                called = filter(None, (spec.call, spec.check))
                return next(filter(None, (function_problem(each, self._functions) for each in called)), None)
            case CommandSpec():
                required = agent.sandbox.mode == "required" and self.sandbox_gap(spec, agent)
                return self._command_problem(spec) or (f"it requires a sandbox; {required}" if required else None)
            case HttpSpec():
                return self._http_problem(spec, agent)
            case LlmSpec():
                return self._model_problem(spec)
            case PluginSpec():
                return plugin_problem(spec)
            case _:
                return _KINDS.get(spec.kind)

    def _command_problem(self, spec: CommandSpec) -> str | None:
        program = spec.argv[0]
        if problem := program_problem(program):
            return problem
        if spec.cwd is not None and not Path(spec.cwd).is_dir():
            return f"there is no folder {spec.cwd!r} to run {program!r} in"
        path = spec.env.get("PATH", self._context.environment.get("PATH"))
        if "/" in program and not program.startswith("/"):
            program = str(Path(spec.cwd or ".") / program)
        if shutil.which(program, path=path) is None:
            return f"there is no program {spec.argv[0]!r} here; install it, or give its full path"
        return None

    def _http_problem(self, spec: HttpSpec, agent: AgentProfile) -> str | None:
        for name in secrets_in(spec):
            if name not in agent.secrets:
                return f"its headers use secret {name!r}, which the agent does not list under secrets"
            if not self.secret_present(name):
                return f"secret {name!r} does not exist here; set the environment variable {name}"
        return None

    def _model_problem(self, spec: LlmSpec) -> str | None:
        if spec.model is None and self._context.settings.llm.model is None:
            return "no language model is configured; set GENESIS_LLM__MODEL, or give --llm"
        if not is_module_here("pydantic_ai"):
            return "language models need the extra llm: pip install 'prefect-genesis[llm]'"
        return None


_KINDS = {
    "a2a": "remote agents (a2a) are not available yet; give the agent another executor",
    "deployment": "deployments are run through Prefect, which is not connected here",
}
