"""An agent fails in every way that agents fail: what the run, and whoever reads it, gets."""

import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time

import pytest

from genesis.compile import compile_program
from genesis.engine.executor_context import executors, make_executor_context
from genesis.model import Alternative, Registry, Route, RoutedPlan
from genesis.settings import LlmSettings
from genesis.testing.llm_server import FakeLlmServer, answers, html, reply, slow, status
from genesis.testing.plans import a_plan, a_task, an_agent
from genesis.testing.processes import is_running

pytestmark = pytest.mark.server

_HANG_S = 60.0


def http(url, **more):
    return {"kind": "http", "url": url, **more}


def command(code):
    return {"kind": "command", "argv": [sys.executable, "-c", code]}


def python(function):
    return {"kind": "python", "call": f"faults:{function.__name__}"}


async def outcome_of(bench, executor, *, then=None, task=None, functions=(), sandbox="preferred", **how):
    """Run one task on an agent with this executor; `then` are the executors of its runners-up, by name."""
    agents = [an_agent("first", executor=executor, sandbox=sandbox)]
    agents += [an_agent(name, executor=other) for name, other in (then or {}).items()]
    plan = a_plan(a_task("x", **(task or {})))
    others = tuple(Alternative(agent=agent.name, score=0.5) for agent in agents[1:])
    route = Route(agent="first", score=1.0, reason="the test says so", alternatives=others)
    program = compile_program(RoutedPlan(plan=plan, routes={"x": route}), Registry(agents=tuple(agents)))
    named = {f"faults:{function.__name__}": function for function in functions}
    tools = make_executor_context(bench.settings, named)
    run = await bench.run(program, executors(program, tools, rehearse=None, model=bench.settings.llm.model), **how)
    assert run.ended_at is not None
    return run, run.tasks[0]


def works(**inputs):
    return {"by": "python", **inputs}


# Python functions


def raises():
    raise ValueError("no such customer")


def hangs():
    time.sleep(_HANG_S)


async def hangs_on_the_loop():
    await asyncio.sleep(_HANG_S)


def return_no_json():
    return {"lock": threading.Lock()}


def return_too_much():
    return "x" * 200_000


def return_something_else():
    return {"summary": "yes"}


def exits():
    sys.exit(3)


def calls_itself():
    return calls_itself()


def is_interrupted():
    raise KeyboardInterrupt


def stops():
    raise StopIteration("empty")


def never_existed():
    """Not given to the run."""


@pytest.mark.parametrize(
    ("function", "code", "said"),
    [
        (raises, "GEN-TASK", "ValueError: no such customer"),
        (hangs, "GEN-TASK-TIMEOUT", "0.5 s"),
        (hangs_on_the_loop, "GEN-TASK-TIMEOUT", "0.5 s"),
        (return_no_json, "GEN-TASK", "cannot be kept as JSON"),
        (return_too_much, "GEN-TASK-RESULT-SIZE", "at most 100,000 are kept"),
        (return_something_else, "GEN-TASK-OUTPUTS", "promised 'report', which its result does not have"),
        (exits, "GEN-TASK", "exit"),
        (calls_itself, "GEN-TASK", "RecursionError"),
        (is_interrupted, "GEN-TASK", "KeyboardInterrupt"),
        (stops, "GEN-TASK", "StopIteration"),
        (never_existed, "GEN-TASK", "faults"),
    ],
)
async def test_a_python_function_that(bench, function, code, said):
    limits = bench.settings.limits.model_copy(update={"result_inline_bytes": 1_000, "result_bytes": 100_000})
    bench.settings = bench.settings.model_copy(update={"limits": limits})
    task = {"timeout_s": 0.5} if "hangs" in function.__name__ else {}
    task |= {"outputs": ["report"]} if function is return_something_else else {}
    given = () if function is never_existed else (function,)
    run, x = await outcome_of(bench, python(function), task=task, functions=given)
    assert (run.state, x.state) == ("failed", "failed")
    assert (x.error.code, said in x.error.message) == (code, True), x.error
    assert run.error.code == "GEN-RUN-FAILED"
    assert bench.store  # the process is alive


