"""GitHub Actions workflows."""

import json

import pytest

from genesis.document import parse
from genesis.errors import DocumentError

_WORKFLOW = """\
name: Ship
on:
  push:
  schedule:
    - cron: "5 4 * * *"
env: {LEVEL: high}
jobs:
  lint:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: make lint
  unit:
    strategy: {matrix: {py: ["3.11", "3.12"]}, max-parallel: 1}
    runs-on: ubuntu-latest
    timeout-minutes: 30
    steps:
      - {name: Test, run: "tox -e ${{ matrix.py }} ${{ github.sha }}", timeout-minutes: 2}
  deploy:
    needs: [lint, unit]
    if: github.ref == 'refs/heads/main'
    runs-on: self-hosted
    steps:
      - {id: push, run: ./push}
  notify:
    needs: deploy
    if: always()
    runs-on: ubuntu-latest
    steps:
      - name: Tell
        run: curl --data "$WORDS" example.org
        shell: bash
        working-directory: tools
        continue-on-error: true
        env:
          WORDS: shipped {LEVEL}
          HOOK: ${{ secrets.CHAT_HOOK }}
          API_TOKEN: plain-text-value
"""


@pytest.fixture
def run(imported):
    return imported(_WORKFLOW, "ship.yml")


def test_jobs_run_beside_each_other_and_steps_in_order(run):
    copies = ["unit/0-3.11/Test", "unit/1-3.12/Test"]
    assert list(run.tasks) == ["lint/checkout", "lint/run", *copies, "deploy/push", "notify/Tell"]
    assert run.runs_in_order("lint/checkout", "lint/run", "deploy/push", "notify/Tell")
    assert run.runs_in_order(*copies, "deploy/push")
    assert run.runs_beside("lint/checkout", copies[0])


def test_script_is_one_argument_of_the_shell_that_github_uses(run):
    assert run.argv("lint/run") == ("bash", "-e", "-c", "--", "{script}")
    assert run.argv("notify/Tell") == ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", "--", "{script}")
    task = run.tasks["notify/Tell"]
    assert task.inputs == {"script": 'curl --data "$WORDS" example.org'}
    assert task.literal_inputs == ("script",)
    assert run.agents[task.agent].executor.cwd == "tools"


def test_secrets_are_named_and_never_copied(run):
    agent = run.agents[run.tasks["notify/Tell"].agent]
    assert agent.secrets == ("HOOK", "API_TOKEN")
    assert agent.executor.env == {"WORDS": "shipped {LEVEL}"}
    assert run.tasks["notify/Tell"].env == {"LEVEL": "high"}
    assert "set the environment variable HOOK" in run.lost(35, "secret HOOK")
    assert "set the environment variable API_TOKEN" in run.lost(35, "secret API_TOKEN")
    written = run.imported.plan.model_dump_json() + run.imported.registry.model_dump_json()
    assert "plain-text-value" not in written
    assert "secrets." not in written


def test_action_condition_and_expression_become_work_orders(run):
    assert [run.kind(path) for path in run.tasks] == ["brief", "command", "brief", "brief", "brief", "command"]
    assert "work order" in run.lost(11, "action actions/checkout@v4")
    assert "work order" in run.lost(18, "expressions: ${{ matrix.py }}, ${{ github.sha }}")
    assert "work order" in run.lost(21, "condition: github.ref == 'refs/heads/main'")
    assert run.tasks["unit/1-3.12/Test"].inputs["script"] == "tox -e ${{ matrix.py }} ${{ github.sha }}"
    assert run.tasks["unit/1-3.12/Test"].inputs["item"] == "{item}"


def test_what_the_plan_cannot_say_is_listed_with_its_line(run):
    assert run.lost(3, "event push").startswith("left out")
    assert run.schedules == [{"name": "schedule", "cron": "5 4 * * *"}]
    assert run.lost(14, "fail-fast of the matrix") == "the other copies run although one fails"
    assert run.lost(16, "time limit of the group: 1800 s") == "left out"
    assert "environment of Genesis" in run.lost(22, "environment: self-hosted")
    assert run.tasks["unit/0-3.11/Test"].timeout_s == 120


