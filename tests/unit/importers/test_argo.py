"""Manifests of Argo Workflows."""

import json

import pytest

from genesis.errors import DocumentError
from genesis.model import Resources
from genesis.model.plan_parameter import PlanParameter
from genesis.model.task import Retry

_WORKFLOW = """\
apiVersion: argoproj.io/v1alpha1
kind: CronWorkflow
metadata: {name: nightly}
spec:
  schedules: ["0 1 * * *"]
  workflowSpec:
    entrypoint: main
    onExit: bye
    arguments: {parameters: [{name: word, value: hello}, {name: free}]}
    templates:
      - name: main
        dag:
          tasks:
            - {name: one, template: say, arguments: {parameters: [{name: text, value: "it's {one}"}]}}
            - {name: two, template: say, arguments: {parameters: [{name: text, value: "{{workflow.parameters.word}}"}]}}
            - {name: three, dependencies: [one], template: rows}
            - {name: four, depends: two && three.Succeeded, template: code, withItems: [1, 2]}
            - {name: five, depends: four.Failed, template: code}
      - name: say
        inputs: {parameters: [{name: text}]}
        retryStrategy: {limit: 3, retryPolicy: Always}
        container: {image: alpine, command: [echo, -n], args: ["{{inputs.parameters.text}}"], resources: {cpu: 1}}
      - name: rows
        steps:
          - [{name: a, template: code}, {name: b, template: code}]
          - [{name: c, template: loop}]
      - name: loop
        steps: [[{name: again, template: rows}]]
      - name: code
        script:
          image: python
          command: [python]
          source: print("{x}")
          env: [{name: KEY, valueFrom: {secretKeyRef: {name: s, key: k}}}]
      - name: bye
        container: {image: alpine, command: [sh, -c], args: ["echo {{workflow.parameters.word}}"]}
"""


@pytest.fixture
def run(imported):
    return imported(_WORKFLOW, "nightly.yaml")


def test_dag_and_steps_keep_their_order(run):
    assert list(run.tasks) == ["one", "two", "three/a", "three/b", "three/c/again", "four/0-1", "four/1-2", "five",
                               "exit-bye"]  # fmt: skip
    assert run.runs_in_order("one", "three/a", "three/c/again", "four/0-1", "five", "exit-bye")
    assert run.starts_after("two", "four/1-2")
    assert run.runs_beside("one", "two")
    assert run.runs_beside("three/a", "three/b")


def test_arguments_stay_a_list_and_parameters_are_values(run):
    assert run.argv("one") == ("echo", "-n", "it's {{one}}")
    assert run.argv("two") == ("echo", "-n", "{word}")
    assert run.tasks["two"].inputs == {"word": "{word}"}
    assert run.imported.plan.params == {"word": PlanParameter(default="hello")}
    assert run.tasks["one"].retries == 3


def test_parameter_is_never_put_into_a_shell_string(run):
    assert run.kind("exit-bye") == "brief"
    assert "work order" in run.lost(8, "{{workflow.parameters.word}}")


def test_script_goes_to_its_interpreter_with_its_secret_by_name(run):
    assert run.argv("four/0-1") == ("python", "-c", "{script}")
    assert run.tasks["four/0-1"].inputs == {"script": 'print("{x}")'}
    assert run.agents[run.tasks["four/0-1"].agent].secrets == ("KEY",)


def test_conditions_and_recursion_are_work_orders(run):
    assert run.kind("five") == run.kind("three/c/again") == "brief"
    assert "work order" in run.lost(18, "depends: four.Failed")
    assert "work order" in run.lost(28, "the template 'rows' uses itself")


