"""What a span can do, whether or not it is exported."""

from __future__ import annotations

from typing import Literal, Protocol

__all__ = ["Span", "SpanKind", "Value"]

SpanKind = Literal["internal", "client", "server", "producer", "consumer"]
Value = str | int | float | bool


class Span(Protocol):
    """One step of a trace, while it continues."""

    @property
    def traceparent(self) -> str | None:
        """Where it is, in W3C's form; None where nothing is traced."""
        ...

    @property
    def records(self) -> bool:
        """Whether what is set is kept: it need not be made otherwise."""
        ...

    def set(self, name: str, value: Value | None) -> None:
        """Set an attribute; None sets none."""
        ...

    def set_text(self, name: str, text: str) -> None:
        """Set an attribute that holds what a person or a model wrote: only where the settings ask for that."""
        ...

    def mark_failed(self, code: str, message: str = "") -> None:
        """Mark it as failed.

        Args:
            code: What kind of failure, from a closed set.
            message: Shown only where the settings ask for what people wrote.
        """
        ...