def test_rule_and_allowed_failure_are_carried_over(run):
    assert run.task("notify").run_if == "always"
    assert run.tasks["notify/Tell"].allow_failure
    assert not [each for each in run.losses if each.task != "unit" and "fail" in each.construct + each.outcome]


def test_step_with_the_secret_in_its_script_does_not_keep_it(imported):
    run = imported("on: push\njobs:\n  a:\n    steps:\n    - run: curl -u me:${{ secrets.PW }} example.org\n")
    assert run.kind("a/run") == "brief"
    assert run.tasks["a/run"].inputs["script"] == "curl -u me:<secret> example.org"


def test_job_that_runs_when_another_failed_is_carried_over(imported):
    run = imported("on: push\njobs:\n  a: {steps: [{run: x}]}\n  b: {needs: a, if: failure(), steps: [{run: y}]}\n")
    assert run.kind("b/run") == "command"
    assert (run.task("b").run_if, run.task("b").depends_on) == ("any_failed", ("a",))


def test_jobs_that_need_each_other_are_a_cycle(imported):
    with pytest.raises(DocumentError) as error:
        imported("on: push\njobs:\n  a: {needs: b, steps: [{run: x}]}\n  b: {needs: a, steps: [{run: y}]}\n")
    assert error.value.code == "GEN-DOCUMENT-CYCLE"
    assert "its order is a cycle" in error.value.message


def test_job_that_needs_an_unknown_one_is_a_work_order(imported):
    run = imported("on: push\njobs:\n  a: {needs: bulid, steps: [{run: x}]}\n")
    assert run.kind("a/run") == "brief"
    assert "a person decides" in run.lost(3, "'bulid', which is no task")


def test_reusable_workflow_and_services_are_work_orders(imported):
    run = imported(
        "on: push\njobs:\n  a:\n    uses: org/repo/.github/workflows/x.yml@v1\n"
        "  b:\n    services: {db: {image: postgres}}\n    steps: [{run: x}]\n"
    )
    assert run.kind("a") == run.kind("b/run") == "brief"
    assert "work order" in run.lost(6, "waits for services db")


def test_unknown_shell_is_a_work_order(imported):
    run = imported("on: push\njobs:\n  a:\n    steps: [{run: Get-Item x, shell: pwsh}]\n")
    assert run.kind("a/run") == "brief"
    assert run.tasks["a/run"].inputs["shell"] == "pwsh"


def test_credential_in_a_script_is_struck_and_the_step_is_a_work_order(imported):
    token = "ghp_" + "a1B2" * 9
    run = imported(f"on: push\njobs:\n  a:\n    steps: [{{run: 'git push https://{token}@example.org'}}]\n")
    assert run.kind("a/run") == "brief"
    assert token not in run.imported.plan.model_dump_json()
    assert "work order" in run.lost(4, "a credential in the text of the command")


def test_job_after_one_that_always_runs_still_needs_those_before(imported):
    run = imported(
        "on: push\njobs:\n  a: {steps: [{run: x}]}\n  b: {needs: a, if: always(), steps: [{run: y}]}\n"
        "  c: {needs: b, steps: [{run: z}]}\n  d: {needs: c, if: failure(), steps: [{run: z}]}\n"
    )
    assert run.task("c").depends_on == ("b", "a")
    assert set(run.task("d").depends_on) == {"c", "b", "a"}


