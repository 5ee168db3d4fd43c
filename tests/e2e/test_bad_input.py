"""Bad input: each gives a clear message and the right exit code, and leaves nothing half-written behind."""

import pytest
import yaml

pytestmark = pytest.mark.timeout(180)

HEAD = "version: 1\nrequest: do it\ntasks:\n"
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)


def ring(size, *, closed):
    return {
        "version": 1,
        "request": "go round",
        "tasks": [
            {
                "id": f"t{n}",
                "type": "test",
                "description": f"Do step {n}",
                "depends_on": [f"t{(n - 1) % size}"] if n or closed else [],
            }
            for n in range(size)
        ],
    }


@pytest.mark.parametrize(
    ("request_text", "code", "said"),
    [
        ("", "GEN-REQUEST-EMPTY", "empty"),
        (" \t\n ", "GEN-REQUEST-EMPTY", "empty"),
        ("x" * 5_001, "GEN-REQUEST-TOO-LONG", "5,001"),
        ("Audit\x07 the repository", "GEN-REQUEST-CHARACTERS", "U+0007"),
        ("Audit \x1b[31mthe repository", "GEN-REQUEST-CHARACTERS", "U+001B"),
        ("do nothing", "GEN-REQUEST-NOTHING", "nothing"),
        ("???", "GEN-REQUEST-NOTHING", "nothing"),
    ],
    ids=["empty", "blank", "long", "bell", "escape", "nothing", "marks"],
)
def test_request_that_cannot_be_planned_is_a_usage_error(genesis, request_text, code, said, names):
    ran = genesis("plan", request_text, "-o", "plan.yaml", "--json")
    assert ran.code == 2
    assert ran.error["code"] == code
    assert said in ran.error["message"]
    assert ran.error["hint"]
    assert names(genesis.folder) == []


def test_request_refused_by_run_starts_no_server(own_home, names):
    ran = own_home("run", "  ", "--json")
    assert (ran.code, ran.error["code"]) == (2, "GEN-REQUEST-EMPTY")
    assert names(own_home.folder) == []


@pytest.mark.parametrize(
    ("text", "planner"),
    [
        ("Prüfe das Repository in ./src", "heuristic"),
        ("请审核当前目录中的代码仓库", "minimal"),
        ("Överväg läget noggrant", "minimal"),
    ],
)
def test_other_languages_are_planned_and_the_plan_says_how(genesis, text, planner):
    (genesis.folder / "src").mkdir()
    plan = genesis("plan", text, "--json")
    assert plan.code == 0
    assert (plan.document["planner"], plan.document["request"]) == (planner, text)
    assert plan.document["planner_note"]


