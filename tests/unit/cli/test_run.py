import importlib
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from genesis import pipeline
from genesis.cli.run import run

RUN = importlib.import_module("genesis.cli.run")
"""The module; the name in the package may be the command."""
PLAN = """
version: 1
request: q
correlation_id: of-the-plan
tasks: [{id: a, description: Audit the repository, type: implement, estimate: {seconds: 1}}]
"""


@pytest.fixture
def called(monkeypatch, tmp_path):
    """Calls `genesis run` up to where Prefect is needed; gives its exit code, what was compiled, and what would run."""
    compiled, original = [], pipeline.compile_program

    def compile_program(*arguments, **named):
        compiled.append(original(*arguments, **named))
        return compiled[-1]

    monkeypatch.setenv("GENESIS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(pipeline, "compile_program", compile_program)
    monkeypatch.setattr("genesis.server.begin_api", lambda _: SimpleNamespace())
    monkeypatch.setattr(RUN, "_with_prefect", lambda *_: 0)

    def call(plan, *words):
        (tmp_path / "plan.yaml").write_text(plan, encoding="utf-8")
        done = CliRunner().invoke(run, [str(tmp_path / "plan.yaml"), *words])
        return done, compiled

    return call


@pytest.mark.parametrize("words", [(), ("--json",), ("--rehearse", "0")])
def test_a_program_is_compiled_once(called, words):
    done, compiled = called(PLAN, *words)
    assert (done.exit_code, len(compiled)) == (0, 1)


def test_a_plan_that_cannot_run_is_shown_and_not_compiled(called):
    done, compiled = called(PLAN.replace("id: a", "id: a, depends_on: [gone]"))
    assert done.exception is not None
    assert compiled == []
    assert "GEN-DEPENDENCY-DANGLING" in done.stderr


@pytest.mark.parametrize(("words", "expected"), [((), "of-the-plan"), (("--correlation-id", "mine"), "mine")])
def test_the_correlation_id_of_the_call_replaces_that_of_the_plan(called, words, expected):
    _, (program,) = called(PLAN, *words)
    assert program.source.plan.correlation_id == expected
