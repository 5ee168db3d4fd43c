from decimal import Decimal

import pytest

from genesis.agents import functions_of, profile_of, with_agents
from genesis.agents.contract import Work
from genesis.agents.decorator import agent
from genesis.agents.python import PythonExecutor
from genesis.errors import UsageError
from genesis.model import AgentProfile, Registry


@agent(task_types=["greet"], skills=["talk"], cost={"usd_per_task": 0.1}, secrets=["KEY"])
def greeter(name):
    """Greet a person.

    More words.
    """
    return f"Hello {name}"


def run(function, **inputs):
    return Work("r", "c", "q", "p", "t", "d", inputs, (), profile_of(function))


def test_decorated_function_is_given_back_unchanged():
    assert greeter("Ada") == "Hello Ada"


def test_profile_takes_name_and_description_from_the_function():
    profile = profile_of(greeter)
    assert (profile.name, profile.description, profile.task_types) == ("greeter", "Greet a person.", ("greet",))
    assert profile.cost.usd_per_task == Decimal("0.1")
    assert profile.secrets == ("KEY",)


def test_function_of_a_module_is_called_by_its_import_name(monkeypatch):
    import sys
    import types

    module = types.ModuleType("genesis_test_agents")
    monkeypatch.setitem(sys.modules, "genesis_test_agents", module)
    monkeypatch.setattr(greeter, "__module__", "genesis_test_agents")
    module.greeter = greeter
    assert profile_of(greeter).executor.call == "genesis_test_agents:greeter"
    monkeypatch.setattr(greeter, "__module__", "__main__")
    assert profile_of(greeter).executor.call == "__main__:in_process.greeter"


async def test_closures_and_lambdas_run_from_the_table():
    def make(word):
        @agent(f"say-{word}", task_types=["say"])
        def say(name):
            return f"{word} {name}"

        return say

    agents = [make("good"), make("bad"), agent(task_types=["x"])(lambda name: name)]
    table = functions_of(agents)
    assert len(table) == 3
    results = [
        await PythonExecutor(profile_of(a).executor, functions=table).execute(run(a, name="Ada")) for a in agents
    ]
    assert [result.value for result in results] == ["good Ada", "bad Ada", "Ada"]


def test_agents_are_added_to_a_registry_after_its_own():
    registry = Registry(agents=(AgentProfile(name="first"),))
    assert [a.name for a in with_agents(registry, [greeter]).agents] == ["first", "greeter"]
    with pytest.raises(UsageError, match="two agents named 'greeter'"):
        with_agents(registry, [greeter, greeter])


def test_two_functions_under_one_name_are_refused():
    def make(name):
        return agent(name, task_types=["x"])(lambda: None)

    with pytest.raises(UsageError, match=r"two functions would both be called .*:in_process\.a_b"):
        functions_of([make("a-b"), make("a.b")])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"task_types": ["x"], "success_rate": 2}, "success_rate: .*given: 2"),
        ({"task_types": ["x"], "max_concurrency": 0}, "max_concurrency"),
        ({"task_types": ["x"], "name": "a b"}, "agent 'a b': name"),
        ({"task_types": "greet"}, "are lists of names"),
    ],
)
def test_bad_values_are_refused_with_the_name_of_the_value(arguments, message):
    with pytest.raises(UsageError, match=message):
        agent(**arguments)(lambda: None)


def test_decorator_without_its_arguments_is_refused():
    with pytest.raises(UsageError, match="needs its task types"):
        agent(lambda: None, task_types=[])


def test_object_that_cannot_carry_the_mark_is_refused():
    with pytest.raises(UsageError, match="cannot be an agent"):
        agent(task_types=["x"])(len)


def test_unmarked_function_has_no_profile():
    with pytest.raises(UsageError, match="is not an agent"):
        profile_of(len)


def test_callable_object_takes_the_name_of_its_class():
    class Counter:
        def __call__(self):
            return 1

    counter = agent(task_types=["count"])(Counter())
    assert profile_of(counter).name == "Counter"
