import json

import pytest

from genesis_audit import infrastructure


def _find(project):
    return {(each["severity"], each["title"]) for each in infrastructure.run(project.root)["findings"]}


def test_workflows_are_listed(project):
    project.write(
        ".github/workflows/ci.yml",
        (
            "name: CI\non:\n  push:\n  pull_request:\npermissions: {contents: read}\njobs:\n  a:\n"
            "    runs-on: x\n    steps:\n    - run: make\n"
        ),
    )
    project.write(".gitlab-ci.yml", "a: {}\n")
    answer = infrastructure.run(project.root)
    assert answer["ci"] == ["GitHub Actions", "GitLab CI"]
    assert answer["workflows"] == [
        {"path": ".github/workflows/ci.yml", "name": "CI", "triggers": ["push", "pull_request"], "jobs": 1, "steps": 1}
    ]
    assert answer["findings"] == []


_PRIVILEGED = (
    "on: [pull_request_target]\npermissions: {}\njobs:\n  a:\n    runs-on: x\n    steps:\n"
    "    - uses: actions/checkout@v4\n      with:\n        ref: ${{ github.event.pull_request.head.sha }}\n"
    "    - run: echo ${{ github.event.issue.title }}\n    - uses: some/action@main\n    - uses: other/action@v1\n"
)


def test_workflows_are_checked_with_one_finding_a_rule(project):
    project.write(".github/workflows/a.yml", _PRIVILEGED)
    findings = infrastructure.run(project.root)["findings"]
    assert [(each["severity"], each["title"], each["where"]) for each in findings] == [
        ("high", "A workflow runs with secrets on events that strangers cause", ".github/workflows/a.yml:1"),
        ("high", "An expression is expanded inside a script", ".github/workflows/a.yml:10"),
        ("medium", "An action is not pinned to a commit", ".github/workflows/a.yml:11"),
        ("low", "The checkout step leaves its token on disk", ".github/workflows/a.yml:7"),
    ]
    assert findings[2]["detail"].startswith("some/action@main (zizmor: unpinned-uses). 3 places: ")


def test_actions_of_github_itself_by_tag_are_of_low_severity(project):
    project.write(
        ".github/workflows/a.yml",
        "on: push\npermissions: {}\njobs:\n  a:\n    runs-on: x\n    steps:\n"
        "    - uses: actions/setup-python@v5\n    - run: echo ${{ github.ref_name }}\n",
    )
    assert _find(project) == {
        ("low", "An action is not pinned to a commit"),
        ("low", "An expression is expanded inside a script"),
    }


def test_broken_workflows_are_found_and_the_others_still_checked(project):
    project.write(".github/workflows/a.yml", "a: [\n")
    project.write(".github/workflows/b.yml", "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n    - run: make\n")
    project.write(".github/workflows/c.yml", "on: push\njobs: 3\n")
    project.write(".github/workflows/d.yml", "on: push\njobs: {a: {steps: [{run: x}]}}\n")
    assert _find(project) == {
        ("medium", "A CI workflow cannot be read"),
        ("low", "A workflow's token is not limited to what it needs"),
    }


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (".github/zizmor.yml", "rules:\n" + "".join(f"  {each}: {{disable: true}}\n" for each in ("unpinned-uses",))),
        (".github/workflows/b.yml", "on: push\n# zizmor: ignore[x]\n"),
    ],
)
def test_what_the_repository_suppresses_is_counted(project, path, text):
    workflow = (
        _PRIVILEGED if "zizmor.yml" in path else _PRIVILEGED.replace("@v1\n", "@v1  # zizmor: ignore[unpinned-uses]\n")
    )
    project.write(".github/workflows/a.yml", workflow)
    project.write(path, text)
    titles = {title for _, title in _find(project)}
    assert ("An action is not pinned to a commit" in titles) == ("zizmor.yml" not in path)
    assert any(title.startswith("The repository suppresses") for title in titles)


def test_settings_outside_the_folder_are_not_read(tmp_path, project):
    (tmp_path / "zizmor.yml").write_text("rules:\n  unpinned-uses: {disable: true}\n")
    project.write(".github/workflows/a.yml", _PRIVILEGED)
    assert ("medium", "An action is not pinned to a commit") in _find(project)


