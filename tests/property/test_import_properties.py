"""Any file is imported or refused on purpose, ids are unique, and the order is that of the source."""

import copy
import json
import re
import tempfile
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genesis.agents.arguments import fill_arguments
from genesis.errors import DocumentError, GenesisError
from genesis.importers import FORMATS, import_workflow
from genesis.pipeline import prepare
from genesis.security.redact import redact
from genesis.settings import Limits, Settings
from genesis.structure import junctions, outline
from genesis.structure.plan_values import missing_parameters
from genesis.structure.when import find_conditions

_SETTINGS = Settings()
_SEEDS = [
    {
        "name": "n",
        "on": {
            "push": None,
            "workflow_dispatch": {
                "inputs": {
                    "x": {"default": "1", "type": "string"},
                    "y": {"type": "choice", "options": ["a", "b"], "default": "a"},
                }
            },
            "schedule": [],
        },
        "env": {"A": "1"},
        "jobs": {
            "a": {
                "runs-on": "x",
                "strategy": {"matrix": {"p": [1, 2], "q": ["a"]}, "max-parallel": 2},
                "steps": [
                    {"run": "x", "env": {"B": 2, "C": "${{ inputs.x }}", "PATH": "/"}, "if": "inputs.y == 'a'"},
                    {"run": "x", "if": "failure()", "continue-on-error": True},
                    {"name": "item", "run": "x ${{ matrix.p }}", "env": {"Q": "${{ matrix.q }}"}},
                ],
            },
            "b": {
                "needs": ["a"],
                "if": "x",
                "steps": [{"uses": "u@1", "with": {"k": 1}}, {"run": "${{ x", "shell": "sh"}],
            },
        },
    },
    {
        "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json"},
        "nodes": {
            "model.a": {"resource_type": "model", "name": "a", "fqn": ["a"], "depends_on": {"nodes": ["model.a"]}}
        },
    },
    {
        "cwlVersion": "v1.2",
        "class": "Workflow",
        "inputs": {
            "x": {"type": "File", "default": {"class": "File", "path": "p"}},
            "y": "int",
            "z": {"type": "string[]", "default": ["a", "b"]},
        },
        "outputs": [],
        "steps": [
            {
                "id": "a",
                "in": [{"id": "f", "source": "x"}],
                "out": ["o"],
                "scatter": "f",
                "run": {
                    "class": "CommandLineTool",
                    "baseCommand": ["tar"],
                    "arguments": ["-x", {"prefix": "-C", "valueFrom": "$(x)"}],
                    "inputs": {"f": {"type": "File", "inputBinding": {"position": 1, "prefix": "-f"}}},
                    "outputs": {},
                    "requirements": {"EnvVarRequirement": {"envDef": {"A": "b"}}, "ToolTimeLimit": {"timelimit": 5}},
                },
            },
            {
                "id": "c",
                "in": {"f": "z"},
                "out": [],
                "scatter": "f",
                "run": {
                    "class": "CommandLineTool",
                    "baseCommand": "c",
                    "inputs": {"f": {"type": "string", "inputBinding": {}}},
                    "outputs": {},
                },
            },
            {"id": "b", "in": {"i": "a/o"}, "out": [], "run": "other.cwl", "when": "x"},
        ],
    },
    {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": "w"},
        "spec": {
            "entrypoint": "m",
            "onExit": "e",
            "arguments": {"parameters": [{"name": "p", "value": 1}]},
            "templates": [
                {
                    "name": "m",
                    "dag": {
                        "tasks": [
                            {
                                "name": "a",
                                "template": "e",
                                "withItems": [1, "a"],
                                "arguments": {"parameters": [{"name": "q", "value": "{{item}}"}]},
                            },
                            {"name": "b", "template": "s", "depends": "a", "when": "x"},
                            {
                                "name": "c",
                                "template": "e",
                                "depends": "a.Failed",
                                "when": "{{workflow.parameters.p}} == x",
                                "continueOn": {"failed": True},
                            },
                        ]
                    },
                },
                {"name": "s", "steps": [[{"name": "x", "template": "e"}], [{"name": "y", "template": "m"}]]},
                {
                    "name": "e",
                    "inputs": {"parameters": [{"name": "q"}]},
                    "retryStrategy": {"limit": 2, "backoff": {"duration": "5s", "factor": 2}},
                    "container": {
                        "image": "i",
                        "command": ["c"],
                        "args": ["{{inputs.parameters.q}}"],
                        "env": [{"name": "E", "value": 1}, {"name": "P", "value": "{{workflow.parameters.p}}"}],
                    },
                },
                {"name": "k", "script": {"command": ["sh"], "source": "x"}},
            ],
        },
    },
    {
        "id": "f",
        "namespace": "n",
        "inputs": [{"id": "i", "type": "INT", "defaults": 1}, {"id": "v", "type": "STRING", "defaults": "c"}],
        "tasks": [
            {"id": "a", "type": "io.kestra.plugin.core.log.Log", "message": "m"},
            {
                "id": "p",
                "type": "io.kestra.plugin.core.flow.Parallel",
                "tasks": [
                    {
                        "id": "x",
                        "type": "io.kestra.plugin.scripts.shell.Commands",
                        "commands": ["x"],
                        "runIf": "{{ inputs.i > 1 }}",
                        "retry": {"type": "exponential", "interval": "PT1S", "maxAttempts": 3},
                        "env": {"A": "{{ secret('A') }}"},
                    }
                ],
            },
            {
                "id": "item",
                "type": "io.kestra.plugin.core.flow.ForEach",
                "concurrencyLimit": 2,
                "values": ["a", 1],
                "tasks": [{"id": "l", "type": "io.kestra.plugin.core.log.Log", "message": "{{ taskrun.value }}"}],
            },
            {
                "id": "d",
                "type": "io.kestra.plugin.core.flow.Dag",
                "tasks": [{"task": {"id": "q", "type": "t"}, "dependsOn": ["q"]}],
            },
            {
                "id": "s",
                "type": "io.kestra.plugin.core.flow.Switch",
                "value": "{{ inputs.v }}",
                "cases": {"c": [{"id": "z", "type": "t"}]},
            },
        ],
        "errors": [{"id": "e", "type": "t"}],
    },
    {"t": {"description": "d {x}", "expected_output": "e", "agent": "a", "context": ["t"]}},
]
_TEXTS = st.text(max_size=12) | st.sampled_from(
    [
        "${{ secrets.X }}",
        "{{ x }}",
        "{{",
        "..",
        "a/b",
        "{script}",
        "\0",
        "-",
        "x\ud800",
        "tar",
        "$(x)",
        "{a}",
        "PT1H",
        "9" * 30,
    ]
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**20) | st.floats(allow_nan=False) | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=6,
)