def test_steps_after_one_with_a_state_do_not_depend_on_whether_it_ran(imported):
    run = imported("""\
on: push
jobs:
  a:
    steps:
      - {id: one, run: x}
      - {id: undo, if: failure(), run: x}
      - {id: two, run: x}
      - {id: clean, if: always(), run: x}
      - {id: three, if: success(), run: x}
      - {id: mail, if: "${{ failure() }}", run: x}
      - {id: last, if: "!cancelled()", run: x}
""")
    steps = {task.id: (task.run_if, task.depends_on) for task in run.task("a").subtasks}
    assert steps == {
        "one": ("all_succeeded", ()),
        "undo": ("any_failed", ("one",)),
        "two": ("all_succeeded", ("one",)),
        "clean": ("always", ("two", "undo")),
        "three": ("all_succeeded", ("two", "clean")),
        "mail": ("any_failed", ("three", "undo", "clean")),
        "last": ("all_done", ("three", "undo", "clean", "mail")),
    }


_INPUTS = """\
on:
  workflow_dispatch:
    inputs:
      level: {type: choice, options: [low, High], default: low}
      dry: {type: boolean}
      name: {default: "4"}
      token: {default: abc}
      rows: {type: number, default: 3}
      must: {required: true}
jobs:
  a:
    if: inputs.level == 'HIGH' && !inputs.dry
    env: {NAME: "${{ inputs.name }}", DRY: "${{ github.event.inputs.dry }}", PATH: /bin}
    steps: [{run: x}]
  b:
    steps:
      - {id: one, run: x}
      - {id: two, if: "always() && inputs.rows > 2", run: x}
      - {id: three, run: x}
"""


def test_inputs_are_typed_parameters_of_conditions_and_environments(imported):
    run = imported(_INPUTS)
    params = {name: each.model_dump(exclude_defaults=True) for name, each in run.imported.plan.params.items()}
    assert params == {
        "level": {"default": "low", "enum": ("low", "High")},
        "dry": {"type": "boolean", "default": False},
        "name": {"default": "4"},
        "rows": {"type": "number", "default": 3},
    }
    assert run.task("a").when == '({level} in ["High"] and not ({dry} == true))'
    assert run.tasks["a/run"].env == {"NAME": "{name}", "DRY": "{dry}"}
    assert run.agents[run.tasks["a/run"].agent].executor.env == {"PATH": "/bin"}
    assert run.lost(14, "environment variable PATH").startswith("in the agents file")


def test_steps_after_one_whose_condition_is_false_run(imported):
    run = imported(_INPUTS)
    group = run.task("b/two")
    assert (group.run_if, group.depends_on) == ("always", ("one",))
    assert [task.when for task in group.subtasks] == ["{rows} > 2", "not ({rows} > 2)"]
    assert run.argv("b/two/otherwise") == ("true",)
    assert run.task("b/three").depends_on == ("one", "two")
    assert run.starts_after("b/two/run", "b/three")
    assert (run.runs("b/two/run"), run.runs("b/two/otherwise"), run.runs("b/three")) == (True, False, True)
    run = imported(_INPUTS.replace("default: 3", "default: 1"))
    assert (run.runs("b/two/run"), run.runs("b/two/otherwise"), run.runs("b/three")) == (False, True, True)


@pytest.mark.parametrize(
    "condition",
    [
        "inputs.name == 'abc'", "inputs.must == '1'", "inputs.dry == 'true'", "github.event.inputs.dry == 'true'",
        "inputs.token == '1'", "inputs.nothing == '1'", "always() && inputs.dry || inputs.dry", "inputs.name",
        "!inputs.name == '1'", "contains(inputs.name, '1')", "inputs.rows > '2'", "needs.a.result == 'success'", "(",
        "inputs.dry &&", "inputs.rows < 2 < 3", "'a' == 'a'", "inputs.level == 'a' }} ${{ x",
    ],
)  # fmt: skip
def test_condition_that_cannot_be_said_exactly_is_a_work_order(imported, condition):
    run = imported(_INPUTS.replace("inputs.level == 'HIGH' && !inputs.dry", f'"{condition}"'))
    assert run.task("a").when is None
    assert run.task("a").run_if == "all_succeeded"
    assert run.kind("a/run") == "brief"
    assert "work order" in run.lost(12, "condition: ")


