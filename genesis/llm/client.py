"""The adapter to pydantic-ai: OpenAI and compatible services, and Anthropic.

Each call opens its own connection and closes it, so a model can be called from any event loop and none is left open.
The client libraries' own retries are off, and there are none here: the caller passes in the retry policy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from genesis.errors import ForeignError, UsageError
from genesis.llm import failures
from genesis.llm.blocking import run_apart
from genesis.llm.model import Answer, LanguageModel
from genesis.llm.name import ModelName, parse_model_name
from genesis.llm.provider import connect_model, load, parameters, takes_temperature
from genesis.settings import LlmSettings

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelResponse

__all__ = ["Guard", "Repeat", "TokenUsage", "Watch", "endpoint_of", "open_model"]

_Schema = TypeVar("_Schema", bound=BaseModel)

_T = TypeVar("_T")

Guard = Callable[[str, float], AbstractAsyncContextManager[None]]
"""Admits a call to an address or raises, and observes how it ended; gets the time limit in seconds."""


@dataclass(slots=True)
class TokenUsage:
    """Usage of one call, as reported by the service."""

    tokens_in: int = 0
    tokens_out: int = 0
    finish_reason: str = ""


Watch = Callable[[ModelName, str, int], AbstractContextManager[TokenUsage]]
"""Wraps each call: gets model, address and bound on tokens, and observes the usage."""

Headers = Callable[[], Mapping[str, str]]
"""Returns the headers of calls to a user's own service."""


class Repeat(Protocol):
    """Makes a call, with retries."""

    def __call__(self, call: Callable[[], Awaitable[_T]], left_s: float, /) -> Awaitable[_T]:
        """Make the call within a number of seconds."""
        ...


def _skip_guard(_where: str, _left_s: float) -> AbstractAsyncContextManager[None]:
    return nullcontext()


def _skip_watch(_model: ModelName, _where: str, _max_tokens: int) -> AbstractContextManager[TokenUsage]:
    return nullcontext(TokenUsage())


def _once(call: Callable[[], Awaitable[_T]], _left_s: float, /) -> Awaitable[_T]:
    return call()


def open_model(
    settings: LlmSettings,
    name: str | None = None,
    *,
    guard: Guard = _skip_guard,
    repeat: Repeat = _once,
    watch: Watch = _skip_watch,
    headers: Headers = dict,
) -> LanguageModel:
    """Create the model of the settings. Nothing is sent or loaded before the first call.

    Args:
        settings: Model, address, key and bounds.
        name: `provider:model` instead of that of the settings.
        guard: Wraps each single call, retries included.
        repeat: The retry policy; without it each call is made once.
        watch: Observes each single call.
        headers: Headers of calls to the base URL; not sent to a provider's public service.

    Raises:
        UsageError: No model is named, or its name or the base URL cannot be used.
    """
    chosen = name or settings.model
    if not chosen:
        raise UsageError("no model is configured", hint="set GENESIS_LLM__MODEL=openai:NAME, or pass --llm openai:NAME")
    if settings.base_url is not None:
        address = urlsplit(settings.base_url)
        if address.scheme not in {"http", "https"} or not address.hostname:
            raise UsageError(
                f"{settings.base_url!r} is not a base URL",
                hint="write it as http://HOST:PORT/v1 in GENESIS_LLM__BASE_URL",
            )
    return _Client(parse_model_name(chosen), settings, _Around(guard, repeat, watch, headers))


@dataclass(frozen=True, slots=True)
class _Around:
    """The wrappers of calls."""

    guard: Guard
    repeat: Repeat
    watch: Watch
    headers: Headers


@dataclass(frozen=True, slots=True)
class _Reply:
    text: str
    tokens_in: int
    tokens_out: int


@dataclass(frozen=True, slots=True)
class _Question:
    prompt: str
    system: str
    max_tokens: int
    timeout_s: float
    schema: type[BaseModel] | None


