"""The image can be built from what the repository has, runs without root, and holds no secret and no compiler."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[3]

_WRITTEN = (
    "HOME",
    "GENESIS_HOME",
    "PREFECT_HOME",
    "PREFECT_RESULTS_LOCAL_STORAGE_PATH",
    "PREFECT_SERVER_UI_STATIC_DIRECTORY",
)


def _values(dockerfile, word, stage=None):
    return [each.value for each in dockerfile if each.word == word and stage in {None, each.stage}]


def _last(dockerfile):
    return dockerfile[-1].stage


def _is_ignored(path: str, rules: list[str]) -> bool:
    """Return whether the build context leaves a path out; the last rule about it or a folder above it wins."""
    parts = Path(path).parts
    names = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    ignored = False
    for rule in rules:
        pattern = rule.removeprefix("!").removeprefix("**/")
        deep = rule.removeprefix("!").startswith("**/")
        if any(fnmatch(name.rpartition("/")[2] if deep else name, pattern) for name in names):
            ignored = not rule.startswith("!")
    return ignored


def _rules():
    text = (_ROOT / "docker" / "Dockerfile.dockerignore").read_text("utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_both_stages_begin_with_the_same_pinned_python(dockerfile):
    defaults = dict(value.split("=", 1) for value in _values(dockerfile, "ARG") if "=" in value)
    images = {value.split()[0] for value in _values(dockerfile, "FROM")}
    assert images == {"python:${PYTHON_TAG}"}
    assert re.fullmatch(r"3\.1[1-3]-slim-\w+", defaults["PYTHON_TAG"])


def test_the_last_user_is_a_number_and_not_root(dockerfile):
    users = _values(dockerfile, "USER", _last(dockerfile))
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", users[-1])
    after = dockerfile[max(index for index, each in enumerate(dockerfile) if each.word == "USER") :]
    assert not [each for each in after if each.word in {"RUN", "COPY", "ADD"}]


def test_nothing_is_fetched_by_address(dockerfile):
    text = (_ROOT / "docker" / "Dockerfile").read_text("utf-8")
    assert not _values(dockerfile, "ADD")
    assert "://" not in text
    assert "latest" not in text


def test_what_is_copied_is_there_and_in_the_build_context(dockerfile):
    sources = [
        source
        for value in _values(dockerfile, "COPY")
        if not value.startswith("--from")
        for source in value.split()[:-1]
    ]
    assert "constraints.txt" in sources
    for source in sources:
        assert (_ROOT / source).exists(), f"{source} is not there"
        assert not _is_ignored(source.removeprefix("./"), _rules()), f"{source} is left out of the build context"


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        ".git/config",
        ".venv/bin/python",
        "deployments/kubernetes/agents.yaml",
        "docker/.env",
        "docker/agents.env",
        "genesis/__pycache__/a.cpython-312.pyc",
        "tests/conftest.py",
    ],
)
def test_secrets_and_leftovers_are_not_in_the_build_context(path):
    assert _is_ignored(path, _rules())


@pytest.mark.parametrize("path", ["genesis/cli/app.py", "flows/orchestrate.py", "deployments/playbooks/a.yaml"])
def test_what_the_image_needs_is_in_the_build_context(path):
    assert not _is_ignored(path, _rules())


def test_dependencies_are_installed_at_the_pinned_versions_as_wheels(dockerfile):
    installs = [value for value in _values(dockerfile, "RUN") if "pip" in value]
    with_dependencies = [
        command.group()
        for value in installs
        for command in re.finditer(r"\binstall\b[^&]*", value)
        if "--no-deps" not in command.group()
    ]
    assert with_dependencies
    assert all("-c constraints.txt" in command for command in with_dependencies)
    assert all("--only-binary=:all:" in command for command in with_dependencies)


def test_the_extras_exist_and_are_pinned(dockerfile):
    extras = next(value.partition("=")[2] for value in _values(dockerfile, "ARG") if value.startswith("EXTRAS="))
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert set(extras.split(",")) <= set(project["optional-dependencies"])


def test_the_runtime_has_no_compiler_and_no_leftover_of_the_package_manager(dockerfile):
    installs = [value for value in _values(dockerfile, "RUN", _last(dockerfile)) if "apt-get install" in value]
    assert installs
    for value in installs:
        words = set(value.replace("&&", " ").split())
        assert not words & {"gcc", "g++", "make", "build-essential", "python3-dev", "cargo"}
        assert "--no-install-recommends" in words
        assert "rm -rf /var/lib/apt/lists/*" in value


def test_a_stop_reaches_the_command_and_only_the_command(dockerfile):
    entrypoint = json.loads(_values(dockerfile, "ENTRYPOINT")[-1])
    assert entrypoint[0].endswith("/tini")
    assert "-g" not in entrypoint  # the whole group would hear it: a worker's agents too, which may end their work
    assert json.loads(_values(dockerfile, "CMD", _last(dockerfile))[-1])[0] == "genesis"
    assert _values(dockerfile, "STOPSIGNAL") == ["SIGTERM"]


def test_it_says_what_it_is_and_asks_after_its_health(dockerfile):
    labels = " ".join(_values(dockerfile, "LABEL"))
    for name in ("title", "description", "version", "revision", "licenses"):
        assert f"org.opencontainers.image.{name}=" in labels
    assert "/opt/genesis/healthcheck.py" in _values(dockerfile, "HEALTHCHECK")[-1]


def test_its_version_is_the_packages(dockerfile):
    version = tomllib.loads((_ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert f"VERSION={version}" in _values(dockerfile, "ARG")


def test_everything_that_is_written_lies_in_the_folders_made_for_it(dockerfile, image_environment):
    made = next(value for value in _values(dockerfile, "RUN", _last(dockerfile)) if "install --directory" in value)
    for name in _WRITTEN:
        place = Path(image_environment[name])
        assert any(f" {folder} " in f"{made} " for folder in (place, *place.parents)), name
    assert f" {_values(dockerfile, 'WORKDIR')[-1]}" in made, "a relative path of an agent's must be writable"


def test_hadolint_finds_nothing():
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run([hadolint, _ROOT / "docker" / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
