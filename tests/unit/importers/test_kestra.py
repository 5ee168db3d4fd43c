"""Flows of Kestra."""

import pytest

from genesis.model.task import Retry

_FLOW = """\
id: load
namespace: shop.team
inputs: [{id: day, type: DATE}]
tasks:
  - {id: hello, type: io.kestra.plugin.core.log.Log, message: "-n {day}"}
  - id: both
    type: io.kestra.plugin.core.flow.Parallel
    concurrent: 1
    tasks:
      - id: shell
        type: io.kestra.plugin.scripts.shell.Commands
        containerImage: ubuntu
        commands: ["set -u", "wc -l x"]
        env: {KEY: "{{ secret('KEY') }}", MODE: fast}
        retry: {type: constant, maxAttempts: 3, interval: PT1M}
        timeout: PT90S
      - {id: python, type: io.kestra.plugin.scripts.python.Script, script: "print({{ inputs.day }})"}
  - id: choose
    type: io.kestra.plugin.core.flow.If
    condition: "{{ inputs.day == 'x' }}"
    then: [{id: yes1, type: io.kestra.plugin.core.log.Log, message: one}]
    else: [{id: no1, type: io.kestra.plugin.core.log.Log, message: two}]
  - id: graph
    type: io.kestra.plugin.core.flow.Dag
    tasks:
      - {task: {id: b, type: io.kestra.plugin.core.log.Log, message: b}, dependsOn: [a]}
      - {task: {id: a, type: io.kestra.plugin.core.log.Log, message: a}}
      - {task: {id: c, type: io.kestra.plugin.core.http.Request, uri: example.org, allowFailure: true}}
errors: [{id: alarm, type: io.kestra.plugin.core.log.Log, message: bad}]
triggers: [{id: daily, type: io.kestra.plugin.core.trigger.Schedule, cron: "0 9 * * *"}]
"""


@pytest.fixture
def run(imported):
    return imported(_FLOW, "load.yml")


def test_flowable_tasks_keep_their_order(run):
    assert list(run.tasks) == [
        "hello", "both/shell", "both/python", "choose/then/yes1", "choose/else/no1", "graph/b", "graph/a", "graph/c",
        "errors/alarm",
    ]  # fmt: skip
    assert run.runs_in_order("hello", "both/shell", "choose/then/yes1", "graph/a", "graph/b", "errors/alarm")
    assert run.starts_after("both/python", "choose/else/no1")
    assert run.runs_beside("both/shell", "both/python")
    assert run.runs_beside("graph/a", "graph/c")


def test_commands_run_in_one_shell_and_messages_are_arguments(run):
    assert run.argv("both/shell") == ("sh", "-e", "-c", "--", "{script}")
    assert run.tasks["both/shell"].inputs == {"script": "set -u\nwc -l x"}
    assert run.argv("hello") == ("printf", "%s\\n", "-n {{day}}")
    agent = run.agents[run.tasks["both/shell"].agent]
    assert (agent.secrets, run.tasks["both/shell"].env) == (("KEY",), {"MODE": "fast"})
    assert run.tasks["both/shell"].retry == Retry(times=2, delay_s=60, backoff=1)
    assert run.tasks["both/shell"].timeout_s == 90


def test_conditions_and_expressions_without_a_default_are_work_orders(run):
    orders = {path for path in run.tasks if run.kind(path) == "brief"}
    assert orders == {"both/python", "choose/then/yes1", "choose/else/no1", "graph/c"}
    assert "work order" in run.lost(21, "condition: {{ inputs.day == 'x' }}")
    assert "work order" in run.lost(22, "condition: not {{ inputs.day == 'x' }}")
    assert "work order" in run.lost(17, "{{ inputs.day }}")


def test_handlers_and_allowed_failures_are_carried_over(imported):
    run = imported(f"{_FLOW}finally: [{{id: bye, type: io.kestra.plugin.core.log.Log, message: end}}]\n", "load.yml")
    assert run.task("errors").run_if == "any_failed"
    assert run.task("finally").run_if == "always"
    assert run.task("finally").depends_on == ("hello", "both", "choose", "graph", "errors")
    assert run.tasks["graph/c"].allow_failure


