"""The examples of the guide's page about `for_each` are sound plans, and have the copies that the page says."""

import re
from pathlib import Path

import pytest

from genesis.compile import compile_program
from genesis.document import parse
from genesis.planning import load_plan
from genesis.routing import load_registry, route
from genesis.validation import validate

_PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "for-each.md").read_text(encoding="utf-8")
_PLANS = [load_plan(parse(text)) for text in re.findall(r"^```yaml\n(.*?)^```$", _PAGE, re.DOTALL | re.MULTILINE)]


def program_of(plan):
    registry = load_registry()
    routed = route(plan, registry)
    assert [each.message for each in validate(routed, registry).errors] == []
    return compile_program(routed, registry)


@pytest.mark.parametrize(
    ("number", "paths"),
    [
        (0, ["lint", "lint/0-core", "lint/1-web", "lint/2-tools", "report"]),
        (
            1,
            [
                "service",
                "service/0-shop/build",
                "service/0-shop/suite",
                "service/0-shop/suite/0-unit",
                "service/0-shop/suite/1-load",
                "service/1-mail/build",
                "service/1-mail/suite",
                "service/1-mail/suite/0-unit",
            ],
        ),
        (
            2,
            [
                "service",
                *(f"service/{copy}/{task}" for copy in ("0-shop-true", "1-mail-false") for task in ("build", "ship")),
            ],
        ),
        (3, ["changed", "check"]),
    ],
)
def test_an_example_has_these_leaves(number, paths):
    program = program_of(_PLANS[number])
    assert [leaf.path for leaf in program.leaves] == paths


def test_there_is_no_other_example():
    assert len(_PLANS) == 4
