"""Check the syntax of JSON, YAML and TOML files."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from genesis_audit.documents import BrokenDocument, load_json, load_toml, yaml_problem
from genesis_audit.facts import DocumentProblem
from genesis_audit.files import SourceFile

__all__ = ["SyntaxVerdict", "check_document"]

SyntaxVerdict: TypeAlias = Literal["", "valid", "broken", "template"]

_MAX_CHARACTERS = 1_000_000
_LENIENT_JSON = re.compile(r"(?:tsconfig|jsconfig|devcontainer|api-extractor|renovate).*|\.[\w-]+rc\.json")
"""Files whose readers take JSON with comments."""
_COMMENTED = re.compile(r"(?:^\s*|[]\[{},][ \t]+)(?://|/\*)", re.MULTILINE)
_STRICT_JSON = frozenset({"package.json", "package-lock.json", "composer.json"})
"""Files that no reader takes with comments."""


def check_document(file: SourceFile, text: str) -> tuple[SyntaxVerdict, DocumentProblem | None]:
    """Parse a file of up to a million characters if it is JSON, YAML or TOML.

    Returns:
        What it is, empty where it is none of them, and what is wrong with a broken one.
    """
    kind = _format_of(file)
    if kind is None or len(text) > _MAX_CHARACTERS:
        return "", None
    problem = _problem(kind, text)
    if problem is None:
        return "valid", None
    if kind == "JSON" and _COMMENTED.search(text) and file.name.lower() not in _STRICT_JSON:
        return "", None  # whoever wrote a comment has a reader that takes it
    if "{{" in text or "{%" in text or "<%" in text:
        return "template", None
    return "broken", DocumentProblem(kind, problem.line, " ".join(str(problem).split())[:160])


def _format_of(file: SourceFile) -> str | None:
    if file.suffix in (".yaml", ".yml"):
        return "YAML"
    if file.suffix == ".toml":
        return "TOML"
    lenient = _LENIENT_JSON.fullmatch(file.name.lower()) or file.path.startswith(".vscode/")
    return "JSON" if file.suffix == ".json" and not lenient else None


def _problem(kind: str, text: str) -> BrokenDocument | None:
    if kind == "YAML":
        return yaml_problem(text)
    try:
        load_json(text) if kind == "JSON" else load_toml(text)
    except BrokenDocument as error:
        return error
    return None