def _places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _places(item, (*path, key))


def _import(text: str, ending: str, **more):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"source{ending}")
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        return import_workflow(path, **more)


def _import_or_refuse(text: str, ending: str, form: str | None):
    try:
        return _import(text, ending, form=form)
    except GenesisError as error:
        return error


def _is_taken_or_refused(text: str, ending: str) -> None:
    for form in (None, *FORMATS):
        found = _import_or_refuse(text, ending, form)
        if isinstance(found, GenesisError):
            assert found.code != "GEN-INTERNAL"
            assert found.message
            assert found.hint
            continue
        tasks = outline(found.plan)
        assert not find_conditions(found.plan, tasks).faults
        assert not missing_parameters(found.plan)
        assert not tasks.duplicates
        assert not tasks.unresolved
        assert {tasks.nodes[leaf].task.agent for leaf in tasks.leaves} <= {each.name for each in found.registry.agents}
        if any(node.task.for_each is not None for node in tasks.nodes):
            report = prepare(found.plan, found.registry, settings=_SETTINGS).report
            assert not [each for each in report.errors if each.code.startswith(("GEN-FOR-EACH", "GEN-INPUT"))]
        assert all(loss.line >= 1 and loss.construct and loss.outcome for loss in found.losses)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.data())
def test_any_document_near_a_workflow_is_taken_or_refused_on_purpose(data):
    document = copy.deepcopy(data.draw(st.sampled_from(_SEEDS)))
    for _ in range(data.draw(st.integers(0, 4))):
        path = data.draw(st.sampled_from(list(_places(document))))
        value = data.draw(_VALUES)
        if not path:
            document = value
            continue
        owner = document
        for key in path[:-1]:
            owner = owner[key]
        owner[path[-1]] = value
    _is_taken_or_refused(json.dumps(document), ".json")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(_VALUES)