_DIES = """
import asyncio, os, sys
import genesis
from genesis.testing.plans import a_plan, a_task, an_agent, route_to
from genesis import compile_program

def dies():
    if os.environ.get("DIES"):
        os._exit(9)
    return {"late": True}

def fine():
    return {"early": True}

agents = [an_agent(name, executor={"kind": "python", "call": f"__main__:{name}"}) for name in ("fine", "dies")]
plan = a_plan(a_task("a", agent="fine"), a_task("b", agent="dies", after=("a",)))
program = compile_program(*route_to(plan, *agents))
functions = [genesis.agent(name=f.__name__, task_types=["generic"])(f) for f in (fine, dies)]
if sys.argv[1:]:
    run = asyncio.run(genesis.resume(sys.argv[1], functions=functions))
else:
    run = asyncio.run(genesis.run(program, functions=functions))
print(run.model_dump_json())
"""


async def test_an_agent_that_ends_the_whole_process_leaves_a_run_that_can_be_resumed(prefect_api, tmp_path):
    script = tmp_path / "dies.py"
    script.write_text(_DIES)
    folder = tmp_path / "storage"
    environment = os.environ | {"PREFECT_LOCAL_STORAGE_PATH": str(folder), "PREFECT_API_URL": prefect_api.api_url}
    died = await _python(script, environment=environment | {"DIES": "1"})
    assert died.returncode == 9
    (run_id,) = [path.name for path in (folder / "genesis").iterdir()]
    again = await _python(script, run_id, environment=environment)
    assert again.returncode == 0, again.stderr
    run = json.loads(again.stdout.splitlines()[-1])
    assert (run["run_id"], run["state"]) == (run_id, "completed")
    assert [task["attempts"] for task in run["tasks"]] == [1, 1]  # the first is kept, the second left no word
    assert [task["result"] for task in run["tasks"]] == [{"early": True}, {"late": True}]


