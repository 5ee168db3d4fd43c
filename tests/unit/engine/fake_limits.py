"""Global concurrency limits and their leases, as a Prefect server keeps them."""

from contextlib import asynccontextmanager
from types import SimpleNamespace
from uuid import uuid4

import httpx
from prefect.exceptions import ObjectNotFound


def refuse(code):
    request = httpx.Request("POST", "http://127.0.0.1/x")
    return httpx.HTTPStatusError("refused", request=request, response=httpx.Response(code, request=request))


class FakeLimits:
    """Stands for Prefect's client; `connect` stands for the way to it."""

    def __init__(self):
        self.limits, self.leases, self.denied, self.created, self.renewed = {}, {}, 0, 0, []
        self.away = None

    @asynccontextmanager
    async def connect(self, _report):
        yield self

    async def call(self, make, *, give_up_s=None):
        if self.away is not None:
            raise self.away
        return await make(self)

    async def read_global_concurrency_limit_by_name(self, name):
        if name not in self.limits:
            raise ObjectNotFound(None)
        return self.limits[name]

    async def create_global_concurrency_limit(self, made):
        self.created += 1
        self.limits[made.name] = SimpleNamespace(limit=made.limit, active=made.active)

    async def increment_concurrency_slots_with_lease(self, names, slots, mode, lease_duration):
        assert (slots, mode, lease_duration) == (1, "concurrency", 60.0)
        if names[0] in self.leases.values():
            self.denied += 1
            raise refuse(423)
        lease = uuid4()
        if names[0] in self.limits:
            self.leases[lease] = names[0]
        limits = [{"name": name} for name in names if name in self.limits]
        return SimpleNamespace(json=lambda: {"lease_id": str(lease), "limits": limits})

    async def renew_concurrency_lease(self, lease, _seconds):
        if lease not in self.leases:
            raise refuse(410)
        self.renewed.append(lease)

    async def release_concurrency_slots_with_lease(self, lease):
        self.leases.pop(lease, None)

    @property
    def held(self):
        return sorted(self.leases.values())
