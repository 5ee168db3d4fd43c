"""What has to be settled before Prefect is imported in a process of the command line."""

from __future__ import annotations

import sys

from genesis.cli.options import load_settings

__all__ = ["before_ledger", "before_prefect"]


def before_prefect() -> None:
    """Keep log lines of Prefect and of repeated calls off the terminal, and this folder's files out of its settings."""
    from genesis.resilience.call_retries import silence_stamina

    silence_stamina()
    from genesis.server import keep_prefect_off_the_terminal

    keep_prefect_off_the_terminal()
    from genesis.server.prefect_files import shut_out_current_folder

    shut_out_current_folder()


def before_ledger() -> None:
    """Prepare for Prefect where reading ledgers needs it: not where they are in a folder that is easily found.

    Raises:
        UsageError: A user has no home, and a setting of Genesis, which names one, cannot be used.
    """
    from genesis.prefect_api.configured import find_configured_storage

    try:
        if "prefect" not in sys.modules and find_configured_storage() is None:
            before_prefect()
    except ValueError:
        load_settings()  # says which setting it is
        raise
