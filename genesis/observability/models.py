"""Calls to language models, as spans of OpenTelemetry's GenAI conventions and as figures."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from genesis.llm import ModelName, TokenUsage
from genesis.observability.instruments import LLM_CALLS, LLM_SECONDS, LLM_TOKENS
from genesis.observability.metrics import metrics_of_process
from genesis.observability.stages import example
from genesis.observability.tracing import span

__all__ = ["observe_call"]


@contextmanager
def observe_call(model: ModelName, where: str, max_tokens: int) -> Iterator[TokenUsage]:
    """Make a span and observations around one call to a model.

    Args:
        model: Provider and model.
        where: Address of the service, or words for it.
        max_tokens: Bound on the answer.

    Yields:
        What the call is to fill in.
    """
    metrics, begun, use, outcome = metrics_of_process(), time.perf_counter(), TokenUsage(), "ok"
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": model.provider,
        "gen_ai.request.model": model.model,
        "gen_ai.request.max_tokens": max_tokens,
        "server.address": urlsplit(where).hostname,
    }
    with span(f"chat {model.model}", attributes, kind="client") as made:
        try:
            yield use
        except BaseException as error:
            outcome = getattr(error, "code", None) or type(error).__name__
            raise
        finally:
            metrics.count(LLM_CALLS, model.model, outcome)
            metrics.observe(LLM_SECONDS, model.model, value=time.perf_counter() - begun, example=example(made))
            for direction, tokens in (("input", use.tokens_in), ("output", use.tokens_out)):
                metrics.count(LLM_TOKENS, model.model, direction, amount=tokens)
                made.set(f"gen_ai.usage.{direction}_tokens", tokens)
            if use.finish_reason:
                made.set("gen_ai.response.finish_reasons", use.finish_reason)