def test_a_cron_workflow_has_schedules(run, imported):
    assert run.schedules == [{"name": "schedule", "cron": "0 1 * * *"}]
    body = """\
apiVersion: argoproj.io/v1alpha1
kind: CronWorkflow
spec:
  schedules: ["0 1 * * *", "0 1 * *", "@daily"]
  timezone: Asia/Tokyo
  suspend: true
  concurrencyPolicy: Forbid
  workflowSpec: {entrypoint: a, templates: [{name: a, container: {image: i, command: ["true"]}}]}
"""
    found = imported(body, "cron.yaml")
    own = {"timezone": "Asia/Tokyo", "active": False}
    assert found.schedules == [
        {"name": "schedule", "cron": "0 1 * * *", **own},
        {"name": "schedule-2", "cron": "@daily", **own},
    ]
    assert "5" in found.lost(4, "schedule 0 1 * *")
    assert found.lost(7, "concurrencyPolicy") == "left out"


def test_rules_conditions_and_retries_are_carried_over(imported):
    run = imported("""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
spec:
  entrypoint: main
  onExit: say
  arguments: {parameters: [{name: stage, value: dev, enum: [dev, prod]}]}
  templates:
    - name: main
      dag:
        tasks:
          - {name: a, template: say}
          - {name: b, template: say, depends: a.Failed}
          - {name: c, template: say, when: "{{workflow.parameters.stage}} == prod", continueOn: {failed: true}}
          - {name: d, template: say, depends: c, when: "'{{workflow.parameters.stage}}' != 'dev'"}
          - {name: e, template: say, depends: c.Succeeded}
          - {name: f, template: say, depends: d.Failed}
    - name: say
      retryStrategy: {limit: 2, backoff: {duration: 10s, factor: "3", maxDuration: 1h}, retryPolicy: Always}
      container:
        command: [date]
        env: [{name: STAGE, value: "{{workflow.parameters.stage}}"}, {name: N, value: "1"}]
""")
    assert run.task("exit-say").run_if == "always"
    assert (run.task("b").run_if, run.task("b").depends_on) == ("any_failed", ("a",))
    assert [task.when for task in run.task("c").subtasks] == ['{stage} == "prod"', 'not ({stage} == "prod")']
    assert run.tasks["c/run"].allow_failure
    assert run.tasks["d/run"].when == '{stage} != "dev"'
    assert [run.kind(path) for path in ("e", "f")] == ["brief", "brief"]
    assert run.tasks["b"].retry == Retry(times=2, delay_s=10, backoff=3)
    assert run.tasks["b"].env == {"STAGE": "{stage}", "N": "1"}
    assert run.imported.plan.params == {"stage": PlanParameter(default="dev", enum=("dev", "prod"))}
    lost = [each.construct for each in run.losses if each.task == "b"]
    assert lost == ['retries: {"retryPolicy": "Always", "backoff.maxDuration": "1h"}']


@pytest.mark.parametrize(
    "condition",
    [
        "{{workflow.parameters.word}} == '3'", "{{workflow.parameters.word}} == true", "x == y",
        "'{{workflow.parameters.word}}' == 3", "{{workflow.parameters.free}} == a", "{{steps.a.outputs.result}} == a",
    ],
)  # fmt: skip
def test_condition_that_cannot_be_said_exactly_is_a_work_order(imported, condition):
    run = imported(_WORKFLOW.replace("depends: four.Failed", f'when: "{condition}"'))
    assert run.kind("five") == "brief"
    assert run.tasks["five"].when is None


def test_default_of_a_secret_parameter_is_not_copied(imported):
    run = imported("""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
spec:
  arguments: {parameters: [{name: api_token, value: abc-123-xyz}]}
  templates:
    - name: main
      container: {command: [date], env: [{name: T, value: "{{workflow.parameters.api_token}}"}]}
""")
    assert run.kind("main") == "brief"
    assert "work order" in run.lost(6, "parameters with a secret for a default: 'api_token'")
    assert "abc-123-xyz" not in run.imported.plan.model_dump_json() + run.imported.registry.model_dump_json()


def test_templates_that_multiply_are_refused(imported):
    calls = "[[{name: a, template: T}, {name: b, template: T}, {name: c, template: T}, {name: d, template: T}]]"
    templates = "".join(f"  - {{name: t{n}, steps: {calls.replace('T', f't{n + 1}')}}}\n" for n in range(12))
    with pytest.raises(DocumentError) as error:
        imported(
            f"apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nspec:\n  entrypoint: t0\n  templates:\n{templates}"
            "  - {name: t12, container: {command: [true]}}\n"
        )
    assert error.value.code == "GEN-DOCUMENT-SIZE"


