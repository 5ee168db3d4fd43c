"""GitHub Actions: jobs become groups, their steps tasks one after another.

Reference: docs.github.com, "Workflow syntax for GitHub Actions".
"""

from __future__ import annotations

import re
from typing import Any

from genesis.importers.conditions import add_alternative, translate_condition
from genesis.importers.copies import read_copies
from genesis.importers.expressions import fill_expressions, find_expressions
from genesis.importers.fields import excerpt, items_of, mapping_of, seconds_of, text_of, texts_of
from genesis.importers.parameters import find_parameter
from genesis.importers.source import Source
from genesis.importers.workflow import Command, Loop, Loss, Start, Step, Trigger, Workflow, WorkflowParameter
from genesis.model.task import is_mutex
from genesis.security.secret_names import is_secret_name

__all__ = ["find_mismatch", "read_workflow"]

_OPENING = "${{"
_SECRET = re.compile(r"\s*secrets\.(\w+)\s*\Z", re.ASCII)
_SHELLS: dict[str, tuple[str, ...]] = {
    "": ("bash", "-e", "-c", "--"),
    "bash": ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", "--"),
    "sh": ("sh", "-e", "-c", "--"),
    "python": ("python3", "-c"),
}
_DEFAULTS = {"": "", "string": "", "boolean": "false"}
"""Values of inputs that are neither required nor given, by type."""
_STATES: dict[str, Trigger] = {
    "success()": "all_succeeded", "always()": "always", "!cancelled()": "all_done", "failure()": "any_failed",
}  # fmt: skip
_STATE = re.compile(r"(success\(\)|always\(\)|!cancelled\(\)|failure\(\))\s*(?:&&(.+))?\Z", re.ASCII | re.DOTALL)
_INPUT = re.compile(r"(inputs|github\.event\.inputs)\.([\w\-]+)\Z", re.ASCII)
_MATRIX = re.compile(r"matrix\.([\w\-]+)\Z", re.ASCII)
_WORD = re.compile(r"[\w./:@%+,\-]+", re.ASCII)
"""A text that a shell takes as one word, as it is."""
_WORDS = re.compile(r"[\w./:@%+,\-= \t\n]*", re.ASCII)
"""A script without quotes, operators, expansions and continued lines."""
_NO_PROGRAMS = {
    "if", "then", "elif", "else", "fi", "for", "while", "until", "do", "done", "case", "esac", "select", "in", "time",
    "function", "coproc", "alias",
}  # fmt: skip
"""Words after which a shell does not take the next one as an argument of a program."""
_WORKFLOW_KEYS = {"name", "run-name", "on", "env", "defaults", "jobs", "concurrency"}
_JOB_KEYS = {
    "name", "needs", "if", "runs-on", "environment", "concurrency", "outputs", "env", "defaults", "steps",
    "timeout-minutes", "strategy", "continue-on-error", "container", "services", "uses", "with", "secrets",
}  # fmt: skip
_STEP_KEYS = {
    "id", "if", "name", "uses", "run", "working-directory", "shell", "with", "env", "continue-on-error",
    "timeout-minutes",
}  # fmt: skip


def find_mismatch(source: Source) -> str | None:
    """Return why a file is no workflow of GitHub Actions."""
    document = source.document
    if not isinstance(document, dict):
        return "it is no mapping"
    if not isinstance(document.get("jobs"), dict):
        return "it has no mapping 'jobs'"
    return None if "on" in document else "it has no key 'on'"