def test_failure_that_an_expression_allows_is_reported(imported):
    run = imported("on: push\njobs:\n  a:\n    continue-on-error: ${{ matrix.x }}\n    steps: [{run: x}]\n")
    assert not run.task("a").allow_failure
    assert run.lost(4, "its failure is allowed if ${{ matrix.x }}") == "its failure fails the run"


def test_default_of_a_secret_parameter_is_not_copied(imported):
    step = "steps: [{run: x, env: {T: '${{ inputs.token }}'}}]"
    run = imported(_INPUTS.replace("steps: [{run: x}]", step).replace("abc", "abc-123-xyz"))
    assert run.kind("a/run") == "brief"
    assert "work order" in run.lost(14, "expressions: T=${{ inputs.token }}")
    assert "abc-123-xyz" not in run.imported.plan.model_dump_json() + run.imported.registry.model_dump_json()


_MATRIX = """\
on: {workflow_dispatch: {inputs: {level: {default: low}}}}
jobs:
  item:
    strategy:
      fail-fast: false
      max-parallel: 2
      matrix: {node-version: [18, "20"], os: [linux]}
    env: {OS: "${{ matrix.os }}"}
    steps:
      - {name: "Set {item}", run: "npm test --node=${{ matrix.node-version }} ${{ matrix.os }}"}
      - {uses: "org/action@v1", with: {os: "${{ matrix.os }}"}}
  after: {needs: item, steps: [{run: x}]}
"""


def test_matrix_of_literals_is_a_copy_for_each_combination(imported):
    run = imported(_MATRIX)
    job = run.task("item-2")  # `item` has another meaning in such a plan
    assert job.for_each == {"node-version": [18, "20"], "os": ["linux"]}
    assert job.max_parallel == 2
    step = job.subtasks[0]
    assert step.env == {
        "OS": "{item.os}",
        "MATRIX_NODE_VERSION": "{item.node-version}",
        "MATRIX_OS": "{item.os}",
    }
    assert step.inputs == {"script": "npm test --node=${MATRIX_NODE_VERSION} ${MATRIX_OS}"}
    assert step.literal_inputs == ("script",)
    assert step.description == "Set {{item}}"
    first, second = "item-2/0-18-linux", "item-2/1-20-linux"
    order = run.tasks[f"{second}/action"]
    assert order.inputs == {"item": "{item}", "uses": "org/action@v1", "with": {"os": "${{ matrix.os }}"},
                            "environment": {"OS": "<item.os>"}}  # fmt: skip
    assert order.literal_inputs == ("uses", "with", "environment")
    assert run.runs_beside(f"{first}/action", f"{second}/action")
    assert run.runs_in_order(f"{second}/Set-item", f"{second}/action", "after/run")
    assert [each.construct for each in run.losses if each.task == "item-2"] == []


@pytest.mark.parametrize(
    "script",
    [
        "echo '${{ matrix.os }}'", 'echo "${{ matrix.os }}"', "${{ matrix.os }} x", "A=b ${{ matrix.os }}",
        "echo {a,${{ matrix.os }}}", "echo a; ${{ matrix.os }}", "cat <<EOF\n${{ matrix.os }}\nEOF",
        "echo $${{ matrix.os }}", "x ${{ matrix.os }}>file", "time ${{ matrix.os }}", "x ${{ matrix['os'] }}",
        "x ${{ matrix.other }}", "x ${{ matrix.words }}", "x MATRIX_OS ${{ matrix.os }}", "x ${{ matrix.token }}",
        "x '\nx ${{ matrix.os }}\nx '", "x ${{ matrix.os }} \\\nx", "x ${{ matrix.os",
        "IFS=,\nx ${{ matrix.os }}",
    ],
)  # fmt: skip
def test_value_in_a_script_that_could_become_another_script_is_a_work_order(imported, script):
    matrix = "{os: [linux, mac], words: [a b, '*'], token: [a]}"
    run = imported(
        json.dumps(
            {
                "on": "push",
                "jobs": {"a": {"strategy": {"matrix": parse(matrix)}, "steps": [{"run": script}]}},
            }
        )
    )
    assert run.kind("a/0-linux-a-b-a/run") == "brief"
    assert run.task("a").subtasks[0].inputs["script"] == script


