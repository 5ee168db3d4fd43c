"""The main job: audit a repository, from a sentence to a report whose numbers are right."""

import json
import re
import subprocess
import sys
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from genesis.security.sandbox import find_sandbox

pytestmark = [pytest.mark.server, pytest.mark.timeout(240)]

RUN_KEYS = {
    "run_id",
    "correlation_id",
    "state",
    "planner",
    "started_at",
    "ended_at",
    "duration_s",
    "cost_usd",
    "tasks",
    "ui_url",
}
TASK_KEYS = {"id", "agent", "state", "attempts", "started_at", "ended_at", "result", "result_ref", "error"}

# In two parts, so that no scanner takes this file for a leak.
SECRET = "AKIA" + "Q4WJXZ7T2LMN5PRD"

PYTHON = """\
import os
import json


def shout(text):
    # TODO: support other alphabets
    return text.upper()


def tangled(n):
    if n == 1: return 1
    if n == 2: return 2
    if n == 3: return 3
    if n == 4: return 4
    if n == 5: return 5
    if n == 6: return 6
    if n == 7: return 7
    if n == 8: return 8
    if n == 9: return 9
    if n == 10: return 10
    if n == 11: return 11
    if n == 12: return 12
    if n == 13: return 13
    if n == 14: return 14
    if n == 15: return 15
    if n == 16: return 16
    if n == 17: return 17
    return json.dumps(n)
"""

GOOD_AND_BAD_TESTS = """\
from shop.words import shout


def test_shout():
    assert shout("a") == "A"


def test_broken():
    assert shout("b") == "b"
"""

TRAP = """\
from contextlib import suppress
from pathlib import Path
with suppress(OSError):  # a sandbox
    Path({mark!r}).joinpath({name!r}).touch()
"""


