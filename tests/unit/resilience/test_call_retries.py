"""Single calls that are made again, and when not."""

import asyncio

import pytest

from genesis.errors import BreakerOpenError, SecurityError, ServiceError
from genesis.resilience import QuotaError, RetryBudget, RetryPolicy
from genesis.resilience.call_retries import CALLS, call_with_retries

AT_ONCE = RetryPolicy(retries=2, first_s=0.0, longest_s=10.0)


class Service:
    """Does what a script says: raises exceptions, gives other values."""

    def __init__(self, *script):
        self.script, self.calls = list(script), 0

    async def __call__(self):
        step = self.script[min(self.calls, len(self.script) - 1)]
        self.calls += 1
        if isinstance(step, BaseException):
            raise step
        return step


async def test_a_call_that_succeeds_is_made_once():
    service = Service("fine")
    assert (await call_with_retries(service), service.calls) == ("fine", 1)


async def test_a_call_that_fails_is_made_again():
    service = Service(ServiceError("x"), ConnectionError("y"), "fine")
    assert (await call_with_retries(service, policy=AT_ONCE), service.calls) == ("fine", 3)


async def test_repeats_end_and_the_last_error_is_raised_as_it_was():
    last = ServiceError("third")
    service = Service(ServiceError("first"), ServiceError("second"), last)
    with pytest.raises(ServiceError) as caught:
        await call_with_retries(service, policy=AT_ONCE)
    assert (caught.value, service.calls) == (last, 3)


@pytest.mark.parametrize("error", [SecurityError("x"), TypeError("x"), BreakerOpenError("x"), QuotaError("x")])
async def test_what_cannot_succeed_is_not_made_again(error):
    service = Service(error, "fine")
    with pytest.raises(type(error)):
        await call_with_retries(service, policy=AT_ONCE)
    assert service.calls == 1


async def test_what_is_not_safe_is_not_made_again():
    service = Service(ServiceError("x"), "fine")
    with pytest.raises(ServiceError):
        await call_with_retries(service, policy=AT_ONCE, safe=lambda error: error.message != "x")
    assert service.calls == 1


async def test_a_pause_that_does_not_fit_is_not_begun():
    service = Service(ServiceError("x", data={"retry_after_s": 9.0}), "fine")
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(ServiceError):
        await call_with_retries(service, policy=AT_ONCE, left_s=8.0)
    assert service.calls == 1
    assert loop.time() - began < 8


async def test_the_pause_that_the_other_side_asks_for_is_made():
    service = Service(ServiceError("x", data={"retry_after_s": 0.3}), "fine")
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await call_with_retries(service, policy=AT_ONCE) == "fine"
    assert loop.time() - began >= 0.29


async def test_repeats_are_taken_from_the_budget_and_end_with_it():
    budget = RetryBudget(0)
    for _ in range(2):
        with pytest.raises(ServiceError):
            await call_with_retries(Service(ServiceError("x")), policy=AT_ONCE, budget=budget)
    assert (budget.left, budget.refused) == (0, 1)
    service = Service(ServiceError("x"), "fine")
    with pytest.raises(ServiceError):
        await call_with_retries(service, policy=AT_ONCE, budget=budget)
    assert service.calls == 1


async def test_the_last_failure_takes_nothing_from_the_budget():
    budget = RetryBudget(100)
    with pytest.raises(ServiceError):
        await call_with_retries(Service(ServiceError("x")), policy=AT_ONCE, budget=budget)
    assert budget.left == 18


@pytest.mark.parametrize("refusal", [BreakerOpenError("shut"), QuotaError("not now")])
async def test_a_repeat_that_is_refused_was_none(refusal):
    first = ServiceError("down")
    with pytest.raises(ServiceError) as caught:
        await call_with_retries(Service(first, refusal), policy=AT_ONCE)
    assert caught.value is first


async def test_a_cancelled_call_and_a_cancelled_pause_end_at_once():
    service = Service(asyncio.CancelledError(), "fine")
    with pytest.raises(asyncio.CancelledError):
        await call_with_retries(service, policy=AT_ONCE)
    assert service.calls == 1
    paused = Service(ServiceError("x", data={"retry_after_s": 9.0}), "fine")
    work = asyncio.create_task(call_with_retries(paused, policy=AT_ONCE))
    while not paused.calls:
        await asyncio.sleep(0)
    await asyncio.sleep(0.05)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert paused.calls == 1


def test_calls_are_made_once_more():
    assert CALLS.retries == 1


async def test_a_timeout_around_it_ends_a_pause():
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await call_with_retries(Service(ServiceError("x", data={"retry_after_s": 9.0}), "fine"), policy=AT_ONCE)
