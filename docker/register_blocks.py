"""Write Prefect's own block types into the database, once.

A Prefect server does this when it starts. Several server processes that start together on a new database do it at the
same time, and all but one end with a unique constraint violated. So `PREFECT_SERVER_REGISTER_BLOCKS_ON_START` is off
for the API, and this runs after the migration, before the API starts.
"""

# ruff: noqa: INP001  # a script of the image, in no package

from __future__ import annotations

import asyncio

from prefect.server.database import provide_database_interface
from prefect.server.models.block_registration import run_block_auto_registration


async def _register() -> None:
    async with await provide_database_interface().session() as session:
        await run_block_auto_registration(session=session)


if __name__ == "__main__":
    asyncio.run(_register())
