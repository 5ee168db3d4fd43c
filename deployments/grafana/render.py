"""Dashboards as the JSON that Grafana reads (schema version 39, Grafana 11 and newer)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from deployments.grafana.model import Dashboard, Panel, Query

__all__ = ["Alert", "rendered", "selected"]

_SCHEMA_VERSION = 39
_COLUMNS = 24
_ABOVE_ZERO = 1e-9
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_CHOSEN = {
    "@": 'job=~"$job", instance=~"$instance"',
    "@agent": 'job=~"$job", instance=~"$instance", agent=~"$agent"',
    "@pool": 'job=~"$job", instance=~"$instance", pool=~"$pool"',
}
_VALUES_OF = {
    "job": "label_values(genesis_build_info, job)",
    "instance": 'label_values(genesis_build_info{job=~"$job"}, instance)',
    "agent": "label_values(genesis_routing_decisions_total, agent)",
    "pool": 'label_values({__name__=~"genesis_dispatches_total|genesis_worker_last_poll_seconds"}, pool)',
}
_LABELS = {"job": "Job", "instance": "Instance", "agent": "Agent", "pool": "Work pool"}


@dataclass(frozen=True)
class Alert:
    """What a panel shows of an alert."""

    name: str
    side: Literal["above", "below"]
    """On which side of the threshold it fires."""
    threshold: float
    runbook: str
    """Name of the runbook's file."""


def selected(expr: str) -> str:
    """Put what is chosen on the dashboard into the selectors of an expression."""
    return re.sub(r"@\w*", lambda found: _CHOSEN[found[0]], expr)


def rendered(dashboard: Dashboard, *, alerts: Mapping[str, Alert], runbooks: str) -> dict[str, Any]:
    """Return a dashboard as Grafana's JSON.

    Args:
        dashboard: What it shows.
        alerts: The alerts that its panels name.
        runbooks: Address of the folder of runbooks, as a browser reaches it.
    """
    return {
        "uid": f"genesis-{dashboard.name}",
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": ["genesis"],
        "schemaVersion": _SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "fiscalYearStartMonth": 0,
        "annotations": {"list": []},
        "links": _links(),
        "templating": {"list": list(_variables(dashboard.variables, runbooks))},
        "panels": list(_panels(dashboard, alerts)),
    }


def _links() -> list[dict[str, Any]]:
    common = {"icon": "external link", "tooltip": "", "asDropdown": False, "includeVars": True, "keepTime": True}
    others = {"title": "Genesis", "type": "dashboards", "tags": ["genesis"], "targetBlank": False, "url": ""}
    runbooks = {"title": "Runbooks", "type": "link", "tags": [], "targetBlank": True, "url": "${runbooks}/index.md"}
    return [{**common, **others}, {**common, **runbooks, "icon": "doc", "includeVars": False, "keepTime": False}]


def _variables(more: Sequence[str], runbooks: str) -> Iterator[dict[str, Any]]:
    yield {
        "type": "datasource",
        "name": "datasource",
        "label": "Data source",
        "query": "prometheus",
        "hide": 0,
        "refresh": 1,
        "regex": "",
        "multi": False,
        "includeAll": False,
    }
    for name in ("job", "instance", *more):
        yield {
            "type": "query",
            "name": name,
            "label": _LABELS[name],
            "datasource": _SOURCE,
            "query": _VALUES_OF[name],
            "refresh": 2,
            "sort": 1,
            "regex": "",
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "hide": 0,
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        }
    yield {"type": "constant", "name": "runbooks", "label": "Runbooks", "query": runbooks, "hide": 2}


def _panels(dashboard: Dashboard, alerts: Mapping[str, Alert]) -> Iterator[dict[str, Any]]:
    number, top = 0, 0
    for row in dashboard.rows:
        number += 1
        grid = {"h": 1, "w": _COLUMNS, "x": 0, "y": top}
        yield {"id": number, "type": "row", "title": row.title, "collapsed": False, "gridPos": grid, "panels": []}
        top, left, tallest = top + 1, 0, 0
        for panel in row.panels:
            number += 1
            if left + panel.width > _COLUMNS:
                top, left, tallest = top + tallest, 0, 0
            grid = {"h": panel.height, "w": panel.width, "x": left, "y": top}
            alert = alerts[panel.alert] if panel.alert else None
            yield {"id": number, "gridPos": grid, **_panel(panel, alert)}
            left, tallest = left + panel.width, max(tallest, panel.height)
        top += tallest


def _panel(panel: Panel, alert: Alert | None) -> dict[str, Any]:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "targets": [_target(query, panel, place) for place, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _defaults(panel, alert), "overrides": []},
        "options": _OPTIONS[panel.kind],
        **({"links": [_runbook(alert)]} if alert else {}),
    }


