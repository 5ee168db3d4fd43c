"""Entry point of the flow `preflight`: check a request or a plan, and run nothing."""

# Kept in step by `genesis init`. Without this line the file is yours, state hooks and all.
from genesis.flows.deployed import preflight

__all__ = ["preflight"]
