"""Whoever has the password of the Prefect API wants a worker to run other code, or with other settings."""

import copy

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.filesystems import LocalFileSystem
from worker_fleet import Fleet

from genesis import workers
from genesis.observability.instruments import WORKER_REFUSALS
from genesis.observability.metrics import metrics_of_process
from genesis.planning import plan_document
from genesis.settings import WorkerSettings
from genesis.testing import a_program, a_task
from genesis.workers.code_policy import CodePolicy
from genesis.workers.configuration import GenesisJobConfiguration

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

OURS = "genesis.flows.deployed.agent_task"
FILE = "flows/agent_task.py:agent_task"
SECRET = "word-of-the-worker-alone"


@pytest.fixture
async def fleet(prefect_api, tmp_path, monkeypatch, warm_fork_servers):
    monkeypatch.setenv("WORKERS_OWN", SECRET)
    async with get_client() as client:
        made = Fleet(client, tmp_path, warm_fork_servers)
        yield made
        await made.close()


class Stranger:
    """What a user of the API can make, and the marker that foreign code leaves."""

    def __init__(self, client, folder, pool):
        self.client, self.folder, self.pool = client, folder, pool
        self.code = folder / "evil"
        self.repository = self.code / "flows"
        self.repository.mkdir(parents=True)
        text = (
            "from pathlib import Path\nfrom prefect import flow\n"
            f"Path({str(folder)!r}, 'MARKER').touch()\n"
            "@flow\ndef agent_task(): pass\n"
        )
        (self.repository / "agent_task.py").write_text(text)
        (self.code / "evil.py").write_text(text)
        (self.code / "agents.yaml").write_text("agents: []\n")

    @property
    def touch(self):
        return f"touch {self.folder / 'MARKER'}"

    def shell(self):
        return {"prefect.deployments.steps.utility.run_shell_script": {"script": self.touch}}

    async def deploy(self, name, *, pool="", own=None, **values):
        """Make a deployment and a flow run of it, `own` being the flow run's own job variables."""
        flow = await self.client.create_flow_from_name("agent_task")
        given = {"entrypoint": OURS, "enforce_parameter_schema": False} | values
        deployment = await self.client.create_deployment(
            flow_id=flow, name=name, work_pool_name=pool or self.pool, **given
        )
        return await self.client.create_flow_run_from_deployment(deployment, job_variables=own)

    async def template_pool(self, name, change):
        """Make a pool whose base job template is changed; a worker that serves it has to bear it."""
        template = copy.deepcopy(workers.GenesisWorker.get_default_base_job_template())
        change(template)
        await self.client.create_work_pool(WorkPoolCreate(name=name, type="genesis", base_job_template=template))
        return name


