"""The options that bound a run: its budget, its deadline and the retries of its tasks."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from genesis.model import Budget
    from genesis.planning.overrides import Overrides

__all__ = ["bounds_options", "overrides"]

_F = TypeVar("_F", bound=Callable[..., Any])

_BUDGETS = "2.50, 100000tokens, or 2.50,100000tokens"
_SPANS = "600, 90s, 10m or 1h30m"
_AMOUNT = re.compile(r"\$?(?P<usd>\d{1,12}(?:\.\d{1,6})?)|(?P<tokens>\d{1,15})\s*tokens", re.ASCII)
_SPAN = re.compile(r"(?:\d{1,9}(?:\.\d{1,6})?[smhd])+", re.ASCII)
_PART = re.compile(r"([\d.]+)([smhd])", re.ASCII)
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_LONGEST_S = 366 * 86_400.0
"""A year: a longer deadline is a mistake in the unit."""


def _budget(ctx: click.Context, param: click.Parameter, value: str | None) -> Budget | None:
    """Parse US dollars, tokens, or both."""
    if value is None:
        return None
    from genesis.model import Budget

    found: dict[str, Any] = {}
    for part in value.split(","):
        amount = _AMOUNT.fullmatch(part.strip())
        name = str(amount.lastgroup) if amount is not None else ""
        if amount is None or name in found:
            said = f"{value!r} is not a budget: US dollars, tokens or both, for example {_BUDGETS}"
            raise click.BadParameter(said, ctx, param)
        found[name] = amount[name]
    return Budget.model_validate(found)


def _seconds(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Parse seconds, or a number of seconds, minutes, hours and days."""
    if value is None:
        return None
    text = value.strip().lower()
    text = f"{text}s" if text[-1:].isdecimal() else text
    seconds = (
        sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text)) if _SPAN.fullmatch(text) else 0
    )
    if not 0 < seconds <= _LONGEST_S:
        said = f"{value!r} is not a time above 0 and up to 366 days: seconds, or with a unit, for example {_SPANS}"
        raise click.BadParameter(said, ctx, param)
    return seconds


def bounds_options(command: _F) -> _F:
    """Add `--budget`, `--deadline` and `--retries`."""
    for option in (
        click.option(
            "--retries",
            type=click.IntRange(0, 100),
            default=None,
            metavar="N",
            help="Retries of tasks that do not set their own and have no side effects.",
        ),
        click.option(
            "--deadline", callback=_seconds, default=None, metavar="TIME", help="Time limit of the run: 600, 10m."
        ),
        click.option(
            "--budget",
            callback=_budget,
            default=None,
            metavar="USD",
            help="Cost limit of the run: 2.50, 100000tokens, or both with a comma.",
        ),
    ):
        command = option(command)
    return command


def overrides(budget: Budget | None, deadline: float | None, retries: int | None) -> Overrides:
    """Combine the values of these options."""
    from genesis.planning.overrides import Overrides

    return Overrides(budget, deadline, retries)