def test_any_document_is_taken_or_refused_on_purpose(value):
    _is_taken_or_refused(json.dumps(value), ".yaml")


_LINES = st.sampled_from(
    """\
import airflow
import crewai
with DAG("d", schedule=x, default_args={"retries": 1, **y}) as dag:
    a = BashOperator(task_id="a", bash_command=f"x {y}", env={"A": b})
    c = BashOperator(task_id="c", bash_command="x", env={"A": "{{ params.p }}"})
    e = BashOperator(task_id="e", bash_command="x", retries=2, retry_delay=timedelta(days=1))
with DAG("e", params={"p": Param(1, type="integer"), "q": z, **y}):
    d = BashOperator(task_id="d", bash_command="x", trigger_rule="one_failed", retry_delay=-1, retries=3)
    b = BashOperator(task_id=name, retries=-1, trigger_rule=TriggerRule.X)
    a >> [b, a] << b >> c
    chain([a, b], [b, a], *z)
    with TaskGroup(group_id=g) as t:
        PythonOperator(task_id="p", execution_timeout=timedelta(1, hours=2)) >> a
    for i in range(9): BashOperator(task_id=i)
    [BashOperator(task_id=i) >> a for i in z]
@task
@task_group
@task.branch(retries=2)
def f(a, *b, c=1): return f(f(a), c=a)
    f.override(task_id="o").expand(x=[1])
    BashOperator.partial(task_id="m").expand(bash_command=["a", "b"])
    x, y = f(1), (a, b)
f(f(f()))
class C: agents_config = "a.yaml"
t = Task(config=self.tasks_config["x"], context=[t, u()], agent=a)
Crew(tasks=[t, *u], process=Process.x, agents=self.agents)
if x: Agent(role="r", goal="g")
lambda: (yield)
""".splitlines()
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(_LINES | st.text(max_size=20), max_size=12))
def test_any_python_file_is_taken_or_refused_on_purpose(lines):
    _is_taken_or_refused("import airflow, crewai\n" + "\n".join(lines), ".py")


@st.composite
def _graphs(draw):
    size = draw(st.integers(1, 8))
    return [sorted(draw(st.sets(st.integers(0, index - 1), max_size=3))) if index else [] for index in range(size)]


def _github(graph):
    jobs = {
        f"n{at}": {"needs": [f"n{each}" for each in before], "steps": [{"run": "true"}]}
        for at, before in enumerate(graph)
    }
    return json.dumps({"on": "push", "jobs": jobs}), ".json"


def _argo(graph):
    tasks = [
        {"name": f"n{at}", "template": "t", "dependencies": [f"n{each}" for each in before]}
        for at, before in enumerate(graph)
    ]
    templates = [{"name": "m", "dag": {"tasks": tasks}}, {"name": "t", "container": {"command": ["true"]}}]
    spec = {"entrypoint": "m", "templates": templates}
    return json.dumps({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "spec": spec}), ".json"


def _kestra(graph):
    log = "io.kestra.plugin.core.log.Log"
    tasks = [
        {"task": {"id": f"n{at}", "type": log, "message": "m"}, "dependsOn": [f"n{each}" for each in before]}
        for at, before in enumerate(graph)
    ]
    dag = {"id": "dag", "type": "io.kestra.plugin.core.flow.Dag", "tasks": tasks}
    return json.dumps({"id": "f", "namespace": "n", "tasks": [dag]}), ".json"


def _dbt(graph):
    nodes = {
        f"model.n{at}": {
            "resource_type": "model",
            "name": f"n{at}",
            "depends_on": {"nodes": [f"model.n{each}" for each in before]},
        }
        for at, before in enumerate(graph)
    }
    return json.dumps({"metadata": {"dbt_schema_version": "https://x/dbt/manifest/v1.json"}, "nodes": nodes}), ".json"


