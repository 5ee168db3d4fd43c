"""Forecast the duration and the cost of a run, and format the forecast.

Without any estimate there is no figure; where only some tasks have one, the figure is "at least".
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from genesis.model import Program, Resources
from genesis.model.run import utc_now
from genesis.pipeline import simulate
from genesis.schedule import PoolCosts
from genesis.text import duration, money

__all__ = [
    "SERVER_START_UP",
    "START_UP",
    "Forecast",
    "StartUp",
    "cost_in_words",
    "count",
    "forecast_of",
    "in_words",
    "rough",
]


@dataclass(frozen=True, slots=True)
class StartUp:
    """Seconds of a run outside its tasks: importing Prefect, starting the server, sending the last events."""

    least_s: float
    most_s: float

    def on_busy_machine(self, load: float) -> StartUp:
        """Return the maximum where `load` processes share each processor."""
        return StartUp(self.least_s, self.most_s * min(_BUSIEST, max(1.0, load)))


START_UP = StartUp(5, 10)
"""Of `genesis run PLAN --rehearse 0` on two cores with a server that runs: it takes 6.5 s of processor time."""
SERVER_START_UP = StartUp(10, 25)
"""The same where the embedded server has to be started as well."""
_LONG = 10
"""Start-up time is not mentioned for a run that lasts this many times as long."""
_BUSIEST = 5.0
"""No forecast of start-up time on a machine with a higher load."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """The forecast of a run."""

    tasks: int
    """A `for_each` task whose list is not known yet counts as one."""
    orders: int
    """Tasks that become work orders for people: the run only writes them; the time people take is not counted."""
    agents: int
    slots: int
    timed: int
    """Number of tasks that are expected to run and whose duration is known."""
    seconds: float
    """Makespan of all tasks on these slots; unknown durations count as 0."""
    priced: int
    """Number of tasks that are expected to run and whose cost is known."""
    usd: Decimal
    skipped: int = 0
    """Tasks that their conditions and rules leave out if nothing fails."""
    start_up: StartUp | None = None
    """Start-up overhead where it is run from here."""

    @property
    def works(self) -> int:
        """Number of tasks that are expected to run, without work orders."""
        return self.tasks - self.orders - self.skipped


def forecast_of(
    program: Program,
    slots: int,
    *,
    orders: Collection[int] = (),
    rehearse: float | None = None,
    start_up: StartUp | None = None,
    pools: PoolCosts | None = None,
    machine: Resources | None = None,
) -> Forecast:
    """Forecast a run.

    Args:
        program: What runs.
        slots: Tasks running at once.
        orders: Leaves that become work orders for people.
        rehearse: Scale of a rehearsal, where durations are known and the cost is 0.
        start_up: Start-up overhead.
        pools: Overhead of work pools, where leaves run on them.
        machine: What the machine has that runs the leaves; None where they run elsewhere.
    """
    leaves = program.leaves
    tasks = [leaf for leaf in leaves if leaf.gathers is None or leaf.for_each is not None]
    works = [leaf for leaf in tasks if leaf.index not in orders]
    timed = {leaf.index for leaf in works if leaf.seconds_known}
    known = tuple(leaf if leaf.index in timed else leaf.model_copy(update={"seconds": 0.0}) for leaf in leaves)
    if rehearse is not None:
        rehearsed = [0.0 if leaf.wait_for is not None else leaf.seconds * rehearse for leaf in leaves]
        known = tuple(leaf.model_copy(update={"seconds": each}) for leaf, each in zip(leaves, rehearsed, strict=True))
    now = utc_now() if rehearse is None else None
    expected = program.model_copy(update={"leaves": known})
    predicted = simulate(expected, slots=slots, pools=pools, machine=machine, now=now)
    skipped = {leaf.index for leaf, each in zip(leaves, predicted.timeline, strict=True) if each.skipped}
    works = [leaf for leaf in works if leaf.index not in skipped]
    return Forecast(
        tasks=len(tasks),
        orders=len([leaf for leaf in tasks if leaf.index in orders and leaf.index not in skipped]),
        agents=len({leaf.agent for leaf in leaves if leaf.agent}),
        slots=slots,
        timed=len(works) if rehearse is not None else sum(leaf.seconds_known for leaf in works),
        seconds=predicted.makespan_s,
        priced=0 if rehearse is not None else sum(leaf.usd_known for leaf in works),
        usd=sum((leaf.usd for leaf in works), Decimal(0)),
        skipped=len([leaf for leaf in tasks if leaf.index in skipped]),
        start_up=start_up,
    )


def in_words(forecast: Forecast) -> str:
    """Format a forecast, for example `4 tasks on 2 agents · about 12 s on 16 slots · about $0.02`."""
    parts = [f"{count(forecast.tasks, 'task')} on {count(forecast.agents, 'agent')}"]
    slots = count(forecast.slots, "slot")
    if forecast.orders:
        which = "all" if forecast.orders == forecast.tasks else f"{forecast.orders:,} of them"
        parts.append(f"{which} work orders for people, whose time and cost are not counted")
    if forecast.skipped:
        parts.append(f"{forecast.skipped:,} skipped if nothing fails")
    if not forecast.works:
        return " · ".join(parts)
    if forecast.timed:
        parts.append(
            f"{_about(forecast.timed, forecast)} {rough(forecast.seconds)} on {slots}{_format_start_up(forecast)}"
        )
    else:
        parts.append(f"no estimates of time on {slots}")
    return " · ".join(parts) + cost_in_words(forecast)


def cost_in_words(forecast: Forecast) -> str:
    """Format the cost after a dot; empty where no cost is known."""
    return f" · {_about(forecast.priced, forecast)} {money(forecast.usd)}" if forecast.priced else ""


def _about(known: int, forecast: Forecast) -> str:
    return "about" if known == forecast.works else "at least"


def _format_start_up(forecast: Forecast) -> str:
    """Format the duration with start-up, as seen by the caller."""
    extra = forecast.start_up
    if extra is None or forecast.seconds > _LONG * extra.most_s:
        return ""
    least, most = (rough(float(round(forecast.seconds + seconds))) for seconds in (extra.least_s, extra.most_s))
    if forecast.timed < forecast.works:
        return f" (including start-up: at least {least})"
    if least.endswith(" s") and "min" not in least + most:
        least = least.removesuffix(" s") if least != most else least
    return f" (including start-up: {least} to {most})" if least != most else f" (including start-up: {least})"


def rough(seconds: float) -> str:
    """Format an estimated duration, without meaningless precision."""
    return duration(seconds).replace(".0 s", " s")


def count(number: int, noun: str) -> str:
    """Count things."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
