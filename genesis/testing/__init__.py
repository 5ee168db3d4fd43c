"""Test doubles and builders, for Genesis' own tests and for those of teams that build on it."""

from genesis.testing.agents import ScriptedAgent
from genesis.testing.clock import FakeClock
from genesis.testing.effort import calls_made_by
from genesis.testing.llm_server import FakeLlmServer
from genesis.testing.planner import ScriptedPlanner
from genesis.testing.plans import a_plan, a_program, a_task, an_agent, routed_to

__all__ = [
    "FakeClock",
    "FakeLlmServer",
    "ScriptedAgent",
    "ScriptedPlanner",
    "a_plan",
    "a_program",
    "a_task",
    "an_agent",
    "calls_made_by",
    "routed_to",
]
