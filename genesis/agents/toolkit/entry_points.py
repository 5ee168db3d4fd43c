"""Where a project is entered: commands, mains, containers, build targets, deployments and workflows."""

from __future__ import annotations

import ast
import configparser
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from genesis.agents.toolkit.budget import Budget
from genesis.agents.toolkit.dockerfile import instructions, is_dockerfile
from genesis.agents.toolkit.documents import items, load_json, load_toml, load_yaml, mapping, read, string
from genesis.agents.toolkit.files import SourceFile, Tree
from genesis.agents.toolkit.finding import Result
from genesis.agents.toolkit.python_source import calls_to, is_main_guard, parse

__all__ = ["EntryPoint", "find_entry_points"]

_SHOWN = 200
_SHOWN_CHARACTERS = 160
_PARSING_S = 20.0
_TARGET = re.compile(r"^([A-Za-z0-9][\w./-]*)\s*:(?![=:])", re.MULTILINE)
_RECIPE = re.compile(r"^@?([A-Za-z_][\w-]*)(?:\s+[^:\n]*)?:(?!=)", re.MULTILINE)
_PROCESS = re.compile(r"^([A-Za-z0-9_-]+):\s*(\S.*)$", re.MULTILINE)
_GO_MAIN = re.compile(r"^package main\b", re.MULTILINE)


@dataclass(frozen=True)
class EntryPoint:
    """One way to start the project or a part of it."""

    kind: str
    name: str
    target: str
    where: str


def find_entry_points(tree: Tree) -> tuple[list[Result], int]:
    """Find the entry points, those of tests, examples and documentation left out.

    Returns:
        The first 200 as `{kind, name, target, where}` in order of kind, and how many more there are.
    """
    budget = Budget(_PARSING_S)
    found = [
        entry
        for file in tree.files
        if not (file.is_test or file.is_example)
        for reader in _readers(file)
        for entry in _read(tree, file, reader, budget)
    ]
    order = {kind: place for place, kind in enumerate(_KINDS)}
    found.sort(key=lambda entry: (order.get(entry.kind, len(order)), entry.where, entry.name))
    return [{key: text[:_SHOWN_CHARACTERS] for key, text in asdict(entry).items()} for entry in found[:_SHOWN]], max(
        0, len(found) - _SHOWN
    )


_KINDS = (
    "console script",
    "package.json bin",
    "python -m",
    "main",
    "binary",
    "container",
    "process",
    "prefect deployment",
    "package.json script",
    "make target",
    "just recipe",
    "ci workflow",
)

_Reader = Callable[[SourceFile, str], Iterator[EntryPoint]]


def _readers(file: SourceFile) -> Iterator[_Reader]:
    name, path = file.name.lower(), file.path.lower()
    if name in _BY_NAME:
        yield _BY_NAME[name]
    if is_dockerfile(file):
        yield _dockerfile
    if file.suffix == ".py":
        yield _python_file
    if file.suffix == ".go":
        yield _go_file
    if path.startswith(".github/workflows/") and file.suffix in (".yml", ".yaml"):
        yield _workflow


def _read(tree: Tree, file: SourceFile, reader: _Reader, budget: Budget) -> Iterator[EntryPoint]:
    if budget.spent and reader is _python_file:
        return iter(())
    text = tree.text_of(file)
    return iter(()) if text is None else reader(file, text)


def _pyproject(file: SourceFile, text: str) -> Iterator[EntryPoint]:
    document = read(load_toml, text)
    for table in (("project", "scripts"), ("project", "gui-scripts"), ("tool", "poetry", "scripts")):
        for name, target in mapping(document, *table).items():
            yield EntryPoint("console script", name, string(target), file.shown)


def _setup_cfg(file: SourceFile, text: str) -> Iterator[EntryPoint]:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return
    scripts = parser.get("options.entry_points", "console_scripts", fallback="")
    for line in scripts.splitlines():
        yield from _script_line(line, file)


def _script_line(line: str, file: SourceFile) -> Iterator[EntryPoint]:
    name, equals, target = line.partition("=")
    if equals:
        yield EntryPoint("console script", name.strip(), target.strip(), file.shown)


def _setup_py(file: SourceFile, text: str) -> Iterator[EntryPoint]:
    try:
        tree = parse(text.encode("utf-8", "replace"))
    except SyntaxError:
        return
    for call in calls_to(tree, "setup"):
        for keyword in call.keywords:
            if keyword.arg != "entry_points":
                continue
            try:
                points = ast.literal_eval(keyword.value)
            except (ValueError, TypeError, RecursionError, MemoryError):
                continue
            for line in items(mapping(points).get("console_scripts")):
                yield from _script_line(string(line), file)