def test_conditions_on_inputs_are_carried_over(imported):
    run = imported("""\
id: f
namespace: n
inputs:
  - {id: day, type: SELECT, values: [mon, it's], defaults: mon}
  - {id: fast, type: BOOLEAN, defaults: true}
tasks:
  - id: choose
    type: io.kestra.plugin.core.flow.If
    condition: "{{ inputs.fast and not (inputs.day == 'x') }}"
    then: [{id: yes1, type: io.kestra.plugin.core.log.Log, message: one}]
  - id: pick
    type: io.kestra.plugin.core.flow.Switch
    value: "{{ inputs.day }}"
    cases: {"it's": [{id: a, type: io.kestra.plugin.core.log.Log, message: a}]}
    defaults: [{id: b, type: io.kestra.plugin.core.log.Log, message: b}]
  - id: last
    type: io.kestra.plugin.scripts.shell.Commands
    commands: [date]
    runIf: "{{ inputs.fast }}"
    env: {DAY: "{{ inputs.day }}"}
""")
    condition = '({fast} == true and not ({day} == "x"))'
    whens = {path: run.task(path).when for path in ("choose/then", "choose/else", "pick/it-s", "pick/defaults")}
    assert whens == {
        "choose/then": condition,
        "choose/else": f"not ({condition})",
        "pick/it-s": '{day} == "it\'s"',
        "pick/defaults": 'not ({day} == "it\'s")',
    }
    assert run.argv("choose/else") == ("true",)
    assert [task.when for task in run.task("last").subtasks] == ["{fast} == true", "not ({fast} == true)"]
    assert run.tasks["last/run"].env == {"DAY": "{day}"}
    assert not run.losses


def test_value_that_is_no_input_is_not_compared_with_cases(imported):
    run = imported("""\
id: f
namespace: n
inputs: [{id: day, type: STRING, defaults: mon}, {id: fast, type: BOOLEAN, defaults: true}]
tasks:
  - id: pick
    type: io.kestra.plugin.core.flow.Switch
    value: "{{ inputs.fast or inputs.day }}"
    cases: {mon: [{id: a, type: io.kestra.plugin.core.log.Log, message: a}]}
""")
    assert run.task("pick/mon").when is None
    assert run.kind("pick/mon/a") == "brief"


def test_the_rest_is_listed_with_its_line(run):
    assert "environment of Genesis" in run.lost(12, "environment: ubuntu")
    assert "apart" in run.lost(6, "at most 1 at once")
    assert run.schedules == [{"name": "daily", "cron": "0 9 * * *"}]
    assert run.lost(3, "'day' of type DATE").startswith("left out")


_LOOP = """\
id: f
namespace: n
tasks:
  - id: each
    type: io.kestra.plugin.core.flow.ForEach
    concurrencyLimit: 0
    values: ["a b", 2]
    tasks:
      - {id: say, type: io.kestra.plugin.core.log.Log, message: "it is {{ taskrun.value }}"}
      - id: run
        type: io.kestra.plugin.scripts.shell.Commands
        commands: [date]
        env: {VALUE: "{{ taskrun.value }}"}
      - id: inner
        type: io.kestra.plugin.core.flow.Parallel
        tasks: [{id: deep, type: io.kestra.plugin.core.log.Log, message: "{{ taskrun.value }}"}]
"""


def test_loop_over_literals_is_a_copy_for_each_value(imported):
    run = imported(_LOOP)
    assert (run.task("each").for_each, run.task("each").max_parallel) == (["a b", 2], None)
    assert run.argv("each/0-a-b/say") == ("printf", "%s\\n", "it is {item}")
    assert run.task("each/say").inputs == {"item": "{item}"}
    assert run.task("each/run").env == {"VALUE": "{item}"}
    assert run.kind("each/0-a-b/inner/deep") == "brief"  # there it is the value of another task
    assert run.runs_in_order("each/1-2/say", "each/1-2/run", "each/1-2/inner/deep")
    assert run.runs_beside("each/0-a-b/say", "each/1-2/say")


