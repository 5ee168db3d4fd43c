"""`--budget`, `--deadline` and `--retries`: what they take, and what they do to a plan."""

from decimal import Decimal

import click
import pytest
from click.testing import CliRunner

from genesis.cli.bounds import bounds_options, overrides
from genesis.compile import compile_program
from genesis.model import Budget
from genesis.planning import load_plan, plan_document
from genesis.planning.overrides import Overrides
from genesis.testing import a_plan, a_program, a_task, route_to


def read(*words):
    found = []

    @click.command()
    @bounds_options
    def command(budget, deadline, retries):
        found.append(overrides(budget, deadline, retries))

    done = CliRunner().invoke(command, words)
    return (found[0] if found else None), done


@pytest.mark.parametrize(
    ("word", "usd", "tokens"),
    [
        ("2.50", "2.50", None),
        ("$3", "3", None),
        ("0", "0", None),
        ("100000tokens", None, 100_000),
        ("2.50,100000tokens", "2.50", 100_000),
        ("1000 tokens, 1", "1", 1000),
    ],
)
def test_a_budget_is_dollars_tokens_or_both(word, usd, tokens):
    found, _ = read("--budget", word)
    assert found.budget == Budget(usd=None if usd is None else Decimal(usd), tokens=tokens)


@pytest.mark.parametrize(
    "word", ["", "-1", "nan", "inf", "1e3", "2.5.1", "1,2", "1,000", "5tokens,6tokens", "1.5tokens", "ten", "٣"]
)
def test_what_is_no_budget_is_refused_with_an_example(word):
    found, done = read("--budget", word)
    assert (found, done.exit_code) == (None, 2)
    assert "is not a budget" in done.output
    assert "100000tokens" in done.output


@pytest.mark.parametrize(
    ("word", "seconds"), [("600", 600), ("0.5", 0.5), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("2D", 172_800)]
)
def test_a_deadline_is_seconds_or_has_units(word, seconds):
    found, _ = read("--deadline", word)
    assert found.deadline_s == seconds


@pytest.mark.parametrize("word", ["", "0", "-5", "nan", "inf", "10x", "m", "1h 30m", "0s", "400d", "1" * 30])
def test_what_is_no_deadline_is_refused_with_an_example(word):
    found, done = read("--deadline", word)
    assert (found, done.exit_code) == (None, 2)
    assert "1h30m" in done.output


@pytest.mark.parametrize("word", ["-1", "101", "x", "1.5"])
def test_what_is_no_number_of_retries_is_refused(word):
    found, done = read("--retries", word)
    assert (found, done.exit_code) == (None, 2)


def test_nothing_given_overrides_nothing():
    found, _ = read()
    plan = a_plan(a_task("a"), budget={"usd": 1}, deadline_s=5)
    assert found == Overrides()
    assert found.apply(plan) == plan


def test_a_bound_replaces_that_of_the_plan_and_leaves_the_others():
    plan = a_plan(a_task("a"), budget={"usd": 1, "tokens": 7}, deadline_s=5)
    changed = Overrides(Budget(usd=Decimal(2)), None, 3).apply(plan)
    assert (changed.budget, changed.deadline_s, changed.retries) == (Budget(usd=Decimal(2), tokens=7), 5, 3)


def test_retries_are_for_tasks_that_do_not_say_and_do_no_harm_twice():
    tasks = (a_task("plain"), a_task("says", retries=0), a_task("acts", side_effects=True), a_task("more", retries=5))
    plan = Overrides(retries=2).apply(a_plan(*tasks))
    program = compile_program(*route_to(plan))
    assert [leaf.retries for leaf in program.leaves] == [2, 0, 0, 5]
    again = load_plan(plan_document(program.source))
    assert [leaf.retries for leaf in compile_program(*route_to(again)).leaves] == [2, 0, 0, 5]


def test_other_retries_on_a_resume_replace_those_of_the_start():
    document = plan_document(Overrides(retries=2).apply(a_program(a_task("plain")).source.plan))
    plan = Overrides(retries=4).apply(load_plan(document))
    assert compile_program(*route_to(plan)).leaves[0].retries == 4
