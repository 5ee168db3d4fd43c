"""A model that is asked over HTTP: what comes back, and what each failure says."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from contextlib import asynccontextmanager

import pytest
from pydantic import BaseModel, Field

from genesis.errors import ModelError, UsageError
from genesis.llm import open_model
from genesis.settings import LlmSettings
from genesis.testing.llm_server import (
    FakeLlmServer,
    ServerStep,
    answers,
    cut_off,
    echo,
    find_unused_base_url,
    html,
    reply,
    slow,
    status,
    truncate,
)


class Colour(BaseModel):
    """A colour."""

    name: str = Field(max_length=20)
    shades: list[str] = Field(max_length=3)


RED = {"name": "red", "shades": ["pink"]}


def ask(server: FakeLlmServer, **changes):
    model = open_model(server.settings(**changes))
    return asyncio.run(model.ask("Which colour?", schema=Colour, system="Answer."))


def failure(*script: ServerStep, **changes) -> tuple[ModelError, FakeLlmServer]:
    with FakeLlmServer(script) as server, pytest.raises(ModelError) as caught:
        ask(server, **changes)
    return caught.value, server


def test_answer_is_read_with_its_tokens():
    with FakeLlmServer([answers(RED)]) as server:
        answer = ask(server)
    assert answer.value == Colour(name="red", shades=["pink"])
    assert (answer.tokens_in, answer.tokens_out, answer.tokens) == (100, 50, 150)


def test_schema_bounds_and_settings_are_sent():
    with FakeLlmServer([answers(RED)]) as server:
        ask(server, temperature=0.3, max_tokens=123)
    sent = server.requests[0]
    schema = sent["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["name"]["maxLength"] == 20
    assert schema["properties"]["shades"]["maxItems"] == 3
    assert sent["temperature"] == 0.3
    assert 123 in (sent.get("max_tokens"), sent.get("max_completion_tokens"))
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]


def test_text_is_written_without_a_schema():
    with FakeLlmServer([reply("  plain words \n")]) as server:
        answer = asyncio.run(open_model(server.settings()).write("Say it", max_tokens=7))
    assert answer.value == "plain words"
    assert "response_format" not in server.requests[0]


def test_fenced_object_is_read():
    with FakeLlmServer([reply('```json\n{"name": "red", "shades": []}\n```')]) as server:
        assert ask(server).value.name == "red"


def test_base_url_never_gets_the_provider_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-meant-for-the-provider")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-meant-for-the-provider")
    with FakeLlmServer([answers(RED)]) as server:
        ask(server)
        ask(server, model="anthropic:claude-sonnet-5-5", base_url=server.base_url.removesuffix("/v1"))
    assert "meant-for-the-provider" not in str(server.headers)


def test_own_key_is_sent():
    with FakeLlmServer([answers(RED)]) as server:
        ask(server, api_key="k-1")
    assert server.headers[0]["authorization"] == "Bearer k-1"


@pytest.mark.parametrize("model", ["claude-sonnet-5-5", "claude-small"])
def test_anthropic_is_asked_in_its_own_api(model):
    with FakeLlmServer([answers(RED)]) as server:
        base = server.base_url.removesuffix("/v1")
        answer = ask(server, model=f"anthropic:{model}", base_url=base, api_key="k-2")
    assert answer.value.name == "red"
    assert answer.tokens == 150
    assert "k-2" in (
        server.headers[0].get("x-api-key"),
        server.headers[0].get("authorization", "").removeprefix("Bearer "),
    )


def test_anthropic_cut_answer_is_an_error():
    with FakeLlmServer([cut_off()]) as server:
        base = server.base_url.removesuffix("/v1")
        model = open_model(server.settings(model="anthropic:claude-sonnet-5-5", base_url=base, api_key="k"))
        with pytest.raises(ModelError) as caught:
            asyncio.run(model.write("Say it"))
    assert caught.value.code == "GEN-MODEL-LENGTH"


@pytest.mark.parametrize(
    ("step", "code", "words"),
    [
        (html(), "GEN-MODEL-NOT-API", "did not respond like a model's API"),
        (ServerStep(raw="<html><body>gate</body></html>"), "GEN-MODEL-NOT-API", "HTML page"),
        (ServerStep(raw='{"unexpected": true}'), "GEN-MODEL-NOT-API", "did not respond like a model's API"),
        (ServerStep(raw='{"choices": ['), "GEN-MODEL-NOT-API", "did not respond like a model's API"),
        (ServerStep(raw=""), "GEN-MODEL-NOT-API", "did not respond like a model's API"),
        (truncate(), "GEN-MODEL-ANSWER", "not valid JSON"),
        (reply(""), "GEN-MODEL-ANSWER", "it is empty"),
        (reply("<html><p>hi</p></html>"), "GEN-MODEL-ANSWER", "it is HTML"),
        (echo(), "GEN-MODEL-ANSWER", "not valid JSON"),
        (reply("[" * 100_000), "GEN-MODEL-ANSWER", "not valid JSON"),
        (answers({"name": "red"}), "GEN-MODEL-ANSWER", "at shades"),
        (answers([1]), "GEN-MODEL-ANSWER", "at the whole"),
        (answers({"name": "red", "shades": ["a"] * 1000}), "GEN-MODEL-ANSWER", "at shades"),
        (cut_off(), "GEN-MODEL-LENGTH", "cut short at 900 tokens"),
        (ServerStep('{"name": "red"}', finish="content_filter"), "GEN-MODEL-ANSWER", "filtered"),
        (status(400, "bad schema"), "GEN-MODEL-REJECTED", "bad schema"),
        (status(401), "GEN-MODEL-AUTH", "refused the key"),
        (status(403), "GEN-MODEL-AUTH", "refused the key"),
        (status(402), "GEN-MODEL-QUOTA", "no quota"),
        (status(404), "GEN-MODEL-NOT-FOUND", "does not know the model 'openai:fake'"),
        (status(400, "maximum context length is 8"), "GEN-MODEL-CONTEXT", "too long"),
        (status(418), "GEN-MODEL-SERVICE", "status 418"),
        (status(429, "slow down"), "GEN-MODEL-RATE-LIMIT", "slow down"),
        (status(500), "GEN-MODEL-SERVER", "failed on its own side"),
        (status(503), "GEN-MODEL-SERVER", "failed on its own side"),
        (
            ServerStep(raw="<html>bad gateway</html>", status=502, content_type="text/html"),
            "GEN-MODEL-SERVER",
            "own side",
        ),
    ],
)
def test_failure_is_named(step, code, words):
    error, server = failure(step)
    assert error.code == code
    assert words in error.message
    assert error.hint
    assert "Traceback" not in error.message
    assert "<html" not in error.message.lower() or code == "GEN-MODEL-ANSWER"
    assert len(error.message) < 700
    assert len(server.requests) == 1


def test_refused_connection_is_unreachable():
    model = open_model(LlmSettings(model="openai:fake", base_url=find_unused_base_url(), timeout_s=5))
    with pytest.raises(ModelError) as caught:
        asyncio.run(model.write("hello"))
    assert caught.value.code == "GEN-MODEL-UNREACHABLE"
    assert caught.value.data["retry"] is True
    assert "127.0.0.1" in caught.value.message


def test_slow_service_is_left_at_the_timeout():
    started = time.monotonic()
    error, server = failure(slow(30), timeout_s=0.5)
    assert error.code == "GEN-MODEL-TIMEOUT"
    assert "0.5 s" in error.message
    assert time.monotonic() - started < 15
    assert len(server.requests) <= 1


def test_timeout_of_the_call_wins_over_the_settings():
    with FakeLlmServer([slow(30)]) as server, pytest.raises(ModelError, match=r"within 0\.2 s"):
        asyncio.run(open_model(server.settings(timeout_s=60)).write("hello", timeout_s=0.2))


def test_what_repeats_calls_is_handed_in_and_told_the_time_that_is_left():
    seen = []

    async def twice(call, left_s):
        seen.append(left_s)
        with pytest.raises(ModelError):
            await call()
        return await call()

    with FakeLlmServer([status(500), answers(RED)]) as server:
        model = open_model(server.settings(timeout_s=20), repeat=twice)
        assert asyncio.run(model.ask("?", schema=Colour)).value.name == "red"
    assert seen == [20]


def test_guard_stands_before_each_call_and_is_told_where_and_how_long():
    passed = []

    @asynccontextmanager
    async def guard(where, left_s):
        passed.append((where, 0 < left_s <= 20))
        yield

    with FakeLlmServer([answers(RED)]) as server:
        model = open_model(server.settings(timeout_s=20), guard=guard)
        asyncio.run(model.ask("?", schema=Colour))
        assert passed == [(server.base_url, True)]


def test_pause_that_the_service_asks_for_is_in_the_error():
    error, _ = failure(status(429, retry_after_s=3600))
    assert error.data == {"retry": True, "status": 429, "retry_after_s": 3600}


def test_huge_response_is_cut_off():
    error, _ = failure(ServerStep(raw=" " * 9_000_000))
    assert error.code == "GEN-MODEL-NOT-API"
    assert "8,000,000 bytes" in error.message


def test_key_is_struck_out_of_what_the_service_says():
    error, _ = failure(status(401, "wrong key sk-secret-1"), api_key="sk-secret-1")
    assert "sk-secret-1" not in str(error.to_dict())
    assert "***" in error.message


def test_password_in_the_base_url_is_not_shown():
    with FakeLlmServer([status(404)]) as server, pytest.raises(ModelError) as caught:
        ask(server, base_url=server.base_url.replace("http://", "http://user:hunter2@"))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_missing_key_is_named(provider, monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ModelError) as caught:
        asyncio.run(open_model(LlmSettings(model=f"{provider}:some")).write("hello"))
    assert caught.value.code == "GEN-MODEL-AUTH"
    assert f"{provider.upper()}_API_KEY" in caught.value.hint


@pytest.mark.parametrize("missing", ["pydantic_ai.exceptions", "pydantic_ai.models.openai", "httpx2"])
def test_missing_library_names_the_extra(missing, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ModelError) as caught:
        asyncio.run(open_model(LlmSettings(model="openai:x", base_url=find_unused_base_url())).write("hello"))
    assert caught.value.code == "GEN-MODEL-MISSING"
    assert caught.value.hint == "pip install 'prefect-genesis[llm]'"


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://host/v1", "http://", "/v1"])
def test_bad_base_url_is_a_usage_error(url):
    with pytest.raises(UsageError, match="base URL"):
        open_model(LlmSettings(model="openai:x", base_url=url))


def test_no_model_is_a_usage_error():
    with pytest.raises(UsageError, match="no model is configured"):
        open_model(LlmSettings())


def test_named_model_wins_over_the_settings():
    assert open_model(LlmSettings(model="openai:a"), "anthropic:b").name == "anthropic:b"


def test_many_calls_at_once_on_one_model():
    with FakeLlmServer([answers(RED)]) as server:
        model = open_model(server.settings())

        async def all_of_them():
            return await asyncio.gather(*(model.ask("?", schema=Colour) for _ in range(12)))

        assert len(asyncio.run(all_of_them())) == 12


def test_cancelled_call_ends_at_once():
    with FakeLlmServer([slow(30)]) as server:
        model = open_model(server.settings())

        async def cancel():
            call = asyncio.create_task(model.write("hello"))
            await asyncio.sleep(0.2)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

        started = time.monotonic()
        asyncio.run(cancel())
    assert time.monotonic() - started < 15


@pytest.mark.parametrize("model", ["gpt-5-mini", "gpt-4o-mini", "o3-mini", "qwen2.5"])
def test_known_families_are_asked_without_a_warning(model):
    with FakeLlmServer([answers(RED)]) as server:
        assert ask(server, model=f"openai:{model}").value.name == "red"


def test_empty_text_is_an_error():
    with FakeLlmServer([reply(" \n")]) as server, pytest.raises(ModelError, match="it is empty"):
        asyncio.run(open_model(server.settings()).write("hello"))


def test_local_service_is_not_asked_through_a_proxy(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", find_unused_base_url())
    monkeypatch.setenv("http_proxy", find_unused_base_url())
    with FakeLlmServer([answers(RED)]) as server:
        assert ask(server).value.name == "red"


def test_opening_a_model_loads_no_library():
    code = (
        "import sys; from genesis.llm import open_model; from genesis.settings import LlmSettings; "
        "import genesis.planning.llm_level; open_model(LlmSettings(model='openai:x')); "
        "loaded = {'pydantic_ai', 'openai', 'httpx2', 'prefect'} & set(sys.modules); assert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
