"""Keep Prefect from taking settings out of the current folder: it may be a stranger's repository that is audited.

Prefect reads `.env`, `prefect.toml` and `pyproject.toml` where it runs. They can name another API for the key of the
profile, another place for results, and a logging configuration, which can call any function as soon as Prefect is
imported. What counts is the environment and the profile, as in `genesis.prefect_api.configured`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsError

from genesis.errors import UsageError
from genesis.security.redact import redact, redact_values
from genesis.server import fix_prefect_paths

__all__ = ["shut_out_current_folder"]


def shut_out_current_folder() -> None:
    """Empty what Prefect finds in the current folder. Call it before anything else of Prefect is imported.

    Prefect makes its first settings while it is imported, which is done from another folder, and more of them later:
    for these the one method that lists the sources is wrapped, once a process. There is no switch for it.

    Raises:
        UsageError: Prefect refuses a value of its settings, or cannot read its profiles.
        ResourceError: This user has no home.
    """
    fix_prefect_paths()
    with chdir(Path(__file__).parent):
        _trust_no_file_of_the_folder()
    with _name_refused_settings():
        from prefect.settings import Settings  # noqa: PLC0415

        Settings()


def _trust_no_file_of_the_folder() -> None:
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
    def list_trusted_sources(cls: type[PrefectBaseSettings], *arguments: Any, **named: Any) -> tuple[Any, ...]:
        sources: tuple[Any, ...] = listed(cls, *arguments, **named)
        for source in sources:
            if isinstance(source, TomlConfigSettingsSourceBase):
                source.toml_data = {}
            elif isinstance(source, FilteredDotEnvSettingsSource):
                source.env_vars = {}
        return sources

    PrefectBaseSettings.settings_customise_sources = classmethod(list_trusted_sources)  # type: ignore[method-assign, assignment]


@contextmanager
def _name_refused_settings() -> Iterator[None]:
    """Return the settings that Prefect rejects, which it reports only where it first needs one."""
    try:
        yield
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(map(str, first["loc"]))
        given = redact_values({name: first["input"]})[name]
        problem = f"{name!r} of {error.title}: {first['msg']} (given: {given!r})"
        raise _refusal(problem) from error
    except (OSError, ValueError, SettingsError) as error:
        raise _refusal(str(error)) from error


def _refusal(problem: str) -> UsageError:
    return UsageError(
        f"Prefect does not start with its settings: {redact(problem)}",
        hint=f"correct it in the PREFECT_ environment variables, or in {os.environ['PREFECT_PROFILES_PATH']}",
    )