def test_workflows_are_not_passed_over_in_silence_without_zizmor(project, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    project.write(".github/workflows/a.yml", _PRIVILEGED)
    assert ("low", "The CI workflows were not checked for security") in _find(project)


@pytest.mark.parametrize(
    ("path", "system"),
    [
        (".gitlab-ci.yml", "GitLab CI"),
        ("Jenkinsfile", "Jenkins"),
        ("ci/Jenkinsfile.release", "Jenkins"),
        ("azure-pipelines.yml", "Azure Pipelines"),
        (".azure-pipelines/build.yml", "Azure Pipelines"),
        (".circleci/config.yml", "CircleCI"),
        (".travis.yml", "Travis CI"),
        (".ci/build.sh", "scripts in .ci"),
        ("appveyor.yml", "AppVeyor"),
        (".buildkite/pipeline.yaml", "Buildkite"),
        (".forgejo/workflows/test.yml", "Gitea or Forgejo Actions"),
        (".woodpecker/test.yml", "Woodpecker"),
    ],
)
def test_other_ci_systems_are_named(project, path, system):
    project.write(path, "a: {}\n")
    for number in range(4):
        project.write(f"{number}.py")
    answer = infrastructure.run(project.root)
    assert answer["ci"] == [system]
    assert answer["findings"] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM python:3.12\nUSER app\nCMD x\n", set()),
        ("FROM python\nUSER app\n", {"A base image has no fixed version"}),
        ("FROM python:3.12\n", {"A Dockerfile sets no user other than root"}),
        ("FROM python:3.12 AS b\nUSER app\nFROM python:3.12\n", {"A Dockerfile sets no user other than root"}),
        ("FROM python:3.12 AS b\nUSER app\nFROM b\nCMD x\n", set()),
        ("FROM python:3.12 AS b\nUSER app\nFROM b AS c\nUSER root\n", {"A Dockerfile sets no user other than root"}),
        ("FROM gcr.io/distroless/static-debian12:nonroot\n", {"A base image has no fixed version"}),
        ("FROM nginxinc/nginx-unprivileged:1.27\n", set()),
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
        ("ARG V=3.12\nARG BASE=python:${V}\nFROM ${BASE}\nUSER a\n", set()),
        ("FROM python:${V:-3.12}\nUSER a\n", set()),
        ("FROM --platform=$BUILDPLATFORM python:3.12 AS build\nFROM scratch\nCOPY --from=build /x /x\nUSER 1\n", set()),
        ("FROM python@sha256:" + "a" * 64 + "\nUSER a\n", set()),
        ("from python:3.12 as base\nfrom base\nuser a\n", set()),
        ("FROM {{ base_image }}\nRUN x\n", set()),
        ("{% include 'x' %}\nRUN x\n", set()),
    ],
)
def test_dockerfiles(project, text, expected):
    project.write("Dockerfile", text)
    assert {title for _, title in _find(project)} == expected


def test_what_only_begins_like_a_dockerfile_is_none(project):
    for name in ("dockerfile.py", "Dockerfile.dockerignore", "Dockerfile.j2", "Dockerfile.tmpl", "Dockerfile.md"):
        project.write(name, "*\n!src\n")
    project.write("Dockerfile.common", "RUN make\n")
    project.write("Dockerfile.dev", "FROM a:1\nUSER a\n")
    project.write("web.dockerfile", "FROM a:1\nUSER a\n")
    answer = infrastructure.run(project.root)
    assert [row["path"] for row in answer["dockerfiles"]] == ["Dockerfile.common", "Dockerfile.dev", "web.dockerfile"]
    assert [each["title"] for each in answer["findings"] if "Docker" in each["title"]] == []


def test_containers_of_tests_examples_and_development_are_not_judged(project):
    project.write("tests/Dockerfile", "FROM python\n")
    project.write("testdata2/pod.yaml", "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: x}]}\n")
    project.write("examples/compose.yaml", "services: {a: {image: redis}}\n")
    project.write(".devcontainer/Dockerfile", "FROM python\n")
    assert _find(project) == {("medium", "No continuous integration is set up")}


def test_many_places_of_a_rule_are_one_finding(project):
    for number in range(7):
        project.write(f"{number}/Dockerfile", "FROM python\nUSER a\n")
    project.write(".travis.yml", "")
    (finding,) = infrastructure.run(project.root)["findings"]
    assert (finding["title"], finding["where"]) == ("7 base images have no fixed version", "0/Dockerfile:1")
    assert finding["detail"].endswith("python in 4/Dockerfile:1 and 2 more.")


