"""Every error that Genesis raises, in one tree.

```
GenesisError                 catch this to catch all that Genesis raises on purpose
├── UsageError               the call's words are wrong: a flag, a missing file, an unknown run
├── DocumentError            a plan, agents or playbook file cannot be read; says where in the document
├── PlanningError            a request cannot be planned (never raised by the last planner level)
├── RoutingError             the registry or its rules cannot be used
├── PlanInvalidError         validation found errors; carries the report
├── SecurityError            refused by a security rule, never retried and never fallen back from
├── ServiceError             something over a network or a socket cannot be reached
│   ├── ModelError           the language model: unreachable, slow, or an answer that cannot be used
│   └── BreakerOpenError     not even tried: it failed too often a moment ago
├── ResourceError            no space, no memory, no permission: the machine has to be mended
├── TaskError                an agent's work failed
│   └── TaskTimeoutError     it ran longer than its timeout
└── RunError                 the run as a whole cannot go on
```
`genesis.schedule.ScheduleError` joins them for steps that the scheduler does not allow: a mistake in the caller.


Each error carries a stable `code` (`GEN-…`), a `message` that says what happened and to what, a `hint` that says what
to do next, and `data` for machines. They survive pickle and JSON.
"""

from __future__ import annotations

from typing import Any, ClassVar

__all__ = [
    "BreakerOpenError",
    "DocumentError",
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

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self.hint, self.code, self.data)

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON shape of the command line: `{code, message, hint}`, with `data` where there is any."""
        shape: dict[str, Any] = {"code": self.code, "message": self.message, "hint": self.hint}
        if self.data:
            shape["data"] = self.data
        return shape


def _rebuild(cls: type[GenesisError], message: str, hint: str, code: str, data: dict[str, Any]) -> GenesisError:
    return cls(message, hint=hint, code=code, data=data)


class UsageError(GenesisError):
    """The words of a call are wrong. Catch it to correct the call; it never helps to try again unchanged."""

    code = "GEN-USAGE"
    exit_code = 2


class DocumentError(GenesisError):
    """A document cannot be read. `data["where"]` is the path in the document, `data["source"]` the file."""

    code = "GEN-DOCUMENT"


class PlanningError(GenesisError):
    """A planner level could not make a plan. Catch it to fall to the next level."""

    code = "GEN-PLANNING"


class RoutingError(GenesisError):
    """The registry or its rules cannot be used."""

    code = "GEN-ROUTING"


class PlanInvalidError(GenesisError):
    """Validation found errors, so nothing was run. `data["report"]` is the report."""

    code = "GEN-PLAN-INVALID"


class SecurityError(GenesisError):
    """Refused by a security rule. Never retried, never fallen back from."""

    code = "GEN-SECURITY"
    exit_code = 3


class ServiceError(GenesisError):
    """A service that is needed cannot be reached. Trying again later can help."""

    code = "GEN-SERVICE"
    exit_code = 4


class ModelError(ServiceError):
    """The language model cannot be reached, is too slow, or its answer cannot be used."""

    code = "GEN-MODEL"


class BreakerOpenError(ServiceError):
    """A circuit breaker let the call not through. `data["retry_after_s"]` says when to ask again."""

    code = "GEN-BREAKER-OPEN"


class ResourceError(GenesisError):
    """The machine has no space, memory or permission left for what was asked."""

    code = "GEN-RESOURCE"


class TaskError(GenesisError):
    """An agent's work failed. Catch it around a single task, never around a run."""

    code = "GEN-TASK"


class TaskTimeoutError(TaskError):
    """A task ran longer than its timeout."""

    code = "GEN-TASK-TIMEOUT"


class RunError(GenesisError):
    """The run as a whole cannot go on. Finished leaves are kept; a resume goes on from them."""

    code = "GEN-RUN"