PULLS = {
    "a shell as pull step": lambda s: {"pull_steps": [s.shell()]},
    "a shell, for a file of the project": lambda s: {"pull_steps": [s.shell()], "entrypoint": FILE},
    "any function as pull step": lambda s: {
        "entrypoint": FILE,
        "pull_steps": [{"subprocess.getoutput": {"cmd": s.touch}}],
    },
    "a folder as pull step": lambda s: {
        "entrypoint": FILE,
        "pull_steps": [{"prefect.deployments.steps.set_working_directory": {"directory": str(s.code)}}],
    },
    "a repository as pull step": lambda s: {
        "entrypoint": FILE,
        "pull_steps": [{"prefect.deployments.steps.git_clone": {"repository": f"file://{s.code}"}}],
    },
    "requirements as pull step": lambda s: {
        "pull_steps": [{"prefect.deployments.steps.pip_install_requirements": {"directory": str(s.code)}}]
    },
    "an empty step before a shell": lambda s: {"pull_steps": [{}, s.shell()], "entrypoint": FILE},
    "two functions in one step": lambda s: {"pull_steps": [s.shell() | {"os.getcwd": {}}], "entrypoint": FILE},
}
ENTRIES = {
    "a file in a path": lambda s: {"entrypoint": "evil.py:agent_task", "path": str(s.code)},
    "a file by its full name": lambda s: {"entrypoint": f"{s.code}/evil.py:agent_task"},
    "a file of the project without pull steps": lambda s: {"entrypoint": FILE, "path": str(s.code)},
    "a module": lambda s: {"entrypoint": "evil.agent_task"},
    "a module of the package": lambda s: {"entrypoint": "genesis.flows.retention.purge"},
    "something behind our entry point": lambda s: {"entrypoint": f"{OURS}.fn"},
    "our entry point, and more": lambda s: {"entrypoint": f"{OURS} ; {s.touch}"},
    "a file with our name": lambda s: {"entrypoint": f"{s.code}/genesis.flows.deployed.py:agent_task"},
}
VARIABLES = {
    "the agents": {"env": {"GENESIS_AGENTS": "/tmp/agents.yaml"}},
    "the agents, in small letters": {"env": {"genesis_agents": "/tmp/agents.yaml"}},
    "the model's address": {"env": {"GENESIS_LLM__BASE_URL": "http://evil.example/v1"}},
    "the consent to purge": {"env": {"GENESIS_WORKER__PURGE_MIN_DAYS": "0"}},
    "the API": {"env": {"PREFECT_API_URL": "http://evil.example/api"}},
    "the logging configuration": {"env": {"PREFECT_LOGGING_SETTINGS_PATH": "/tmp/logging.yml"}},
    "Python's path": {"env": {"PYTHONPATH": "/tmp"}},
    "a library": {"env": {"LD_PRELOAD": "/tmp/evil.so"}},
    "the path": {"env": {"PATH": "/tmp"}},
    "a proxy": {"env": {"HTTPS_PROXY": "http://evil.example"}},
    "git's ssh": {"env": {"GIT_SSH_COMMAND": "sh -c true"}},
    "a command": {"command": "sh -c true"},
    "an image": {"image": "evil.example/image"},
    "a working directory": {"working_dir": "/tmp"},
    "a working directory above": {"working_dir": "../.."},
    "a variable of the worker": {"labels": {"x": "{{ $WORKERS_OWN }}"}},
    "a block": {"name": "{{ prefect.blocks.secret.key }}"},
}


def literal_env(template):
    template["job_configuration"]["env"] = {"GENESIS_AGENTS": "/tmp/agents.yaml"}


def default_env(template):
    template["variables"]["properties"]["env"]["default"] = {"GENESIS_AGENTS": "/tmp/agents.yaml"}


def renamed_env(template):
    template["variables"]["properties"]["harmless"] = {"default": {"LD_PRELOAD": "/tmp/evil.so"}}
    template["job_configuration"]["env"] = "{{ harmless }}"


def literal_command(template):
    template["job_configuration"]["command"] = "sh -c true"


def workers_variable(template):
    template["variables"]["properties"]["labels"]["default"] = {"x": "{{ $WORKERS_OWN }}"}


def default_folder(template):
    template["variables"]["properties"]["working_dir"]["default"] = "/tmp"


TEMPLATES = [literal_env, default_env, renamed_env, literal_command, workers_variable, default_folder]


async def attacks(stranger):
    """Make all of them; gives the flow runs by what they try."""
    made = {}
    for name, values in (PULLS | ENTRIES).items():
        made[name] = await stranger.deploy(name, **values(stranger))
    for name, values in VARIABLES.items():
        made[f"{name} of a deployment"] = await stranger.deploy(name, job_variables=values)
        made[f"{name} of a flow run"] = await stranger.deploy(f"{name} 2", own=values)
    block = LocalFileSystem(basepath=str(stranger.code))
    identity = await block.save(f"evil-{stranger.pool}")
    made["a storage block"] = await stranger.deploy(
        "block", storage_document_id=identity, entrypoint="evil.py:agent_task"
    )
    for change in TEMPLATES:
        made[change.__name__] = await stranger.deploy(change.__name__, pool=f"{stranger.pool}-{change.__name__}")
    return made


