import asyncio

import httpx
import pytest
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES

from genesis.prefect_api.client import ApiUnavailable, PrefectApi, ResponseTimes, is_transient, without_client_retries


def status(code):
    request = httpx.Request("POST", "http://127.0.0.1/x")
    return httpx.HTTPStatusError(str(code), request=request, response=httpx.Response(code, request=request))


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("genesis.prefect_api.client._FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr("genesis.prefect_api.client._LONGEST_PAUSE_S", 0.0)


async def test_a_call_outlasts_an_api_that_is_away(api, line):
    api.answers("hello", [httpx.ConnectError("x"), status(503), TimeoutError(), status(500), "hi"])
    assert await line.call(lambda client: client.hello()) == "hi"
    assert len(api.asked) == 5
    assert line.away_since is None


async def test_what_the_api_refuses_is_raised_at_once(api, line):
    api.answers("hello", [status(422)])
    with pytest.raises(httpx.HTTPStatusError):
        await line.call(lambda client: client.hello())


async def test_a_server_whose_database_pool_has_run_out_is_waited_for(api, line):
    api.answers("hello", [*(status(code) for code in (500, 503, 429, 504) for _ in range(50)), "hi"])
    assert await line.call(lambda client: client.hello()) == "hi"


async def test_a_server_that_always_has_a_fault_is_given_up(line, clock):
    made = []

    async def faulty(_client):
        made.append(clock.now)
        clock.now += 100
        raise status(500)

    with pytest.raises(ApiUnavailable) as caught:
        await line.call(faulty)
    assert caught.value.fault
    assert len(made) == 9


async def test_a_busy_server_does_not_count_as_one_that_did_not_answer(api, line):
    api.answers("hello", [status(503), httpx.ReadTimeout("x")])
    for failures in (0, 1):
        with pytest.raises(ApiUnavailable):
            await line.once(lambda client: client.hello())
        assert line.failures == failures


async def test_a_call_inside_another_is_counted_once(api, line):
    api.answers("hello", [httpx.ConnectError("x"), status(500), "hi"])
    for failures, fault in ((1, False), (2, True)):
        with pytest.raises(ApiUnavailable) as caught:
            await line.once(lambda _: line.once(lambda client: client.hello()))
        assert (line.failures, caught.value.fault) == (failures, fault)
    assert await line.call(lambda _: line.once(lambda client: client.hello())) == "hi"


async def test_a_call_has_a_deadline(line):
    line.timeout_s = 0.01
    with pytest.raises(ApiUnavailable):
        await line.once(lambda _client: asyncio.sleep(10))


async def test_a_long_absence_is_told_once_and_so_is_its_end(api, line, clock, said):
    api.answers("hello", [httpx.ConnectError("x")] * 3 + ["hi"])
    for seconds in (0, 6, 7):
        clock.now = 1000.0 + seconds
        with pytest.raises(ApiUnavailable):
            await line.once(lambda client: client.hello())
        assert line.away_since == 1000.0
    await line.once(lambda client: client.hello())
    assert len(said) == 2
    assert "does not answer" in said[0]
    assert "answers again" in said[1]


async def at_once(line, calls):
    """Make calls together, and give the most that were made at the same time."""
    inside, most = 0, 0

    async def one(_client):
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.001)
        inside -= 1

    await asyncio.gather(*(line.call(one) for _ in range(calls)))
    return most


async def test_refusals_let_fewer_through_and_calm_lets_more(api, clock, said):
    line = PrefectApi(api, said.append, clock=clock)
    assert await at_once(line, 30) == 8
    api.answers("hello", [status(503), status(429), status(503), "hi"])
    await line.call(lambda client: client.hello())
    assert await at_once(line, 20) == 1
    await at_once(line, 20)
    assert await at_once(line, 10) == 2


async def test_heartbeats_of_a_worker_wait_for_no_other_calls(api, clock, said):
    line = PrefectApi(api, said.append, clock=clock, concurrent_calls=None)
    api.answers("hello", [status(503), status(429), status(503), "hi"])
    await line.call(lambda client: client.hello())
    assert await at_once(line, 30) == 30


def test_prefects_client_retries_nothing_by_itself_in_the_context_and_does_outside():
    before = PREFECT_CLIENT_MAX_RETRIES.value()
    assert before > 0
    with without_client_retries():
        assert PREFECT_CLIENT_MAX_RETRIES.value() == 0
    assert PREFECT_CLIENT_MAX_RETRIES.value() == before


@pytest.mark.parametrize("error", [status(503), status(500), status(429), httpx.ConnectError("x"), TimeoutError()])
def test_transient_errors_are_told_from_refusals(error):
    assert is_transient(error)
    assert not is_transient(status(404))
    assert not is_transient(ValueError())


async def test_a_short_gap_is_not_reported_but_the_return_is_known(api, line, said):
    back = []
    line.when_back(lambda: back.append(1))
    api.answers("hello", [httpx.ReadError("closed"), "hi"])
    assert await line.call(lambda client: client.hello()) == "hi"
    assert (said, back) == ([], [1])


async def test_a_refusal_is_an_answer(api, line, clock):
    api.answers("hello", [httpx.ConnectError("gone"), status(422)])
    with pytest.raises(ApiUnavailable):
        await line.once(lambda client: client.hello())
    clock.now += 1
    assert line.away_s == 1
    with pytest.raises(httpx.HTTPStatusError):
        await line.call(lambda client: client.hello())
    assert line.away_s == 0


async def test_a_call_can_be_given_up(api, line, clock):
    async def raise_unreachable(_client):
        clock.now += 0.1
        raise httpx.ConnectError("gone")

    with pytest.raises(ApiUnavailable):
        await line.call(raise_unreachable, give_up_s=0.3)
    assert clock.now < 1001


async def test_response_times_are_of_what_was_answered_or_timed_out(api, line, clock):
    async def take(seconds, error=None):
        clock.now += seconds
        if error is not None:
            raise error
        return "hi"

    await line.once(lambda _: take(1.0))
    assert line.response_times.mean_s == line.response_times.shortest_s == 1.0
    for error in (status(503), TimeoutError(), status(422)):
        with pytest.raises((ApiUnavailable, httpx.HTTPStatusError)):
            await line.once(lambda _, error=error: take(3.0, error))
    assert 1.5 < line.response_times.mean_s < 3.0
    mean_s = line.response_times.mean_s
    with pytest.raises(ApiUnavailable):
        await line.once(lambda _: take(9.0, httpx.ConnectError("x")))
    assert line.response_times.mean_s == mean_s


async def test_the_shortest_response_time_follows_a_path_that_got_longer():
    times = ResponseTimes()
    times.add(0.01)
    for _ in range(20):
        times.add(0.5)
    assert times.shortest_s < 0.03
    for _ in range(5_000):
        times.add(0.5)
    assert times.shortest_s > 0.4