def test_limit_of_a_loop_is_carried_over_and_what_a_failure_stops_is_reported(imported):
    run = imported(_LOOP.replace("concurrencyLimit: 0", "concurrencyLimit: 2").replace('["a b", 2]', "'[\"a\", 2]'"))
    assert (run.task("each").for_each, run.task("each").max_parallel) == (["a", 2], 2)
    assert run.lost(6, "concurrencyLimit 2") == "the other copies run although one fails"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("concurrencyLimit: 0", "concurrencyLimit: 1"), ("concurrencyLimit: 0", "description: in order"),
        ("concurrencyLimit: 0", "concurrencyLimit: x"), ('["a b", 2]', "'[NaN]'"),
        ("concurrencyLimit: 0", "concurrencyLimit:"),
        ('["a b", 2]', "'{{ inputs.x }}'"), ('["a b", 2]', "[a, a]"),
        ('["a b", 2]', "['{{ x }}']"), ('["a b", 2]', "[1, '1']"), ("flow.ForEach", "flow.EachSequential"),
    ],
)  # fmt: skip
def test_loop_that_cannot_be_said_exactly_is_one_group(imported, old, new):
    run = imported(_LOOP.replace(old, new))
    assert run.task("each").for_each is None
    assert run.kind("each/say") == run.kind("each/run") == "brief"
    assert run.lost(4, "Each").startswith("one task")


_TRIGGERED = """\
id: load
namespace: shop
inputs: [{id: day, type: STRING, defaults: mon}, {id: rows, type: INT, defaults: 3}]
tasks: [{id: a, type: io.kestra.plugin.scripts.shell.Commands, commands: ["echo {{ inputs.day }} {{ inputs.rows }}"]}]
triggers:
"""


@pytest.mark.parametrize(
    ("trigger", "schedule"),
    [
        ('cron: "0 9 * * *"', {"cron": "0 9 * * *"}),
        (
            'cron: "@hourly", timezone: Europe/Paris, disabled: true',
            {"cron": "@hourly", "timezone": "Europe/Paris", "active": False},
        ),
        ('cron: "0 9 * * *", inputs: {unknown: x}', "its input 'unknown' is no parameter"),
        ('cron: "0 9 * * *", conditions: [{type: x}]', "with conditions"),
        ('cron: "0 0 9 * * *", withSeconds: true', "with withSeconds"),
        ('cron: "0 0 9 * * *"', "6 fields"),
        ('cron: "0 9 * * *", timezone: Mars/Olympus', "no time zone"),
    ],
)
def test_triggers_by_the_clock_are_schedules(imported, trigger, schedule):
    kind = "io.kestra.plugin.core.trigger.Schedule"
    run = imported(f"{_TRIGGERED}  - {{id: daily, type: {kind}, {trigger}}}\n", "load.yml")
    if isinstance(schedule, dict):
        assert run.schedules == [{"name": "daily", **schedule}]
        return
    assert run.schedules == []
    [lost] = [each for each in run.losses if each.construct.startswith("start: ")]
    assert schedule in f"{lost.construct} {lost.outcome}"


def test_inputs_of_a_trigger_are_parameters_of_its_schedule(imported):
    body = """\
id: load
namespace: shop
inputs: [{id: stage, type: STRING, defaults: dev}]
tasks:
  - id: choose
    type: io.kestra.plugin.core.flow.If
    condition: "{{ inputs.stage == 'prod' }}"
    then: [{id: yes1, type: io.kestra.plugin.core.log.Log, message: one}]
triggers:
  - {id: good, type: io.kestra.plugin.core.trigger.Schedule, cron: "0 9 * * *", inputs: {stage: prod}}
  - {id: bad, type: io.kestra.plugin.core.trigger.Schedule, cron: "0 9 * * *", inputs: {stage: [1]}}
"""
    run = imported(body, "load.yml")
    assert run.schedules == [{"name": "good", "cron": "0 9 * * *", "params": {"stage": "prod"}}]
    assert "type of the parameter" in run.lost(11, "start: trigger Schedule")


