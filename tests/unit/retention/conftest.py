"""Ledgers of runs that ended long ago, lately, or not at all."""

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from genesis.ledger import FolderStore, Header, Ledger
from genesis.ledger.history import open_ledger
from genesis.model import Outcome, Run
from genesis.planning import plan_document
from genesis.retention import Purge, Purging, purge_storage
from genesis.settings import Settings
from genesis.testing import a_program, a_task

PROGRAM = a_program(a_task("a"))


class Yard:
    """A storage with runs, and a home with what else a purge looks at."""

    def __init__(self, folder: Path):
        self.store: Any = FolderStore(folder / "storage")
        self.settings = Settings(home=folder / "home")
        self.root = folder / "storage" / "genesis"

    def run(
        self, run_id: str, *, days: float = 90, state: str = "completed", settings_: Settings | None = None
    ) -> Path:
        """Keep a run that ended so many days ago, and give its folder."""
        return asyncio.run(self.kept(run_id, days=days, state=state))

    async def kept(self, run_id: str, *, days: float = 90, state: str = "completed") -> Path:
        """Keep a run, in a running loop."""
        ledger = await self.begun(run_id)
        ended = datetime.now(UTC) - timedelta(days=days)
        run = Run(
            run_id=run_id,
            correlation_id="c",
            state=state,
            planner="file",
            started_at=ended,
            ended_at=None if state in ("running", "pending") else ended,
            cost_usd=0,
            tasks=(Outcome(id="a", agent="worker", state="completed"),),
        )
        await ledger.save(run)
        folder = self.root / run_id
        if folder.exists():
            (folder / "files").mkdir(exist_ok=True)
            (folder / "files" / "notes.md").write_bytes(b"x" * 1_000)
            old(folder, days)
        return folder

    async def begun(self, run_id: str) -> Ledger:
        """Begin a run."""
        ledger = open_ledger(self.store, run_id, self.settings)
        header = Header(
            genesis_version="1",
            run_id=run_id,
            correlation_id="c",
            created_at=datetime.now(UTC),
            document=plan_document(PROGRAM.source),
            registry=PROGRAM.registry,
            slots=1,
        )
        await ledger.begin(header)
        return ledger

    def purge(self, *, days: float = 30, dry_run: bool = False) -> Purge:
        """Purge what is older than so many days."""
        return asyncio.run(self.purged(days=days, dry_run=dry_run))

    async def purged(self, *, days: float = 30, dry_run: bool = False) -> Purge:
        """Purge, in a running loop."""
        purging = Purging(datetime.now(UTC) - timedelta(days=days), dry_run=dry_run)
        await purge_storage(self.settings, purging, self.store)
        return purging.purge()

    @property
    def left(self) -> list[str]:
        """Names of all that is in the folder of the ledgers, trash included."""
        return sorted(path.name for path in self.root.iterdir())


def old(path: Path, days: float) -> Path:
    """Make a path look as if it was last written so many days ago."""
    at = (datetime.now(UTC) - timedelta(days=days)).timestamp()
    os.utime(path, (at, at), follow_symlinks=False)
    return path


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


@pytest.fixture
def make_old():
    return old