class _Client:
    """A model of a provider that pydantic-ai speaks to."""

    def __init__(self, model: ModelName, settings: LlmSettings, around: _Around) -> None:
        self.name = str(model)
        self._model = model
        self._settings = settings
        self._around = around
        self._secret = settings.api_key.get_secret_value() if settings.api_key else None
        self._where = endpoint_of(settings, model)

    async def ask(
        self,
        prompt: str,
        *,
        schema: type[_Schema],
        system: str = "",
        max_tokens: int | None = None,
        timeout_s: float | None = None,
    ) -> Answer[_Schema]:
        reply = await self._call(prompt, system, max_tokens, timeout_s, schema)
        text = _without_fence(reply.text)
        try:
            value = schema.model_validate_json(text)
        except ValidationError as error:
            reason = failures.unusable_schema(text, error)
            raise failures.answer_unusable(self.name, reason, reply.tokens_in + reply.tokens_out) from error
        return Answer(value, reply.tokens_in, reply.tokens_out)

    async def write(
        self, prompt: str, *, system: str = "", max_tokens: int | None = None, timeout_s: float | None = None
    ) -> Answer[str]:
        reply = await self._call(prompt, system, max_tokens, timeout_s, None)
        if not reply.text.strip():
            raise failures.answer_unusable(self.name, "it is empty", reply.tokens_in + reply.tokens_out)
        return Answer(reply.text.strip(), reply.tokens_in, reply.tokens_out)

    async def _call(
        self, prompt: str, system: str, max_tokens: int | None, timeout_s: float | None, schema: type[BaseModel] | None
    ) -> _Reply:
        """Call the service within the time limit."""
        limit_s = timeout_s if timeout_s is not None else self._settings.timeout_s
        question = _Question(prompt, system, max_tokens or self._settings.max_tokens, limit_s, schema)
        await run_apart(lambda: load(self._model.provider))
        clock = asyncio.get_running_loop().time
        deadline = clock() + limit_s

        async def call() -> _Reply:
            """Make one call inside the guard, which also observes timeouts."""
            async with self._around.guard(self._where, deadline - clock()):
                with self._around.watch(self._model, self._where, question.max_tokens) as use:
                    try:
                        async with asyncio.timeout_at(deadline):
                            return await self._call_once(question, use)
                    except TimeoutError as error:
                        raise failures.too_slow(self.name, self._where, limit_s) from error

        return await self._around.repeat(call, limit_s)

    async def _call_once(self, question: _Question, use: TokenUsage) -> _Reply:
        base_url = self._settings.base_url
        headers = self._around.headers() if base_url else {}
        async with connect_model(self._model, base_url, self._secret, question.timeout_s, headers) as model:
            from pydantic_ai.direct import model_request  # noqa: PLC0415
            from pydantic_ai.exceptions import AgentRunError, ModelAPIError, UserError  # noqa: PLC0415
            from pydantic_ai.messages import ModelRequest  # noqa: PLC0415
            from pydantic_ai.settings import ModelSettings  # noqa: PLC0415

            options = ModelSettings(max_tokens=question.max_tokens, thinking=False)
            if takes_temperature(model):
                options["temperature"] = self._settings.temperature
            try:
                response = await model_request(
                    model,
                    [ModelRequest.user_text_prompt(question.prompt, instructions=question.system or None)],
                    model_settings=options,
                    model_request_parameters=parameters(self._model, question.schema),
                    instrument=False,
                )
            except ModelAPIError as error:
                said = ForeignError.of(error, without=self._secret)
                raise failures.from_provider(error, self.name, self._where, self._secret) from said
            except (AgentRunError, UserError) as error:
                said = ForeignError.of(error, without=self._secret)
                raise failures.not_an_api(self._where, error.message, self._secret) from said
        use.tokens_in, use.tokens_out = response.usage.input_tokens, response.usage.output_tokens
        use.finish_reason = response.finish_reason or ""
        return self._read(response, question.max_tokens)

    def _read(self, response: ModelResponse, max_tokens: int) -> _Reply:
        """Take the text or the object out of a response; refuse one that was cut or filtered."""
        usage = response.usage
        tokens = usage.input_tokens + usage.output_tokens
        if response.finish_reason == "length":
            raise failures.cut_short(self.name, max_tokens, tokens)
        if response.finish_reason == "content_filter":
            raise failures.answer_unusable(self.name, "the service filtered it", tokens)
        calls = response.tool_calls
        text = calls[0].args_as_json_str() if calls else response.text or ""
        return _Reply(text, usage.input_tokens, usage.output_tokens)


def _without_fence(text: str) -> str:
    """Take a Markdown fence off, which some services put around an object."""
    bare = text.strip()
    if bare.startswith("```") and bare.endswith("```"):
        return bare.removesuffix("```").partition("\n")[2]
    return bare


def endpoint_of(settings: LlmSettings, model: ModelName) -> str:
    """Name what answers for a model: its address where one is set, else the provider."""
    return _format_address(settings.base_url) if settings.base_url else f"the {model.provider} API"


def _format_address(base_url: str) -> str:
    """Return an address without user, password and query."""
    address = urlsplit(base_url)
    port = f":{address.port}" if address.port else ""
    return f"{address.scheme}://{address.hostname}{port}{address.path}"
