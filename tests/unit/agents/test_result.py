"""What an agent may report as its cost and tokens."""

import json
import pickle
from decimal import Decimal

import pytest

from genesis.agents.contract import Result
from genesis.errors import TaskError
from genesis.model import Outcome


class Float64(float):
    def __repr__(self):
        return f"np.float64({float(self)})"


class Int64:
    def __index__(self):
        return 900


class Half:
    def __float__(self):
        return 0.5


@pytest.mark.parametrize(
    ("given", "usd"),
    [
        (0.05, "0.05"), ("0.05", "0.05"), (1, "1"), (Decimal("0.050"), "0.050"), (0.1 + 0.2, "0.30000000000000004"),
        (Float64(0.05), "0.05"), (Half(), "0.5"), (Int64(), "900"), (-0.0, "0.0"), (1e-9, "1E-9"), (None, None),
    ],
)  # fmt: skip
def test_a_cost_is_taken_exactly(given, usd):
    result = Result(usd=given)
    assert result.usd == (None if usd is None else Decimal(usd))
    outcome = Outcome(id="a", agent="b", usd=result.usd)
    again = Outcome.model_validate_json(outcome.model_dump_json()).usd
    assert again is None if usd is None else float(again) == float(usd)
    assert pickle.loads(pickle.dumps(result)) == result


@pytest.mark.parametrize(("given", "tokens"), [(900, 900), (900.0, 900), ("900", 900), (Int64(), 900), (None, 0)])
def test_tokens_are_a_whole_number(given, tokens):
    assert Result(tokens=given).tokens == tokens
    assert type(Result(tokens=given).tokens) is int


BAD = [-1, -0.05, float("nan"), float("inf"), float("-inf"), Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), True,
       "much", "", 10**400, 1e300, "1e999999999", [], {}, object(), Float64("nan"), 1j]  # fmt: skip


@pytest.mark.parametrize("given", BAD)
def test_a_cost_that_no_budget_can_count_fails_the_attempt(given):
    with pytest.raises(TaskError, match="cost") as caught:
        Result(usd=given)
    assert caught.value.data["retry"] is False
    json.dumps(caught.value.to_dict())


@pytest.mark.parametrize("given", [*BAD, 0.5, "0.5"])
def test_tokens_that_no_budget_can_count_fail_the_attempt(given):
    with pytest.raises(TaskError, match="tokens"):
        Result(tokens=given)


def test_a_state_of_its_own_fails_the_attempt():
    with pytest.raises(TaskError, match="state"):
        Result(state="done")