_PAUSES = """\
id: wait
namespace: shop
tasks:
  - {id: a, type: io.kestra.plugin.core.log.Log, message: one}
  - {id: pause, type: io.kestra.plugin.core.flow.Pause, pauseDuration: PT15M}
  - {id: old, type: io.kestra.plugin.core.flow.Pause, delay: PT30S}
  - {id: person, type: io.kestra.plugin.core.flow.Pause}
  - {id: asks, type: io.kestra.plugin.core.flow.Pause, pauseDuration: PT1M, onResume: [{id: ok, type: BOOLEAN}]}
  - {id: fails, type: io.kestra.plugin.core.flow.Pause, pauseDuration: PT1M, behavior: FAIL}
  - {id: maybe, type: io.kestra.plugin.core.flow.Pause, pauseDuration: PT1M, runIf: "{{ outputs.a.x == 1 }}"}
"""


def test_a_pause_of_a_duration_waits_and_any_other_is_a_work_order(imported):
    run = imported(_PAUSES, "wait.yml")
    waits = {name: task.wait_for.time for name, task in run.tasks.items() if task.wait_for}
    assert waits == {"pause": 900.0, "old": 30.0}
    assert (run.tasks["pause"].agent, run.tasks["pause"].inputs) == (None, {})
    assert run.runs_in_order("a", "pause", "old", "person", "asks", "fails", "maybe")
    assert {each.task for each in run.losses if "a resumption" in each.construct} == {"person", "asks", "fails"}
    assert run.tasks["maybe"].agent is not None


def test_a_flow_that_only_waits_has_an_agents_file(imported):
    text = "id: wait\nnamespace: shop\ntasks: [{id: a, type: io.kestra.plugin.core.flow.Pause, pauseDuration: PT1M}]\n"
    assert imported(text, "wait.yml").tasks["a"].wait_for.time == 60.0


_FILES = """\
id: files
namespace: shop.team
tasks:
  - id: extract
    type: io.kestra.plugin.scripts.shell.Commands
    commands: ["echo 1 > rows.csv; echo 2 > other.csv; echo 3 > x.log"]
    outputFiles: [rows.csv, sub/other.csv, "*.log"]
  - id: load-it
    type: io.kestra.plugin.scripts.python.Script
    script: print(open("data/in.csv").read())
    inputFiles:
      data/in.csv: "{{ outputs.extract.outputFiles['rows.csv'] }}"
      again.csv: '{{outputs["extract"].outputFiles["rows.csv"]}}'
  - id: partly
    type: io.kestra.plugin.scripts.shell.Commands
    commands: [cat a b]
    inputFiles:
      a: "{{ outputs.extract.outputFiles['rows.csv'] }}"
      b: "{{ outputs.extract.outputFiles['x.log'] }}"
  - id: none
    type: io.kestra.plugin.core.http.Request
    uri: example.org
    inputFiles: {a: "{{ outputs.extract.outputFiles['rows.csv'] }}"}
"""


def test_files_that_scripts_hand_on_are_carried_over_and_the_rest_is_reported(imported):
    run = imported(_FILES, "files.yml")
    assert run.tasks["extract"].files == {"out": {"rows-csv": "rows.csv"}}
    assert run.tasks["load-it"].files == {
        "in": {"data/in.csv": "{extract.files.rows-csv}", "again.csv": "{extract.files.rows-csv}"}
    }
    lost = [(loss.task, loss.construct) for loss in run.losses if loss.construct.startswith("files: ")]
    assert [task for task, _ in lost] == ["extract", "partly", "none"]
    assert "sub/other.csv" in lost[0][1]
    assert "rows.csv" not in lost[0][1]
    assert run.tasks["partly"].files == run.tasks["none"].files == {}


def test_a_file_of_a_task_that_a_person_does_is_reported(imported):
    text = _FILES.replace("echo 1 >", "echo {{ now() }} >")
    run = imported(text, "files.yml")
    assert "files" not in run.tasks["extract"].model_dump()
    assert run.tasks["load-it"].files == {}
    assert ("load-it", "not there: a person does that task") in {(loss.task, loss.outcome) for loss in run.losses}


def test_files_in_loops_and_shared_folders_are_reported(imported):
    inner = "\n".join(f"    {line}" for line in _FILES.splitlines()[3:])
    kind = "io.kestra.plugin.core.flow.WorkingDirectory"
    text = f"id: files\nnamespace: n\ntasks:\n  - id: w\n    type: {kind}\n    tasks:\n{inner}\n"
    run = imported(text, "files.yml")
    assert all(not task.files for task in run.tasks.values())
