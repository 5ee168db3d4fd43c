"""Functions by their names, those of packages that have been renamed included."""

import importlib

import pytest

from genesis.agents.functions import current_module, find_function, function_problem
from genesis.errors import TaskError

OLD = "genesis.agents.toolkit"


def test_a_name_in_a_renamed_package_finds_the_function_where_it_is_now():
    assert find_function(f"{OLD}.licence:run", {}) is importlib.import_module("genesis_audit.licence").run
    assert function_problem(f"{OLD}.licence:run", {}) is None


def test_what_is_gone_is_told_by_its_present_name():
    assert function_problem(f"{OLD}.nothing:run", {}).startswith("there is no module 'genesis_audit.nothing' here")
    with pytest.raises(TaskError, match=r"there is no 'rum' in 'genesis_audit\.licence'"):
        find_function(f"{OLD}.licence:rum", {})


@pytest.mark.parametrize("name", ["genesis.agents.toolkits", "genesis.agents", "mine.genesis.agents.toolkit", "json"])
def test_other_names_stay(name):
    assert current_module(name) == name
    assert current_module(OLD) == "genesis_audit"


def test_a_function_that_was_handed_in_under_the_old_name_wins():
    assert find_function(f"{OLD}.licence:run", {f"{OLD}.licence:run": len}) is len