@pytest.mark.parametrize(
    "strategy",
    [
        "{matrix: {os: [linux], include: [{os: mac}]}}", "{matrix: {os: [linux], exclude: [{os: mac}]}}",
        "{matrix: '${{ fromJSON(inputs.x) }}'}", "{matrix: {os: '${{ fromJSON(inputs.x) }}'}}",
        "{matrix: {os: ['${{ inputs.x }}']}}", "{matrix: {os: []}}", "{matrix: {os: [{a: 1}]}}",
        "{matrix: {os: [null]}}", "{matrix: {os: [3.10]}}", "{matrix: {os: [True]}}",
        "{matrix: {os: [linux]}, max-parallel: '${{ inputs.x }}'}",
        "{matrix: {os: [linux], a.b: [1]}}", "{matrix: {os: [1e30]}}",
        "{matrix: {os: [.nan]}}", "{matrix: {os: [0x1F]}}", "{matrix: {os: [yes]}}",
        f"{{matrix: {{os: [1{'0' * 350}]}}}}",
    ],
)  # fmt: skip
def test_matrix_that_is_not_known_exactly_is_one_task(imported, strategy):
    run = imported(f"on: push\njobs:\n  a:\n    strategy: {strategy}\n    steps: [{{run: 'x ${{{{ matrix.os }}}}'}}]\n")
    assert run.task("a").for_each is None
    assert run.kind("a/run") == "brief"
    assert run.lost(4, "matrix ") == "one task instead of a copy for each value"


@pytest.mark.parametrize("name", ["item", "index"])
def test_matrix_beside_a_parameter_with_the_name_of_a_value_is_one_task(imported, name):
    run = imported(_MATRIX.replace("level", name))
    assert run.lost(4, "matrix ") == "one task instead of a copy for each value"
    assert run.task("item").for_each is None


def test_credential_in_a_matrix_is_not_copied(imported):
    token = "ghp_" + "a1B2" * 9
    run = imported(f"on: push\njobs:\n  a:\n    strategy: {{matrix: {{x: [{token}]}}}}\n    steps: [{{run: x}}]\n")
    assert run.task("a").for_each is None
    assert token not in run.imported.plan.model_dump_json()
    assert all(token not in each.construct for each in run.losses)


@pytest.mark.parametrize(
    ("concurrency", "steps", "mutex"),
    [
        ("deploy", 1, "deploy"),
        ("{group: deploy}", 1, "deploy"),
        ("{group: deploy, cancel-in-progress: false}", 1, "deploy"),
        ("{group: deploy, cancel-in-progress: true}", 1, None),
        ('"${{ github.ref }}"', 1, None),
        ("{group: deploy, queue: max}", 1, None),
        ("deploy", 2, None),
    ],
)
def test_a_concurrency_group_of_a_job_with_one_step_is_its_mutex(imported, concurrency, steps, mutex):
    run = imported(
        f"on: push\njobs:\n  ship:\n    runs-on: x\n    concurrency: {concurrency}\n    steps:\n"
        + "      - run: make\n" * steps,
        "ship.yml",
    )
    assert {task.mutex for task in run.tasks.values()} == {mutex}
    assert run.task("ship").mutex is None
    [lost] = [each for each in run.losses if each.construct.startswith("concurrency")]
    assert lost.outcome == (
        "all of them run, one after the other" if mutex else "left out: nothing keeps it apart from tasks of other runs"
    )
