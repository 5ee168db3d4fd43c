"""The report: order, bounds, speed; the example of the guide; the reference page."""

import gc
from pathlib import Path

import pytest

from genesis.settings import Limits
from genesis.testing import calls_made_by
from genesis.validation import CHECKS, checks_page

EXAMPLE = [
    {"id": "inventory", "type": "research", "description": "List languages, sizes and entry points",
     "inputs": {"path": "{path}"}, "outputs": ["languages"]},
    {"id": "quality", "description": "Judge the code", "depends_on": ["inventory"], "subtasks": [
        {"id": "lint", "type": "test", "description": "Lint the sources", "requires": ["testing"]},
        {"id": "tests", "type": "test_run", "description": "Run the test suite", "timeout_s": 600, "retries": 1}]},
    {"id": "report", "type": "reporting", "description": "Write the audit report",
     "depends_on": ["inventory", "quality"]},
]  # fmt: skip
ABLE = {"name": "able", "task_types": ["research", "test", "test_run", "reporting"], "skills": ["testing"]}


def test_the_example_of_the_guide_is_clean(check):
    report = check(EXAMPLE, agents=[ABLE], request="Audit the repository at .", vars={"path": "."})
    assert report.ok
    assert report.errors == report.warnings == ()


def test_errors_come_first_then_warnings_then_infos_each_in_document_order(check):
    tasks = [
        {"id": "z", "description": "Sort apples", "side_effects": True, "approval": True, "depends_on": ["gone"]},
        {"id": "a", "description": "TODO", "approval": True},
    ]
    rows = [(d.severity, d.code, d.task) for d in check(tasks).diagnostics]
    assert rows[:4] == [
        ("error", "GEN-APPROVAL-UNAVAILABLE", "z"),
        ("error", "GEN-DEPENDENCY-DANGLING", "z"),
        ("error", "GEN-APPROVAL-UNAVAILABLE", "a"),
        ("warning", "GEN-DESCRIPTION-VAGUE", "a"),
    ]
    assert [row[0] for row in rows] == sorted((row[0] for row in rows), key=["error", "warning", "info"].index)


def test_findings_of_one_code_are_bounded_and_the_rest_counted(check):
    tasks = [{"id": f"t{n}", "description": f"Convert document {n}", "approval": True} for n in range(120)]
    found = [d for d in check(tasks).diagnostics if d.code == "GEN-APPROVAL-UNAVAILABLE"]
    assert len(found) == 51
    assert found[-1].task is None
    assert found[-1].evidence == {"more": 70}
    assert found[-1].message.startswith("and 70 more")


def test_every_diagnostic_says_what_to_do(check):
    tasks = [
        {"id": "a", "description": "TODO", "depends_on": ["a", "b"], "inputs": {"x": "{no}"}, "requires": ["none"]}
    ]
    for found in check(tasks).diagnostics:
        assert found.hint
        assert found.message


def test_codes_are_unique_and_well_formed():
    codes = [check.code for check in CHECKS]
    assert len(set(codes)) == len(codes) >= 25
    assert all(code.startswith("GEN-") and code.replace("-", "").isalnum() and code.isupper() for code in codes)


def test_the_reference_page_is_up_to_date():
    page = Path(__file__).parents[3] / "docs" / "reference" / "checks.md"
    assert page.read_text(encoding="utf-8") == checks_page()


def chain(count):
    return [
        {"id": f"t{n}", "description": f"Convert document {n}", "depends_on": [f"t{n - 1}"] if n else []}
        for n in range(count)
    ]


def wide(count):
    return [{"id": f"t{n}", "description": f"Convert document {n}"} for n in range(count)]


def layers(count):
    def sources(n):
        first = n - n % 50 - 50
        return [f"t{m}" for m in range(first, first + 50, 10) if m >= 0]

    return [{"id": f"t{n}", "description": f"Convert document {n}", "depends_on": sources(n)} for n in range(count)]


def deep(count):
    node = {"id": "leaf", "description": "Convert the innermost"}
    for level in range(count):
        node = {"id": f"d{level}", "description": f"Level {level}", "subtasks": [node]}
    return [node]


def same(count):
    return [{"id": f"t{n}", "description": "Convert the document"} for n in range(count)]


def fail(count):
    return [
        {"id": f"t{n}", "description": "Convert", "depends_on": [f"u{n}", "t0"], "inputs": {"x": f"{{t{n}x.y}}"}}
        for n in range(count)
    ]


def make_crossed_plan(count):
    """Composites that depend on what is inside of others, half of them inside themselves."""
    return [
        {"id": f"p{n}", "description": f"Part {n}", "depends_on": [f"p{n}/x" if n % 2 else f"p{n - 1}/x"] if n else [],
         "subtasks": [{"id": "x", "description": f"Convert document {n}"}]}
        for n in range(count // 2)
    ]  # fmt: skip


@pytest.mark.parametrize("shape", [chain, wide, layers, same, fail, make_crossed_plan])
def test_work_grows_with_the_tasks_and_not_with_their_square(check, shape):
    how = {"limits": Limits(leaves=10_000)}

    def work(count):
        tasks = shape(count)
        return calls_made_by(lambda: check(tasks, how=how))

    assert work(4000) < 12 * work(500)


class CollectorProbe:
    """Notes whether the garbage collector runs during a validation."""

    def __init__(self):
        self.seen = set()

    def executor_problem(self, spec, agent):
        self.seen.add(gc.isenabled())

    def input_problem(self, spec, inputs):
        return None

    def secret_present(self, name):
        return True


def test_validation_pauses_the_garbage_collector_and_leaves_it_as_it_was(check):
    probe = CollectorProbe()
    check(EXAMPLE, how={"probe": probe})
    assert probe.seen == {False}
    assert gc.isenabled()
    gc.disable()
    try:
        check(EXAMPLE)
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_deep_nesting_neither_crashes_nor_explodes(check):
    report = check(deep(60))
    assert report.ok
    assert [d.code for d in report.warnings] == ["GEN-NESTING-DEEP"]
