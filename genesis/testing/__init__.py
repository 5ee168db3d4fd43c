"""Test doubles, builders and a chaos kit, for Genesis' own tests and for those of teams that build on it."""

from genesis.testing.agents import ScriptedAgent
from genesis.testing.chaos import (
    ChaosCalendar,
    ChaosClock,
    ChaosExecutor,
    ChaosLedger,
    ChaosStore,
    Effects,
    Fault,
    Faults,
    InjectedError,
    Killed,
    MortalLedger,
    Wire,
    Witness,
    invariants,
    misbehaving,
)
from genesis.testing.clock import FakeClock
from genesis.testing.effort import calls_made_by
from genesis.testing.llm_server import FakeLlmServer
from genesis.testing.planner import ScriptedPlanner
from genesis.testing.plans import a_plan, a_program, a_task, an_agent, route_to

__all__ = [
    "ChaosCalendar",
    "ChaosClock",
    "ChaosExecutor",
    "ChaosLedger",
    "ChaosStore",
    "Effects",
    "FakeClock",
    "FakeLlmServer",
    "Fault",
    "Faults",
    "InjectedError",
    "Killed",
    "MortalLedger",
    "ScriptedAgent",
    "ScriptedPlanner",
    "Wire",
    "Witness",
    "a_plan",
    "a_program",
    "a_task",
    "an_agent",
    "calls_made_by",
    "invariants",
    "misbehaving",
    "route_to",
]