def _airflow(graph):
    lines = ["import airflow", "with DAG('d'):"]
    lines += [f"    n{at} = BashOperator(task_id='n{at}', bash_command='true')" for at in range(len(graph))]
    lines += [f"    [{', '.join(f'n{each}' for each in before)}] >> n{at}" for at, before in enumerate(graph) if before]
    return "\n".join(lines), ".py"


def _cwl(graph):
    tool = {"class": "CommandLineTool", "baseCommand": "true", "inputs": [], "outputs": {"o": "File"}}
    steps = {
        f"n{at}": {"run": tool, "in": {f"i{each}": f"n{each}/o" for each in before}, "out": ["o"]}
        for at, before in enumerate(graph)
    }
    return json.dumps({"cwlVersion": "v1.2", "class": "Workflow", "inputs": [], "outputs": [], "steps": steps}), ".json"


def _closure(before: dict[str, set[str]]) -> set[tuple[str, str]]:
    """All pairs of tasks of which the first comes before the second."""
    found: set[tuple[str, str]] = set()
    for name, sources in before.items():
        stack = [*sources]
        while stack:
            each = stack.pop()
            if (each, name) not in found:
                found.add((each, name))
                stack.extend(before[each])
    return found


def _edges_of_plan(plan) -> set[tuple[str, str]]:
    """The order of the tasks named n0, n1, …, by the last or the first such part of their paths."""
    tasks = outline(plan)
    order = junctions(tasks)
    names = {node.index: re.findall(r"(?:^|/)(n\d+)(?=/|$)", node.path) for node in tasks.nodes}
    vertices = {f"v{vertex}": {f"v{each}" for each in before} for vertex, before in enumerate(order.before)}
    reached = _closure(vertices)
    leaves = {f"v{2 * leaf}": names[leaf][0] for leaf in tasks.leaves}
    return {(leaves[one], leaves[other]) for one, other in reached if one in leaves and other in leaves}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(_graphs(), st.sampled_from([_github, _argo, _kestra, _dbt, _airflow, _cwl]))
def test_order_is_that_of_the_source(graph, write):
    text, ending = write(graph)
    found = _import(text, ending)
    wanted = {f"n{at}": {f"n{each}" for each in before} for at, before in enumerate(graph)}
    assert _edges_of_plan(found.plan) == _closure(wanted)
    assert len(outline(found.plan).leaves) == len(graph)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.text(max_size=10), min_size=2, max_size=6))
def test_steps_with_hostile_names_get_unique_ids_and_keep_their_order(names):
    steps = [{"name": name, "run": "true"} for name in names]
    found = _import(json.dumps({"on": "push", "jobs": {"job": {"steps": steps}}}), ".json")
    ids = [task.id for task in found.plan.tasks[0].subtasks]
    assert len(set(ids)) == len(ids) == len(names)
    assert [task.depends_on for task in found.plan.tasks[0].subtasks] == [(), *((each,) for each, _ in pairwise(ids))]


@pytest.mark.parametrize("limits", [Limits(document_bytes=100), Limits(document_nodes=3), Limits(document_depth=2)])
def test_limits_of_documents_hold(tmp_path, limits):
    path = tmp_path / "big.yaml"
    path.write_text(json.dumps({"on": "push", "jobs": {"a": {"steps": [{"run": "x" * 200}]}}}))
    with pytest.raises(DocumentError):
        import_workflow(path, limits=limits)


_WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.lists(_WORDS | st.sampled_from(["{a}", "{{a}}", "{", "}}", "{script}", "-x", "--", "${HOME}"]), max_size=6))
def test_program_gets_the_words_of_an_argument_list_as_they_are(words):
    tool = {
        "cwlVersion": "v1.2",
        "class": "CommandLineTool",
        "baseCommand": ["tool", *words],
        "inputs": [],
        "outputs": [],
    }
    found = _import(json.dumps(tool), ".json")
    (task,), (agent,) = found.plan.tasks, found.registry.agents
    if redact("\n".join(words)) != "\n".join(words):
        return
    work = SimpleNamespace(path=task.id, inputs=task.inputs)
    assert fill_arguments(agent.executor.argv, work) == ["tool", *words]
