"""Where a project is entered: commands, mains, servers, containers, build targets, deployments and workflows."""

from __future__ import annotations

import ast
import configparser
import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from genesis_audit.budget import TimeBudget
from genesis_audit.dockerfile import instructions, is_dockerfile
from genesis_audit.documents import items, load_json, load_toml, load_yaml, mapping, read, string
from genesis_audit.files import SourceFile
from genesis_audit.finding import ToolResult
from genesis_audit.libraries import find_library
from genesis_audit.origin import is_vendored
from genesis_audit.python_source import calls_to, parse
from genesis_audit.scan import Scan

__all__ = ["EntryPoint", "find_entry_points"]

_SHOWN = 200
_SHOWN_CHARACTERS = 160
_SHOWN_EXPORTS = 20
_READING_S = 20.0
_SCRIPT_FOLDER = re.compile(r"(?:[^/]+\.(?:sh|ps1|cmd|bat)$|(?:bin|exe|script|scripts)/)")
_KINDS = (
    "console script",
    "package.json bin",
    "package.json main",
    "library",
    "composer bin",
    "executable",
    "python -m",
    "main",
    "application",
    "server",
    "binary",
    "script",
    "container",
    "process",
    "prefect deployment",
    "serverless function",
    "package.json script",
    "make target",
    "just recipe",
    "rake task",
    "gulp task",
    "grunt task",
    "task",
    "composer script",
    "ci workflow",
)
"""In the order in which they are listed."""


@dataclass(frozen=True)
class EntryPoint:
    """One way to start the project or a part of it."""

    kind: str
    name: str
    target: str
    where: str


_INDEX = EntryPoint("package.json main", "index.js", "index.js", "index.js")
"""What npm takes where the package names nothing else."""
_Reader = Callable[[SourceFile, str], Iterator[EntryPoint]]


def find_entry_points(scan: Scan) -> tuple[list[ToolResult], int]:
    """Find the entry points, those of tests, examples, documentation and copies of other projects left out.

    Returns:
        The first 200 as `{kind, name, target, where}` in order of kind, and how many more there are.
    """
    tree, budget = scan.tree, TimeBudget(_READING_S)
    found: dict[EntryPoint, None] = dict.fromkeys(_python(scan))
    for file in tree.files:
        if file.is_test or file.is_example or is_vendored(file.path) or budget.spent:
            continue
        readers = tuple(_readers(file))
        text = tree.text_of(file) if readers else None
        for reader in readers if text is not None else ():
            found.update(dict.fromkeys(reader(file, text or "")))
        library = find_library(tree, file)
        if library is not None:
            found[EntryPoint("library", *library, file.shown)] = None
    if any(entry.kind == "package.json main" and entry.where == "package.json" for entry in found):
        found.pop(_INDEX, None)
    order = {kind: place for place, kind in enumerate(_KINDS)}
    entries = sorted(_without_repeats(list(found)), key=lambda entry: (order[entry.kind], entry.where, entry.name))
    shown = [{key: text[:_SHOWN_CHARACTERS] for key, text in asdict(entry).items()} for entry in entries[:_SHOWN]]
    return [dict(each) for each in shown], max(0, len(entries) - _SHOWN)


def _without_repeats(entries: list[EntryPoint]) -> Iterator[EntryPoint]:
    """Leave out the main module of a package where the same file is a command or a server."""
    started = {each.where.partition(":")[0] for each in entries if each.kind in ("main", "server", "script")}
    started |= {_target(each) for each in entries if each.kind == "package.json bin"}
    return (each for each in entries if each.kind != "package.json main" or _target(each) not in started)


def _target(entry: EntryPoint) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(entry.where), entry.target))


def _python(scan: Scan) -> Iterator[EntryPoint]:
    """Take the Python programs from what the scan says: none is read again."""
    for file, facts in scan:
        if file.is_test or file.is_example or facts.origin == "vendored":
            continue
        if file.name == "__main__.py":
            package = file.shown.removeprefix("src/").rpartition("/")[0].replace("/", ".")
            yield EntryPoint("python -m", package or ".", file.shown, file.shown)
        elif facts.main_line:
            yield EntryPoint("main", file.shown, "if __name__ == '__main__'", f"{file.shown}:{facts.main_line}")


