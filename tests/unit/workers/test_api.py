"""Talking to an API that is away now and then."""

import httpx
import pytest

from genesis.workers.api import Api, is_passing


def status(code):
    request = httpx.Request("GET", "http://127.0.0.1/api")
    return httpx.HTTPStatusError("no", request=request, response=httpx.Response(code, request=request))


@pytest.mark.parametrize("error", [status(503), status(500), status(429), httpx.ConnectError("x"), TimeoutError()])
def test_what_passes_is_told_from_what_does_not(error):
    assert is_passing(error)
    assert not is_passing(status(404))
    assert not is_passing(ValueError())


def failing(*errors):
    left = list(errors)

    async def call():
        if left:
            raise left.pop(0)
        return "answer"

    return call


async def test_a_moment_without_an_answer_is_no_news():
    said, back = [], []
    api = Api(None, said.append)
    api.when_back(lambda: back.append(1))
    assert await api.patiently(failing(httpx.ReadError("closed"))) == "answer"
    assert (said, back) == ([], [1])


async def test_an_outage_is_said_once_and_its_end_too(monkeypatch):
    monkeypatch.setattr("genesis.workers.api._SAY_AFTER_S", 0.0)
    said, back = [], []
    api = Api(None, said.append)
    api.when_back(lambda: back.append(1))
    assert await api.patiently(failing(httpx.ConnectError("gone"), status(503))) == "answer"
    assert [text.split(" (")[0].split(",")[0] for text in said] == [
        "the Prefect API does not answer",
        "the Prefect API answers again",
    ]
    assert back == [1]
    assert api.away_s == 0


async def test_an_answer_that_refuses_is_an_answer():
    api = Api(None, lambda _: None)
    with pytest.raises(httpx.ConnectError):
        await api.once(failing(httpx.ConnectError("gone")))
    assert api.away_s > 0
    with pytest.raises(httpx.HTTPStatusError):
        await api.patiently(failing(status(422)))
    assert api.away_s == 0


async def test_patience_can_have_an_end():
    with pytest.raises(httpx.ConnectError):
        await Api(None, lambda _: None).patiently(failing(*[httpx.ConnectError("gone")] * 9), give_up_s=0.3)
