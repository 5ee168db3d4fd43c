"""The Prefect worker type `genesis`: one process serves many work pools, and runs their flow runs in warm children."""

from genesis.workers.options import ServiceOptions
from genesis.workers.service import Service, serve
from genesis.workers.worker import GenesisWorker

__all__ = ["GenesisWorker", "Service", "ServiceOptions", "serve"]
