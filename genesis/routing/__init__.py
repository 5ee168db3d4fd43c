"""Routing (HALO): which agent runs each leaf, and why."""

from genesis.routing.assign import Router, route
from genesis.routing.explain import parse_decision
from genesis.routing.registry_file import load_registry
from genesis.routing.similarity import Similarity

__all__ = ["Router", "Similarity", "load_registry", "parse_decision", "route"]
