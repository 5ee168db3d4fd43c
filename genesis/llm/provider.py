"""Connections to providers, and the parameters that make them answer with an object of a schema."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import BaseModel

from genesis.llm import failures
from genesis.llm.name import ModelName

if TYPE_CHECKING:
    import httpx2
    from pydantic_ai.models import Model as ProviderModel
    from pydantic_ai.models import ModelRequestParameters

__all__ = ["connect_model", "load", "parameters", "takes_temperature"]

_CONNECT_S = 10.0
"""Time limit for a connection, so that an address that is down fails before the call's own limit."""
_ANSWER_BYTES = 8_000_000
"""A longer answer of a model server is refused."""


def load(provider: str) -> None:
    """Load the libraries of a provider, which takes a second or two the first time.

    Raises:
        ModelError: They are not installed.
    """
    try:
        for name in ("httpx2", "pydantic_ai.direct", "pydantic_ai.exceptions"):
            import_module(name)
        import_module(f"pydantic_ai.models.{'anthropic' if provider == 'anthropic' else 'openai'}")
    except ImportError as error:
        raise failures.not_installed(error) from error


@asynccontextmanager
async def connect_model(
    name: ModelName, base_url: str | None, api_key: str | None, timeout_s: float, headers: Mapping[str, str]
) -> AsyncIterator[ProviderModel]:
    """Open a model of a provider whose libraries are loaded; its connections are closed at the end.

    Args:
        name: Provider and model.
        base_url: Address of a compatible service. It never gets the provider's own key, which is meant for the
            provider: without `api_key` it gets none.
        api_key: The key; the provider's own variable (`OPENAI_API_KEY` …) is used where both it and the address miss.
        timeout_s: Bound in seconds on each step of the exchange; connecting has a bound of its own.
        headers: What every call carries along.

    Raises:
        ModelError: There is no key for a provider that needs one.
    """
    import httpx2  # noqa: PLC0415
    from pydantic_ai.exceptions import UserError  # noqa: PLC0415

    local = base_url is not None and _is_loopback(base_url)
    async with httpx2.AsyncClient(
        timeout=httpx2.Timeout(timeout_s, connect=min(_CONNECT_S, timeout_s)),
        trust_env=not local,
        headers={**headers, "accept-encoding": "identity"},
        event_hooks={"response": [_limit_response]},
    ) as http:
        try:
            model = _model(name, base_url, api_key, http)
        except UserError as error:
            raise failures.no_key(str(name), name.provider) from error
        yield model


def _model(name: ModelName, base_url: str | None, api_key: str | None, http: httpx2.AsyncClient) -> ProviderModel:
    """Build the provider's model on an HTTP client, with the client library's own retries off."""
    if name.provider == "anthropic":
        from pydantic_ai.models.anthropic import AnthropicModel  # noqa: PLC0415
        from pydantic_ai.providers.anthropic import AnthropicProvider  # noqa: PLC0415

        key = api_key or ("none" if base_url else None)
        anthropic = AnthropicProvider(api_key=key, base_url=base_url, http_client=http)
        anthropic.client.max_retries = 0
        return AnthropicModel(name.model, provider=anthropic)
    from pydantic_ai.models.openai import OpenAIChatModel  # noqa: PLC0415
    from pydantic_ai.profiles.openai import OpenAIModelProfile  # noqa: PLC0415
    from pydantic_ai.providers.openai import OpenAIProvider  # noqa: PLC0415
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider  # noqa: PLC0415

    service: OpenAIProvider | OpenAICompatibleProvider
    if base_url:
        known = OpenAICompatibleProvider.model_profile(name.model) or {}
        profile = OpenAIModelProfile(
            supports_json_schema_output=True,
            # Only OpenAI's own reasoning models insist on the newer name of the bound; many servers know the older.
            openai_chat_supports_max_completion_tokens=bool(dict(known).get("openai_supports_reasoning")),
        )
        service = OpenAICompatibleProvider(
            "compatible", base_url=base_url, api_key=api_key, http_client=http, profile=profile
        )
    else:
        service = OpenAIProvider(api_key=api_key, http_client=http)
    service.client.max_retries = 0
    return OpenAIChatModel(name.model, provider=service)


def parameters(name: ModelName, schema: type[BaseModel] | None) -> ModelRequestParameters:
    """Return the output specification of an answer.

    Services that speak OpenAI's API enforce the schema while they write (llama.cpp and vLLM as well), which is what
    makes small models usable. For Anthropic the library picks what the model supports: native output or a tool call.
    """
    from pydantic_ai.models import ModelRequestParameters  # noqa: PLC0415
    from pydantic_ai.output import OutputObjectDefinition  # noqa: PLC0415
    from pydantic_ai.tools import ToolDefinition  # noqa: PLC0415

    if schema is None:
        return ModelRequestParameters()
    shape: dict[str, Any] = schema.model_json_schema()
    answer = OutputObjectDefinition(json_schema=shape, name=schema.__name__, description=shape.get("description"))
    if name.provider == "openai":
        return ModelRequestParameters(output_mode="native", output_object=answer)
    tool = ToolDefinition(
        name="answer", parameters_json_schema=shape, description="Give the answer.", kind="output", strict=None
    )
    return ModelRequestParameters(output_mode="auto", output_object=answer, output_tools=[tool])


def takes_temperature(model: ProviderModel) -> bool:
    """Whether a model accepts a temperature; reasoning models reject it."""
    refusing = ("anthropic_disallows_sampling_settings", "openai_supports_reasoning", "thinking_always_enabled")
    profile = dict(model.profile)
    return not any(profile.get(key) for key in refusing)


def _is_loopback(base_url: str) -> bool:
    """Whether an address is on this machine; such a service is never behind a proxy."""
    host = urlsplit(base_url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _limit_response(response: httpx2.Response) -> None:
    """Limit the body of a response, so that a runaway service cannot fill the memory."""
    import httpx2  # noqa: PLC0415

    class Bounded(httpx2.AsyncByteStream):
        def __init__(self, stream: httpx2.AsyncByteStream) -> None:
            self._stream = stream

        async def __aiter__(self) -> AsyncIterator[bytes]:
            size = 0
            async for piece in self._stream:
                size += len(piece)
                if size > _ANSWER_BYTES:
                    raise failures.too_large(_ANSWER_BYTES)
                yield piece

        async def aclose(self) -> None:
            await self._stream.aclose()

    if isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = Bounded(response.stream)
