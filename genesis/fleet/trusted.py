"""Which project's agents and playbooks are used: one that a person named, or one that `genesis init` marked as theirs.

An agents file names commands, and they run with the rights and the secrets of whoever uses it. So the folder in which
a command happens to run chooses nothing by itself: it may be a stranger's repository. A mark is a file in the home,
with the folder's real path and owner. It stays when the project's files change, and does not count when the folder has
moved, or was replaced by another user's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from genesis.errors import ResourceError, UsageError
from genesis.settings import NO_HOME, Settings

__all__ = ["AGENTS_FILE", "PLAYBOOKS", "mark_trusted", "use_current_project", "use_named_project"]

AGENTS_FILE = Path("deployments/agents.yaml")
PLAYBOOKS = Path("deployments/playbooks")


def mark_trusted(root: Path, home: Path) -> None:
    """Remember that a project's folder is its user's own.

    Raises:
        ResourceError: The home cannot be written.
    """
    _write_mark(root, home, trusted=True, used=_read_mark(root, home).get("used") is True)


def use_named_project(settings: Settings, folder: Path, notify: Callable[[str], None]) -> Settings:
    """Use the agents and playbooks of a project that a person named, where the settings name no others.

    Args:
        settings: The settings.
        folder: The project.
        notify: Is given a sentence when this project is used for the first time.

    Raises:
        UsageError: There is no such folder.
    """
    if not folder.is_dir():
        raise UsageError(
            f"the project {str(folder)!r} is not a folder",
            hint="name its folder with --project or GENESIS_PROJECT; to make one: genesis init DIR",
        )
    return _use(settings, folder, notify)


def use_current_project(settings: Settings, notify: Callable[[str], None], *, quiet: bool = False) -> Settings:
    """Use the project of the current folder if it is marked as trusted and no other one is named.

    Args:
        settings: The settings.
        notify: Is given a sentence when it is used for the first time, and when it is ignored.
        quiet: Say nothing of an ignored folder: the agents are named otherwise.
    """
    if settings.project is not None:
        return settings
    here = Path()
    if _is_trusted(here, settings.home):
        return _use(settings, here, notify)
    ignored = [str(part) for part in (AGENTS_FILE, PLAYBOOKS) if part.exists()]
    if ignored and settings.agents is None and not quiet:
        notify(
            f"{' and '.join(ignored)} of this folder are ignored: it is not a project that you trust. "
            "If it is yours: genesis init, or --project ."
        )
    return settings


def _use(settings: Settings, folder: Path, notify: Callable[[str], None]) -> Settings:
    update: dict[str, Any] = {"project": folder}
    if settings.agents is None and (folder / AGENTS_FILE).is_file():
        update["agents"] = folder / AGENTS_FILE
    if settings.playbooks is None and (folder / PLAYBOOKS).is_dir():
        update["playbooks"] = folder / PLAYBOOKS
    mark = _read_mark(folder, settings.home)
    if len(update) > 1 and mark.get("used") is not True:
        notify(f"First use of the project {folder.resolve()}: its agents run with your rights and secrets.")
        with suppress(ResourceError):  # a home that cannot be written: it is said again the next time
            _write_mark(folder, settings.home, trusted=mark.get("trusted") is True, used=True)
    return settings.model_copy(update=update)


def _is_trusted(root: Path, home: Path) -> bool:
    mark = _read_mark(root, home)
    if mark.get("trusted") is not True or mark.get("owner") != root.stat().st_uid:
        return False
    try:
        found = (root / AGENTS_FILE).stat()
    except OSError:
        return True
    return found.st_uid in {mark["owner"], os.geteuid(), 0}


def _mark_file(root: Path, home: Path) -> Path:
    return home / "projects" / f"{sha256(os.fsencode(root.resolve())).hexdigest()[:32]}.json"


def _read_mark(root: Path, home: Path) -> dict[str, Any]:
    try:
        document = json.loads(_mark_file(root, home).read_bytes())
    except (OSError, ValueError):
        return {}
    known = isinstance(document, dict) and document.get("path") == str(root.resolve())
    return document if known else {}


def _write_mark(root: Path, home: Path, *, trusted: bool, used: bool) -> None:
    from genesis.document import write_atomic  # noqa: PLC0415  # with YAML, which most commands need not

    if home == NO_HOME:
        return
    mark = {"path": str(root.resolve()), "owner": root.stat().st_uid, "trusted": trusted, "used": used}
    write_atomic(_mark_file(root, home), json.dumps(mark))