def _pod(image):
    return f"apiVersion: v1\nkind: Pod\nspec: {{containers: [{{name: c, image: '{image}'}}]}}\n"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"pod.yaml": _pod("app")}, 1),
        ({"pod.yaml": _pod("app:latest")}, 1),
        ({"pod.yaml": _pod("app:1.2")}, 0),
        ({"pod.yaml": _pod("app@sha256:" + "0" * 64)}, 0),
        ({"pod.yaml": _pod("${IMAGE}")}, 0),
        ({"pod.yaml": _pod("IMAGE_PLACEHOLDER")}, 0),
        ({"pod.yaml": _pod("{{ .Values.image }}")}, 0),
        ({"base/pod.yaml": _pod("app"), "prod/kustomization.yaml": "images: [{name: app, newTag: v3}]\n"}, 0),
        ({"base/pod.yaml": _pod("app:latest"), "kustomization.yml": "images: [{name: app, digest: sha256:0}]\n"}, 0),
        ({"base/pod.yaml": _pod("app"), "kustomization.yaml": "images: [{name: other, newTag: v3}]\n"}, 1),
        ({"pod.yaml": _pod("app"), "skaffold.yaml": "build: {artifacts: [{image: app}]}\n"}, 0),
        ({"templates/pod.yaml": "apiVersion: v1\nkind: Pod\nspec:\n  {{- if x }}\n  image: app\n"}, 0),
        ({"compose.yml": "services: {a: {image: app, build: .}, b: {image: app}}\n"}, 0),
        ({"compose.prod.yml": "services: {a: {image: redis}}\n"}, 1),
        ({"list.yaml": "apiVersion: v1\nkind: List\nitems: [{kind: Pod, spec: {containers: [{image: app}]}}]\n"}, 1),
    ],
)
def test_images_whose_version_is_set_elsewhere_are_left_alone(project, files, expected):
    for path, text in {**files, ".travis.yml": ""}.items():
        project.write(path, text)
    titles = [title for _, title in _find(project)]
    assert titles == ["A deployed image has no fixed version"] * expected


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
        "2 containers are privileged",
        "A service controls the host's Docker",
        "A service uses the host's network",
        "2 deployed images have no fixed version",
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


def test_matters_of_taste_in_workflows_are_left_out(project):
    project.write(
        ".github/workflows/ci.yml",
        "on: push\npermissions: {contents: read}\njobs:\n  a:\n    uses: ./.github/workflows/b.yml\n",
    )
    assert not any("self-repository" in each["detail"] for each in infrastructure.run(project.root)["findings"])


def test_a_composite_action_is_no_workflow(project):
    project.write(".github/workflows/ci.yml", "name: CI\non: push\njobs:\n  a:\n    runs-on: x\n    steps: []\n")
    project.write(".github/actions/a/action.yml", "name: A\nruns:\n  using: composite\n  steps:\n  - uses: o/x@v1\n")
    answer = infrastructure.run(project.root)
    assert [row["path"] for row in answer["workflows"]] == [".github/workflows/ci.yml"]
    assert any(each["where"].startswith(".github/actions/a/action.yml") for each in answer["findings"])


def test_rules_of_style_for_workflows_are_no_findings(project):
    project.write(
        ".github/workflows/ci.yml",
        "name: CI\non: push\npermissions: {}\njobs:\n  a:\n    runs-on: ubuntu-24.04\n"
        "    steps:\n    - uses: ./.github/a\n",
    )
    assert not [each for each in infrastructure.run(project.root)["findings"] if "self-repository" in each["detail"]]


_ECHO = "on: pull_request\npermissions: {}\njobs:\n  a:\n    runs-on: x\n    steps:\n    - run: echo ${{ %s }}\n"


@pytest.mark.parametrize(
    ("expression", "severity"),
    [
        ("github.event.pull_request.title", "high"),
        ("github.head_ref", "high"),
        ("github.event.pull_request.head.ref", "high"),
        ("github.event.pull_request.user.login", "low"),
        ("github.event.number", "low"),
    ],
)
def test_an_expanded_expression_is_as_severe_as_what_strangers_can_write_into_it(project, expression, severity):
    project.write(".github/workflows/a.yml", _ECHO % expression)
    findings = infrastructure.run(project.root)["findings"]
    found = [each["severity"] for each in findings if each["title"] == "An expression is expanded inside a script"]
    assert found in ([severity], [] if severity == "low" else [severity])


@pytest.mark.parametrize(
    ("step", "severity"),
    [
        (f"uses: some/action@{40 * '0'}", "low"),
        ("uses: actions/checkout@v4", "medium"),
        ("uses: actions/checkout@v4\n      with:\n        ref: ${{ github.event.pull_request.head.sha }}", "high"),
    ],
)
def test_a_trigger_of_strangers_is_as_severe_as_what_the_workflow_fetches(project, step, severity):
    text = f"on: pull_request_target\npermissions: {{}}\njobs:\n  a:\n    runs-on: x\n    steps:\n    - {step}\n"
    project.write(".github/workflows/a.yml", text)
    findings = infrastructure.run(project.root)["findings"]
    assert [each["severity"] for each in findings if "strangers" in each["title"]] == [severity]


def test_an_expression_in_a_workflow_that_no_stranger_starts_is_low(project):
    project.write(".github/workflows/a.yml", (_ECHO % "github.ref_name").replace("pull_request", "push"))
    findings = infrastructure.run(project.root)["findings"]
    assert {each["severity"] for each in findings if "expanded" in each["title"]} == {"low"}