def read_workflow(source: Source) -> Workflow:
    """Translate a workflow."""
    document: dict[str, Any] = source.document
    workflow = Workflow(text_of(document.get("name")))
    workflow.losses += source.leftover(document, _WORKFLOW_KEYS)
    if document.get("concurrency"):
        construct = f"concurrency: {excerpt(document['concurrency'])}"
        workflow.losses.append(Loss(source.line("concurrency"), construct, "left out: runs are not kept apart"))
    _read_triggers(source, document["on"], workflow)
    steps = [len(items_of(mapping_of(job).get("steps"))) for job in document["jobs"].values()]
    source.check_size(len(steps) + sum(steps))
    for name, job in document["jobs"].items():
        workflow.steps.append(_Job(source, name, mapping_of(job), document, workflow.parameters).read())
    _add_ancestors(workflow.steps)
    return workflow


def _add_ancestors(jobs: list[Step]) -> None:
    """Add dependencies of dependencies that `success()` and `failure()` of a job look at.

    The plan looks at direct dependencies. These stand for the ones before them, unless they run in spite of a failure.
    """
    by_key = {job.key: job for job in jobs}
    for job in jobs:
        if job.trigger not in ("all_succeeded", "any_failed"):
            continue
        for key in job.after:  # grows
            before = by_key.get(key)
            if before is not None and (job.trigger == "any_failed" or before.trigger != "all_succeeded"):
                job.after += [each for each in before.after if each not in job.after]


def _read_triggers(source: Source, value: Any, workflow: Workflow) -> None:
    """Read what starts the workflow, and the inputs that a person gives."""
    events = value if isinstance(value, dict) else dict.fromkeys(texts_of(value))
    for event, options in events.items():
        line = source.line("on", event) if isinstance(value, dict) else source.line("on")
        if event == "schedule":
            workflow.starts += [
                _read_schedule(source.line("on", event, place), mapping_of(each))
                for place, each in enumerate(items_of(options))
            ]
            continue
        workflow.starts.append(Start(line, f"event {event}"))
        inputs = mapping_of(mapping_of(options).get("inputs"))
        for name, raw in inputs.items():
            spec = mapping_of(raw)
            kind = text_of(spec.get("type"))
            given = text_of(spec["default"]) if "default" in spec else None
            is_optional = text_of(spec.get("required", "false")) == "false"
            default = _DEFAULTS.get(kind) if given is None and is_optional else given
            place = source.line("on", event, "inputs", name)
            if all(name != known.name for known in workflow.parameters):
                choices = tuple(texts_of(spec.get("options"))) if kind == "choice" else ()
                workflow.parameters.append(WorkflowParameter(name, place, default, kind, choices))


def _read_schedule(line: int, spec: dict[str, Any]) -> Start:
    """Read a time table, which is in UTC unless it says otherwise."""
    keys: dict[str, Any] = {key: text_of(spec[key]) for key in ("cron", "timezone") if key in spec}
    return Start(line, f"schedule {excerpt(spec.get('cron'))}", keys)