def _runbook(alert: Alert) -> dict[str, Any]:
    return {
        "title": f"Runbook of {alert.name}",
        "type": "link",
        "url": f"${{runbooks}}/{alert.runbook}",
        "icon": "doc",
        "tooltip": "",
        "tags": [],
        "targetBlank": True,
        "asDropdown": False,
        "includeVars": False,
        "keepTime": False,
    }


def _target(query: Query, panel: Panel, place: int) -> dict[str, Any]:
    formats = {"heatmap": "heatmap", "table": "table"}
    return {
        "refId": chr(ord("A") + place),
        "datasource": _SOURCE,
        "editorMode": "code",
        "expr": selected(query.expr),
        "legendFormat": query.legend,
        "format": formats.get(panel.kind, "time_series"),
        "instant": query.instant,
        "range": not query.instant,
        "exemplar": panel.exemplars,
    }


def _defaults(panel: Panel, alert: Alert | None) -> dict[str, Any]:
    defaults: dict[str, Any] = {
        "unit": panel.unit,
        "noValue": panel.none,
        "color": {"mode": "thresholds" if panel.kind in {"stat", "bargauge"} else "palette-classic"},
        "mappings": _mappings(panel),
        "thresholds": {"mode": "absolute", "steps": _steps(panel, alert)},
        "custom": _custom(panel, alert),
    }
    if panel.kind in {"timeseries", "bargauge"}:
        defaults["min"] = 0
    if panel.most is not None:
        defaults["max"] = panel.most
    if panel.decimals is not None:
        defaults["decimals"] = panel.decimals
    return defaults


def _mappings(panel: Panel) -> list[dict[str, Any]]:
    words = {
        value: {"text": word, "color": colour, "index": place}
        for place, (value, word, colour) in enumerate(panel.words)
    }
    return [{"type": "value", "options": words}] if words else []


def _steps(panel: Panel, alert: Alert | None) -> list[dict[str, Any]]:
    """Colours from which value on; Grafana counts the value itself in, an alert "above" does not."""
    if alert is None:
        red = [] if panel.red_from is None else [{"color": "red", "value": panel.red_from}]
        return [{"color": "green", "value": None}, *red]
    first, then = ("green", "red") if alert.side == "above" else ("red", "green")
    return [{"color": first, "value": None}, {"color": then, "value": alert.threshold or _ABOVE_ZERO}]


def _custom(panel: Panel, alert: Alert | None) -> dict[str, Any]:
    if panel.kind == "state-timeline":
        return {"fillOpacity": 70, "lineWidth": 0}
    if panel.kind != "timeseries":
        return {}
    return {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 25 if panel.stacked else 5,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if alert and alert.threshold else "off"},
    }


_REDUCED = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_LEGEND = {"showLegend": True, "displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]}
_PLAIN_LEGEND = {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []}
_OPTIONS: dict[str, dict[str, Any]] = {
    "timeseries": {"legend": _LEGEND, "tooltip": {"mode": "multi", "sort": "desc"}},
    "stat": {
        "reduceOptions": _REDUCED,
        "colorMode": "value",
        "graphMode": "area",
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": "auto",
        "wideLayout": True,
        "showPercentChange": False,
        "percentChangeColorMode": "standard",
    },
    "bargauge": {
        "reduceOptions": _REDUCED,
        "displayMode": "basic",
        "orientation": "horizontal",
        "valueMode": "color",
        "namePlacement": "auto",
        "showUnfilled": True,
        "sizing": "auto",
        "minVizWidth": 8,
        "minVizHeight": 16,
        "maxVizHeight": 300,
        "legend": {**_PLAIN_LEGEND, "showLegend": False},
    },
    "heatmap": {
        "calculate": False,
        "cellGap": 1,
        "color": {
            "mode": "scheme",
            "scheme": "Oranges",
            "exponent": 0.5,
            "fill": "dark-orange",
            "steps": 32,
            "reverse": False,
        },
        "filterValues": {"le": 1e-9},
        "showValue": "never",
        "legend": {"show": True},
        "tooltip": {"mode": "single", "yHistogram": True, "showColorScale": False},
        "yAxis": {"axisPlacement": "left", "reverse": False},
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "rowsFrame": {"layout": "auto"},
    },
    "state-timeline": {
        "mergeValues": True,
        "showValue": "auto",
        "alignValue": "left",
        "rowHeight": 0.9,
        "legend": _PLAIN_LEGEND,
        "tooltip": {"mode": "single", "sort": "none"},
    },
    "table": {"showHeader": True, "cellHeight": "sm", "frameIndex": 0},
}
