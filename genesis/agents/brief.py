"""Write a work order for a person."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from genesis.agents.contract import Result, Work
from genesis.agents.threads import Threads
from genesis.errors import ResourceError
from genesis.model import RESULT_FILE
from genesis.text import escape_terminal, one_line
from genesis.text.markdown import code_span, escape_document, fence

__all__ = ["BriefExecutor", "work_order"]

_FILE = "brief.md"
_LONGEST_VALUE = 100_000
"""Most characters of a value that is shown in a line."""


class BriefExecutor:
    """Writes a work order for a person into the leaf's folder.

    The default where nothing can do the work: the leaf ends `briefed`, its outputs are outstanding,
    and tasks that need them wait until a person delivers them.
    """

    async def execute(self, work: Work) -> Result:
        """Write the work order.

        Raises:
            ResourceError: The leaf's folder cannot be written.
        """
        path = (work.folder / _FILE).absolute()
        await Threads().run(lambda: _write(path, work_order(work)), label="brief")
        note = f"(to be delivered by {work.agent.name}: see {path})"
        outstanding: dict[str, JsonValue] = dict.fromkeys(work.outputs, note)
        return Result(outstanding | {"brief": str(path)}, state="briefed")


def work_order(work: Work) -> str:
    """Return the work order as Markdown: what, why, with what, what to deliver and where."""
    sections = [
        f"# {_line(work.description)}",
        f"For **{work.agent.name}** · task {_code(work.path)} ({_line(work.type)}) · run {_code(work.run_id)}"
        + (f" · about {work.seconds:g} s" if work.seconds else ""),
        f"## What to do\n\n{_quote_text(work.description)}",
        f"## Why\n\nIt is part of this request:\n\n{_quote_text(work.request)}",
    ]
    if work.inputs:
        sections.append(f"## Inputs\n\n{_values(work.inputs)}")
    if work.upstream:
        sections.append(f"## Earlier results\n\n{_values(work.upstream, level=3)}")
    if work.awaited:
        names = "\n".join(f"- {_code(path)}: its work order is {_code(order)}" for path, order in work.awaited.items())
        sections.append(f"## Open work orders\n\nTheir results are delivered separately:\n\n{names}")
    return "\n\n".join([*sections, _delivery(work)]) + "\n"


def _delivery(work: Work) -> str:
    folder = work.folder.absolute()
    command = ["genesis", "deliver", work.run_id, work.path, "--result"]
    if not work.outputs:
        said = shlex.join([*command, "what was done"])
        return f"## What to deliver\n\nNo named result is expected: a sentence, or a file.\n\n{fence(said, 'sh')}"
    names = "\n".join(f"- {_code(name)}{_format_schema(work.schemas.get(name))}" for name in work.outputs)
    example = json.dumps(dict.fromkeys(work.outputs, "…"), indent=2, ensure_ascii=False)
    answer = str(folder / RESULT_FILE)
    return (
        f"## What to deliver\n\n{names}\n\n## How to submit it\n\n"
        f"Write the results into {_code(answer)}, as one JSON object with the names above, and leave files beside "
        f"it and name them there:\n\n{fence(example, 'json')}\n\nThen submit it; the run continues:\n\n"
        f"{fence(shlex.join([*command, answer]), 'sh')}"
    )


def _format_schema(schema: Mapping[str, JsonValue] | None) -> str:
    return f": a value of the JSON Schema {_code(json.dumps(schema, ensure_ascii=False))}" if schema else ""


def _values(values: Mapping[str, JsonValue], *, level: int = 0) -> str:
    parts = []
    for name, value in values.items():
        title = f"{'#' * level} {_code(name)}" if level else f"{_code(name)}:"
        is_line = isinstance(value, str | int | float | bool) and "\n" not in str(value)
        if is_line and not level:
            parts.append(f"- {title} {_code(str(value))}")
        else:
            text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
            parts.append(f"{title}\n\n{_block(text, '' if isinstance(value, str) else 'json')}")
    return "\n".join(parts) if all(part.startswith("- ") for part in parts) else "\n\n".join(parts)


def _code(text: str) -> str:
    """Show a text of one line as it is."""
    return code_span(one_line(text, _LONGEST_VALUE))


def _block(text: str, language: str = "") -> str:
    return fence(escape_terminal(text), language)


def _quote_text(text: str) -> str:
    """Show somebody's text as theirs, so that it cannot pass for a part of the work order."""
    return "\n".join(
        f"> {escape_document(line)}".rstrip() for line in escape_terminal(text).strip().splitlines() or [""]
    )


def _line(text: str) -> str:
    return escape_document(one_line(next(iter(text.strip().splitlines()), ""), 100))


def _write(path: Path, text: str) -> None:
    partial = path.with_suffix(".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")
        os.replace(partial, path)  # noqa: PTH105  # atomic: never half a work order
    except OSError as error:
        raise ResourceError.of(error, f"the work order {path} cannot be written", path=path) from error
