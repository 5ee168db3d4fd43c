"""What has to be settled before Prefect is imported in a process of the command line."""

from __future__ import annotations

__all__ = ["before_prefect"]


def before_prefect() -> None:
    """Keep Prefect's log lines off the terminal, and the files of the current folder out of its settings."""
    from genesis.execute.server import keep_prefect_off_the_terminal

    keep_prefect_off_the_terminal()
    from genesis.execute.prefect_files import shut_out_current_folder

    shut_out_current_folder()
