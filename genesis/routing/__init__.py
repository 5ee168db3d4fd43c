"""Routing (HALO): which agent runs each leaf, and why."""

from genesis.routing.assign import Router, route
from genesis.routing.explain import decided_by
from genesis.routing.registry_file import load_registry
from genesis.routing.similarity import Similarity

__all__ = ["Router", "Similarity", "decided_by", "load_registry", "route"]
