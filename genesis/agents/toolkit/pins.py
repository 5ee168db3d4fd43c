"""How tightly a version requirement binds, in each ecosystem's own notation."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

__all__ = [
    "PINS",
    "Pin",
    "action_pin",
    "cargo_pin",
    "gem_pin",
    "image_pin",
    "npm_pin",
    "python_pin",
    "python_requirement",
]

Pin: TypeAlias = Literal["exact", "bounded", "open", "unpinned", "direct"]
PINS: tuple[Pin, ...] = ("exact", "bounded", "open", "unpinned", "direct")
"""`exact`: one version. `bounded`: an upper bound. `open`: only a lower bound. `unpinned`: any version. `direct`: a
path, an address or a repository, in place of a version."""

_NPM_EXACT = re.compile(r"^[v=]*\d+\.\d+\.\d+(?:[-+][\w.+-]+)?$")
_NPM_DIRECT = re.compile(r"^(?:git|github:|gitlab:|bitbucket:|https?:|file:|link:|workspace:|portal:|[\w.-]+/[\w.-]+)")
_COMMIT = re.compile(r"^[0-9a-f]{40}(?:[0-9a-f]{24})?$")
_BRANCHES = frozenset({"main", "master", "develop", "dev", "trunk", "head", "latest"})


def python_requirement(text: str) -> tuple[str, str, Pin] | None:
    """Read a PEP 508 requirement.

    Returns:
        The normalised name, the constraint as written, and the pin; `None` where it is not a requirement.
    """
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return None
    name = str(canonicalize_name(requirement.name))
    if requirement.url:
        return name, requirement.url.partition("#")[0], "direct"
    return name, str(requirement.specifier), _specifier_pin(requirement.specifier)


def python_pin(constraint: str) -> Pin:
    """Judge a constraint of Pipfile or Poetry, which add `*`, `^1.2` and `~1.2` to PEP 440's."""
    text = constraint.strip()
    if text in ("", "*", "latest"):
        return "unpinned"
    if text[0] in "^~" and not text.startswith("~="):
        return "bounded"
    try:
        return _specifier_pin(SpecifierSet(f"=={text}" if text[0].isdigit() else text))
    except InvalidSpecifier:
        return "bounded" if "<" in text or "^" in text else "open"


def _specifier_pin(specifiers: SpecifierSet) -> Pin:
    operators = {(each.operator, each.version.endswith(".*")) for each in specifiers}
    if ("==", False) in operators or any(operator == "===" for operator, _ in operators):
        return "exact"
    if any(operator in ("<", "<=", "~=", "==") for operator, _ in operators):
        return "bounded"
    return "open" if any(operator in (">", ">=") for operator, _ in operators) else "unpinned"


def npm_pin(constraint: str) -> Pin:
    """Judge a constraint of package.json."""
    text = constraint.strip()
    if text in ("", "*", "x", "X", "latest", "next"):
        return "unpinned"
    if _NPM_DIRECT.match(text):
        return "direct"
    if text.startswith("npm:"):
        text = text.rpartition("@")[2]
    if _NPM_EXACT.match(text):
        return "exact"
    if all(part.strip().startswith(">") and "<" not in part for part in text.split("||")):
        return "open"
    return "bounded"


def cargo_pin(constraint: str) -> Pin:
    """Judge a constraint of Cargo.toml, where a bare version means `^`."""
    text = constraint.strip()
    if text in ("", "*"):
        return "unpinned"
    if text.startswith("=") and "," not in text:
        return "exact"
    return "open" if text.startswith(">") and "<" not in text else "bounded"


def gem_pin(constraint: str) -> Pin:
    """Judge a constraint of a Gemfile."""
    text = constraint.strip()
    if not text:
        return "unpinned"
    if text[0].isdigit() or re.match(r"^=\s*\d", text):
        return "exact"
    return "bounded" if "<" in text or "~>" in text else "open"


def image_pin(tag: str, digest: str) -> Pin:
    """Judge a container image: a digest is exact, a tag with a digit can move within its line, others are free."""
    if digest:
        return "exact"
    if not tag or tag == "latest" or not any(character.isdigit() for character in tag):
        return "unpinned"
    return "bounded"


def action_pin(reference: str) -> Pin:
    """Judge a GitHub Action's reference: a commit is exact, a tag can be moved by its owner, a branch moves."""
    if _COMMIT.match(reference):
        return "exact"
    return "unpinned" if not reference or reference.lower() in _BRANCHES else "bounded"