async def _python(*arguments, environment):
    command_line = [sys.executable, *map(str, arguments)]
    return await asyncio.to_thread(
        subprocess.run, command_line, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


# Programs


@pytest.mark.parametrize(
    ("code", "error", "said"),
    [
        ("import sys; print('no disk', file=sys.stderr); sys.exit(4)", "GEN-TASK-EXIT", "exit code 4: no disk"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "GEN-TASK-EXIT", "was ended by SIGKILL"),
        ("import os; os.abort()", "GEN-TASK-EXIT", "was ended by SIGABRT"),
        ("print('not what was asked for')", "GEN-TASK-OUTPUTS", "promised 'report'"),
        ("print('{\"report\": ')", "GEN-TASK-OUTPUTS", "promised 'report'"),
        ("import os; os.close(1); os.close(2)", "GEN-TASK-OUTPUTS", "promised 'report'"),
    ],
)
async def test_a_program_that_ends_badly(bench, code, error, said):
    run, x = await outcome_of(bench, command(code), task={"outputs": ["report"]})
    assert (run.state, x.error.code) == ("failed", error)
    assert said in x.error.message


async def test_a_program_that_hangs_and_hears_no_signal_is_killed_with_its_children(bench, tmp_path):
    note = tmp_path / "children"
    code = (
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = os.fork()\n"
        f"open({str(note)!r}, 'a').write(f'{{os.getpid()}}\\n')\n"
        "time.sleep(60)\n"
    )
    run, x = await outcome_of(bench, command(code), task={"timeout_s": 1.0}, sandbox="off")
    assert (run.state, x.error.code) == ("failed", "GEN-TASK-TIMEOUT")
    for number in map(int, note.read_text().split()):
        await _wait_until_gone(number)


async def _wait_until_gone(number):
    async with asyncio.timeout(20):
        while is_running(number):
            await asyncio.sleep(0.05)


async def test_a_program_that_is_not_there(bench):
    run, x = await outcome_of(bench, {"kind": "command", "argv": ["no-such-program-here"]}, task={"retries": 2})
    assert (run.state, x.attempts) == ("failed", 1)
    assert x.error.message == "there is no program 'no-such-program-here' here"


async def test_a_program_that_never_stops_talking_is_cut(bench):
    limits = bench.settings.limits.model_copy(update={"output_bytes": 1_000})
    bench.settings = bench.settings.model_copy(update={"limits": limits})
    run, x = await outcome_of(bench, command("for _ in range(100_000): print('word ' * 10)"))
    assert run.state == "completed"
    assert len(x.result["stdout"]) == 1_000
    assert x.result["omitted_bytes"] > 1_000_000


# Web services


def closes(handler):
    handler.connection.shutdown(socket.SHUT_RDWR)


def resets(handler):
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def breaks_off(handler):
    handler.send_response(200)
    handler.send_header("content-length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"half": ')
    handler.wfile.flush()
    closes(handler)


def send_nothing(handler):
    handler.server.released.wait(_HANG_S)


def drips(handler):
    handler.send_response(200)
    handler.end_headers()
    while not handler.server.released.wait(0.05):
        handler.wfile.write(b" ")
        handler.wfile.flush()


def speaks_no_http(handler):
    handler.wfile.write(b"220 mail.example ESMTP\r\n")
    closes(handler)


def answer(code, body=b"{}", **headers):
    return [(code, {name.replace("_", "-"): value for name, value in headers.items()}, body)]


@pytest.mark.parametrize(
    ("does", "code", "said"),
    [
        (answer(500, b"oops"), "GEN-SERVICE", "answered 500: oops"),
        (answer(503), "GEN-SERVICE", "answered 503"),
        (answer(429, b"slow down"), "GEN-SERVICE-BUSY", "answered 429: slow down"),
        (answer(401), "GEN-TASK-REFUSED", "answered 401"),
        (answer(404, b"nothing here"), "GEN-TASK-REFUSED", "answered 404: nothing here"),
        (answer(200, b"<html>Sign in</html>", content_type="text/html"), "GEN-TASK", "is not the JSON"),
        (answer(200, b'{"summary": 1}'), "GEN-TASK-OUTPUTS", "promised 'report'"),
        (answer(200, b"null"), "GEN-TASK-OUTPUTS", "promised 'report'"),
        (answer(200, b""), "GEN-TASK-OUTPUTS", "promised 'report'"),
        (answer(200, b'"' + b"x" * 5_000 + b'"'), "GEN-TASK-RESULT-SIZE", "more than 1000 bytes"),
        (answer(307, location="/work"), "GEN-TASK-REFUSED", "redirects more than 5 times"),
        (answer(302, location="/elsewhere"), "GEN-TASK-REFUSED", "would drop the work it carries"),
        (answer(307, location="http://127.0.0.2:9/work"), "GEN-TASK-REFUSED", "another host or port"),
        (closes, "GEN-SERVICE", "cannot be reached"),
        (resets, "GEN-SERVICE", "cannot be reached"),
        (breaks_off, "GEN-SERVICE", "cannot be reached"),
        (speaks_no_http, "GEN-SERVICE", "cannot be reached"),
        (send_nothing, "GEN-TASK-TIMEOUT", "0.5 s"),
        (drips, "GEN-TASK-TIMEOUT", "0.5 s"),
    ],
)
async def test_a_web_service_that(bench, service, does, code, said):
    limits = bench.settings.limits.model_copy(update={"output_bytes": 1_000})
    bench.settings = bench.settings.model_copy(update={"limits": limits})
    service.does["/work"] = does
    task = {"outputs": ["report"], "timeout_s": 0.5 if does in (send_nothing, drips) else 20.0}
    run, x = await outcome_of(bench, http(service.url("/work")), task=task)
    assert (run.state, x.state, x.attempts) == ("failed", "failed", 1)
    assert (x.error.code, said in x.error.message) == (code, True), x.error


async def test_a_web_service_that_is_not_there(bench, unused_url):
    _, x = await outcome_of(bench, http(unused_url))
    assert (x.error.code, x.error.hint) == (
        "GEN-SERVICE",
        "check that the service is running and that the executor's url is correct",
    )


async def test_a_web_service_whose_name_nobody_knows(bench, monkeypatch):
    known = socket.getaddrinfo

    def resolve(host, *more, **how):
        if host in ("nowhere.example", b"nowhere.example"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return known(host, *more, **how)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    _, x = await outcome_of(bench, http("http://nowhere.example/work"))
    assert x.error.code == "GEN-SERVICE"
    assert "not known" in x.error.message


async def test_a_web_service_that_speaks_no_tls(bench, service):
    service.does["/work"] = answer(200)
    _, x = await outcome_of(bench, http(service.url("/work").replace("http:", "https:")))
    assert x.error.code == "GEN-SERVICE"
    assert "SSL" in x.error.message


async def test_a_web_service_that_comes_back_is_asked_again(bench, service):
    service.does["/work"] = answer(503) + answer(500) + answer(200, b'{"ok": true}')
    run, x = await outcome_of(bench, http(service.url("/work")), task={"retries": 2})
    assert (run.state, x.attempts, x.result) == ("completed", 3, {"ok": True})


async def test_a_refusal_is_not_asked_again(bench, service):
    service.does["/work"] = answer(404) + answer(200)
    run, x = await outcome_of(bench, http(service.url("/work")), task={"retries": 2})
    assert (run.state, x.attempts, service.asked) == ("failed", 1, ["/work"])


# Language models


@pytest.mark.parametrize(
    ("steps", "code", "said"),
    [
        ([status(500)], "GEN-MODEL-SERVER", "failed on its own side"),
        ([status(429, retry_after_s=0)], "GEN-MODEL-RATE-LIMIT", "limits the rate"),
        ([status(401)], "GEN-MODEL-AUTH", "refused the key"),
        ([status(404)], "GEN-MODEL-NOT-FOUND", ""),
        ([html()], "GEN-MODEL-NOT-API", ""),
        ([reply("I would rather not")], "GEN-MODEL-ANSWER", ""),
        ([answers({"other": "x"})], "GEN-MODEL-ANSWER", ""),
        ([answers({"report": ""})], "GEN-MODEL-ANSWER", "did not return 'report'"),
        ([slow(_HANG_S)], "GEN-TASK-TIMEOUT", "1 s"),
    ],
)
async def test_a_language_model_that(bench, steps, code, said):
    timeout_s = 1.0 if steps[0].delay_s else 30.0
    with FakeLlmServer(steps) as server:
        bench.settings = bench.settings.model_copy(update={"llm": server.settings(timeout_s=3 * timeout_s)})
        run, x = await outcome_of(bench, {"kind": "llm"}, task={"outputs": ["report"], "timeout_s": timeout_s})
        asked = len(server.requests)
    assert (run.state, x.attempts) == ("failed", 1)
    assert (x.error.code, said in x.error.message) == (code, True), x.error
    assert asked <= 8


async def test_a_language_model_that_is_not_there(bench, unused_url):
    settings = LlmSettings(model="openai:x", base_url=unused_url, api_key="k", timeout_s=5.0)
    bench.settings = bench.settings.model_copy(update={"llm": settings})
    run, x = await outcome_of(bench, {"kind": "llm"})
    assert (run.state, x.error.code) == ("failed", "GEN-MODEL-UNREACHABLE")


# People and deployments


async def test_a_work_order_that_cannot_be_written(bench, tmp_path):
    (tmp_path / "ledger" / "genesis" / "r1").mkdir(parents=True)
    (tmp_path / "ledger" / "genesis" / "r1" / "files").write_text("in the way")
    run, x = await outcome_of(bench, {"kind": "brief"}, run_id="r1")
    assert (run.state, x.error.code) == ("failed", "GEN-RESOURCE")
    assert x.error.hint == "check the folder and its permissions"


async def test_a_deployment_that_does_not_exist(bench):
    run, x = await outcome_of(bench, {"kind": "deployment", "name": "nothing/here"})
    assert (run.state, x.error.code, x.error.hint) == ("failed", "GEN-TASK", "run: prefect deployment ls")
    assert "'nothing/here' cannot be run" in x.error.message


@pytest.mark.parametrize("ending", ["Crashed", "Failed", "Cancelled"])
async def test_a_deployment_whose_run_ends(bench, deployment, ending):
    name, ended = deployment
    told = asyncio.create_task(ended(ending))
    run, x = await outcome_of(bench, {"kind": "deployment", "name": name}, task={"timeout_s": 60.0})
    await told
    assert (run.state, x.error.code) == ("failed", "GEN-TASK")
    assert f"ended {ending}: the test says so" in x.error.message


async def test_a_deployment_that_nobody_runs_ends_with_the_tasks_time_and_is_cancelled(bench, deployment):
    from prefect.client.orchestration import get_client

    name, _ = deployment
    _, x = await outcome_of(bench, {"kind": "deployment", "name": name}, task={"timeout_s": 1.5})
    assert x.error.code == "GEN-TASK-TIMEOUT"
    async with get_client() as client:
        (run,) = await client.read_flow_runs(deployment_filter=await _of(client, name))
    assert run.state.type.value in ("CANCELLING", "CANCELLED")


async def _of(client, name):
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId

    found = await client.read_deployment_by_name(name)
    return DeploymentFilter(id=DeploymentFilterId(any_=[found.id]))


@pytest.fixture
async def deployment(prefect_api, tmp_path):
    """A deployment that no worker serves, and a way to end its flow run by hand."""
    from prefect import flow
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.states import Cancelled, Crashed, Failed

    states = {"Cancelled": Cancelled, "Crashed": Crashed, "Failed": Failed}
    unique = f"faults-{os.getpid()}-{time.monotonic_ns()}"

    @flow(name=unique)
    def nothing():
        pass

    async with get_client() as client:
        await client.create_work_pool(WorkPoolCreate(name=unique, type="process"))
        flow_id = await client.create_flow(nothing)
        await client.create_deployment(flow_id, name="prod", work_pool_name=unique, entrypoint="x.py:nothing")
        name = f"{unique}/prod"

        async def wait_for_outcome(how):
            async with asyncio.timeout(60), get_client() as other:
                while not (found := await other.read_flow_runs(deployment_filter=await _of(other, name))):
                    await asyncio.sleep(0.05)
                await other.set_flow_run_state(found[0].id, states[how](message="the test says so"), force=True)

        yield name, wait_for_outcome
        await client.delete_work_pool(unique)


# Who takes over


@pytest.mark.parametrize("does", [answer(500), answer(503, Retry_After="3600"), closes, breaks_off])
async def test_another_agent_takes_over_from_a_service_that_fails(bench, service, does):
    service.does["/work"] = does
    run, x = await outcome_of(bench, http(service.url("/work")), then={"second": python(works)}, functions=[works])
    assert (run.state, x.agent, x.result) == ("completed", "second", {"by": "python"})
    assert x.note.startswith("first failed: GEN-SERVICE: ")
    assert x.note.endswith("; second took it over")
    assert x.error is None


async def test_another_agent_takes_over_from_one_that_hangs(bench, service):
    service.does["/work"] = send_nothing
    then = {"second": python(works)}
    run, x = await outcome_of(bench, http(service.url("/work")), then=then, functions=[works], task={"timeout_s": 0.5})
    assert (run.state, x.agent) == ("completed", "second")


async def test_a_model_that_fails_is_replaced_by_a_program(bench):
    with FakeLlmServer([status(500)]) as server:
        bench.settings = bench.settings.model_copy(update={"llm": server.settings()})
        run, x = await outcome_of(bench, {"kind": "llm"}, then={"second": command('print(\'{"by": "program"}\')')})
    assert (run.state, x.agent, x.result) == ("completed", "second", {"by": "program"})


@pytest.mark.parametrize(
    ("task", "executor"),
    [
        ({"agent": "first"}, None),
        ({"side_effects": True}, None),
        ({}, command("raise SystemExit(1)")),
    ],
)
async def test_nobody_takes_over_what_is_pinned_or_has_effects_or_was_refused(bench, service, task, executor):
    service.does["/work"] = answer(500)
    first = executor or http(service.url("/work"))
    run, x = await outcome_of(bench, first, then={"second": python(works)}, functions=[works], task=task)
    assert (run.state, x.agent, x.note) == ("failed", "first", "")


async def test_when_all_fail_the_last_reason_stays_and_the_note_has_the_first(bench, service):
    service.does |= {"/work": answer(500), "/other": answer(503)}
    run, x = await outcome_of(bench, http(service.url("/work")), then={"second": http(service.url("/other"))})
    assert (run.state, x.agent, x.attempts) == ("failed", "second", 2)
    assert "answered 503" in x.error.message
    assert "answered 500" in x.note
