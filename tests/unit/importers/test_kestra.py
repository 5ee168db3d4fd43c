"""Flows of Kestra."""

import pytest

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
    assert (agent.secrets, agent.executor.env) == (("KEY",), {"MODE": "fast"})
    assert (run.tasks["both/shell"].retries, run.tasks["both/shell"].timeout_s) == (2, 90)


def test_conditions_expressions_and_handlers_are_work_orders(run):
    orders = {path for path in run.tasks if run.kind(path) == "brief"}
    assert orders == {"both/python", "choose/then/yes1", "choose/else/no1", "graph/c", "errors/alarm"}
    assert "work order" in run.lost(21, "condition: {{ inputs.day == 'x' }}")
    assert "work order" in run.lost(22, "condition: not {{ inputs.day == 'x' }}")
    assert "work order" in run.lost(17, "{{ inputs.day }}")
    assert "work order" in run.lost(29, "only if a task before it failed")


def test_the_rest_is_listed_with_its_line(run):
    assert run.lost(28, "its failure is allowed") == "its failure fails the run"
    assert "environment of Genesis" in run.lost(12, "environment: ubuntu")
    assert run.lost(15, "pauses between attempts") == "those of Genesis"
    assert "apart" in run.lost(6, "at most 1 at once")
    assert run.lost(30, "Schedule 0 9 * * *").startswith("left out")
    assert run.lost(3, "'day' of type DATE").startswith("left out")