def _readers(file: SourceFile) -> Iterator[_Reader]:
    name, path, suffix = file.name.lower(), file.path.lower(), file.suffix
    if name in _BY_NAME:
        yield _BY_NAME[name]
    if path == "index.js":
        yield _file("package.json main")
    if suffix in _SOURCES:
        yield _source
    if suffix in _BY_SUFFIX:
        yield _BY_SUFFIX[suffix]
    if is_dockerfile(file):
        yield _dockerfile
    elif suffix == "" or (suffix not in _SOURCES and _SCRIPT_FOLDER.match(path)):
        yield _script
    if path.startswith(".github/workflows/") and suffix in (".yml", ".yaml"):
        yield _workflow


def _lines(kind: str, pattern: str, target: str = "{}") -> _Reader:
    """Make a reader that takes each match of a pattern for an entry point of that name.

    Args:
        kind: The kind of all of them.
        pattern: With one group for the name, and perhaps a second for the target.
        target: The target where there is no second group; `{}` stands for the name.
    """
    compiled = re.compile(pattern, re.MULTILINE)

    def reader(file: SourceFile, text: str) -> Iterator[EntryPoint]:
        for match in compiled.finditer(text):
            name = match[1]
            yield EntryPoint(kind, name, match[2] if compiled.groups > 1 else target.format(name), file.shown)

    return reader


def _file(kind: str, target: str = "") -> _Reader:
    """Make a reader that takes a file itself for an entry point."""
    return lambda file, _text: iter([EntryPoint(kind, file.shown, target or file.shown, file.shown)])


_MODIFIERS = r"(?:(?:public|private|internal|static|final|async)[ \t]+){0,5}"
_MARKS = (
    (".go", "func main()", "main", "func main", r"^package main\b"),
    (".java .kt .groovy", "@SpringBoot", "application", "@SpringBootApplication", r"^@SpringBootApplication\b"),
    (".java .groovy", " main", "main", "static void main", rf"^[ \t]*{_MODIFIERS}static {_MODIFIERS}void main\s*\("),
    (".kt", "fun main(", "main", "fun main", r"^(?:suspend )?fun main\("),
    (".scala", "object ", "main", "main", r"^[ \t]*object \w+ extends (?:\w*App)\b"),
    (".scala", "main", "main", "main", r"^[ \t]*(?:@main def|def main\(args)"),
    (".js .cjs .mjs .ts .mts", ".listen(", "server", "listen", r"^[^/*\n]*(?:\b(?:app|server|fastify)|\))\.listen\("),
    (".js .mjs .ts", ".serve(", "server", "serve", r"^(?:export default )?(?:Deno|Bun)\.serve\("),
    (
        ".c .cc .cpp .cxx .m .mm",
        "main",
        "main",
        "main()",
        r"^(?:int|void|auto)\s+w?main\s*\([^;{]{0,500}\)[^;{]{0,500}\{",
    ),
    (
        ".cs",
        " Main(",
        "main",
        "static Main",
        rf"^[ \t]*{_MODIFIERS}static {_MODIFIERS}(?:void|int|Task(?:<int>)?) Main\(",
    ),
    (".fs", "EntryPoint", "main", "[<EntryPoint>]", r"^[ \t]*\[<EntryPoint>\]"),
    (".swift", "@main", "main", "@main", r"^@main\b"),
    (".dart", "main(", "main", "main()", r"^(?:(?:Future<)?void>?\s+)?main\("),
    (".hs", "main", "main", "main", r"^main\s*::"),
)
"""What marks an entry point in the sources of a language: suffixes, a text that must be there because a look for it is
quick, kind, target, and the line."""
_SOURCES = {
    suffix: [(*mark[1:4], re.compile(mark[4], re.MULTILINE)) for mark in _MARKS if suffix in mark[0].split()]
    for suffix in " ".join(mark[0] for mark in _MARKS).split()
}


def _source(file: SourceFile, text: str) -> Iterator[EntryPoint]:
    for needle, kind, target, mark in _SOURCES[file.suffix]:
        match = mark.search(text) if needle in text else None
        if match:
            line = text.count("\n", 0, match.end()) + 1
            yield EntryPoint(kind, file.shown, target, f"{file.shown}:{line}")


def _script(file: SourceFile, text: str) -> Iterator[EntryPoint]:
    if text.startswith("#!"):
        yield EntryPoint("script", file.shown, text.partition("\n")[0][2:].strip(), file.shown)
    elif file.suffix in _SHELLS and file.name.lower() not in _WRAPPERS:
        yield EntryPoint("script", file.shown, _SHELLS[file.suffix], file.shown)


