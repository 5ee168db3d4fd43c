"""What stands before each single call to a model or a host: the host's rate limit, then the circuit breaker."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

from genesis.llm import LanguageModel, open_model, parse_model_name
from genesis.observability.correlation import build_headers
from genesis.observability.models import observe_call
from genesis.resilience.breaker import Breaker
from genesis.resilience.breakers import Breakers, breakers_of
from genesis.resilience.call_retries import call_with_retries
from genesis.resilience.quotas import Quotas, quotas_of
from genesis.resilience.retry import RetryBudget
from genesis.settings import Settings

__all__ = ["HostGuard", "host_guard", "host_of", "is_open", "make_guarded_model"]

_T = TypeVar("_T")
HostGuard = Callable[[str, float], AbstractAsyncContextManager[None]]
"""Lets a call to a host through or raises, and learns how it ended; is given the seconds until the deadline."""

_AFTER_THE_HOST = re.compile(r"[/?#]")
_NOT_THE_SAME = "GEN-MODEL-ANSWER"
"""An answer that cannot be used: to ask the very same again is for who knows what to say otherwise."""


def host_of(url: str) -> str:
    """Return the host of an address, with the port where it is written; also of one that cannot be used."""
    place = _AFTER_THE_HOST.split(url.partition("://")[2], maxsplit=1)[0]
    return place.rpartition("@")[2].lower()


async def is_open(breaker: Breaker) -> bool:
    """Whether a breaker lets nothing through now, so that nobody need wait for a turn first."""
    return breaker.state != "closed" and await asyncio.to_thread(breaker.retry_after_s) > 0


def host_guard(settings: Settings) -> HostGuard:
    """Make what stands before calls to remote hosts.

    Args:
        settings: The rate limits of hosts, and how breakers work.
    """

    def guard(host: str, left_s: float) -> AbstractAsyncContextManager[None]:
        breakers, quotas = _get_guards(settings)
        return _through(breakers.of("host", host), quotas, host, left_s)

    return guard


def make_guarded_model(
    settings: Settings, name: str | None = None, *, budget: RetryBudget | None = None, left_s: float = math.inf
) -> LanguageModel:
    """Make the model that the settings name, behind the rate limit of its host and the breaker of its endpoint.

    A call that fails where a repeat can help is made once more, if that fits into its time. While the breaker is open
    the model is not called.

    Args:
        settings: Model, address, key and bounds; how breakers work.
        name: `provider:model` instead of the settings' own.
        budget: What the run may still spend on repeats.
        left_s: Seconds until the caller's deadline, besides the time of a call: no wait goes beyond it.

    Raises:
        UsageError: No model is named, or its name, the base URL or Redis' address cannot be used.
    """
    breakers, quotas = _get_guards(settings)
    until = time.monotonic() + left_s

    def guard(where: str, call_left_s: float) -> AbstractAsyncContextManager[None]:
        return _through(breakers.of("model", where), quotas, host, min(call_left_s, until - time.monotonic()))

    async def repeat(call: Callable[[], Awaitable[_T]], call_left_s: float) -> _T:
        soonest_s = min(call_left_s, until - time.monotonic())
        return await call_with_retries(call, left_s=soonest_s, budget=budget, safe=_may_help)

    model = open_model(settings.llm, name, guard=guard, repeat=repeat, watch=observe_call, headers=build_headers)
    host = host_of(settings.llm.base_url) if settings.llm.base_url else parse_model_name(model.name).provider
    return model


def _get_guards(settings: Settings) -> tuple[Breakers, Quotas]:
    return breakers_of(settings.resilience, settings.home), quotas_of(settings.resilience, settings.home)


def _may_help(error: Exception) -> bool:
    return getattr(error, "code", None) != _NOT_THE_SAME


@asynccontextmanager
async def _through(breaker: Breaker, quotas: Quotas, host: str, left_s: float) -> AsyncIterator[None]:
    if not await is_open(breaker):
        await quotas.of_host(host, left_s=left_s)
    async with breaker.guarding():
        yield
