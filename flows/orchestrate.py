"""Entry point of the flow `orchestrate`: plan, check and run a request or a plan."""

# Kept in step by `genesis init`. Without this line the file is yours, state hooks and all.
from genesis.flows.deployed import orchestrate

__all__ = ["orchestrate"]
