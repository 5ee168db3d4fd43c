"""The table of the guide's page about `--select` is what the options do to its plan."""

import re
import shlex
from pathlib import Path

import pytest

from genesis.document import parse
from genesis.pipeline import compile_prepared, prepare, program_of
from genesis.planning import Selectors, load_plan, plan_document
from genesis.routing import load_registry
from genesis.settings import Settings

_PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "select.md").read_text(encoding="utf-8")
_PLAN = load_plan(parse(re.findall(r"^```yaml\n(.*?)^```$", _PAGE, re.DOTALL | re.MULTILINE)[0]))
_ROWS = re.findall(r"^\| `(--[^`]+)` \| ([\w/, ]+) \|$", _PAGE, re.MULTILINE)


def prepared(options):
    words = shlex.split(options)
    given = {name: [] for name in ("--select", "--except")}
    for option, text in zip(words[::2], words[1::2], strict=True):
        given[option].append(text)
    selectors = Selectors(tuple(given["--select"]), tuple(given["--except"]))
    return prepare(_PLAN, load_registry(), settings=Settings(), selectors=selectors)


@pytest.mark.parametrize(("options", "leaves"), _ROWS)
def test_the_options_leave_these_leaves(options, leaves):
    made = prepared(options)
    assert made.report.ok
    program = compile_prepared(made, Settings())
    assert [leaf.path for leaf in program.leaves] == leaves.split(", ")
    again = program_of(plan_document(program.source), program.registry, Settings())
    assert [leaf.fingerprint for leaf in again.leaves] == [leaf.fingerprint for leaf in program.leaves]
    assert again.source.plan.left_out == program.source.plan.left_out


def test_the_order_over_what_is_left_out_is_as_the_page_says():
    program = compile_prepared(prepared('--select "fetch report"'), Settings())
    assert [leaf.after for leaf in program.leaves] == [(), (0,)]


def test_the_table_is_found():
    assert len(_ROWS) == 8