class _Job:
    def __init__(
        self,
        source: Source,
        name: str,
        job: dict[str, Any],
        document: dict[str, Any],
        parameters: list[WorkflowParameter],
    ) -> None:
        self._source = source
        self._name = name
        self._job = job
        self._document = document
        self._parameters = parameters
        self._path: tuple[str | int, ...] = ("jobs", name)
        self._copies = _read_matrix(mapping_of(job.get("strategy")), parameters)

    def read(self) -> Step:
        job, line = self._job, self._source.line(*self._path)
        group = Step(self._name, "job", line, name=self._name, description=text_of(job.get("name")) or self._name)
        group.after = texts_of(job.get("needs"))
        group.losses += self._source.leftover(job, _JOB_KEYS, *self._path)
        self._read_options(group, job, self._path)
        self._read_strategy(group, mapping_of(job.get("strategy")))
        machine = [excerpt(job[key]) for key in ("runs-on", "container") if job.get(key)]
        group.image = ", ".join(machine)
        self._read_concurrency(group, job.get("concurrency"))
        group.outputs = ", ".join(mapping_of(job.get("outputs")))
        if job.get("environment"):
            group.wait_for = f"the environment {excerpt(job['environment'])}, which can need an approval"
        if services := mapping_of(job.get("services")):
            group.wait_for = f"services {', '.join(services)}"
        keys = {"condition": "if", "for_each": "strategy", "image": "runs-on", "mutex": "concurrency",
                "outputs": "outputs", "wait_for": "services" if services else "environment",
                "allow_failure": "continue-on-error", "timeout_s": "timeout-minutes", "trigger": "if"}  # fmt: skip
        group.lines = {field: self._source.line(*self._path, key) for field, key in keys.items()}
        if "uses" in job:
            group.kind, group.sub_workflow = "reusable workflow", excerpt(job["uses"])
            group.inputs = _masked({"uses": job["uses"], "with": job.get("with")})
            return group
        group.steps = self._steps()
        if len(group.steps) == 1 and group.only_one:  # a mutex of a task is that of the job if that has one task
            group.steps[0].only_one, group.only_one = group.only_one, ""
            construct = f"concurrency {group.steps[0].only_one}: a job that waits is cancelled by the next one"
            group.losses.append(Loss(group.lines["mutex"], construct, "all of them run, one after the other"))
        return group

    @staticmethod
    def _read_concurrency(group: Step, value: Any) -> None:
        """Read what keeps a job apart from others."""
        options = mapping_of(value) or {"group": text_of(value)}
        name = text_of(options.get("group"))
        cancels = text_of(options.get("cancel-in-progress", "false")) != "false"
        if is_mutex(name) and not cancels and set(options) <= {"group", "cancel-in-progress"}:
            group.only_one = name
        elif value:
            group.mutex = excerpt(value)

    def _read_strategy(self, group: Step, strategy: dict[str, Any]) -> None:
        """Read which copies of the job there are."""
        group.copies = self._copies
        if group.copies is None:
            group.for_each = _matrix(strategy)
        elif text_of(strategy.get("fail-fast", "true")) != "false" and not self._is_allowed_to_fail():
            line = self._source.line(*self._path, "strategy")
            group.losses.append(Loss(line, "fail-fast of the matrix", "the other copies run although one fails"))

    def _is_allowed_to_fail(self) -> bool:
        return text_of(self._job.get("continue-on-error")).lower() == "true"

    def _steps(self) -> list[Step]:
        found: list[Step] = []
        for place, raw in enumerate(items_of(self._job.get("steps"))):
            step = self._step(place, mapping_of(raw))
            step.after = _find_before(step, found)
            found.append(add_alternative(step) if step.when else step)
        return found

    def _step(self, place: int, raw: dict[str, Any]) -> Step:
        path = (*self._path, "steps", place)
        line = self._source.line(*path)
        uses, script = text_of(raw.get("uses")), text_of(raw.get("run"))
        kind = uses.partition("@")[0] or "run"
        first = next(iter(script.strip().splitlines()), "")
        title = text_of(raw.get("name")) or (f"Use {uses}" if uses else f"Run {first[:100]}")
        step = Step(f"{self._name}/{place}", kind, line, description=str(_masked(title)))
        step.name = text_of(raw.get("id")) or (text_of(raw.get("name")) if "name" in raw else kind.rpartition("/")[2])
        step.losses += self._source.leftover(raw, _STEP_KEYS, *path)
        self._read_options(step, raw, path)
        self._read_environment(step, mapping_of(raw.get("env")))
        if uses:
            step.inputs = _masked({"uses": uses, "with": raw.get("with")})
            version = f" with {', '.join(mapping_of(raw.get('with')))}" if raw.get("with") else ""
            outcome = "no action runs: the task is a work order"
            step.losses.append(Loss(self._source.line(*path, "uses"), f"action {uses}{version}", outcome))
        elif script:
            self._read_script(step, raw, script)
        else:
            step.losses.append(Loss(line, "a step without 'run' and 'uses'", "the task is a work order"))
        keys = {"condition": "if", "trigger": "if", "expressions": "run", "environment": "env", "command": "run",
                "allow_failure": "continue-on-error", "timeout_s": "timeout-minutes"}  # fmt: skip
        step.lines = {field: self._source.line(*path, key) for field, key in keys.items()}
        return step

    def _read_script(self, step: Step, raw: dict[str, Any], script: str) -> None:
        defaults: dict[str, Any] = {}
        for owner in (self._document, self._job):
            defaults |= mapping_of(mapping_of(owner.get("defaults")).get("run"))
        shell = text_of(raw.get("shell", defaults.get("shell")))
        folder = text_of(raw.get("working-directory", defaults.get("working-directory")))
        script = self._name_values(step, script) if shell in ("", "bash", "sh") else script
        masked = str(_masked(script))
        step.expressions += [excerpt(each) for text in (script, folder) for each in find_expressions(text, _OPENING)]
        if shell in _SHELLS:
            step.command = Command(_SHELLS[shell], masked, folder or None)
        else:
            step.inputs = {"shell": shell, "script": masked}
            step.losses.append(Loss(step.line, f"shell {shell}", "the task is a work order"))

    def _name_values(self, step: Step, script: str) -> str:
        """Put environment variables in place of the values of the matrix, as arguments of programs.

        GitHub puts the values into the script. That is the same only where all of them are words, and all other text
        is, too: within quotes or beside operators it can be another script. Such scripts stay as they are.
        """
        names = {found: self._find_value(_bare(found)) for found in find_expressions(script, _OPENING)}
        variables = {name: f"MATRIX_{re.sub(r'[^A-Za-z0-9]', '_', name).upper()}" for name in names.values() if name}
        used = {*step.environment, *step.environment_parameters, *step.secrets}
        is_free = len(set(variables.values())) == len(variables) and used.isdisjoint(variables.values())
        values = [value for name in variables for value in self._values(name)]
        if not all(names.values()) or not is_free or not all(_WORD.fullmatch(text_of(each)) for each in values):
            return script
        if not _is_plain(script) or any(is_secret_name(each) or each in script for each in variables.values()):
            return script
        step.environment_parameters |= {variable: f"item.{name}" for name, variable in variables.items()}
        return fill_expressions(script, _OPENING, lambda found: f"${{{variables[names[found]]}}}")

    def _find_value(self, expression: str) -> str:
        """Return the key of the matrix that an expression names; empty if that has no literal values."""
        found = _MATRIX.match(expression)
        return found[1] if found and self._copies is not None and found[1] in self._copies.values else ""

    def _values(self, name: str) -> list[Any]:
        values = self._copies.values if self._copies is not None else {}
        return values[name] if isinstance(values, dict) else []

    def _read_environment(self, step: Step, own: dict[str, Any]) -> None:
        """Merge the variables of the workflow, the job and the step. Secrets are named, never copied."""
        variables = mapping_of(self._document.get("env")) | mapping_of(self._job.get("env")) | own
        for name, value in variables.items():
            text = text_of(value)
            if _SECRET.match(text.strip().removeprefix("${{").removesuffix("}}")) and text.strip().startswith("${{"):
                step.secrets.append(name)
            elif (parameter := self._find(_bare(text))) is not None and text.strip() != _bare(text):
                step.environment_parameters[name] = parameter.name
            elif (key := self._find_value(_bare(text))) and text.strip() != _bare(text):
                step.environment_parameters[name] = f"item.{key}"
            elif expressions := find_expressions(text, _OPENING):
                step.expressions += [f"{name}={excerpt(each)}" for each in expressions]
            else:
                step.environment[name] = text

    def _find(self, name: str) -> WorkflowParameter | None:
        """Return the input that an expression names, if the plan can have it."""
        found = _INPUT.match(name)
        return find_parameter(self._parameters, found[2]) if found else None

    def _find_typed(self, name: str) -> WorkflowParameter | None:
        """Return the input that an expression names, if it has its type there: `github.event.inputs` has texts."""
        found = self._find(name)
        is_text = found is not None and found.type not in ("boolean", "number")
        return found if is_text or name.startswith("inputs.") else None

    def _read_options(self, step: Step, raw: dict[str, Any], path: tuple[str | int, ...]) -> None:
        """Read what jobs and steps have in common."""
        self._read_condition(step, _bare(text_of(raw.get("if"))))
        allowed = text_of(raw.get("continue-on-error", "false"))
        step.allow_failure = allowed.lower() == "true"
        if allowed.lower() not in ("true", "false"):
            line = self._source.line(*path, "continue-on-error")
            construct = f"its failure is allowed if {excerpt(allowed)}"
            step.losses.append(Loss(line, construct, "its failure fails the run"))
        minutes = seconds_of(raw.get("timeout-minutes"))
        step.timeout_s = minutes * 60 if minutes else None

    def _read_condition(self, step: Step, text: str) -> None:
        """Split a condition into the states of what came before, and what `when` can say of the rest."""
        found = _STATE.match(text)
        rest = text if found is None else (found[2] or "").strip()
        step.when = translate_condition(rest, self._find_typed, ignores_case=True)
        if rest and (not step.when or (found is not None and "||" in rest)):
            step.when, step.condition = "", excerpt(text)
        elif found is not None:
            step.trigger = _STATES[found[1]]


