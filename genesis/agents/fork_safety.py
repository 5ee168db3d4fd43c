"""Reset what a child forked by agents' code must not inherit from this process."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterable

__all__ = ["reset_signals_in_forked_children"]


def reset_signals_in_forked_children(numbers: Iterable[signal.Signals]) -> None:
    """Let signals end the children that are forked from now on, as they end any program.

    Without that, a child of `multiprocessing` has this process's handlers, and shares the socket by which asyncio
    learns of signals: ending the child would cancel the run, and would not end the child. Ignored signals stay ignored.

    Args:
        numbers: The signals that this process handles.
    """
    taken = tuple(numbers)
    masks = threading.local()

    def hold() -> None:
        """Let a signal that comes before the child has reset its handlers wait until it has."""
        masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, taken)

    def release() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, masks.before)

    def reset() -> None:
        signal.set_wakeup_fd(-1)
        for number in taken:
            if signal.getsignal(number) not in (signal.SIG_IGN, signal.SIG_DFL, None):
                usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
                signal.signal(number, usual)
        release()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=hold, after_in_parent=release, after_in_child=reset)
