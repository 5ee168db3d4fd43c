"""Requirements that one installation of Python packages has to satisfy together, and cannot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from genesis_audit.manifests import Dependency, Manifest

__all__ = ["Conflict", "find_conflicts"]


@dataclass(frozen=True)
class Conflict:
    """A package and two places whose constraints no version satisfies."""

    name: str
    places: tuple[tuple[Manifest, Dependency], tuple[Manifest, Dependency]]


def find_conflicts(manifests: Iterable[Manifest]) -> list[Conflict]:
    """Find the conflicts of what is installed together: the runtime requirements of a folder, and each extra with them.

    Packages of a workspace, extras and alternative requirement files are not installed together, other ecosystems
    hold several versions at once or choose one by a rule, and a marker may exclude the other: none of these is a
    conflict.
    """
    found: list[Conflict] = []
    units: dict[tuple[str, str], list[tuple[Manifest, Dependency]]] = defaultdict(list)
    for manifest in manifests:
        if manifest.ecosystem == "python" and manifest.file.name.lower() in _INSTALLED:
            for each in manifest.dependencies:
                if each.spec and not each.marker and each.group != "build":
                    units[manifest.folder, each.name].append((manifest, each))
    for (_, name), places in sorted(units.items(), key=lambda unit: unit[0]):
        pairs = ((one, other) for one in places if one[1].group == "runtime" for other in places if other is not one)
        together = (pair for pair in pairs if pair[0][0] is pair[1][0] or pair[1][1].group == "runtime")
        found += [Conflict(name, pair) for pair in together if _is_empty(pair[0][1].spec, pair[1][1].spec)][:1]
    return found


_INSTALLED = ("pyproject.toml", "setup.cfg", "setup.py", "pipfile", "requirements.txt")


def _is_empty(one: str, other: str) -> bool:
    """Whether no version is in both constraints, judged by the versions that they mention."""
    try:
        both = SpecifierSet(f"{one},{other}")
        return not any(both.contains(each, prereleases=True) for each in _candidates(both))
    except (InvalidSpecifier, InvalidVersion):
        return False


def _candidates(specifiers: SpecifierSet) -> Iterator[Version]:
    """List a version of each gap: the lowest, each one that is mentioned, and one just above each."""
    yield from (Version("0"), Version("0.0.0.1"))
    for each in specifiers:
        version = Version(each.version.removesuffix(".*"))
        yield version
        yield Version(f"{version.epoch}!{'.'.join(map(str, (*version.release, 0, 0, 1)))}")
