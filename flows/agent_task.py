"""Entry point of the flow `agent_task`: run tasks of one agent on its work pool."""

# Kept in step by `genesis init`. Without this line the file is yours, state hooks and all.
from genesis.flows.deployed import agent_task

__all__ = ["agent_task"]