async def test_nothing_that_the_api_names_is_run(fleet, tmp_path):
    pool = await fleet.pool()
    stranger = Stranger(fleet.client, tmp_path, pool)
    pools = [await stranger.template_pool(f"{pool}-{change.__name__}", change) for change in TEMPLATES]
    made = await attacks(stranger)
    service = await fleet.serve(pool, *pools, accepts=WorkerSettings())
    ended = {name: await fleet.reach(run, "Crashed", "Failed", "Completed") for name, run in made.items()}
    wrong = {
        name: (run.state.name, run.state.message)
        for name, run in ended.items()
        if not (run.state.is_crashed() and "GEN-WORKER-REFUSED" in run.state.message)
    }
    assert not wrong
    assert not (tmp_path / "MARKER").exists()
    assert not any(SECRET in (run.state.message or "") for run in ended.values())
    assert SECRET not in " ".join(fleet.said)
    assert service.health()[0]
    whats = {what for name, what in metrics_of_process().values(WORKER_REFUSALS) if name.startswith(pool)}
    assert {"pull_steps", "entrypoint", "env", "command", "variable", "working_dir", "placeholder"} <= whats


async def test_honest_deployments_run_beside_them(fleet, tmp_path):
    pool = await fleet.pool()
    flow = await fleet.client.create_flow_from_name("preflight")
    deployment = await fleet.client.create_deployment(
        flow_id=flow,
        name=f"honest-{pool}",
        work_pool_name=pool,
        entrypoint="genesis.flows.deployed.preflight",
        pull_steps=[],
        job_variables={"memory_mb": 4096, "recycle_after": 3, "labels": {"team": "a"}, "env": {}},
    )
    await fleet.serve(pool, accepts=WorkerSettings())
    plan = plan_document(a_program(a_task("a")).source.plan)
    run = await fleet.client.create_flow_run_from_deployment(deployment, parameters={"plan": plan})
    ended = await fleet.reach(run, "Completed", "Failed", "Crashed")
    assert not ended.state.is_crashed(), ended.state.message


async def test_an_operator_can_allow_pull_steps_and_the_worker_runs_its_own(fleet, tmp_path, monkeypatch):
    """The same steps from the API are a name for the operator's, which are run."""
    pool = await fleet.pool()
    stranger = Stranger(fleet.client, tmp_path, pool)
    allowed = [{"prefect.deployments.steps.set_working_directory": {"directory": str(stranger.code)}}]
    await fleet.serve(pool, accepts=WorkerSettings(pull_steps=allowed))
    other = await stranger.deploy("other", pull_steps=[*allowed, stranger.shell()], entrypoint=FILE)
    await fleet.reach(other, "Crashed")
    assert not (tmp_path / "MARKER").exists()
    same = await stranger.deploy("same", pull_steps=allowed, entrypoint=FILE)
    await fleet.reach(same, "Completed", "Failed")
    assert (tmp_path / "MARKER").exists()


async def test_the_control_runs_a_shell_without_the_guard(fleet, tmp_path, monkeypatch):
    def trusting(self, deployment):
        return [*(deployment.pull_steps or ())]

    monkeypatch.setattr(CodePolicy, "pull_steps", trusting)
    pool = await fleet.pool()
    stranger = Stranger(fleet.client, tmp_path, pool)
    await fleet.serve(pool, accepts=WorkerSettings())
    run = await stranger.deploy("control", pull_steps=[stranger.shell()], entrypoint=FILE)
    await fleet.reach(run, "Crashed", "Failed", "Completed")
    assert (tmp_path / "MARKER").exists()


async def test_the_control_sets_a_variable_without_the_guard(monkeypatch):
    monkeypatch.setattr(CodePolicy, "_check_env", lambda self, env: dict(env))
    template = workers.GenesisWorker.get_default_base_job_template()
    found = CodePolicy(WorkerSettings()).configure(template, {"env": {"GENESIS_AGENTS": "x"}})
    assert isinstance(found, GenesisJobConfiguration)
    assert found.variables["GENESIS_AGENTS"] == "x"
