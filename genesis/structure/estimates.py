"""What a leaf is expected to take: its own estimate first, then its agent's price."""

from __future__ import annotations

from decimal import Decimal

from genesis.model import AgentProfile, Task

__all__ = ["expected_seconds", "expected_tokens", "expected_usd"]


def expected_seconds(task: Task, default: float) -> float:
    """Give the estimated duration of a leaf in seconds."""
    estimate = task.estimate
    return default if estimate is None or estimate.seconds is None else estimate.seconds


def expected_tokens(task: Task) -> int:
    """Give the estimated tokens of a leaf; 0 where nothing is known."""
    return (task.estimate.tokens or 0) if task.estimate else 0


def expected_usd(task: Task, agent: AgentProfile | None) -> Decimal:
    """Give the estimated cost of a leaf in US dollars: its own estimate, else the agent's price for it."""
    if task.estimate is not None and task.estimate.usd is not None:
        return task.estimate.usd
    if agent is None:
        return Decimal(0)
    cost = agent.cost_for(task.type)
    if cost.usd_per_task is not None:
        return cost.usd_per_task
    return (cost.usd_per_1k_tokens or Decimal(0)) * expected_tokens(task) / 1000
