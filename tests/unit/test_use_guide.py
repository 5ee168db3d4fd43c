"""The example of the guide's page about `use` is sound, and has the leaves that the page says."""

import re
from pathlib import Path

import pytest

from genesis.cli.planning import prepare_plan
from genesis.pipeline import compile_prepared, program_of, simulate
from genesis.planning import plan_document
from genesis.settings import Settings

_PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "use.md").read_text(encoding="utf-8")
_FILES = re.findall(r"^`([\w/.]+)`:\n\n```yaml\n(.*?)^```$", _PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def program(tmp_path):
    for name, text in _FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    settings = Settings()
    prepared = prepare_plan(str(tmp_path / "release.yaml"), settings, agents=None, playbooks=None, variables={})
    assert [each.message for each in prepared.report.diagnostics if each.severity != "info"] == []
    return compile_prepared(prepared, settings)


def test_every_example_is_a_file_with_a_name():
    assert [name for name, _ in _FILES] == ["release.yaml", "lib/build.yaml"]
    assert _PAGE.count("```yaml\n") == len(_FILES)


def test_the_example_has_these_leaves(program):
    assert [leaf.path for leaf in program.leaves] == [
        "fetch",
        "build",
        "build/0-linux/compile",
        "build/0-linux/pack",
        "build/1-mac/compile",
        "build/1-mac/pack",
        "publish",
    ]
    leaves = {leaf.path: leaf for leaf in program.leaves}
    assert leaves["build/1-mac/pack"].description == "Pack for mac"
    assert leaves["publish"].sources == {"build.image": leaves["build"].index}
    assert program.values == {"level": 2, "build/level": 2, "build/flags": "-O"}
    assert simulate(program, slots=4).critical_path_s > 0


def test_a_resume_compiles_the_same_program_without_the_files(program, tmp_path):
    for name, _ in _FILES:
        (tmp_path / name).unlink()
    again = program_of(plan_document(program.source), program.registry, Settings())
    assert [(leaf.path, leaf.fingerprint) for leaf in again.leaves] == [
        (leaf.path, leaf.fingerprint) for leaf in program.leaves
    ]
