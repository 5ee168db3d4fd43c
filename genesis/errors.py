"""Every error that Genesis raises, in one tree.

```
GenesisError                 catch this to catch all that Genesis raises on purpose
├── UsageError               a wrong argument: a flag, a missing file, an unknown run
├── DocumentError            a plan, agents or playbook file is invalid; names the location in the document
├── PlanningError            a request cannot be planned (the last planner level never raises it)
├── RoutingError             the registry or its rules cannot be used
├── PlanInvalidError         validation found errors; carries the report
├── SecurityError            refused by a security rule; never retried, never a reason to fall back
├── ServiceError             a service behind a network or a socket cannot be reached
│   ├── ModelError           the language model: unreachable, too slow, or an unusable answer
│   └── BreakerOpenError     not called: its circuit breaker is open
├── ResourceError            no space, no memory, no permission: the machine has to be fixed
├── TaskError                an agent's work failed
│   └── TaskTimeoutError     it ran longer than its timeout
├── RunError                 the run as a whole cannot continue
└── ForeignError             a cause as data: raised by a library
```
`genesis.schedule.ScheduleError` is part of the tree: a step that the scheduler does not allow, a defect in the caller.


Each error has a stable `code` (`GEN-…`), a `message` (what happened, and to which id), a `hint` (what to do next)
and `data` for machines. They survive pickle and JSON together with their causes and contexts (`__cause__`,
`__context__`), of which type, code and message are kept, and never a traceback, whose frames can hold secrets.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, Self, TypeGuard

from genesis.foreign import encodable, errno_of, read_safely

__all__ = [
    "BreakerOpenError",
    "DocumentError",
    "ForeignError",
    "GenesisError",
    "ModelError",
    "PlanInvalidError",
    "PlanningError",
    "ResourceError",
    "RoutingError",
    "RunError",
    "SecurityError",
    "ServiceError",
    "TaskError",
    "TaskTimeoutError",
    "UsageError",
]

_MOST_CAUSES = 5
"""Causes of an exception that are followed: a chain can be circular."""
_LONGEST = 1000
"""Maximum number of characters kept of a cause's message, and of its data as JSON."""
_SHORT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})
"""Errnos of shortages that can pass: open files, memory, processes."""
_FIXES = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space, or have the quota raised",
    errno.EFBIG: "have the limit on the size of files raised (ulimit -f)",
    errno.EROFS: "the file system is read-only: make it writable",
    errno.EACCES: "check the folder and its permissions",
    errno.EPERM: "check the folder and its permissions",
    errno.EIO: "check the disk",
    errno.EMFILE: "have the limit on open files raised (ulimit -n), or lower --slots",
    errno.ENFILE: "end other programs with many open files, or lower --slots",
    errno.ENOMEM: "provide more memory, or lower --slots",
    errno.EAGAIN: "have the limit on processes raised (ulimit -u), or lower --slots",
}


class GenesisError(Exception):
    """Base of all errors that Genesis raises on purpose.

    Args:
        message: What happened, and to which id.
        hint: What the reader can do next; may be empty.
        code: A more specific stable code than the class's own.
        data: JSON-able details for machines.
    """

    code: str = "GEN-ERROR"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", code: str | None = None, data: dict[str, Any] | None = None):
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or type(self).code
        self.data = dict(data or {})

    def __setattr__(self, name: str, value: Any) -> None:
        """Coerce the arguments to text and data: agents raise these errors too, with arguments of any type."""
        if name in {"message", "hint", "code"}:
            value = _clean_text(value)
        elif name == "data" and not isinstance(value, dict):
            value = {}
        super().__setattr__(name, value)

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        own = {"code": self.code, "message": self.message, "hint": self.hint, "data": self.data}
        return _rebuilt, (type(self), own | {"causes": list(_causes(self))})

    def to_dict(self) -> dict[str, Any]:
        """Return its JSON shape: `{code, message, hint}`, and the optional keys below.

        Returns:
            `data` where there is any; `causes`, nearest first, each `{type, code, message, hint, data, how}`, where

            `how` is `cause` or `context`; `type` where the code does not identify the class.
        """
        shape: dict[str, Any] = {"code": self.code, "message": self.message, "hint": self.hint}
        if _class_of(self.code) is not type(self):
            shape["type"] = _name(type(self))
        if self.data:
            shape["data"] = encodable(self.data)
        if causes := list(_causes(self)):
            shape["causes"] = causes
        return shape

    @classmethod
    def from_dict(cls, shape: Mapping[str, Any]) -> GenesisError:
        """Restore an error from the shape that `to_dict` returns, with its causes.

        An unknown class is replaced by the most specific one that the code identifies.
        """
        named = {_name(kind): kind for kind in _all_classes(GenesisError)}
        kind = named.get(shape.get("type", "")) or _class_of(shape["code"])
        return _rebuilt(kind, shape)


