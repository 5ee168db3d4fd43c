"""A project folder with its fleet, as tests of the whole use it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from passwords import HEADERS

__all__ = ["Fleet", "until"]

_PATIENCE_S = 90.0


class Fleet:
    """A project folder with its fleet."""

    def __init__(self, genesis: Any, api_url: str):
        self.genesis = genesis
        self.folder: Path = genesis.folder
        self.api_url = api_url
        self.worker: Any = None
        self.agents = 0

    def prefect(self, *words: str, timeout: float = 180, cwd: Path | None = None) -> str:
        """Call Prefect's own command line in the project folder."""
        done = self.genesis.prefect(*words, timeout=timeout, cwd=cwd)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ask(self, path: str, **body: Any) -> Any:
        """Ask the API."""
        answer = httpx.post(f"{self.api_url}{path}", json=body, headers=HEADERS, timeout=20)
        answer.raise_for_status()
        return answer.json()

    def save_block(self, name: str, folder: Path) -> None:
        """Make a storage block on the server, for a folder that several hosts have mounted."""
        code = (
            "from prefect.filesystems import LocalFileSystem\n"
            f"LocalFileSystem(basepath={str(folder)!r}).save({name!r}, overwrite=True)\n"
        )
        environment = {**os.environ, **self.genesis.environment, "PREFECT_API_URL": self.api_url}
        subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=90, capture_output=True)

    def children(self, run_id: str) -> list[dict[str, Any]]:
        """Return the flow runs that a run has dispatched."""
        return self.ask("/flow_runs/filter", flow_runs={"tags": {"all_": [f"run:{run_id}"]}})

    def begin(self, plan: Path, *, running: int) -> tuple[Any, str]:
        """Start a run, and wait until this many of its flow runs run; gives the process and the run's id."""
        before = {run["run_id"] for run in self.genesis("runs", "--json").document}
        process = self.genesis.start("run", plan, "--agents", "deployments/agents.yaml", "--pools", "--json")

        def wait_for_begin() -> str | None:
            new = [run["run_id"] for run in self.genesis("runs", "--json").document if run["run_id"] not in before]
            children = self.children(new[0]) if new else []
            return new[0] if sum(child["state_type"] == "RUNNING" for child in children) == running else None

        return process, until(wait_for_begin, "the tasks run")

    def set_up(self, agents: Any, work: str) -> None:
        """Write the project's files, and make its pools and deployments."""
        self.agents = len(agents["agents"])
        self.genesis.write("deployments/agents.yaml", json.dumps(agents))
        self.genesis.write("deployments/work.py", work)
        for words in (["init"], ["pools", "sync", "--yes"]):
            ran = self.genesis(*words)
            assert ran.code == 0, ran.err + ran.out
        self.prefect("deploy", "--all")

    def serve(self, *words: str) -> Any:
        """Start a worker for everything, and wait until it serves."""
        process = self.genesis.start("worker", "--all", "--agents-file", "deployments/agents.yaml", *words)
        self.worker = process
        until(lambda: self._online() > self.agents, "all pools have a worker online")
        return process

    def close(self) -> None:
        """End what was started, the server too."""
        for process in self.genesis.started:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=30)
        self.genesis("server", "down")
        self.genesis.close()

    def _online(self) -> int:
        pools = self.ask("/work_pools/filter")
        online = 0
        for pool in pools:
            workers = self.ask(f"/work_pools/{pool['name']}/workers/filter")
            online += any(worker["status"] == "ONLINE" for worker in workers)
        return online


def until(ask: Callable[[], Any], what: str, seconds: float = _PATIENCE_S) -> Any:
    """Ask until the answer is good."""
    end = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < end, what
        time.sleep(0.2)
    return answer
