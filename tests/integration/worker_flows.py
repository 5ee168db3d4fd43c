"""Flows that the tests of workers deploy; children import this module by its name."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from prefect import flow
from prefect.logging import get_run_logger


def note(folder: str, text: str) -> None:
    with (Path(folder) / "notes").open("a", encoding="utf-8") as notes:
        notes.write(text + "\n")


def hook(name):
    def note_it(flow, flow_run, state):
        if folder := flow_run.parameters.get("folder"):
            note(folder, f"{name} {state.name}")

    note_it.__name__ = name
    return note_it


HOOKS = {
    "on_completion": [hook("completed")],
    "on_cancellation": [hook("cancelled")],
    "on_crashed": [hook("crashed")],
}


@flow(persist_result=False, **HOOKS)
async def agent_task(folder: str, seconds: float = 0.0, label: str = ""):
    note(folder, f"{os.getpid()} {label}")
    await asyncio.sleep(seconds)


@flow(persist_result=False, **HOOKS)
async def command(folder: str):
    """Start a program in a session of its own, as executors do, which starts another one."""
    script = "sleep 300 & echo $! > other; wait"
    child = subprocess.Popen(["sh", "-c", script], cwd=folder, start_new_session=True)
    while not (Path(folder) / "other").exists():
        await asyncio.sleep(0.02)
    note(folder, f"{os.getpid()} {child.pid} {(Path(folder) / 'other').read_text().strip()}")
    await asyncio.to_thread(child.wait)


@flow(persist_result=False)
def stubborn(folder: str):
    """Block a thread that nothing can stop."""
    note(folder, f"{os.getpid()}")
    time.sleep(300)


@flow(persist_result=False)
async def greedy(folder: str, megabytes: int):
    note(folder, f"{os.getpid()}")
    kept = bytearray(megabytes * 1_000_000)
    await asyncio.sleep(60)
    del kept


@flow(persist_result=False)
async def blocking(folder: str, seconds: float):
    note(folder, f"{os.getpid()}")
    time.sleep(seconds)


@flow(persist_result=False)
async def orchestrate(folder: str, seconds: float = 0.0):
    """Last long the first time, and end at once when it is taken over."""
    notes = Path(folder) / "notes"
    again = notes.exists()
    note(folder, f"{os.getpid()}")
    await asyncio.sleep(0 if again else seconds)


@flow(persist_result=False)
def synchronous(folder: str):
    note(folder, f"{os.getpid()} {threading.current_thread() is threading.main_thread()}")


@flow(persist_result=False)
async def environment(folder: str):
    note(folder, f"{os.environ.get('COLOUR')} {Path.cwd()} {sys.flags.interactive}")


@flow(persist_result=False)
async def talkative(folder: str):
    """Write log lines, and be killed at once."""
    secret = os.environ["OF_A_TEST_TOKEN"]
    for number in range(100):
        logging.getLogger("genesis.of.a.flow").info("ours %s", secret, extra={"number": number})
        get_run_logger().info("theirs %d %s", number, secret)
    os.kill(os.getpid(), signal.SIGKILL)
