"""What a project depends on, how tightly each requirement binds, and whether a lock file fixes the rest."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterator
from typing import Annotated

from genesis.security.parameters import DATA, READ_PATH
from genesis_audit.conflicts import Conflict, find_conflicts
from genesis_audit.dockerfile import is_dockerfile
from genesis_audit.files import SourceFile, Tree, survey
from genesis_audit.finding import AuditFinding, ToolResult, dump, plural
from genesis_audit.inputs import whole_number
from genesis_audit.locks import find_unlocked, lock_files
from genesis_audit.manifests import Dependency, Manifest, ManifestReader
from genesis_audit.manifests_lines import line_reader, read_dockerfile
from genesis_audit.manifests_python import (
    is_requirements_file,
    read_pyproject,
    read_requirements,
    read_setup_cfg,
    read_setup_py,
)
from genesis_audit.manifests_tables import TABLES, read_catalog, read_table
from genesis_audit.manifests_xml import is_nuget, read_xml
from genesis_audit.pins import PINS, Pin

__all__ = ["run"]

_READERS: dict[str, ManifestReader] = {
    "pyproject.toml": read_pyproject,
    "setup.cfg": read_setup_cfg,
    "setup.py": read_setup_py,
    **dict.fromkeys(TABLES, read_table),
}
_THIRD_PARTY = frozenset({"vendor", "third_party", "third-party", "thirdparty", "external", "extern", "node_modules"})
_PURL_TYPES = {
    "python": "pypi",
    "npm": "npm",
    "go": "golang",
    "rust": "cargo",
    "ruby": "gem",
    "maven": "maven",
    "composer": "composer",
    "nuget": "nuget",
    "pub": "pub",
    "hex": "hex",
    "swift": "swift",
    "haskell": "hackage",
    "conan": "conan",
    "conda": "conda",
    "cocoapods": "cocoapods",
    "cpan": "cpan",
    "docker": "docker",
    "github-actions": "github",
}
_SCANNERS = {
    "python": "pip-audit",
    "npm": "npm audit",
    "go": "govulncheck ./...",
    "rust": "cargo audit",
    "ruby": "bundle audit",
    "composer": "composer audit",
    "nuget": "dotnet list package --vulnerable",
    "hex": "mix hex.audit",
}
"""What looks up known vulnerabilities in each ecosystem; for others there is osv-scanner."""
_CATALOG = ".versions.toml"
_SCRIPTS = (".gradle", ".gradle.kts")
_GRADLE = (_CATALOG, *_SCRIPTS)
_NAMED = 8


def run(path: Annotated[object, READ_PATH] = ".", *, top: Annotated[object, DATA] = 500) -> ToolResult:
    """Read a folder's manifests; nothing is resolved, installed or asked of a network.

    Args:
        path: The folder.
        top: How many dependencies are listed.

    Returns:
        `manifests` `[{path, ecosystem, kind, count, exact, bounded, open, unpinned, direct, is_lock, problem}]`,
        `dependencies` `[{name, spec, pin, group, ecosystem, manifest, purl}]`, `totals` by pin with `count` (manifests
        of tests, examples and third parties, and compiled requirement files, are not counted), `locks` `[{path,
        ecosystem}]`, `conflicts` `[{name, ecosystem, specs: [{spec, manifest, group}]}]`, `not_shown`, `summary`,
        `findings`.

    Raises:
        TaskError: The path is not a folder that can be read.
    """
    limit = whole_number(top, "top", least=1, most=100_000)
    tree = survey(path)
    manifests = sorted(_manifests(tree), key=_own_first)
    counted = [each for each in manifests if not each.is_lock and _is_own(each.file)]
    locks = lock_files(tree, manifests)
    listed = [(manifest, dependency) for manifest in counted for dependency in manifest.dependencies]
    pins = Counter(dependency.pin for _, dependency in listed)
    conflicts = find_conflicts(counted)
    return {
        "manifests": [_row(manifest) for manifest in manifests],
        "dependencies": [
            {
                **_plain(dependency),
                "ecosystem": manifest.ecosystem,
                "manifest": manifest.file.shown,
                "purl": _purl(manifest.ecosystem, dependency),
            }
            for manifest, dependency in listed[:limit]
        ],
        "not_shown": max(0, len(listed) - limit),
        "totals": {"count": len(listed), **_by_pin(pins)},
        "locks": [{"path": file.shown, "ecosystem": ecosystem} for file, ecosystem in locks],
        "conflicts": [_conflict_row(conflict) for conflict in conflicts],
        "summary": _summary(counted, sum(not _is_own(each.file) for each in manifests), pins, len(locks)),
        "findings": dump(_findings(manifests, counted, list(find_unlocked(tree, counted, locks)), conflicts)),
    }


def _is_own(file: SourceFile) -> bool:
    folders = file.path.lower().split("/")[:-1]
    return not (file.is_test or file.is_example) and _THIRD_PARTY.isdisjoint(folders) and "{" not in file.path


def _manifests(tree: Tree) -> Iterator[Manifest]:
    for manifest in _read_each(tree):
        manifest.dependencies = list(dict.fromkeys(manifest.dependencies))
        yield manifest


def _read_each(tree: Tree) -> Iterator[Manifest]:
    """Read the files that stand alone, then those whose versions or use are defined in others."""
    related: dict[SourceFile, str] = {}
    read: set[str] = set()
    includes: set[str] = set()
    for file in tree.files:
        reader = _reader(file)
        text = tree.text_of(file) if reader is not None or _is_related(file) else None
        if text is not None and _is_related(file):
            related[file] = text
        for manifest in reader(file, text) if reader is not None and text is not None else ():
            read.add(file.path)
            includes |= {posixpath.normpath(posixpath.join(manifest.folder, each)) for each in manifest.includes}
            yield manifest
    yield from read_xml({file: text for file, text in related.items() if not file.name.endswith(_GRADLE)})
    scripts = [text for file, text in related.items() if file.name.endswith(_SCRIPTS)]
    for file, text in related.items():
        if file.name.endswith(_CATALOG):
            yield from read_catalog(file, text, scripts)
    for file in tree.files:
        if file.path in includes - read:
            yield from read_requirements(file, tree.text_of(file) or "")


def _is_related(file: SourceFile) -> bool:
    return file.name.endswith(_GRADLE) or file.name.lower() == "pom.xml" or is_nuget(file)


def _own_first(manifest: Manifest) -> tuple[bool, bool, int, str]:
    """Order manifests: the project's before workflows', and those before tests' and examples'."""
    file = manifest.file
    return not _is_own(file), manifest.ecosystem == "github-actions", file.path.count("/"), file.path


def _reader(file: SourceFile) -> ManifestReader | None:
    known = _READERS.get(file.name.lower())
    if known is not None:
        return known
    if is_requirements_file(file):
        return read_requirements
    return read_dockerfile if is_dockerfile(file) else line_reader(file)


def _plain(dependency: Dependency) -> ToolResult:
    spec = dependency.spec
    if "://" in spec and "@" in spec:
        scheme, _, rest = spec.partition("://")
        host, at, tail = rest.partition("@")
        spec = f"{scheme}://{tail}" if at and "/" not in host else spec
    return {"name": dependency.name[:200], "spec": spec[:200], "pin": dependency.pin, "group": dependency.group}


def _purl(ecosystem: str, dependency: Dependency) -> str:
    """Write the package URL, with a version where the requirement is exact; empty where the ecosystem has none."""
    from packageurl import PackageURL  # noqa: PLC0415  # only where there are dependencies

    kind = _PURL_TYPES.get(ecosystem)
    if kind is None or dependency.pin == "direct" or not dependency.name.strip("/:@"):
        return ""
    is_plugin = ecosystem == "maven" and ":" not in dependency.name
    written = f"{dependency.name}:{dependency.name}.gradle.plugin" if is_plugin else dependency.name
    namespace, _, name = written.strip("/:").replace(":", "/").rpartition("/")
    version = dependency.spec.lstrip("=v ") if dependency.pin == "exact" and dependency.spec[:1] not in "[$" else ""
    if ecosystem == "go":
        version = dependency.spec
    try:
        return PackageURL(kind, namespace or None, name, version or None).to_string()[:300]
    except ValueError:
        return ""


def _by_pin(counts: Counter[Pin]) -> dict[str, int]:
    return {pin: counts[pin] for pin in PINS}


def _row(manifest: Manifest) -> ToolResult:
    pins = Counter(dependency.pin for dependency in manifest.dependencies)
    return {
        "path": manifest.file.shown,
        "ecosystem": manifest.ecosystem,
        "kind": manifest.kind,
        "count": len(manifest.dependencies),
        **_by_pin(pins),
        "is_lock": manifest.is_lock,
        "problem": manifest.problem[:200],
    }


def _conflict_row(conflict: Conflict) -> ToolResult:
    specs = [
        {"spec": _plain(each)["spec"], "manifest": manifest.file.shown, "group": each.group}
        for manifest, each in conflict.places
    ]
    return {"name": conflict.name, "ecosystem": "python", "specs": specs}


def _summary(counted: list[Manifest], others: int, pins: Counter[Pin], locks: int) -> str:
    if not counted:
        return "No manifest declares a dependency."
    loose = pins["unpinned"] + pins["open"]
    text = f"{plural(pins.total(), 'requirement')} in {plural(len(counted), 'manifest')}: {pins['exact']:,} exact"
    text += f", {pins['bounded']:,} bounded, {loose:,} without an upper bound; {plural(locks, 'lock file')}."
    return f"{text} {plural(others, 'manifest')} of tests, examples or third parties not counted." if others else text


def _findings(
    manifests: list[Manifest], counted: list[Manifest], movable: list[Manifest], conflicts: list[Conflict]
) -> Iterator[AuditFinding]:
    for manifest in manifests:
        if _is_own(manifest.file):
            yield from _manifest_findings(manifest)
    for ecosystem in sorted({manifest.ecosystem for manifest in movable}):
        mine = [manifest for manifest in movable if manifest.ecosystem == ecosystem]
        count = sum(each.pin != "exact" for manifest in mine for each in manifest.dependencies)
        yield AuditFinding(
            severity="medium",
            title=f"No lock file for {ecosystem}",
            detail=f"{plural(count, 'requirement')} in {_names([each.file.shown for each in mine])} can resolve to"
            " another version tomorrow."
            if count
            else "The checksums of the modules are not recorded.",
            where=mine[0].file.shown,
            advice="Commit a lock file, so that a build can be repeated and a bad release cannot slip in.",
        )
    for conflict in conflicts:
        specs = [f"{each.spec} ({place.file.shown}, {each.group})" for place, each in conflict.places]
        yield AuditFinding(
            severity="high",
            title=f"No version of {conflict.name} satisfies all constraints",
            detail="; ".join(specs),
            where=conflict.places[0][0].file.shown,
            advice="Change one of them: as they are, they cannot be installed together.",
        )
    yield from _vulnerability_findings(counted)


def _vulnerability_findings(counted: list[Manifest]) -> Iterator[AuditFinding]:
    """Report that no advisory database was asked, and what does."""
    ecosystems = sorted({each.ecosystem for each in counted if each.dependencies and each.ecosystem in _PURL_TYPES})
    packages = [each for each in ecosystems if each not in ("docker", "github-actions")]
    if packages:
        known = [f"`{_SCANNERS[each]}`" for each in packages if each in _SCANNERS]
        yield AuditFinding(
            severity="low",
            title="Known vulnerabilities of the dependencies were not looked up",
            detail=f"That needs an advisory database; the ecosystems are {', '.join(packages)}.",
            advice=f"Run {' and '.join([*known, '`osv-scanner scan -r .`'][:4])}, best in continuous integration.",
        )


def _manifest_findings(manifest: Manifest) -> Iterator[AuditFinding]:
    if manifest.is_broken:
        yield AuditFinding(
            severity="medium" if not manifest.dependencies else "low",
            title=f"The {manifest.kind} file cannot be read in full",
            detail=manifest.problem[:200],
            where=manifest.file.shown,
            advice="Fix the file, or check its requirements by hand.",
        )
    if manifest.indexes:
        yield AuditFinding(
            severity="medium",
            title="Packages may come from an extra or an insecure index",
            detail=f"It uses {', '.join(sorted(set(manifest.indexes)))}.",
            where=manifest.file.shown,
            advice="Use one index over HTTPS: with several, anybody can publish a package of the same name.",
        )


def _names(names: list[str]) -> str:
    distinct = list(dict.fromkeys(name[:80] for name in names))
    more = len(distinct) - _NAMED
    return ", ".join(distinct[:_NAMED]) + (f" and {more} more" if more > 0 else "")
