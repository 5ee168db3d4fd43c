"""What a dashboard is made of, as plain data: rows of panels, and what each asks Prometheus."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Dashboard", "Kind", "Panel", "Query", "Row", "quantile"]

Kind = Literal["timeseries", "stat", "bargauge", "heatmap", "state-timeline", "table"]


@dataclass(frozen=True)
class Query:
    """One question to Prometheus."""

    expr: str
    """PromQL. `@` in a selector stands for the job and the instance that are chosen on the dashboard, `@agent` and
    `@pool` for the agent or the pool, too: `genesis_tasks_total{@agent, state="failed"}`."""
    legend: str = ""
    """Grafana's template of a series' name; `{{agent}}` is its label."""
    instant: bool = False
    """Ask for the last value only."""


@dataclass(frozen=True)
class Panel:
    """One panel.

    A panel with `alert` shows that alert's threshold, which is read from its rule, and links to its runbook.
    """

    title: str
    description: str
    queries: tuple[Query, ...]
    kind: Kind = "timeseries"
    unit: str = "short"
    """Grafana's id of the unit."""
    width: int = 8
    """In columns of 24."""
    height: int = 8
    stacked: bool = False
    exemplars: bool = False
    """Show exemplars, which lead to traces; of histograms only."""
    alert: str | None = None
    red_from: float | None = None
    """From which value on it is red, where no alert says so."""
    decimals: int | None = None
    most: float | None = None
    """Upper end of the scale, where there is one."""
    words: tuple[tuple[str, str, str], ...] = ()
    """Words for values: value, word, colour."""
    none: str = "–"
    """What stands there while there are no data."""


@dataclass(frozen=True)
class Row:
    """Panels under a title; they fill lines from left to right."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Dashboard:
    """One dashboard; its file is named after `name`."""

    name: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[str, ...] = field(default=())
    """Besides data source, job and instance: `agent`, `pool`."""


def quantile(share: float, histogram: str, *labels: str, chosen: str = "@") -> str:
    """Return the expression of a histogram's quantile, for each combination of some labels."""
    by = ", ".join([*labels, "le"])
    return f"histogram_quantile({share}, sum by ({by}) (rate({histogram}_bucket{{{chosen}}}[$__rate_interval])))"