def _clean_text(text: object) -> str:
    said: str = encodable(text if type(text) is str else read_safely(lambda: str(text), type(text).__name__))
    return said


class UsageError(GenesisError):
    """A wrong argument. Catch it to correct the call; retrying it unchanged never helps."""

    code = "GEN-USAGE"
    exit_code = 2


class DocumentError(GenesisError):
    """A document cannot be read. `data["where"]` is the path in the document, `data["source"]` the file."""

    code = "GEN-DOCUMENT"


class PlanningError(GenesisError):
    """A planner level could not make a plan. Catch it to use the next level."""

    code = "GEN-PLANNING"


class RoutingError(GenesisError):
    """The registry or its rules cannot be used."""

    code = "GEN-ROUTING"


class PlanInvalidError(GenesisError):
    """Validation found errors, so nothing was run. `data["report"]` is the report."""

    code = "GEN-PLAN-INVALID"


class SecurityError(GenesisError):
    """Refused by a security rule. Never retried, never a reason to fall back."""

    code = "GEN-SECURITY"
    exit_code = 3


class ServiceError(GenesisError):
    """A required service cannot be reached. Retrying later can help."""

    code = "GEN-SERVICE"
    exit_code = 4


class ModelError(ServiceError):
    """The language model cannot be reached, is too slow, or its answer is unusable."""

    code = "GEN-MODEL"


class BreakerOpenError(ServiceError):
    """An open circuit breaker rejected the call. `data["retry_after_s"]` is the time until it may be retried."""

    code = "GEN-BREAKER-OPEN"


class ResourceError(GenesisError):
    """The machine lacks the space, memory or permission for the operation."""

    code = "GEN-RESOURCE"

    @staticmethod
    def is_meant_by(error: BaseException) -> TypeGuard[OSError | MemoryError]:
        """Whether an exception means that the machine refuses space, memory, files or permission."""
        return isinstance(error, MemoryError) or errno_of(error) in _FIXES

    @staticmethod
    def is_short(error: BaseException) -> TypeGuard[OSError | MemoryError]:
        """Whether an exception is about a shortage that can pass: open files, memory, processes."""
        return isinstance(error, MemoryError) or errno_of(error) in _SHORT

    @classmethod
    def of(cls, error: OSError | MemoryError, what: str, *, hint: str = "", path: object = None) -> Self:
        """Turn a refusal of the operating system into an error with a hint how to fix it.

        A shortage that can pass, such as too many open files, has the code `GEN-RESOURCE-SHORT`.

        Args:
            error: The error of the system.
            what: What failed, for example `'/x/y' cannot be written`.
            hint: An alternative to fixing it.
            path: The file or folder.
        """
        number = errno.ENOMEM if isinstance(error, MemoryError) else errno_of(error)
        said = getattr(error, "strerror", "out of memory")
        said = said if said and isinstance(said, str) else _text(error)
        data = {"errno": errno.errorcode[number]} if number in errno.errorcode else {}
        fix = _FIXES.get(number, "check the folder and its permissions")
        return cls(
            f"{what}: {said}",
            hint=f"{fix}, {hint}" if hint else fix,
            code="GEN-RESOURCE-SHORT" if number in _SHORT else None,
            data=data | ({"path": str(path)} if path is not None else {}),
        )


class TaskError(GenesisError):
    """An agent's work failed. Catch it around a single task, never around a run."""

    code = "GEN-TASK"


class TaskTimeoutError(TaskError):
    """A task ran longer than its timeout."""

    code = "GEN-TASK-TIMEOUT"


class RunError(GenesisError):
    """The run as a whole cannot continue. Finished leaves are kept; a resume continues from them."""

    code = "GEN-RUN"