def test_missing_entry_point_is_named(imported):
    with pytest.raises(DocumentError) as error:
        imported("apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nspec: {entrypoint: nope, templates: []}\n")
    assert error.value.code == "GEN-DOCUMENT-EMPTY"
    assert "entrypoint 'nope'" in error.value.message


def test_two_tasks_of_one_name_are_refused(imported):
    with pytest.raises(DocumentError, match="two tasks have the name 'one'"):
        imported(_WORKFLOW.replace("name: two", "name: one"))


_LOOPS = """\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
spec:
  entrypoint: main
  templates:
    - name: main
      steps:
        - - name: a
            template: say
            arguments: {parameters: [{name: text, value: "{{item}}"}, {name: more, value: "{{item}}"}]}
            withItems: [one two, "3", true]
    - name: say
      inputs: {parameters: [{name: text}, {name: more}]}
      container:
        command: [echo, "--text={{inputs.parameters.text}}", "{{inputs.parameters.more}}"]
        env: [{name: TEXT, value: "{{inputs.parameters.text}}"}]
"""


def test_loop_over_literals_is_a_copy_for_each_value(imported):
    run = imported(_LOOPS)
    task = run.task("a")
    assert task.for_each == ["one two", "3", True]
    assert (task.inputs, task.env) == ({"item": "{item}"}, {"TEXT": "{item}"})
    assert run.argv("a/0-one-two") == ("echo", "--text={item}", "{item}")
    assert not [each for each in run.losses if each.task == "a" and "copy" in each.outcome]


def test_loop_over_maps_takes_their_keys(imported):
    text = _LOOPS.replace('"{{item}}"', '"{{item.x}}"').replace('[one two, "3", true]', "[{x: 1, y: 2}, {x: a}]")
    run = imported(text)
    assert run.task("a").for_each == [{"x": 1, "y": 2}, {"x": "a"}]
    assert run.argv("a/0-1-2") == ("echo", "--text={item.x}", "{item.x}")
    assert run.task("a").inputs == {"item.x": "{item.x}"}
    assert run.kind("a/1-a") == "command"
    assert imported(text.replace("item.x", "item.y")).kind("a/1-a") == "brief"


@pytest.mark.parametrize(
    ("sequence", "values"),
    [
        ("{count: 2}", ["0", "1"]), ('{start: "2", end: "4"}', ["2", "3", "4"]), ("{start: 2, end: 1}", ["2", "1"]),
        ("{end: 1}", ["0", "1"]), ("{count: 0}", None), ("{count: 2, format: x}", None), ("{count: 2, start: 1}", None),
        ('{count: "{{workflow.parameters.n}}"}', None), ("{count: 999999999}", None), ("{start: 1}", None),
    ],
)  # fmt: skip
def test_sequence_is_a_list_of_texts(imported, sequence, values):
    run = imported(_LOOPS.replace('withItems: [one two, "3", true]', f"withSequence: {sequence}"))
    assert run.task("a").for_each == values
    assert values or run.lost(11, "withSequence").startswith("one task")


@pytest.mark.parametrize("items", ["[-x]", "[[a]]", "['{{workflow.name}}']", "[1.0]", "[null]", "x", "[]", "[{x: 1}]"])
def test_value_that_is_not_known_exactly_is_a_work_order(imported, items):
    run = imported(_LOOPS.replace('[one two, "3", true]', items))
    assert {run.kind(path) for path in run.tasks} == {"brief"}


