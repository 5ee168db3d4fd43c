"""How tightly a version requirement binds, in the notations of the package managers."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

__all__ = ["PINS", "Pin", "action_pin", "image_pin", "pin_of", "python_requirement"]

Pin: TypeAlias = Literal["exact", "bounded", "open", "unpinned", "direct"]
PINS: tuple[Pin, ...] = ("exact", "bounded", "open", "unpinned", "direct")
"""`exact`: one version. `bounded`: an upper bound. `open`: only a lower bound. `unpinned`: any version. `direct`: a
path, an address or a repository, in place of a version."""

_ANY = frozenset({"", "*", "x", "any", "latest", "next", "release", "latest.release", "latest.integration", "@dev"})
_DIRECT = re.compile(
    r"^(?:git\b|github:|gitlab:|bitbucket:|[a-z+]+://|file:|link:|portal:|workspace:|\.{0,2}/|[\w.-]+/[\w.-]+(?:#|$))"
)
_EXCLUDED = re.compile(r"!=\s*[^,|\s]+")
_UPPER = re.compile(r"[<^~]|\.[xX*+]|\+$|\s-\s|\.\.<|^catalog:")
_INTERVAL = re.compile(r"^[\[(]([^,\])]*)(,?)([^\])]*)[\])]")
_THREE_PARTS = re.compile(r"^[v=]*\d+\.\d+\.\d+")
_COMMIT = re.compile(r"^[0-9a-f]{40}(?:[0-9a-f]{24})?$")
_BRANCHES = frozenset({"main", "master", "develop", "dev", "trunk", "head", "latest"})


def pin_of(constraint: str, ecosystem: str = "") -> Pin:
    """Judge a constraint; a bare version is exact, but in Cargo, and in npm and Conda with fewer than three parts.

    Args:
        constraint: As the manifest writes it: `^1.2`, `>=1,<2`, `~> 7.0`, `[1.0,2.0)`, `1.+`, `npm:other@1.0.0`.
        ecosystem: Where it is written; only `rust`, `npm` and `conda` make a difference.
    """
    text = _EXCLUDED.sub("", constraint).strip(" ,")
    if text.startswith("npm:"):
        text = text.rpartition("@")[2]
    if text.lower() in _ANY:
        return "unpinned"
    if _DIRECT.match(text):
        return "direct"
    interval = _INTERVAL.match(text)
    if interval:
        return ("bounded" if interval[3].strip() else "open") if interval[2] else "exact"
    if _UPPER.search(text):
        return "bounded"
    if ">" in text:
        return "open"
    if not re.match(r"^[v=\s]*\d", text):
        return "unpinned"
    is_partial = ecosystem in ("npm", "conda") and not (_THREE_PARTS.match(text) or text.startswith("=="))
    return "bounded" if is_partial or (ecosystem == "rust" and not text.startswith("=")) else "exact"


def python_requirement(text: str) -> tuple[str, str, Pin, str] | None:
    """Read a PEP 508 requirement.

    Returns:
        The normalised name, the constraint as written, the pin and the marker; `None` where it is no requirement.
    """
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return None
    name, marker = str(canonicalize_name(requirement.name)), str(requirement.marker or "")
    if requirement.url:
        return name, requirement.url.partition("#")[0], "direct", marker
    spec = str(requirement.specifier)
    return name, spec, pin_of(spec), marker


def image_pin(tag: str, digest: str) -> Pin:
    """Judge a container image: a digest is exact, a tag with a digit can move within its line, others are free."""
    if digest:
        return "exact"
    if not tag or tag == "latest" or not any(character.isdigit() for character in tag):
        return "unpinned"
    return "bounded"


def action_pin(reference: str) -> Pin:
    """Judge a reference to a GitHub Action: a commit is exact, its owner can move a tag, a branch moves."""
    if _COMMIT.match(reference):
        return "exact"
    return "unpinned" if not reference or reference.lower() in _BRANCHES else "bounded"
