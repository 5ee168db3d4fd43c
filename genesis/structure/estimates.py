"""Estimates of a leaf: its own estimate first, then its agent's price; and its retries."""

from __future__ import annotations

from decimal import Decimal

from genesis.model import AgentProfile, Task

__all__ = ["count_retries", "estimate_seconds", "estimate_tokens", "estimate_usd", "get_known_seconds", "get_known_usd"]


def get_known_seconds(task: Task) -> float | None:
    """Return the estimated duration of a leaf in seconds; None where nothing is known."""
    if task.wait_for is not None and isinstance(task.wait_for.time, int | float):
        return float(task.wait_for.time)
    return task.estimate.seconds if task.estimate else None


def estimate_seconds(task: Task, default: float) -> float:
    """Return the estimated duration of a leaf in seconds, and the default where nothing is known."""
    seconds = get_known_seconds(task)
    return default if seconds is None else seconds


def estimate_tokens(task: Task) -> int:
    """Return the estimated tokens of a leaf; 0 where nothing is known."""
    return (task.estimate.tokens or 0) if task.estimate else 0


def get_known_usd(task: Task, agent: AgentProfile | None) -> Decimal | None:
    """Return the estimated cost of a leaf in US dollars: its own estimate, else the agent's price; None for neither."""
    if task.estimate is not None and task.estimate.usd is not None:
        return task.estimate.usd
    if agent is None:
        return None
    cost = agent.cost_for(task.type)
    if cost.usd_per_task is not None:
        return cost.usd_per_task
    if cost.usd_per_1k_tokens is None or (tokens := estimate_tokens(task)) == 0:
        return None
    return cost.usd_per_1k_tokens * tokens / 1000


def estimate_usd(task: Task, agent: AgentProfile | None) -> Decimal:
    """Return the estimated cost of a leaf in US dollars; 0 where nothing is known."""
    return get_known_usd(task, agent) or Decimal(0)


def count_retries(task: Task) -> int:
    """Return the retries that a task asks for, in the long form or in the short one."""
    return task.retry.times if task.retry is not None else task.retries