def test_loop_in_a_loop_does_not_mix_their_values(imported):
    run = imported("""\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
spec:
  entrypoint: main
  templates:
    - {name: main, steps: [[{name: a, template: inner, withItems: [1, 2],
       arguments: {parameters: [{name: x, value: "{{item}}"}]}}]]}
    - name: inner
      inputs: {parameters: [{name: x}]}
      steps:
        - - {name: b, template: say, arguments: {parameters: [{name: x, value: "{{inputs.parameters.x}}"}]}}
          - {name: c, template: say, withItems: [3], arguments: {parameters: [{name: x, value: "{{item}}"}]}}
    - {name: say, inputs: {parameters: [{name: x}]}, container: {command: [echo, "{{inputs.parameters.x}}"]}}
""")
    assert run.task("a").for_each == [1, 2]
    assert run.argv("a/0-1/b") == ("echo", "{item}")
    assert run.task("a/c").for_each is None
    assert run.kind("a/0-1/c") == "brief"


def _container(**more):
    head = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow"}
    return json.dumps({**head, "spec": {"entrypoint": "main", "templates": [
        {"name": "main", "steps": [[{"name": "a", "template": "run"}]]},
        {"name": "run", "container": {"command": ["make"], **more.pop("container", {})}, **more},
    ]}})  # fmt: skip


@pytest.mark.parametrize(
    ("resources", "needs", "lost"),
    [
        ({"requests": {"cpu": "500m", "memory": "64Mi"}}, {"cpu": 0.5, "memory": "64Mi"}, None),
        ({"limits": {"cpu": 2}}, {"cpu": 2}, None),
        ({"requests": {"cpu": 1}, "limits": {"cpu": 1, "memory": "1Gi"}}, {"cpu": 1, "memory": "1Gi"}, None),
        ({"requests": {"cpu": 1}, "limits": {"cpu": 2}}, {"cpu": 1}, '{"limits": {"cpu": 2}}'),
        ({"limits": {"nvidia.com/gpu": 1}}, None, '{"limits": {"nvidia.com/gpu": 1}}'),
        ({"requests": {"cpu": "0", "memory": "a lot"}}, None, '{"requests": {"cpu": "0", "memory": "a lot"}}'),
        ({"requests": 7}, None, '{"requests": 7}'),
    ],
)
def test_requests_of_a_container_are_resources_and_the_rest_is_lost(imported, resources, needs, lost):
    run = imported(_container(container={"resources": resources}))
    assert run.tasks["a"].resources == (None if needs is None else Resources(**needs))
    assert [each.construct for each in run.losses if each.construct.startswith("resources")] == (
        [f"resources: {lost}"] if lost else []
    )


@pytest.mark.parametrize(
    ("sync", "mutex"),
    [
        ({"mutex": {"name": "db"}}, "db"),
        ({"mutexes": [{"name": "db"}]}, "db"),
        ({"mutexes": [{"name": "db"}, {"name": "x"}]}, None),
        ({"mutex": {"name": "db", "namespace": "other"}}, None),
        ({"mutex": {"name": "{{workflow.name}}"}}, None),
        ({"mutex": {"name": "a b"}}, None),
        ({"semaphore": {"configMapKeyRef": {"name": "x"}}}, None),
        ({"mutex": {"name": "db"}, "semaphore": {}}, None),
        ({"mutex": 7}, None),
    ],
)
def test_one_mutex_of_a_template_is_a_mutex_and_other_locks_are_lost(imported, sync, mutex):
    run = imported(_container(synchronization=sync))
    assert run.tasks["a"].mutex == mutex
    lost = [each.outcome for each in run.losses if each.construct.startswith("concurrency")]
    assert lost == ([] if mutex else ["left out: nothing keeps it apart from tasks of other runs"])


_SUSPENDS = """\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: waits}
spec:
  entrypoint: main
  templates:
    - name: main
      steps: [[{name: a, template: soon}], [{name: b, template: later}], [{name: c, template: person}]]
    - {name: soon, suspend: {duration: "20"}}
    - {name: later, suspend: {duration: 2h}}
    - {name: person, suspend: {}}
"""


def test_a_suspension_with_a_duration_waits_and_one_without_is_a_work_order(imported):
    run = imported(_SUSPENDS, "waits.yml")
    waits = {name: task.wait_for.time for name, task in run.tasks.items() if task.wait_for}
    assert waits == {"a": 20.0, "b": 7200.0}
    assert run.tasks["c"].agent is not None