def git(folder: Path, *words: str) -> list[str]:
    """Call git without falling into the repository's traps, and give the lines that it prints."""
    settings = ("user.name=Ada", "user.email=ada@example.com", "commit.gpgsign=false", "core.fsmonitor=false")
    options = [word for setting in settings for word in ("-c", setting)]
    done = subprocess.run(["git", *options, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


@pytest.fixture
def marks(tmp_path):
    """A folder in which everything of the repository that is executed leaves a file."""
    folder = tmp_path / "marks"
    folder.mkdir()
    return folder


@pytest.fixture
def repository(tmp_path, marks):
    """A small repository in several languages, with a secret, two open markers, tests, and traps for who runs it."""
    root = tmp_path / "shop"
    files = {
        "README.md": "# Shop\n\nSells words.\n\n## Installation\n\npip install .\n",
        "LICENSE": (Path(__file__).parents[2] / "LICENSE").read_text(),
        "pyproject.toml": '[project]\nname = "shop"\nversion = "1.0"\nlicense = "Apache-2.0"\n'
        'dependencies = ["requests==2.32.3", "click>=8"]\n\n[project.scripts]\nshop = "shop.words:shout"\n',
        "shop/__init__.py": "",
        "shop/words.py": PYTHON,
        "shop/settings.py": f'AWS_ACCESS_KEY_ID = "{SECRET}"\n',
        "web/app.js": "// FIXME: too slow\nexport function add(a, b) {\n  return a + b;\n}\n",
        "tools/run.sh": "#!/bin/sh\nset -e\necho done\n",
        "tests/test_words.py": GOOD_AND_BAD_TESTS,
        "conftest.py": TRAP.format(mark=str(marks), name="conftest"),
        "setup.py": TRAP.format(mark=str(marks), name="setup"),
        "sitecustomize.py": TRAP.format(mark=str(marks), name="sitecustomize"),
        "yaml.py": TRAP.format(mark=str(marks), name="yaml-of-the-current-folder"),
        "ruff.py": TRAP.format(mark=str(marks), name="ruff-of-the-current-folder"),
        ".gitattributes": "*.py filter=trap diff=trap\n",
    }
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "begin")
    (root / "shop/words.py").write_text(PYTHON.replace("# TODO", "# TODO(ada)"))
    git(root, "commit", "-q", "-am", "own the open work")
    trap = f"touch {marks}/git"
    for key in ("core.fsmonitor", "filter.trap.clean", "filter.trap.smudge", "diff.trap.textconv", "diff.external"):
        git(root, "config", key, f"{trap}-{key}; cat")
    hook = root / ".git/hooks/post-checkout"
    hook.write_text(f"#!/bin/sh\n{trap}-hook\n")
    hook.chmod(0o755)
    return root


def utc(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    assert moment.utcoffset() == timedelta(0)
    return moment


def check_shape(run: dict) -> None:
    """Check the contract of the JSON document of a run."""
    assert set(run) >= RUN_KEYS
    assert run["planner"] in {"llm", "heuristic", "minimal", "file"}
    assert isinstance(run["cost_usd"], int | float)
    assert utc(run["started_at"]) <= utc(run["ended_at"])
    assert run["duration_s"] == pytest.approx(
        (utc(run["ended_at"]) - utc(run["started_at"])).total_seconds(), abs=0.001
    )
    for task in run["tasks"]:
        assert set(task) >= TASK_KEYS
        assert task["error"] is None or set(task["error"]) >= {"code", "message", "hint"}


@pytest.mark.whole_processes
def test_audit_completes_in_parallel_and_its_numbers_are_right(running, repository, marks, names):
    ran = running("run", f"Audit the repository at {repository}", "--json")
    assert ran.code == 0, ran.err
    run = ran.document
    check_shape(run)
    assert run["state"] == "completed"
    assert run["planner"] == "heuristic"
    tasks = {task["id"]: task for task in run["tasks"]}
    assert len(tasks) >= 8
    assert len({task["agent"] for task in run["tasks"]}) >= 5
    assert {task["state"] for task in run["tasks"]} == {"completed"}
    spans = sorted((utc(task["started_at"]), utc(task["ended_at"])) for task in run["tasks"])
    assert sum(one[1] > other[0] for one, other in pairwise(spans)) >= 5
    results = {name.rsplit("/", 1)[-1]: task["result"] for name, task in tasks.items()}

    files = git(repository, "ls-files")
    assert results["inventory"]["totals"]["files"] == len(files)
    assert results["inventory"]["totals"]["bytes"] == sum((repository / name).stat().st_size for name in files)
    languages = {row["language"]: row for row in results["inventory"]["languages"]}
    pythons = [name for name in files if name.endswith(".py")]
    assert languages["Python"]["files"] == len(pythons)
    assert languages["Python"]["lines"] == sum(len((repository / name).read_text().splitlines()) for name in pythons)
    assert languages["JavaScript"]["files"] == languages["Shell"]["files"] == 1
    assert "shop" in {entry["name"] for entry in results["inventory"]["entry_points"]}

    ruff = subprocess.run(
        [
            Path(sys.executable).with_name("ruff"),
            "check",
            "--isolated",
            "--no-cache",
            "--select=E4,E7,E9,F,B",
            "--output-format=json",
        ],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert results["lint"]["violations"] == len(json.loads(ruff.stdout)) > 0

    found = results["secrets"]["secrets"]
    assert [(row["path"], row["line"]) for row in found] == [("shop/settings.py", 1)]
    assert SECRET not in ran.out + ran.err
    assert {(row["path"], row["line"]) for row in results["todos"]["todos"]} == {
        ("shop/words.py", 6),
        ("web/app.js", 1),
    }
    assert results["tests"]["test_functions"] == 2
    assert results["history"]["most_changed"][0]["path"] == "shop/words.py"
    assert results["licence"]["spdx"] == "Apache-2.0"
    assert results["dependencies"]["totals"]["exact"] == 1
    assert [row["name"] for row in results["complexity"]["worst"]][:1] == ["tangled"]

    report = running.folder / f"genesis-audit-{repository.name}.md"
    assert results["report"]["report"] == str(report)
    text = report.read_text()
    assert f"{len(files)} files" in text
    assert "shop/settings.py" in text
    assert SECRET not in text
    assert len(re.findall(r"^## ", text, re.MULTILINE)) >= 11
    assert names(marks) == []
    assert not list(repository.rglob("__pycache__"))
    assert git(repository, "ls-files", "--others") == []


@pytest.mark.whole_processes
def test_audit_from_inside_the_repository_takes_nothing_of_it_for_its_own(running, repository, marks, names):
    """Prefect reads settings from files of the current folder; here that is a stranger's repository."""
    (repository / "prefect.toml").write_text(
        f'[api]\nurl = "http://127.0.0.1:9/api"\n[results]\nlocal_storage_path = "{marks}/ledger"\n'
        '[logging]\nconfig_path = "logging.yml"\n'
    )
    (repository / "logging.yml").write_text(
        f'version: 1\nhandlers: {{h: {{"()": "os.mkdir", path: "{marks}/logging"}}}}\nroot: {{handlers: [h]}}\n'
    )
    (repository / ".env").write_text(
        "PREFECT_LOGGING_CONFIG_PATH=logging.yml\nPREFECT_API_URL=http://127.0.0.1:9/api\nGENESIS_LLM__MODEL=openai:x\n"
    )
    ran = running("run", "Audit the repository at .", "--json", cwd=repository)
    assert ran.code == 0, ran.err
    assert ran.document["planner"] == "heuristic"
    assert names(marks) == []
    assert running("runs", "show", ran.document["run_id"], "--json", cwd=repository).code == 0
    assert running("resume", ran.document["run_id"], "--json", cwd=repository).code == 0
    assert names(marks) == []


def test_tests_are_run_only_when_asked_and_a_failing_one_is_a_finding(running, repository, marks, names):
    ran = running("run", f"Audit the repository at {repository}", "--var", "run_tests=yes", "--json", timeout=200)
    assert ran.code == 0, ran.err
    run = ran.document
    assert run["state"] == "completed"
    tests = next(task["result"] for task in run["tasks"] if task["id"].endswith("/tests"))
    assert (tests["suite"]["passed"], tests["suite"]["failed"]) == (1, 1)
    assert ("conftest" in names(marks)) == (find_sandbox() != "bubblewrap")
    assert any("fail" in finding["title"] for finding in tests["findings"])
    assert "test_broken" in (running.folder / f"genesis-audit-{repository.name}.md").read_text()


@pytest.mark.whole_processes
def test_person_sees_the_plan_the_progress_and_where_the_results_are(running, repository):
    ran = running("run", f"Audit the repository at {repository}")
    assert ran.code == 0, ran.err
    for shown in ("planned by", "inventory", "research_agent", "the plan can run"):
        assert shown in ran.err
    assert ran.err.count("✓") == 12
    assert str(running.folder / f"genesis-audit-{repository.name}.md") in ran.out
    (url,) = re.findall(r"http://\S+/runs/flow-run/\S+", ran.out)
    with urlopen(Request(url, headers={"accept": "text/html"}), timeout=20) as page:  # as a browser asks
        assert page.status == 200


def test_a_folder_that_is_missing_is_told_before_anything_runs(running, tmp_path):
    missing = running("run", f"Audit the repository at {tmp_path}/nowhere", "--json")
    assert (missing.code, missing.document["error"]["code"]) == (1, "GEN-PLAN-INVALID")
    assert "nowhere' to audit" in missing.document["error"]["message"]
    assert "clone it first" in running("run", "Audit the repository at https://h.example/a", "--json").out


def test_an_empty_folder_is_audited(running, tmp_path):
    (tmp_path / "void").mkdir()
    empty = running("run", f"Audit the repository at {tmp_path}/void", "--json")
    assert (empty.code, empty.document["state"]) == (0, "completed")