def _find_before(step: Step, steps: list[Step]) -> list[str]:
    """Name the steps that one comes after: the last that runs after successes alone, and those that run after failures.

    One with `failure()` is none of them for a step that runs after successes: only one of both runs.
    """
    usual = [each.key for each in steps if each.trigger == "all_succeeded"][-1:]
    needs_success = step.trigger == "all_succeeded"
    found = [each.key for each in steps if each.trigger not in ("all_succeeded", "any_failed")]
    return usual + (found if needs_success else [each.key for each in steps if each.trigger != "all_succeeded"])


def _bare(text: str) -> str:
    """Return an expression without the braces around all of it."""
    bare = text.strip()
    is_whole = bare.endswith("}}") and find_expressions(bare, _OPENING) == [bare]
    return bare.removeprefix(_OPENING).removesuffix("}}").strip() if is_whole else bare


def _is_plain(script: str) -> bool:
    """Whether the expressions in a script are, or are parts of, arguments of a program, and all else is plain words."""
    text = fill_expressions(script, _OPENING, lambda _: "$")
    if (
        "IFS" in text
        or not _WORDS.fullmatch(text.replace("$", ""))
        or "$" in fill_expressions(script, _OPENING, lambda _: "")
    ):
        return False
    programs = [line.split()[0] for line in text.splitlines() if "$" in line]
    return all(_WORD.fullmatch(each) and each not in _NO_PROGRAMS for each in programs)


def _read_matrix(strategy: dict[str, Any], parameters: list[WorkflowParameter]) -> Loop | None:
    """Return the copies that a matrix of literals makes."""
    matrix = mapping_of(strategy.get("matrix"))
    if not matrix or not matrix.keys().isdisjoint(("include", "exclude")):
        return None
    return read_copies(matrix, parameters, strategy.get("max-parallel"))


def _matrix(strategy: dict[str, Any]) -> str:
    if not strategy.get("matrix"):
        return ""
    options = [f"{key} {excerpt(strategy[key])}" for key in ("max-parallel", "fail-fast") if key in strategy]
    return ", ".join([f"matrix {excerpt(strategy['matrix'])}", *options])


def _masked(value: Any) -> Any:
    """Replace the expressions that name a secret."""
    if isinstance(value, str):
        return fill_expressions(value, _OPENING, lambda found: "<secret>" if "secrets" in found else found)
    if isinstance(value, dict):
        return {key: _masked(item) for key, item in value.items() if item is not None}
    return [_masked(item) for item in value] if isinstance(value, list) else value
