"""Set-up that must precede the import of Prefect in a command's process."""

from __future__ import annotations

import sys

from genesis.cli.options import load_settings

__all__ = ["before_ledger", "before_prefect"]


def before_prefect() -> None:
    """Keep log lines of Prefect and of API retries off the terminal, and files in this folder out of its settings."""
    from genesis.resilience.call_retries import silence_stamina

    silence_stamina()
    from genesis.server import silence_prefect_on_terminal

    silence_prefect_on_terminal()
    from genesis.server.prefect_files import shut_out_current_folder

    shut_out_current_folder()


def before_ledger() -> None:
    """Set Prefect up where reading the ledgers needs it: not where they are in a local folder.

    Raises:
        UsageError: The user has no home folder, and no usable setting names one.
    """
    from genesis.prefect_api.configured import find_configured_storage

    try:
        if "prefect" not in sys.modules and find_configured_storage() is None:
            before_prefect()
    except ValueError:
        load_settings()  # names the setting
        raise
