"""A secret that a process knows and that an agent puts into an exception is found in no exit."""

import base64
import json
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, LogFilter, LogFilterFlowRunId
from prefect.logging.handlers import APILogHandler

from genesis.errors import TaskError
from genesis.security.known_secrets import secrets_of_process
from genesis.testing import a_program, a_task

pytestmark = [
    pytest.mark.server,
    # left by Prefect's clients of log lines
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

SECRET = "correct-horse/battery?staple"
FORMS = {
    "plain": SECRET,
    "base64": base64.b64encode(f"user:{SECRET}".encode()).decode(),
    "hex": SECRET.encode().hex(),
    "url": "correct-horse%2Fbattery%3Fstaple",
}


class Fails:
    """Raises the secret in each form, with a cause that has it, too."""

    async def execute(self, work):
        try:
            raise ValueError(f"cause {SECRET}")
        except ValueError as cause:
            error = TaskError(f"refused {FORMS[work.path]}", hint=f"try {SECRET}")
            if work.path == "plain":
                error = RuntimeError(f"refused {SECRET}")
            raise error from cause


async def _exits(run, folder):
    """Return all texts that a run leaves behind, by where."""
    found = {"run": run.model_dump_json()}
    found |= {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
    flow_run_id = UUID(run.ui_url.rpartition("/")[2])
    chosen = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id]))
    await APILogHandler.aflush()
    async with get_client() as client:
        for flow_run in await client.read_flow_runs(flow_run_filter=chosen):
            found["flow run"] = flow_run.model_dump_json()
        for task_run in await client.read_task_runs(flow_run_filter=chosen):
            found[f"task run {task_run.name}"] = task_run.model_dump_json()
        logs = await client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[flow_run_id])), limit=200)
        found["logs"] = json.dumps([log.message for log in logs])
        for artifact in await client.read_artifacts(flow_run_filter=chosen):
            found[f"artifact {artifact.key} {artifact.id}"] = artifact.model_dump_json()
    return found


@pytest.mark.parametrize("known", [True, False], ids=["known", "control"])
async def test_a_known_secret_in_an_exception_is_in_no_exit(workbench, tmp_path, known):
    secrets_of_process.cache_clear()
    if known:
        secrets_of_process().add(SECRET)
    try:
        run = await workbench.run(a_program(*(a_task(form) for form in FORMS)), Fails())
        assert {task.state for task in run.tasks} == {"failed"}
        exits = await _exits(run, tmp_path)
    finally:
        secrets_of_process.cache_clear()
    assert len(exits) > 8
    leaks = [(where, form) for where, text in exits.items() for form, shape in FORMS.items() if shape[8:-8] in text]
    assert (leaks == []) == known, leaks
