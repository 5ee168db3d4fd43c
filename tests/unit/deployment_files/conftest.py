"""What the tests of `docker/` and `deployments/kubernetes/` share: the files as they are, with variables filled in."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

ROOT = Path(__file__).parents[3]
_VARIABLE = re.compile(r"\$\$|\$\{(\w+)(?:(:?[-?])([^}]*))?\}")


class Instruction(NamedTuple):
    """An instruction of a Dockerfile."""

    word: str
    value: str
    stage: int


def filled(value: Any, variables: dict[str, str]) -> Any:
    """Put variables in, as Compose does; one that must be set and is not is an error."""
    if isinstance(value, dict):
        return {key: filled(each, variables) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, variables) for each in value]
    return _VARIABLE.sub(lambda found: _one(found, variables), value) if isinstance(value, str) else value


def _one(found: re.Match[str], variables: dict[str, str]) -> str:
    name, kind, rest = found.groups()
    if name is None:
        return "$"
    if variables.get(name):
        return variables[name]
    if kind is None or kind.endswith("?"):
        raise KeyError(f"{name}: {rest}")
    return rest


def assignments(text: str) -> dict[str, str]:
    """Read an environment file."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


@pytest.fixture(scope="session")
def docker() -> Path:
    return ROOT / "docker"


@pytest.fixture(scope="session")
def composed(docker: Path) -> Callable[..., dict[str, Any]]:
    """Return the compose file with the variables of the example, and with others on top."""
    text = (docker / "compose.yaml").read_text(encoding="utf-8")
    variables = assignments((docker / ".env.example").read_text(encoding="utf-8"))
    return lambda **others: filled(yaml.safe_load(text), variables | others)


@pytest.fixture(scope="session")
def compose(composed: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """The compose file with the variables of the example."""
    return composed()


@pytest.fixture(scope="session")
def dockerfile(docker: Path) -> list[Instruction]:
    """The instructions of the Dockerfile, continued lines joined and comments left out."""
    text = (docker / "Dockerfile").read_text(encoding="utf-8")
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return list(_instructions(re.sub(r"\\\n\s*", " ", lines)))


def _instructions(text: str) -> Iterator[Instruction]:
    stage = -1
    for line in text.splitlines():
        word, _, value = line.strip().partition(" ")
        if word:
            stage += word == "FROM"
            yield Instruction(word, value.strip(), stage)


@pytest.fixture(scope="session")
def image_environment(dockerfile: list[Instruction]) -> dict[str, str]:
    """What the image itself sets."""
    last = dockerfile[-1].stage
    words = [
        word for each in dockerfile if each.word == "ENV" and each.stage == last for word in shlex.split(each.value)
    ]
    return dict(word.split("=", 1) for word in words)


@pytest.fixture(scope="session")
def manifests() -> list[dict[str, Any]]:
    """Every Kubernetes object, those of the examples too."""
    skipped = {"kustomization.yaml", "prefect-server.values.yaml"}
    files = sorted((ROOT / "deployments" / "kubernetes").glob("*.yaml"))
    return [
        document
        for file in files
        if file.name not in skipped
        for document in yaml.safe_load_all(file.read_text(encoding="utf-8"))
    ]


@pytest.fixture(scope="session")
def workloads(manifests: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The pod templates, by the name of what makes the pods."""
    return {
        each["metadata"]["name"]: each["spec"]["template"]["spec"]
        for each in manifests
        if each["kind"] in {"Deployment", "Job"}
    }


@pytest.fixture(scope="session")
def chart_values() -> dict[str, Any]:
    """The values for the chart of Prefect's server."""
    return yaml.safe_load((ROOT / "deployments" / "kubernetes" / "prefect-server.values.yaml").read_text("utf-8"))


@pytest.fixture(scope="session")
def commands(
    compose: dict[str, Any],
    dockerfile: list[Instruction],
    workloads: dict[str, dict[str, Any]],
    chart_values: dict[str, Any],
) -> dict[str, list[list[str]]]:
    """Every command of ours and of Prefect's in the files, by where it is."""
    default = next(json.loads(each.value) for each in reversed(dockerfile) if each.word == "CMD")
    found = {"Dockerfile": _simple(default), "chart": _of_script(chart_values["migrations"]["command"])}
    for name, service in compose["services"].items():
        if service["image"].startswith("genesis:"):
            found[f"compose {name}"] = _simple([*service.get("entrypoint", []), *service["command"]])
    for name, pod in workloads.items():
        found[f"kubernetes {name}"] = _simple(pod["containers"][0]["args"])
    return {where: [words for words in each if words[0] in {"genesis", "prefect"}] for where, each in found.items()}


def _simple(words: list[str]) -> list[list[str]]:
    """Return the commands that a container's command runs: those of a shell's script, or itself."""
    if words[0].endswith("/tini"):
        words = words[words.index("--") + 1 :]
    return _of_script(words[-1]) if words[0] == "sh" else [words]


def _of_script(script: str) -> list[list[str]]:
    parts = [part for line in script.splitlines() for part in line.split("&&")]
    split = [shlex.split(part) for part in parts if part.strip()]
    return [words[1:] if words[0] == "exec" else words for words in split]
