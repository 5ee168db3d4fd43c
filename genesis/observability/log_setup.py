"""Where the log lines of this process go: a file, standard error, a count. Only the logger `genesis` is set up."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal, TextIO

from genesis.observability.correlation import facts
from genesis.observability.instruments import LOG_LINES
from genesis.observability.log_file import LineFile
from genesis.observability.log_formatters import ContextSource, HumanLines, JsonLines, level_of, redact_record
from genesis.observability.metrics import metrics_of_process
from genesis.security.known_secrets import secrets_of_process, settings_secrets
from genesis.settings import Settings

__all__ = ["LogSetup", "Role", "configure_logs", "is_configured", "log_file"]

Role = Literal["cli", "orchestrator", "worker", "agent"]
"""What a process is; it is in each of its lines."""

_OURS = "genesis"
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class LogSetup:
    """What `configure_logs` set up, until it is closed."""

    def __init__(self, path: Path | None):
        self.path = path
        """The file, where there is one."""
        self._undo: list[Callable[[], None]] = []

    def close(self) -> None:
        """Take everything back; again it does nothing."""
        while self._undo:
            self._undo.pop()()

    def add(self, logger: logging.Logger, handler: logging.Handler, level: int) -> None:
        """Let a logger's lines of this level and above go somewhere."""
        handler.setLevel(level)
        logger.addHandler(handler)
        self._undo.append(handler.close)
        self._undo.append(lambda: logger.removeHandler(handler))

    def raise_to(self, logger: logging.Logger, level: int) -> None:
        """Let a logger make lines of this level and above."""
        before = logger.level
        logger.setLevel(level)
        self._undo.append(lambda: logger.setLevel(before))

    def strike(self, handler: logging.Handler) -> None:
        """Strike secrets out of what somebody else's handler is given."""
        struck = _Struck()
        handler.addFilter(struck)
        self._undo.append(lambda: handler.removeFilter(struck))


def configure_logs(
    settings: Settings,
    *,
    role: Role,
    deployed: bool,
    trail: ContextSource = facts,
    secrets: Iterable[str] = (),
    counted: Callable[[str], None] | None = None,
    others: Sequence[str] = (),
) -> LogSetup:
    """Set up where log lines go. Done again it replaces what was set up before.

    The root logger is left alone, and lines still reach its handlers.

    Args:
        settings: `log`, and the home, where a deployed run and a worker have their file. What is secret in them is
            struck out of all lines.
        role: What this process is.
        deployed: Whether it writes to the file in the home where the settings name none.
        trail: Gives what is known of the current run, by the names in `lines.IDS`.
        secrets: More values to strike out, such as those of environment variables.
        counted: Is told the level of each line; the metrics of this process where missing.
        others: Other loggers whose lines go to the file; secrets are struck out of what their own handlers get, too.

    Returns:
        The set-up; close it to take everything back.
    """
    logger = logging.getLogger(_OURS)
    for handler in logger.handlers:
        if isinstance(handler, _Counting):
            handler.setup.close()
            break
    known = secrets_of_process()
    known.add(*settings_secrets(settings), *secrets)
    level = _LEVELS[settings.log.level]
    setup = LogSetup(_path(settings, deployed=deployed or role in ("worker", "agent")))
    setup.raise_to(logger, min(level, logging.WARNING))  # what warns people on a terminal is not the file's matter
    setup.add(logger, _Counting(setup, counted or _count), level)
    as_json = JsonLines(role, trail, known)
    if setup.path is not None:
        file = LineFile(setup.path, most_bytes=settings.log.file_bytes, keep=settings.log.files)
        file.setFormatter(as_json)
        setup.add(logger, file, level)
        for other in map(logging.getLogger, others):
            for handler in other.handlers:
                setup.strike(handler)
            setup.add(other, file, level)
    console = _console(settings, role)
    if console != "off":
        shown = _Stderr()
        shown.setFormatter(as_json if console == "json" else HumanLines(trail, known, colour=_is_colourful()))
        setup.add(logger, shown, level)
    return setup


def is_configured() -> bool:
    """Whether this process has set up where its log lines go."""
    return any(isinstance(handler, _Counting) for handler in logging.getLogger(_OURS).handlers)


def _count(level: str) -> None:
    metrics_of_process().count(LOG_LINES, level)


class _Counting(logging.Handler):
    """Counts lines, and marks that the logger is set up."""

    def __init__(self, setup: LogSetup, counted: Callable[[str], None]):
        super().__init__()
        self.setup = setup
        self._counted = counted

    def emit(self, record: logging.LogRecord) -> None:
        self._counted(level_of(record))


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to what is standard error at the time: a progress display on a terminal stands in for it."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]  # an attribute there
        return sys.stderr


class _Struck(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        redact_record(record, secrets_of_process()())
        return True


def log_file(settings: Settings) -> Path:
    """Return the file that the settings name, or that in the home where deployed runs and workers write."""
    if settings.log.file is not None:
        return settings.log.file
    return settings.home / "logs" / "genesis.jsonl"


def _path(settings: Settings, *, deployed: bool) -> Path | None:
    return log_file(settings) if deployed or settings.log.file is not None else None


def _console(settings: Settings, role: Role) -> Literal["human", "json", "off"]:
    """Decide what standard error shows: commands say themselves what people need, and others' logging shows lines."""
    if settings.log.console != "auto":
        return settings.log.console
    is_shown = any(handler.level <= logging.INFO for handler in logging.getLogger().handlers)
    return "human" if role not in ("cli", "worker") and not is_shown and sys.stderr.isatty() else "off"


def _is_colourful() -> bool:
    from rich.console import Console  # noqa: PLC0415  # only where a person looks

    console = Console(stderr=True)
    return console.is_terminal and not console.no_color and console.color_system is not None