_SHELLS = {".ps1": "powershell", ".cmd": "cmd", ".bat": "cmd"}
_WRAPPERS = frozenset({"gradlew.bat", "mvnw.cmd"})
"""The same as a shell script beside them."""


def _rust(file: SourceFile, _text: str) -> Iterator[EntryPoint]:
    if file.path.endswith("src/main.rs") or re.search(r"(?:^|/)src/bin/(?:[\w-]+|[\w-]+/main)\.rs$", file.path):
        yield EntryPoint("main", file.shown, "fn main", file.shown)


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
    name = string(document.get("name"))
    commands = document.get("bin")
    for command, target in (mapping(commands) or ({name: commands} if commands else {})).items():
        yield EntryPoint("package.json bin", command, string(target), file.shown)
    exported = document.get("exports")
    modules = (string(document.get("module")), *_find_exports(mapping(exported).get(".", exported)))
    targets = (each.removeprefix("./") for each in (string(document.get("main")), *modules))
    for target in dict.fromkeys(filter(None, targets)):
        yield EntryPoint("package.json main", name, target, file.shown)
    others = [path for path in mapping(exported) if path.startswith("./") and not path.endswith(("*", ".json"))]
    for path in others[:_SHOWN_EXPORTS]:
        target = next(filter(None, _find_exports(mapping(exported)[path])), "")
        yield EntryPoint("package.json main", f"{name}/{path[2:]}", target.removeprefix("./"), file.shown)
    for script, line in mapping(document, "scripts").items():
        yield EntryPoint("package.json script", script, string(line), file.shown)


def _find_exports(value: object) -> Iterator[str]:
    """Find the modules of an export, whose conditions may be nested; type declarations are none."""
    yield string(value)
    for condition, target in mapping(value).items():
        if not condition.startswith((".", "types")):
            yield from _find_exports(target)


def _composer(file: SourceFile, text: str) -> Iterator[EntryPoint]:
    document = mapping(read(load_json, text))
    commands = document.get("bin")
    for script, line in mapping(document, "scripts").items():
        if not script.startswith(("pre-", "post-")):
            yield EntryPoint("composer script", script, string(line) or f"composer {script}", file.shown)
    for target in items(commands if isinstance(commands, list) else [commands]):
        if string(target):
            yield EntryPoint("composer bin", string(target).rpartition("/")[2], string(target), file.shown)


def _cargo(file: SourceFile, text: str) -> Iterator[EntryPoint]:
    for binary in items(mapping(read(load_toml, text)).get("bin")):
        table = mapping(binary)
        yield EntryPoint("binary", string(table.get("name")), string(table.get("path")), file.shown)


def _dotnet(file: SourceFile, text: str) -> Iterator[EntryPoint]:
    if _RUNNABLE.search(text):
        yield EntryPoint("binary", file.name.rpartition(".")[0], "dotnet run", file.shown)


def _dockerfile(file: SourceFile, text: str) -> Iterator[EntryPoint]:
    steps = instructions(text)
    for word in ("ENTRYPOINT", "CMD"):
        last = next((step for step in reversed(steps) if step.word == word), None)
        if last is not None:
            yield EntryPoint("container", word, last.rest, f"{file.shown}:{last.line}")


def _prefect_yaml(file: SourceFile, text: str) -> Iterator[EntryPoint]:
    for document in items(read(load_yaml, text)):
        for deployment in items(mapping(document).get("deployments")):
            table = mapping(deployment)
            yield EntryPoint(
                "prefect deployment", string(table.get("name")), string(table.get("entrypoint")), file.shown
            )


def _workflow(file: SourceFile, text: str) -> Iterator[EntryPoint]:
    match = re.search(r"^name:[ \t]*(?:'([^'\n]+)'|\"([^\"\n]+)\"|([^\s#][^#\n]*))", text, re.MULTILINE)
    name = next(filter(None, match.groups())).strip() if match else file.name
    yield EntryPoint("ci workflow", name, file.shown, file.shown)


def _taskfile(file: SourceFile, text: str) -> Iterator[EntryPoint]:
    for document in items(read(load_yaml, text)):
        for name in mapping(document, "tasks"):
            yield EntryPoint("task", name, f"task {name}", file.shown)


