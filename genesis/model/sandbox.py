"""What the programs of an agent may reach on the machine that runs them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from genesis.model.base import Model, Text

__all__ = ["Sandbox", "SandboxRules"]


class SandboxRules(Model):
    """Limits on the programs of one agent."""

    mode: Literal["required", "preferred", "off"] = "preferred"
    """`required`: a task fails where the machine has no sandbox; `preferred`: it then runs without one."""
    read: tuple[Text, ...] = ()
    """Files and folders in a hidden place, such as the home, that programs may read; `~` is the home."""
    write: tuple[Text, ...] = ()
    """Files and folders outside the working folder that programs may change."""
    hosts: tuple[Text, ...] = ()
    """Hosts that programs connect to. Without any there is no network; with one the network is open: the names are
    documentation, and are not enforced."""
    memory_mb: Annotated[int, Field(ge=1)] | None = None
    """Address space of each process, in megabytes."""
    processes: Annotated[int, Field(ge=1)] | None = None
    """Processes at once; the kernel does not limit those of root."""
    file_mb: Annotated[int, Field(ge=1)] | None = None
    """Size of each file that is written, in megabytes."""


def _read_mode(value: Any) -> Any:
    return {"mode": value} if isinstance(value, str) else dict(value) if isinstance(value, Mapping) else value


Sandbox = Annotated[
    SandboxRules,
    BeforeValidator(_read_mode, json_schema_input_type=Literal["required", "preferred", "off"] | SandboxRules),
]
"""`required`, `preferred` or `off`, or a mapping with more rules."""
