"""GitHub Actions workflows."""

import pytest

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
      - {name: Test, run: "tox -e ${{ matrix.py }}", timeout-minutes: 2}
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
    assert list(run.tasks) == ["lint/checkout", "lint/run", "unit/Test", "deploy/push", "notify/Tell"]
    assert run.runs_in_order("lint/checkout", "lint/run", "deploy/push", "notify/Tell")
    assert run.starts_after("unit/Test", "deploy/push")
    assert run.runs_beside("lint/checkout", "unit/Test")


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
    assert agent.executor.env == {"LEVEL": "high", "WORDS": "shipped {LEVEL}"}
    assert "set the environment variable HOOK" in run.lost(35, "secret HOOK")
    assert "set the environment variable API_TOKEN" in run.lost(35, "secret API_TOKEN")
    written = run.imported.plan.model_dump_json() + run.imported.registry.model_dump_json()
    assert "plain-text-value" not in written
    assert "secrets." not in written


def test_action_condition_and_expression_become_work_orders(run):
    assert [run.kind(path) for path in run.tasks] == ["brief", "command", "brief", "brief", "command"]
    assert "work order" in run.lost(11, "action actions/checkout@v4")
    assert "work order" in run.lost(18, "expressions: ${{ matrix.py }}")
    assert "work order" in run.lost(21, "condition: github.ref == 'refs/heads/main'")
    assert run.tasks["unit/Test"].inputs["script"] == "tox -e ${{ matrix.py }}"


def test_what_the_plan_cannot_say_is_listed_with_its_line(run):
    assert run.lost(3, "event push").startswith("left out")
    assert run.lost(5, "schedule 5 4 * * *").startswith("left out")
    assert run.lost(14, 'matrix {"py": ["3.11", "3.12"]}, max-parallel 1').startswith("one task")
    assert run.lost(16, "time limit of the group: 1800 s") == "left out"
    assert run.lost(27, "(always)") == "it runs if all of them succeeded"
    assert run.lost(34, "its failure is allowed") == "its failure fails the run"
    assert "environment of Genesis" in run.lost(22, "environment: self-hosted")
    assert run.tasks["unit/Test"].timeout_s == 120


def test_step_with_the_secret_in_its_script_does_not_keep_it(imported):
    run = imported("on: push\njobs:\n  a:\n    steps:\n    - run: curl -u me:${{ secrets.PW }} example.org\n")
    assert run.kind("a/run") == "brief"
    assert run.tasks["a/run"].inputs["script"] == "curl -u me:<secret> example.org"


def test_job_that_runs_when_another_failed_is_a_work_order(imported):
    run = imported("on: push\njobs:\n  a: {steps: [{run: x}]}\n  b: {needs: a, if: failure(), steps: [{run: y}]}\n")
    assert run.kind("b/run") == "brief"
    assert "work order" in run.lost(4, "only if a task before it failed")


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
