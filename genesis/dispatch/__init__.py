"""Run leaves on the work pools of their agents: each, or a few together, in a child flow run there.

```
PoolPlace.run(leaf) ─▶ Batches ─▶ Dispatcher ─▶ task run (link) + child flow run on the agent's pool
       ▲                                            │
     Desk ◀── ledger: attempts/<leaf>/<child> ◀── Waiter (one event socket, and an adaptive poll) and Losses
```
The outcome of a leaf is what a child has written into the ledger; events and states only say when to look there.
"""

from genesis.dispatch.pool_backend import PoolBackend

__all__ = ["PoolBackend"]