class ForeignError(GenesisError):
    """The cause of another error, as data: `data["type"]` is its class, `data["code"]` its errno or status."""

    code = "GEN-FOREIGN"

    @classmethod
    def of(cls, error: BaseException, *, without: str | None = None) -> Self:
        """Return any exception and its causes as data.

        Args:
            error: The exception.
            without: A secret to redact everywhere.
        """
        made = cls(_strike_secret(_text(error), without), data={"type": _name(type(error))} | _code(error))
        _hang(made, _strike_secret(list(_causes(error)), without))
        return made


def _strike_secret(value: Any, secret: str | None) -> Any:
    """Redact a secret in all texts in plain values."""
    if not secret:
        return value
    if isinstance(value, str):
        return value.replace(secret, "***")
    if isinstance(value, dict):
        return {key: _strike_secret(item, secret) for key, item in value.items()}
    return [_strike_secret(item, secret) for item in value] if isinstance(value, list) else value


def _rebuilt(kind: type[GenesisError], shape: Mapping[str, Any]) -> GenesisError:
    data = dict(shape.get("data", {}))
    error = kind(shape["message"], hint=shape.get("hint", ""), code=shape["code"], data=data)
    _hang(error, shape.get("causes", ()))
    return error


def _hang(error: BaseException, causes: Any) -> None:
    """Attach causes to an error, nearest first."""
    for shape in causes:
        own = shape.get("code", "").startswith("GEN-")
        known = {"type": shape["type"], **({"code": shape["code"]} if shape.get("code") else {})}
        source = GenesisError.from_dict(shape) if own else ForeignError(shape["message"], data=known)
        if shape.get("how") == "context":
            error.__context__ = source
        else:
            error.__cause__ = source
        error = source


def _causes(error: BaseException) -> Iterator[dict[str, Any]]:
    """Return the causes of an error as data, nearest first: those that Python's tracebacks would show."""
    for _ in range(_MOST_CAUSES):
        how: Literal["cause", "context"] = "cause"
        source = error.__cause__
        if source is None and not error.__suppress_context__:
            how, source = "context", error.__context__
        if source is None:
            return
        yield _shape(source) | {"how": how}
        error = source


def _shape(error: BaseException) -> dict[str, Any]:
    if isinstance(error, ForeignError):
        return {"type": error.data.get("type", ""), "code": error.data.get("code", ""), "message": error.message}
    shape: dict[str, Any] = {"type": _name(type(error)), "code": "", "message": _text(error), **_code(error)}
    if isinstance(error, GenesisError):
        shape |= {"code": error.code, "message": _cut(error.message), "hint": _cut(error.hint)}
        if error.data and _is_small(error.data):
            shape["data"] = error.data
    return shape


def _code(error: BaseException) -> dict[str, str]:
    return read_safely(lambda: _number(error), {})


def _number(error: BaseException) -> dict[str, str]:
    """Return the errno of a system error or the status of an HTTP response, from the usual attributes."""
    if known := errno.errorcode.get(errno_of(error)):
        return {"code": known}
    kept = vars(error)
    found = (kept.get("status_code"), getattr(kept.get("response"), "status_code", None), kept.get("sqlite_errorname"))
    code = next((value for value in found if isinstance(value, int | str)), None)
    return {} if code is None else {"code": _cut(str(code))}


def _text(error: BaseException) -> str:
    return read_safely(lambda: _cut(str(error)), "")


def _cut(text: str) -> str:
    short: str = encodable(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…")
    return short


def _is_small(data: Mapping[str, Any]) -> bool:
    try:
        return len(json.dumps(data)) <= _LONGEST
    except (TypeError, ValueError, RecursionError):
        return False


def _name(kind: type[BaseException]) -> str:
    return read_safely(lambda: _cut(f"{kind.__module__}.{kind.__qualname__}"), "builtins.Exception")


def _all_classes(kind: type[GenesisError]) -> Iterator[type[GenesisError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _all_classes(below)


def _class_of(code: str) -> type[GenesisError]:
    """Return the most specific known class whose code is a prefix of a code."""
    fits = [kind for kind in _all_classes(GenesisError) if code == kind.code or code.startswith(f"{kind.code}-")]
    return max(fits, key=lambda kind: len(kind.code), default=GenesisError)
