"""Labels of what a parameter of an executor is, for annotations of functions.

```python
def audit(path: Annotated[str, READ_PATH] = ".", *, run_tests: Annotated[str, EXECUTES] = "no") -> dict: ...
```

What has no label is data: never a path or a switch.
"""

from __future__ import annotations

from dataclasses import dataclass

from genesis.model import ParameterKind

__all__ = ["DATA", "EXECUTES", "READ_PATH", "WRITE_PATH", "ParameterLabel"]


@dataclass(frozen=True, slots=True)
class ParameterLabel:
    """The kind of a parameter, in the `Annotated` of a function."""

    kind: ParameterKind


DATA = ParameterLabel("data")
"""Neither a path nor a switch."""
READ_PATH = ParameterLabel("read_path")
"""A file or folder that is read."""
WRITE_PATH = ParameterLabel("write_path")
"""A file or folder that is written to."""
EXECUTES = ParameterLabel("executes")
"""A switch that, unless it is off (`no`, `false`, empty), executes something."""
