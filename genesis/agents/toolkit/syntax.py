"""Check the syntax of JSON, YAML and TOML files."""

from __future__ import annotations

from dataclasses import dataclass

from genesis.agents.toolkit.budget import Budget
from genesis.agents.toolkit.documents import BrokenDocument, load_json, load_toml, yaml_problem
from genesis.agents.toolkit.files import SourceFile, Tree

__all__ = ["SyntaxCheck", "SyntaxProblem", "check_documents"]

_MAX_BYTES = 1_000_000
_LENIENT_JSON = ("tsconfig", "jsconfig", ".eslintrc", ".babelrc", "devcontainer", ".swcrc", "api-extractor")
"""Files whose readers take JSON with comments."""


@dataclass(frozen=True)
class SyntaxProblem:
    """A document that its own format refuses."""

    file: SourceFile
    format: str
    line: int
    message: str


@dataclass(frozen=True)
class SyntaxCheck:
    """What was checked, and what is wrong with it."""

    checked: int
    problems: list[SyntaxProblem]
    templates: int
    """YAML and JSON files that are templates of something else, and so are not judged."""


def check_documents(tree: Tree, budget: Budget) -> SyntaxCheck:
    """Parse a folder's JSON, YAML and TOML files up to a megabyte each, until the budget is spent."""
    checked, templates, problems = 0, 0, []
    for file in tree.files:
        kind = _format_of(file)
        if kind is None or budget.spent:
            continue
        text = tree.text_of(file, _MAX_BYTES)
        if text is None:
            continue
        checked += 1
        problem = _problem(kind, text)
        if problem is None:
            continue
        if "{{" in text or "{%" in text or "<%" in text:
            templates += 1
        else:
            message = " ".join(str(problem).split())[:160]
            problems.append(SyntaxProblem(file, kind, problem.line, message))
    return SyntaxCheck(checked, problems, templates)


def _format_of(file: SourceFile) -> str | None:
    if file.suffix in (".yaml", ".yml"):
        return "YAML"
    if file.suffix == ".toml":
        return "TOML"
    lenient = file.name.lower().startswith(_LENIENT_JSON) or file.path.startswith(".vscode/")
    return "JSON" if file.suffix == ".json" and not lenient else None


def _problem(kind: str, text: str) -> BrokenDocument | None:
    if kind == "YAML":
        return yaml_problem(text)
    try:
        load_json(text) if kind == "JSON" else load_toml(text)
    except BrokenDocument as error:
        return error
    return None