_GULP = _lines("gulp task", r"^(?:gulp\.task\(\s*['\"]|exports\.|export const |module\.exports\.)([\w:-]+)", "gulp {}")
_GRUNT = _lines("grunt task", r"\bregisterTask\(\s*['\"]([\w:-]+)", "grunt {}")
_MAKEFILE = _lines("make target", r"^([A-Za-z0-9][\w-]*)[ \t]*:(?![=:])", "make {}")
_POM = _lines(
    "application",
    r"<(?:start-class|Main-Class|(?:manifest|transformer|artifactId>spring-boot-maven-plugin)\b[^>]*>[\s\S]{0,400}?<mainClass)>"
    r"\s*([\w.$]+)\s*<",
)
_GRADLE = _lines("application", r"\bmainClass(?:Name)?\b[\s.=(set]*['\"]([\w.$-]+)")
_RUNNABLE = re.compile(r"<OutputType>\s*(?:Win)?Exe\s*<|\bSdk=\"Microsoft\.NET\.Sdk\.(?:Web|Worker)\"", re.IGNORECASE)
_CMAKE = _lines("binary", r"^[ \t]*add_executable\s*\(\s*([\w.-]+)")
_BY_SUFFIX: dict[str, _Reader] = {
    ".rs": _rust,
    ".gradle": _GRADLE,
    ".cabal": _lines("executable", r"^executable[ \t]+(\S+)"),
    ".gemspec": _lines("executable", r"\.executables[^\n'\"]*['\"]([\w.-]+)['\"]"),
    ".csproj": _dotnet,
    ".fsproj": _dotnet,
    ".vbproj": _dotnet,
}
_BY_NAME: dict[str, _Reader] = {
    "pyproject.toml": _pyproject,
    "setup.cfg": _setup_cfg,
    "setup.py": _setup_py,
    "package.json": _package_json,
    "composer.json": _composer,
    "cargo.toml": _cargo,
    "pom.xml": _POM,
    "build.gradle.kts": _GRADLE,
    "manifest.mf": _lines("application", r"^Main-Class:[ \t]*(\S+)"),
    "mix.exs": _lines("application", r"\b(?:mod:\s*\{|main_module:\s*)([\w.]+)"),
    "package.swift": _lines("executable", r"\.executable(?:Target)?\(\s*name:\s*\"([^\"\n]+)\""),
    "cmakelists.txt": _CMAKE,
    "meson.build": _lines("binary", r"^[ \t]*(?:\w+ *= *)?executable\(\s*'([^'\n]+)'"),
    "makefile.am": _lines("binary", r"^\w*bin_PROGRAMS\s*\+?=[ \t]*(\S+)"),
    "androidmanifest.xml": _lines(
        "application",
        r"<activity(?:-alias)?\b[^>]{0,1000}?android:name=\"([^\"\n]+)\"(?:(?!</activity)[\s\S]){0,4000}?"
        r"android\.intent\.category\.LAUNCHER",
    ),
    "index.php": _file("server"),
    "config.ru": _file("server"),
    "wsgi.py": _file("server"),
    "asgi.py": _file("server"),
    "makefile": _MAKEFILE,
    "gnumakefile": _MAKEFILE,
    "justfile": _lines("just recipe", r"^@?([A-Za-z_][\w-]*)(?:[ \t]+[^:\n]*)?:(?!=)", "just {}"),
    "procfile": _lines("process", r"^([A-Za-z0-9_-]+):[ \t]*(\S.*)$"),
    "rakefile": _lines("rake task", r"^[ \t]*task[ \t(]+:?['\"]?([\w:-]*\w)", "rake {}"),
    "gulpfile.js": _GULP,
    "gulpfile.mjs": _GULP,
    "gulpfile.cjs": _GULP,
    "gulpfile.ts": _GULP,
    "gulpfile.babel.js": _GULP,
    "gruntfile.js": _GRUNT,
    "gruntfile.cjs": _GRUNT,
    "gruntfile.coffee": _GRUNT,
    "taskfile.yml": _taskfile,
    "taskfile.yaml": _taskfile,
    "serverless.yml": _lines("serverless function", r"^[ \t]+handler:[ \t]*['\"]?([^\s'\"#]+)"),
    "prefect.yaml": _prefect_yaml,
    ".gitlab-ci.yml": _file("ci workflow"),
    "azure-pipelines.yml": _file("ci workflow"),
    "jenkinsfile": _file("ci workflow"),
    "appveyor.yml": _file("ci workflow"),
}
