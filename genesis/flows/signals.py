"""Take signals as a request to end a run in order."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Mapping

from genesis.agents.fork_safety import reset_signals_in_forked_children
from genesis.engine.observer import NullObserver
from genesis.ledger.control import Control
from genesis.model import Outcome, Program, Run

__all__ = ["StopSignals"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals(NullObserver):
    """Ctrl-C, SIGTERM and a terminal that closes: the first ends the run in order, the second the process at once.

    It listens again when leaves start to run: Prefect's engine puts its own handler for SIGTERM in place, which drops
    everything where it stands. What the process was started to ignore, as SIGHUP with `nohup`, stays ignored.
    """

    def __init__(self, control: Control, notify: Callable[[str], None]):
        self.control = control
        self._notify = notify
        self._taken = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        reset_signals_in_forked_children(self._taken)

    def run_started(self, program: Program, run: Run, finished: Mapping[int, Outcome]) -> None:
        """Listen again."""
        del program, run, finished
        if not self.control.cancelled:
            self.listen()

    def listen(self) -> None:
        """Take the signals, on the loop that runs. Outside of the main thread they cannot be taken."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in self._taken:
            asyncio.get_running_loop().add_signal_handler(number, self._handle_interrupt)

    def _handle_interrupt(self) -> None:
        for number in self._taken:
            asyncio.get_running_loop().remove_signal_handler(number)
        self._notify("Stopping: running tasks are cancelled. Press Ctrl-C again to exit immediately.")
        self.control.cancel()
