"""Which Prefect API the user has configured, found without importing Prefect.

The one module that reads and sets Prefect's own environment variables. Only the environment and the active profile
count: a `prefect.toml`, `pyproject.toml` or `.env` in the current folder does not, since that folder may be a
stranger's repository that is being audited.
"""

from __future__ import annotations

import base64
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genesis.errors import ResourceError, UsageError

__all__ = [
    "ConfiguredApi",
    "basic_authentication",
    "find_configured_api",
    "find_configured_storage",
    "fix_prefect_paths",
    "get_server_environment",
    "path_of_user",
    "point_prefect_at",
    "silence_prefect_on_terminal",
    "ui_address",
]

_CLOUD_API = "https://api.prefect.cloud/api"
_CLOUD_UI = "https://app.prefect.cloud"
_KEPT = frozenset({"HOME", "LANG", "LANGUAGE", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH", "TMPDIR", "TZ", "VIRTUAL_ENV"})
_FOLDERS = ("PREFECT_RESULTS_LOCAL_STORAGE_PATH", "PREFECT_LOCAL_STORAGE_PATH")
_BLOCKS = ("PREFECT_RESULTS_DEFAULT_STORAGE_BLOCK", "PREFECT_DEFAULT_RESULT_STORAGE_BLOCK")
_OF_PREFECT = (*_BLOCKS, "PREFECT_HOME")
"""In a profile, these leave it to Prefect where results are."""
_PROFILES: Mapping[str, Any] = {
    "ephemeral": {},
    "local": {"PREFECT_API_URL": "http://127.0.0.1:4200/api"},
    "test": {},
    "cloud": {},
}
"""Those that Prefect brings along."""


@dataclass(frozen=True, slots=True)
class ConfiguredApi:
    """A Prefect API that the user named."""

    url: str
    ui_url: str | None
    source: str
    """Where it is configured, for messages."""
    password: str | None = field(default=None, repr=False)
    """`PREFECT_API_AUTH_STRING`, where it is set beside it."""


def find_configured_api(environment: Mapping[str, str] | None = None) -> ConfiguredApi | None:
    """Find the API in `PREFECT_API_URL` or in Prefect's active profile; None where neither names one.

    Args:
        environment: Variables to read instead of this process's own.

    Raises:
        UsageError: The profiles cannot be read, or `PREFECT_PROFILE` names none of them. Going on without them could
            send a run to another server than the one that is meant.
    """
    variables = os.environ if environment is None else environment
    url = variables.get("PREFECT_API_URL", "").strip()
    profile, where = _active_profile(variables) if not url else ({}, "the environment variable PREFECT_API_URL")
    url = (url or str(profile.get("PREFECT_API_URL", ""))).strip().rstrip("/")
    if not url:
        return None
    ui_url = variables.get("PREFECT_UI_URL") or profile.get("PREFECT_UI_URL")
    password = variables.get("PREFECT_API_AUTH_STRING") or profile.get("PREFECT_API_AUTH_STRING")
    return ConfiguredApi(
        url, str(ui_url).rstrip("/") if ui_url else ui_address(url), where, str(password) if password else None
    )


def find_configured_storage(environment: Mapping[str, str] | None = None) -> Path | None:
    """Find the folder of Prefect's result storage, for what has no other need of Prefect: importing it takes seconds.

    Args:
        environment: Variables to read instead of this process's own.

    Returns:
        None where only Prefect itself can say: a storage block is configured, or a value has a template in it.

    Raises:
        ResourceError: This user has no home.
        UsageError: The profiles cannot be read, or a value names the home of a user that there is not.
    """
    given = os.environ if environment is None else environment
    variables = {name.upper(): value for name, value in given.items() if name.upper().startswith("PREFECT_")}
    profile, _ = _active_profile(variables)
    if any(name in profile for name in _OF_PREFECT) or any(variables.get(name) for name in _BLOCKS):
        return None
    found = next((value for known in (variables, profile) for name in _FOLDERS if (value := known.get(name))), None)
    if found is None:
        return _prefect_home(variables) / "storage"
    return None if not isinstance(found, str) or "$" in found or "{" in found else path_of_user(found)


def basic_authentication(password: str) -> str:
    """Return the header `Authorization` for a password of Prefect's settings, `name:secret`."""
    return f"Basic {base64.b64encode(password.encode()).decode()}"


def ui_address(api_url: str) -> str | None:
    """Return the address of the pages that belong to an API, as Prefect derives it."""
    if api_url.startswith(_CLOUD_API):
        pages = api_url.replace(_CLOUD_API, _CLOUD_UI)
        return pages.replace("/accounts/", "/account/").replace("/workspaces/", "/workspace/")
    return api_url.removesuffix("/api") if api_url.endswith("/api") else None


def point_prefect_at(api_url: str) -> None:
    """Make Prefect use this API, in this process and its children. Call it before Prefect is imported."""
    os.environ["PREFECT_API_URL"] = api_url


def silence_prefect_on_terminal() -> None:
    """Keep Prefect's log lines for the UI: the terminal shows progress instead. Call it before Prefect is imported."""
    for handler in ("CONSOLE", "DEBUG"):
        os.environ.setdefault(f"PREFECT_LOGGING_HANDLERS_{handler}_LEVEL", "CRITICAL")
    os.environ.setdefault("DO_NOT_TRACK", "1")  # or it asks for leave to send usage data, on a terminal


def fix_prefect_paths() -> None:
    """Name Prefect's home and profiles file in full, so that no file of the current folder can name others.

    Raises:
        ResourceError: This user has no home.
        UsageError: The profiles cannot be read.
    """
    _user_home()
    os.environ["PREFECT_HOME"] = str(_prefect_home(os.environ).absolute())
    os.environ["PREFECT_PROFILES_PATH"] = str(_profiles_path(os.environ).absolute())
    _active_profile(os.environ)


def get_server_environment() -> dict[str, str]:
    """Return what the embedded server gets of this process's variables: no settings of Prefect's, and no secrets."""
    _user_home()
    return {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith("LC_")}


def _active_profile(variables: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    path = _profiles_path(variables)
    wanted = variables.get("PREFECT_PROFILE")
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        document = {}
    except (OSError, ValueError) as error:
        raise UsageError(
            f"Prefect's profiles in {path} cannot be read: {error}",
            hint="fix the file, or set PREFECT_HOME to another folder",
        ) from error
    given = document.get("profiles", {})
    profiles = {**_PROFILES, **(given if isinstance(given, dict) else {})}
    name = wanted or document.get("active")
    if wanted and wanted not in profiles:
        raise UsageError(
            f"PREFECT_PROFILE is {wanted!r}, which is not in {path}", hint="run: prefect profile ls, or unset it"
        )
    profile = profiles.get(str(name), {})
    return (profile if isinstance(profile, dict) else {}), f"profile {name!r} in {path}"


def _profiles_path(variables: Mapping[str, str]) -> Path:
    if named := variables.get("PREFECT_PROFILES_PATH"):
        return path_of_user(named)
    return _prefect_home(variables) / "profiles.toml"


def _prefect_home(variables: Mapping[str, str]) -> Path:
    """Return Prefect's home."""
    named = variables.get("PREFECT_HOME")
    return path_of_user(named) if named else _user_home() / ".prefect"


def path_of_user(word: str) -> Path:
    """Read a path of Prefect's settings, with a home in the place of `~`.

    Raises:
        UsageError: There is no such user, or this one has no home.
    """
    try:
        return Path(word).expanduser()
    except RuntimeError as error:
        raise UsageError(
            f"Prefect's settings name the path {word!r}, and there is no home of {Path(word).parts[0]} on this machine",
            hint="give the path in full: prefect config view shows the settings",
        ) from error


def _user_home() -> Path:
    """Return the user's home. One who has none gets that of Genesis, which Prefect and its server then find as `HOME`.

    Raises:
        ResourceError: There is neither.
    """
    try:
        return Path.home()
    except RuntimeError as error:
        from genesis.settings import NO_HOME, Settings  # noqa: PLC0415  # with pydantic, which a list of runs needs not

        if (home := Settings().home) == NO_HOME:
            raise no_home() from error
        os.environ["HOME"] = str(home.absolute())
        return home


def no_home() -> ResourceError:
    """Report that this user has no home and what to do about it."""
    return ResourceError(
        "this user has no home folder, and state has to be kept somewhere",
        hint="set GENESIS_HOME to a folder that can be written, and PREFECT_HOME to keep Prefect's own elsewhere",
        code="GEN-RESOURCE-HOME",
    )
