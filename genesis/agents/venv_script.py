"""Call a function in a virtual environment, which has no Genesis: this file is run by that one's interpreter.

It reads `{"call", "inputs", "path"}` as JSON from stdin, and writes `{"value"}` or `{"error", "type"}` as JSON to the
file that is its one argument. What the function prints goes where the process's output goes.
"""

import asyncio
import importlib
import inspect
import json
import sys
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any


def _find(call: str) -> Any:
    module, _, names = call.partition(":")
    found: Any = importlib.import_module(module)
    for name in names.split("."):
        found = getattr(found, name)
    return found


def _bind(function: Callable[..., Any], inputs: dict[str, Any], call: str) -> dict[str, Any]:
    """Choose the inputs that the function takes."""
    parameters = inspect.signature(function).parameters.values()
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    wanted = [each for each in parameters if each.kind not in optional]
    missing = [each.name for each in wanted if each.default is each.empty and each.name not in inputs]
    if missing:
        hint = "; a function in a virtual environment cannot take the work itself" if "work" in missing else ""
        raise TypeError(f"{call!r} needs {', '.join(map(repr, missing))}, which the task does not give it{hint}")
    if any(each.kind is each.VAR_KEYWORD for each in parameters):
        return inputs
    return {each.name: inputs[each.name] for each in wanted if each.name in inputs}


async def _await(value: Awaitable[Any]) -> Any:
    return await value


def _work(given: dict[str, Any]) -> Any:
    sys.path += [folder for folder in given["path"] if folder not in sys.path]
    function = _find(given["call"])
    value = function(**_bind(function, given["inputs"], given["call"]))
    return asyncio.run(_await(value)) if inspect.isawaitable(value) else value


def _main() -> None:
    try:
        answer = json.dumps({"value": _work(json.load(sys.stdin))})
    except Exception as error:  # noqa: BLE001  # the boundary of anybody's code: its error is the answer
        traceback.print_exc()
        answer = json.dumps({"error": str(error), "type": type(error).__name__})
    Path(sys.argv[1]).write_text(answer, encoding="utf-8")


if __name__ == "__main__":
    _main()