@pytest.mark.parametrize(
    ("name", "content", "exit_code", "said"),
    [
        ("missing.yaml", None, 2, "there is no file"),
        ("empty.yaml", b"", 1, "empty"),
        ("comment.yml", b"# nothing but this\n", 1, "empty"),
        ("broken.yaml", b"tasks: [1, 2\n", 1, "line"),
        ("broken.json", b'{"version": 1,', 1, "line 1"),
        ("text.yaml", b"just text\n", 1, "mapping"),
        ("list.json", b"[]", 1, "mapping"),
        ("latin.yaml", "request: \xe4".encode("latin-1"), 1, "UTF-8"),
        ("nul.yaml", b"version: 1\nrequest: a\x00b\n", 1, "x0000"),
        ("key.yaml", f"{HEAD}  - {{id: a, description: x, depend_on: [b]}}\n".encode(), 1, "'depends_on'"),
        ("slash.yaml", f"{HEAD}  - {{id: a/b, description: x}}\n".encode(), 1, "'a/b'"),
        ("twice.yaml", f"{HEAD}  - {{id: a, id: b, description: x}}\n".encode(), 1, "duplicate key"),
        ("version.yaml", b"version: 2\nrequest: x\ntasks: []\n", 1, "version"),
        ("bomb.yaml", BOMB.encode(), 1, "aliases"),
        ("tag.yaml", f"{HEAD}  - {{id: a, description: !!python/object/apply:os.mkdir [owned]}}\n".encode(), 1, "tag"),
        ("two.yaml", b"version: 1\n---\nversion: 1\n", 1, "document"),
        ("deep.json", b"[" * 100_000, 1, "deep"),
        ("deep.yaml", b"a: " + b"[" * 5_000, 1, "deep"),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value else "",
)
def test_plan_file_that_cannot_be_read_says_what_and_where(genesis, name, content, exit_code, said):
    if content is not None:
        (genesis.folder / name).write_bytes(content)
    before = set(genesis.folder.iterdir())
    ran = genesis("validate", name, "--json", timeout=30)
    assert ran.code == exit_code
    assert name in ran.error["message"]
    assert said in ran.error["message"] + ran.error["hint"]
    assert ran.error["hint"]
    assert set(genesis.folder.iterdir()) == before


def test_plan_file_of_50_megabytes_is_refused_before_it_is_read(genesis):
    with (genesis.folder / "big.yaml").open("wb") as file:
        file.truncate(50_000_000)
    ran = genesis("run", "big.yaml", "--json")
    assert ran.code == 1
    assert "50,000,000" in ran.error["message"]
    assert "GENESIS_LIMITS__DOCUMENT_BYTES" in ran.error["hint"]
    assert ran.seconds < 10


@pytest.mark.parametrize("command", ["validate", "simulate", "run"])
def test_cycle_of_1500_is_told_with_a_part_of_its_path(genesis, command):
    genesis.write("cycle.json", ring(1500, closed=True))
    ran = genesis(command, "cycle.json", "--json", env={"GENESIS_LIMITS__LEAVES": "2000"})
    assert ran.code == 1
    if command == "validate":
        (found,) = (each for each in ran.document["report"]["diagnostics"] if each["severity"] == "error")
    else:
        found = ran.error
        assert found["code"] == "GEN-PLAN-INVALID"
    assert "t0 → t1 → t2" in found["message"]
    assert "… → t1499 → t0" in found["message"]
    assert len(found["message"]) < 500


def test_chain_of_5000_needs_a_higher_limit_and_then_works(genesis):
    genesis.write("chain.json", ring(5000, closed=False))
    for command in ("simulate", "run"):
        refused = genesis(command, "chain.json", "--json")
        assert refused.code == 1
        assert "5,000 leaves; the limit is 1,000" in refused.error["message"]
        assert "GENESIS_LIMITS__LEAVES" in refused.error["hint"]
    more = {"GENESIS_LIMITS__LEAVES": "6000"}
    assert genesis("validate", "chain.json", "--json", env=more).document["report"]["ok"] is True
    simulated = genesis("simulate", "chain.json", "--json", env=more).document
    assert simulated["makespan_s"] == simulated["critical_path_s"] == 5000
    for view in ("validate", "simulate"):
        seen = genesis(view, "chain.json", env=more)
        assert seen.code == 0
        assert len(seen.out.splitlines()) < 100


def agents_file(*agents, rules=()):
    return yaml.safe_dump({"agents": list(agents), "rules": list(rules)})


WORKER = {"name": "worker", "description": "Works", "task_types": ["test"]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (agents_file({**WORKER, "success_rate": 1.5}), "agents[0].success_rate"),
        (agents_file(WORKER, WORKER), "'worker' is already the name"),
        (agents_file(WORKER, rules=[{"id": "r", "when": {"type": "test"}, "then": "nobody"}]), "no agent 'nobody'"),
        (agents_file({**WORKER, "max_concurrency": 0}), "agents[0].max_concurrency"),
        (agents_file({**WORKER, "sucess_rate": 0.5}), "success_rate"),
        (agents_file({**WORKER, "executor": {"kind": "shell", "line": "rm -rf /"}}), "executor"),
        ("agents: []\n", "agent"),
    ],
    ids=["rate", "two of one name", "rule", "concurrency", "misspelt", "executor", "none"],
)
def test_agents_file_with_a_mistake_names_its_place(genesis, content, said):
    genesis.write("agents.yaml", content)
    ran = genesis("plan", "Audit the repository at .", "--agents", "agents.yaml", "--json")
    assert ran.code == 1
    assert "agents.yaml" in ran.error["message"]
    assert said in ran.error["message"]


def test_playbook_with_a_mistake_names_its_place(genesis):
    genesis.write("playbooks/mine.yaml", "version: 1\nname: mine\ndescription: x\nmatch: {phrase: [x]}\ntasks: []\n")
    ran = genesis("plan", "Audit the repository at .", "--playbooks", "playbooks", "--json")
    assert ran.code == 1
    assert "mine.yaml" in ran.error["message"]


def test_debug_shows_the_traceback_that_is_hidden_otherwise(genesis):
    genesis.write("slash.yaml", f"{HEAD}  - {{id: a/b, description: x}}\n")
    assert "Traceback" not in genesis("validate", "slash.yaml").err
    for words in (("--debug", "validate", "slash.yaml"), ("validate", "slash.yaml", "--debug")):
        assert "Traceback" in genesis(*words).err
    started = genesis.start("validate", "slash.yaml", env={"GENESIS_DEBUG": "true"})
    assert "Traceback" in genesis.wait(started, 60).err


def test_task_that_waits_for_an_approval_is_refused_for_now(genesis):
    genesis.write("plan.yaml", f"{HEAD}  - {{id: a, type: deploy, description: Deploy it, approval: true}}\n")
    ran = genesis("run", "plan.yaml", "--rehearse", "0", "--json")
    assert ran.code == 1
    assert "approval" in ran.error["message"]
