"""Entry point of the flow `housekeeping`: tidy up what finished runs leave behind."""

# Kept in step by `genesis init`. Without this line the file is yours, state hooks and all.
from genesis.flows.deployed import housekeeping

__all__ = ["housekeeping"]
