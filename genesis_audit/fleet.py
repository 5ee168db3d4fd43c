"""What the audit contributes to Genesis by the entry point `audit`: its agents, their rules, and its playbook."""

from __future__ import annotations

from pathlib import Path

from genesis.fleets import FleetPlugin

__all__ = ["fleet"]

_HERE = Path(__file__).parent

fleet = FleetPlugin(agents=_HERE / "agents.yaml", playbooks=_HERE / "playbooks")
