import pytest
from pydantic import ValidationError

from genesis.model import Task
from genesis.planning import load_plan, plan_document


def task(*requirements):
    runs_in = {"venv": {"requirements": list(requirements)}}
    return Task.model_validate({"id": "a", "description": "Do", "runs_in": runs_in})


def test_requirements_are_packages_with_versions_extras_and_markers():
    found = task("httpx[http2] >= 0.28", "tomli; python_version < '3.11'", "x==1.0").runs_in.venv.requirements
    assert found == ("httpx[http2]>=0.28", 'tomli; python_version < "3.11"', "x==1.0")


@pytest.mark.parametrize(
    "text",
    [
        "--index-url http://evil",
        "-e .",
        "-r other.txt",
        "./folder",
        "/folder/x.whl",
        "x @ https://evil/x.whl",
        "git+https://evil/x.git",
        "x --hash=sha256:00",
        "x\n--pre",
        "",
        "x" * 301,
    ],
)
def test_options_paths_and_urls_are_refused(text):
    with pytest.raises(ValidationError, match="a requirement is a package with extras and versions"):
        task(text)


@pytest.mark.parametrize(
    ("runs_in", "said"),
    [
        ({}, "it names no environment"),
        ({"venv": {"requirements": []}}, "at least 1 item"),
        ({"venv": {}}, "Field required"),
        ({"docker": "x"}, "Extra inputs"),
        ({"image": "-v /:/host"}, "should match pattern"),
        ({"image": ""}, "should match pattern"),
    ],
)
def test_what_is_no_environment_is_refused(runs_in, said):
    with pytest.raises(ValidationError, match=said):
        Task.model_validate({"id": "a", "description": "Do", "runs_in": runs_in})


@pytest.mark.parametrize(
    "runs_in",
    [{"venv": {"requirements": ["x>=1"]}}, {"image": "ghcr.io/a/b:1@sha256:0f", "pool": "agent-docker"}],
)
def test_a_document_is_read_as_it_was_written(runs_in):
    shape = {"id": "a", "description": "x", "runs_in": runs_in}
    plan = load_plan({"version": 1, "request": "-", "tasks": [shape]})
    assert load_plan(plan_document(plan)).tasks == plan.tasks
    assert plan_document(plan, terse=True)["tasks"][0]["runs_in"] == shape["runs_in"]
