"""Executors: what runs a leaf's work, one small module a kind, none of them knowing Prefect."""

from genesis.agents.build import Equipment, Maker, build_executor
from genesis.agents.contract import Executor, Result, Work
from genesis.agents.decorator import agent, functions_of, profile_of, with_agents
from genesis.agents.probe import InputProbe, LocalProbe

__all__ = [
    "Equipment",
    "Executor",
    "InputProbe",
    "LocalProbe",
    "Maker",
    "Result",
    "Work",
    "agent",
    "build_executor",
    "functions_of",
    "profile_of",
    "with_agents",
]
