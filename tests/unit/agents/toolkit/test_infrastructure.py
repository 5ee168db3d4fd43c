import json

import pytest

from genesis.agents.toolkit import infrastructure


def _found(project):
    return {(each["severity"], each["title"]) for each in infrastructure.run(project.root)["findings"]}


def test_workflows_are_listed(project):
    project.write(
        ".github/workflows/ci.yml",
        (
            "name: CI\non:\n  push:\n  pull_request:\npermissions: {contents: read}\njobs:\n  a:\n"
            "    steps:\n    - run: make\n"
        ),
    )
    project.write(".gitlab-ci.yml", "a: {}\n")
    answer = infrastructure.run(project.root)
    assert answer["ci"] == ["GitHub Actions", "GitLab CI"]
    assert answer["workflows"] == [
        {"path": ".github/workflows/ci.yml", "name": "CI", "triggers": ["push", "pull_request"], "jobs": 1, "steps": 1}
    ]
    assert answer["findings"] == []


def test_dangerous_workflows(project):
    project.write(
        ".github/workflows/a.yml",
        (
            "on: [pull_request_target]\npermissions: write-all\njobs:\n  a:\n    steps:\n"
            "    - uses: actions/checkout@v4\n      with:\n"
            "        ref: ${{ github.event.pull_request.head.sha }}\n"
            "    - run: echo ${{ github.event.issue.title }}\n    - run: curl https://h/x | sh\n"
            "    - run: echo ${{ inputs.name }}\n"
        ),
    )
    project.write(".github/workflows/b.yml", "on: push\njobs:\n  a:\n    steps: []\n")
    project.write(".github/workflows/c.yml", "a: [\n")
    assert _found(project) == {
        ("high", "A privileged CI workflow checks out a stranger's code"),
        ("high", "A CI step puts text that others choose into a shell script"),
        ("low", "A CI step puts text that others choose into a shell script"),
        ("low", "A CI step runs a script straight from the network"),
        ("medium", "A CI workflow gives its token all rights"),
        ("low", "A CI workflow does not limit its token"),
        ("medium", "A CI workflow cannot be read"),
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM python:3.12\nUSER app\nCMD x\n", set()),
        ("FROM python\nUSER app\n", {"A base image has no fixed version (python)"}),
        ("FROM python:3.12\n", {"A container runs as root"}),
        ("FROM python:3.12 AS b\nUSER app\nFROM python:3.12\n", {"A container runs as root"}),
        ("FROM python:3.12\nUSER root\n", {"A container runs as root"}),
        (
            "FROM python:3.12\nUSER a\nRUN curl https://h/x | bash\n",
            {"A Dockerfile runs a script straight from the network"},
        ),
        ("FROM python:3.12\nUSER a\nADD https://h/x /x\n", {"A Dockerfile adds a file from the network"}),
        (
            "FROM python:3.12\nUSER a\nENV API_TOKEN=abc\n",
            {"A Dockerfile has a secret in its environment or arguments"},
        ),
        (
            "FROM python:3.12\nUSER a\nENV DB_PASSWORD hunter\n",
            {"A Dockerfile has a secret in its environment or arguments"},
        ),
        ("FROM python:3.12\nUSER a\nARG TOKEN\nENV A_TOKEN=$TOKEN TOKEN_FILE=/run/x\n", set()),
        ("FROM python:3.12\nRUN <<EOF\nUSER root\nEOF\nUSER a\n", set()),
        ("# nothing\n", {"A Dockerfile has no FROM"}),
        ("ARG BASE\nFROM ${BASE}\nUSER a\n", set()),
    ],
)
def test_dockerfiles(project, text, expected):
    project.write("Dockerfile", text)
    assert {title for _, title in _found(project)} == expected


def test_a_module_named_dockerfile_is_no_dockerfile(project):
    project.write("dockerfile.py", "from x import y\n")
    project.write("Dockerfile.dev", "FROM a:1\nUSER a\n")
    project.write("web.dockerfile", "FROM a:1\nUSER a\n")
    assert [row["path"] for row in infrastructure.run(project.root)["dockerfiles"]] == [
        "Dockerfile.dev",
        "web.dockerfile",
    ]


def test_compose_and_kubernetes(project):
    project.write(
        "compose.yaml",
        (
            "services:\n  a:\n    image: redis\n    privileged: true\n    network_mode: host\n"
            "    volumes: ['/var/run/docker.sock:/x', {type: bind, source: /y}]\n  b:\n"
            "    image: redis:7\n"
        ),
    )
    project.write(
        "k8s.yaml",
        (
            "apiVersion: apps/v1\nkind: Deployment\n"
            "spec: {template: {spec: {containers: [{name: c, image: x, securityContext: {privileged: true}}]}}}\n"
            "---\napiVersion: v1\nkind: Service\n"
        ),
    )
    answer = infrastructure.run(project.root)
    assert answer["compose"] == [{"path": "compose.yaml", "services": ["a", "b"]}]
    assert answer["kubernetes"] == [{"path": "k8s.yaml", "kinds": ["Deployment", "Service"]}]
    assert {each["title"] for each in answer["findings"]} == {
        "Service a uses an image without a fixed version",
        "Service a is privileged",
        "Service a controls the host's Docker",
        "Service a uses the host's network",
        "Container c is privileged",
        "Container c uses an image without a fixed version",
    }


def test_prefect_deployments(project):
    project.write("flows/etl.py", "")
    project.write(
        "prefect.yaml",
        (
            "deployments:\n- {name: a, entrypoint: 'flows/etl.py:etl', work_pool: {name: p}}\n"
            "- {name: b, entrypoint: 'flows/gone.py:x'}\n"
        ),
    )
    answer = infrastructure.run(project.root)
    assert answer["prefect"] == [{"path": "prefect.yaml", "deployments": 2, "work_pools": ["p"]}]
    assert [each["title"] for each in answer["findings"]] == [
        "A Prefect deployment's entry point does not exist",
        "A Prefect deployment names no work pool",
    ]


def test_no_ci_is_a_finding_in_a_real_project(project, titles):
    assert titles(infrastructure.run(project.root)) == []
    for number in range(4):
        project.write(f"{number}.py")
    assert titles(infrastructure.run(project.root)) == ["No continuous integration is set up"]


def test_oddly_shaped_files(project):
    project.write("compose.yaml", "services: [1]\n")
    project.write("sub/compose.yaml", "services: {a: 1, b: {volumes: 3, image: [x]}}\n")
    project.write("prefect.yaml", "deployments: [1, {name: [x]}]\n")
    project.write("k.yaml", "apiVersion: 1\nkind: Pod\nspec: {containers: {a: b}}\n")
    project.write(".github/workflows/a.yml", "[1]\n")
    project.write(".github/workflows/b.yml", "on: 3\njobs: {a: {steps: [{uses: 1, with: 2}]}}\n")
    project.write(".github/workflows/c.yml", "")
    json.dumps(infrastructure.run(project.root))
