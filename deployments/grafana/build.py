"""Write the dashboards: `python -m deployments.grafana.build`, from the root of the repository.

What they show is in `overview`, `agents` and `plans`; thresholds come from the rules of the alerts.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import yaml

from deployments.grafana.agents import AGENTS
from deployments.grafana.model import Dashboard
from deployments.grafana.overview import OVERVIEW
from deployments.grafana.plans import PLANS
from deployments.grafana.render import Alert, rendered

__all__ = ["DASHBOARDS", "RUNBOOKS", "alerts", "files"]

DASHBOARDS: tuple[Dashboard, ...] = (OVERVIEW, AGENTS, PLANS)
RUNBOOKS = "http://127.0.0.1:9090/user"
"""Where docker/compose.yaml lets Prometheus serve the runbooks."""

_HERE = Path(__file__).parent
_RULES = _HERE.parent / "prometheus" / "rules" / "genesis.alerts.yml"
_FIRST_COMPARISON = re.compile(r"([<>])=?\s*([\d.]+)")


def alerts() -> dict[str, Alert]:
    """Read the alerts' thresholds, the first number that each compares with, and their runbooks."""
    rules = yaml.safe_load(_RULES.read_text(encoding="utf-8"))
    return {each["alert"]: _alert(each) for group in rules["groups"] for each in group["rules"]}


def _alert(rule: dict[str, object]) -> Alert:
    annotations = rule["annotations"]
    assert isinstance(annotations, dict)  # noqa: S101  # the file is ours, and its test holds it
    found = _FIRST_COMPARISON.search(str(rule["expr"]))
    side, number = found.groups() if found else (">", "0")
    return Alert(
        name=str(rule["alert"]),
        side="above" if side == ">" else "below",
        threshold=float(number),
        runbook=str(annotations["runbook_url"]).rpartition("/")[2],
    )


def files(runbooks: str = RUNBOOKS) -> dict[str, str]:
    """Return the text of each dashboard's file by its name."""
    known = alerts()
    return {
        f"{each.name}.json": json.dumps(rendered(each, alerts=known, runbooks=runbooks), indent=2, ensure_ascii=False)
        + "\n"
        for each in DASHBOARDS
    }


def _main() -> None:
    parser = argparse.ArgumentParser(description="Write the dashboards.")
    parser.add_argument("--runbooks", default=RUNBOOKS, help="address of docs/runbooks as a browser reaches it")
    parser.add_argument("--out", type=Path, default=_HERE / "dashboards", help="folder for the files")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name, text in files(options.runbooks).items():
        (options.out / name).write_text(text, encoding="utf-8")
        print(options.out / name)


if __name__ == "__main__":
    _main()
