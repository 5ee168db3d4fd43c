"""Keep Prefect from taking settings out of the current folder: it may be a stranger's repository that is audited.

Prefect reads `.env`, `prefect.toml` and `pyproject.toml` where it runs. They can name another API for the key of the
profile, another place for results, and a logging configuration, which can call any function as soon as Prefect is
imported. What counts is the environment and the profile, as in `genesis.execute.configured`.
"""

from __future__ import annotations

from contextlib import chdir
from functools import wraps
from pathlib import Path
from typing import Any

from genesis.execute.server import fix_prefect_paths

__all__ = ["shut_out_current_folder"]


def shut_out_current_folder() -> None:
    """Empty what Prefect finds in the current folder. Call it before anything else of Prefect is imported.

    Prefect makes its first settings while it is imported, which is done from another folder, and more of them later:
    for these the one method that lists the sources is wrapped, once a process. There is no switch for it.
    """
    fix_prefect_paths()
    with chdir(Path(__file__).parent):
        from prefect.settings.base import PrefectBaseSettings  # noqa: PLC0415  # here and not elsewhere
        from prefect.settings.sources import (  # noqa: PLC0415
            FilteredDotEnvSettingsSource,
            TomlConfigSettingsSourceBase,
        )
    method = PrefectBaseSettings.__dict__["settings_customise_sources"]
    if hasattr(method, "__wrapped__") and hasattr(method.__wrapped__, "__wrapped__"):
        return
    listed = method.__func__

    @wraps(listed)
    def trusted(cls: type[PrefectBaseSettings], *arguments: Any, **named: Any) -> tuple[Any, ...]:
        sources: tuple[Any, ...] = listed(cls, *arguments, **named)
        for source in sources:
            if isinstance(source, TomlConfigSettingsSourceBase):
                source.toml_data = {}
            elif isinstance(source, FilteredDotEnvSettingsSource):
                source.env_vars = {}
        return sources

    PrefectBaseSettings.settings_customise_sources = classmethod(trusted)  # type: ignore[method-assign, assignment]