def _package_json(file: SourceFile, text: str) -> Iterator[EntryPoint]:
    document = mapping(read(load_json, text))
    commands = document.get("bin")
    if isinstance(commands, str):
        yield EntryPoint("package.json bin", string(document.get("name")), commands, file.shown)
    for name, target in mapping(commands).items():
        yield EntryPoint("package.json bin", name, string(target), file.shown)
    for name, command in mapping(document, "scripts").items():
        yield EntryPoint("package.json script", name, string(command), file.shown)


def _cargo(file: SourceFile, text: str) -> Iterator[EntryPoint]:
    for binary in items(mapping(read(load_toml, text)).get("bin")):
        table = mapping(binary)
        yield EntryPoint("binary", string(table.get("name")), string(table.get("path")), file.shown)


def _rust_main(file: SourceFile, _text: str) -> Iterator[EntryPoint]:
    if file.path.endswith("src/main.rs"):
        yield EntryPoint("main", file.shown, "fn main", file.shown)


def _go_file(file: SourceFile, text: str) -> Iterator[EntryPoint]:
    if _GO_MAIN.search(text) and "func main()" in text:
        yield EntryPoint("main", file.shown, "func main", file.shown)


def _python_file(file: SourceFile, text: str) -> Iterator[EntryPoint]:
    if file.name == "__main__.py":
        package = file.shown.removeprefix("src/").rpartition("/")[0].replace("/", ".")
        yield EntryPoint("python -m", package or ".", file.shown, file.shown)
        return
    if "__main__" not in text:
        return
    try:
        tree = parse(text.encode("utf-8", "replace"))
    except SyntaxError:
        return
    guard = next((node for node in tree.body if is_main_guard(node)), None)
    if guard is not None:
        yield EntryPoint("main", file.shown, "if __name__ == '__main__'", f"{file.shown}:{guard.lineno}")


def _dockerfile(file: SourceFile, text: str) -> Iterator[EntryPoint]:
    steps = instructions(text)
    for word in ("ENTRYPOINT", "CMD"):
        last = next((step for step in reversed(steps) if step.word == word), None)
        if last is not None:
            yield EntryPoint("container", word, last.rest, f"{file.shown}:{last.line}")


def _makefile(file: SourceFile, text: str) -> Iterator[EntryPoint]:
    for name in dict.fromkeys(match[1] for match in _TARGET.finditer(text)):
        yield EntryPoint("make target", name, f"make {name}", file.shown)


def _justfile(file: SourceFile, text: str) -> Iterator[EntryPoint]:
    for name in dict.fromkeys(match[1] for match in _RECIPE.finditer(text)):
        yield EntryPoint("just recipe", name, f"just {name}", file.shown)


def _procfile(file: SourceFile, text: str) -> Iterator[EntryPoint]:
    for match in _PROCESS.finditer(text):
        yield EntryPoint("process", match[1], match[2], file.shown)


def _prefect_yaml(file: SourceFile, text: str) -> Iterator[EntryPoint]:
    for document in items(read(load_yaml, text)):
        for deployment in items(mapping(document).get("deployments")):
            table = mapping(deployment)
            yield EntryPoint(
                "prefect deployment", string(table.get("name")), string(table.get("entrypoint")), file.shown
            )


def _workflow(file: SourceFile, text: str) -> Iterator[EntryPoint]:
    name = next((string(mapping(each).get("name")) for each in items(read(load_yaml, text))), "")
    yield EntryPoint("ci workflow", name or file.shown.rpartition("/")[2], file.shown, file.shown)


def _ci_file(file: SourceFile, _text: str) -> Iterator[EntryPoint]:
    yield EntryPoint("ci workflow", file.shown, file.shown, file.shown)


_BY_NAME: dict[str, _Reader] = {
    "pyproject.toml": _pyproject,
    "setup.cfg": _setup_cfg,
    "setup.py": _setup_py,
    "package.json": _package_json,
    "cargo.toml": _cargo,
    "main.rs": _rust_main,
    "makefile": _makefile,
    "gnumakefile": _makefile,
    "justfile": _justfile,
    "procfile": _procfile,
    "prefect.yaml": _prefect_yaml,
    ".gitlab-ci.yml": _ci_file,
    "azure-pipelines.yml": _ci_file,
    "jenkinsfile": _ci_file,
}
