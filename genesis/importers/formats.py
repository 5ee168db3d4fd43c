"""The formats that can be imported, and which of them a file has."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genesis.document import close_matches
from genesis.errors import DocumentError, UsageError
from genesis.importers.plan import Imported, write_plan
from genesis.importers.source import Source
from genesis.importers.workflow import Workflow
from genesis.settings import Limits

__all__ = ["FORMATS", "Format", "import_workflow"]


@dataclass(frozen=True, slots=True)
class Format:
    """One format: `genesis.importers.<name>` has `find_mismatch` and `read_workflow`."""

    name: str
    title: str
    """For readers."""
    python: bool = False
    """Whether its files can be Python."""
    document: bool = True
    """Whether its files can be YAML or JSON."""

    def find_mismatch(self, source: Source) -> str | None:
        """Return why a file does not have this format, or None if it has."""
        if source.is_python and not self.python:
            return "its files are YAML or JSON"
        if not source.is_python and not self.document:
            return "its files are Python"
        check: Callable[[Source], str | None] = self._module().find_mismatch
        return check(source)

    def read_workflow(self, source: Source) -> Workflow:
        """Translate a file of this format into the intermediate form."""
        read: Callable[[Source], Workflow] = self._module().read_workflow
        return read(source)

    def _module(self) -> Any:
        return importlib.import_module(f"genesis.importers.{self.name}")


FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        Format("github", "GitHub Actions"),
        Format("airflow", "Airflow", python=True, document=False),
        Format("dbt", "dbt"),
        Format("cwl", "CWL"),
        Format("argo", "Argo Workflows"),
        Format("kestra", "Kestra"),
        Format("crewai", "CrewAI", python=True),
    )
}
"""By name, in the order in which they are tried."""


def import_workflow(path: Path | str, *, form: str | None = None, limits: Limits | None = None) -> Imported:
    """Turn a file of another system into a plan and its agents. Nothing of the file runs.

    Args:
        path: The file.
        form: Name of its format; found out by default.
        limits: Bounds on documents and plans; by default those of the settings.

    Raises:
        UsageError: There is no such file or format, or the file cannot be read.
        DocumentError: It has none of the formats, cannot be parsed, has no tasks, or its tasks wait for each other.
    """
    limits = limits or Limits()
    if form is not None and form not in FORMATS:
        hint = close_matches(form, FORMATS) or f"the formats are {', '.join(FORMATS)}"
        raise UsageError(f"there is no format {form!r}", hint=hint)
    source = Source.read(Path(path), limits)
    chosen = _detect(source, [FORMATS[form]] if form else list(FORMATS.values()))
    return write_plan(
        chosen.read_workflow(source), source=source.name, form=chosen.name, title=chosen.title, limits=limits
    )


def _detect(source: Source, formats: list[Format]) -> Format:
    reasons: list[str] = []
    for each in formats:
        reason = each.find_mismatch(source)
        if reason is None:
            return each
        reasons.append(f"{each.title}: {reason}")
    raise DocumentError(
        f"{source.name} has no format that can be imported; tried {'; '.join(reasons)}",
        hint="check that it is the right file, or choose a format with --format to see why it is not one",
        code="GEN-DOCUMENT-FORMAT",
        data={"source": source.name, "tried": [each.name for each in formats]},
    )
