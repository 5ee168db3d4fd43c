"""Import a text as a file, validate what comes out as its users would, and run it with the real scheduler."""

from itertools import pairwise

import pytest

from genesis.document import dump_yaml, parse
from genesis.importers import import_workflow
from genesis.model import Plan
from genesis.pipeline import compile_prepared, prepare, simulate
from genesis.planning import load_plan, plan_document
from genesis.routing import load_registry
from genesis.settings import Settings


class Rehearsed:
    """What a file became, after both documents were written, read again, validated and simulated."""

    def __init__(self, imported):
        self.imported = imported
        self.losses = imported.losses
        self.agents = {agent.name: agent for agent in imported.registry.agents}
        plan = load_plan(parse(dump_yaml(plan_document(imported.plan, terse=True))))
        registry = load_registry(parse(dump_yaml(imported.registry.model_dump(mode="json", exclude_defaults=True))))
        assert plan == imported.plan
        prepared = prepare(plan, registry, settings=Settings())
        assert prepared.report.ok, prepared.report.diagnostics
        program = compile_prepared(prepared, Settings())
        leaves = [leaf.path for leaf in program.leaves if leaf.gathers is None]
        self.tasks = {path: self._task(program.source.plan, path) for path in leaves}
        self._spans = {each.task: each for each in simulate(program, slots=1000).timeline}
        assert set(self.tasks) <= set(self._spans)

    @staticmethod
    def _task(plan: Plan, path: str):
        tasks, found = plan.tasks, None
        for part in path.split("/"):
            found = next(task for task in tasks if task.id == part)
            tasks = found.subtasks
        return found

    def kind(self, path):
        executor = self.agents[self.tasks[path].agent].executor
        return executor.kind if executor else "llm"

    def task(self, path):
        """The task of a path, composites included."""
        return self._task(self.imported.plan, path)

    def environment(self, path):
        """The environment variables that the program of a task gets, from its agent and its own."""
        task = self.tasks[path]
        return self.agents[task.agent].executor.env | task.env

    def argv(self, path):
        return self.agents[self.tasks[path].agent].executor.argv

    def runs(self, path):
        """Whether a task runs where nothing fails, with the defaults of the parameters."""
        return not self._spans[path].skipped

    def starts_after(self, first, then):
        return self._spans[first].end_s <= self._spans[then].start_s

    def runs_in_order(self, *paths):
        return all(self.starts_after(first, then) for first, then in pairwise(paths))

    def runs_beside(self, first, other):
        return not self.starts_after(first, other) and not self.starts_after(other, first)

    @property
    def schedules(self):
        """The schedules of the plan, without what is at its default."""
        return [each.model_dump(mode="json", exclude_defaults=True) for each in self.imported.plan.schedules]

    def lost(self, line, construct):
        """The outcome of the only loss at a line with this construct in it."""
        found = [each for each in self.losses if each.line == line and construct in each.construct]
        assert len(found) == 1, self.losses
        return found[0].outcome


@pytest.fixture
def write(tmp_path):
    """Write a text to a file."""

    def make(text, name):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return make


@pytest.fixture
def imported(write):
    """Import a text as a file of this name."""

    def make(text, name="workflow.yaml", form=None):
        return Rehearsed(import_workflow(write(text, name), form=form))

    return make
