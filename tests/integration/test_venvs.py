"""Tasks in virtual environments, which pip makes of a wheel in a folder: no network."""

import asyncio
import sys
import zipfile

import pytest

from genesis.agents import ExecutorContext, build_executor, venvs
from genesis.agents.contract import Work
from genesis.agents.venvs import prepare_venv, venv_key
from genesis.errors import TaskError
from genesis.model import CommandSpec, PythonSpec
from genesis.settings import Settings
from genesis.testing import an_agent

REQUIREMENTS = ("genesis-thing==1.0",)
MODULE = "VALUE = 41\ndef main():\n    print('from the environment')\n"
TEAM = """
import sys
import genesis_thing

def add(n): return {"sum": genesis_thing.VALUE + n}
async def wait(n): return n
def fail(): raise ValueError("it broke")
def leave(): sys.exit(3)
def need(work): return work
def odd(): return {1, 2}
"""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """Make a wheel with a module and a program."""
    folder = tmp_path_factory.mktemp("wheels")
    about = "genesis_thing-1.0.dist-info"
    with zipfile.ZipFile(folder / "genesis_thing-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("genesis_thing.py", MODULE)
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: genesis-thing\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/entry_points.txt", "[console_scripts]\ngenesis-thing = genesis_thing:main\n")
        wheel.writestr(f"{about}/RECORD", "")
    return folder


@pytest.fixture
def environment(wheels):
    return {"PATH": "/usr/bin:/bin", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_CONFIG_FILE": "/dev/null"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Keep one environment for all tests that need not make it themselves."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def execute(home, environment, tmp_path):
    async def run(spec, outputs=(), **inputs):
        context = ExecutorContext(settings=Settings(home=home), environment=environment)
        work = Work(
            run_id="r", correlation_id="c", request="-", path="a", type="generic", description="-", inputs=inputs,
            outputs=outputs, agent=an_agent("worker"), folder=tmp_path, requirements=REQUIREMENTS,
        )  # fmt: skip
        return (await build_executor(spec, context).execute(work)).value

    return run


async def test_a_command_finds_the_programs_of_its_environment(execute):
    found = await execute(CommandSpec(kind="command", argv=("genesis-thing",)))
    assert found == {"stdout": "from the environment\n"}


@pytest.fixture
def team(tmp_path, monkeypatch):
    (tmp_path / "venv_team.py").write_text(TEAM)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])


def call(name):
    return PythonSpec(kind="python", call=f"venv_team:{name}")


@pytest.mark.usefixtures("team")
async def test_a_function_is_called_by_the_environments_interpreter(execute):
    assert await execute(call("add"), n=1, other=2) == {"sum": 42}
    assert await execute(call("wait"), outputs=("n",), n=[1]) == {"n": [1]}


@pytest.mark.usefixtures("team")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("fail", "ValueError: it broke"),
        ("leave", "its process ended with code 3"),
        ("need", "cannot take the work itself"),
        ("odd", "TypeError: Object of type set is not JSON serializable"),
        ("nothing", "AttributeError: module 'venv_team' has no attribute 'nothing'"),
    ],
)
async def test_what_goes_wrong_in_the_environment_is_an_error_of_the_task(execute, name, said):
    with pytest.raises(TaskError, match=said):
        await execute(call(name))


async def test_two_tasks_at_once_make_an_environment_once_and_a_third_uses_it(tmp_path, environment, monkeypatch):
    made = []
    run = venvs._run

    async def counted(argv, *rest):
        made.append(argv[2])
        await run(argv, *rest)

    monkeypatch.setattr(venvs, "_run", counted)
    prepare = [prepare_venv(REQUIREMENTS, home=tmp_path, environment=environment) for _ in range(3)]
    first, second = await asyncio.gather(*prepare[:2])
    assert (first, await prepare[2]) == (second, first)
    assert made == ["venv", "pip"]


async def test_what_a_killed_process_has_left_is_made_anew(tmp_path, environment):
    left = tmp_path / "venvs" / venv_key(REQUIREMENTS)
    left.mkdir(parents=True)
    (left / "half").touch()
    folder = await prepare_venv(REQUIREMENTS, home=tmp_path, environment=environment)
    assert folder == left
    assert not (left / "half").exists()


async def test_a_package_that_is_not_there_is_a_clear_error_with_pips_last_lines(tmp_path, environment):
    with pytest.raises(
        TaskError, match=r"(?s)with no-such-thing can be made here:.*No matching distribution"
    ) as caught:
        await prepare_venv(["no-such-thing"], home=tmp_path, environment=environment)
    assert caught.value.code == "GEN-TASK-VENV"
