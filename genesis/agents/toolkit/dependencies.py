"""What a project depends on, how tightly each requirement binds, and whether a lock file fixes the rest."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from genesis.agents.toolkit.dockerfile import is_dockerfile
from genesis.agents.toolkit.files import SourceFile, Tree, survey
from genesis.agents.toolkit.finding import Finding, Result, dump, plural
from genesis.agents.toolkit.inputs import whole_number
from genesis.agents.toolkit.manifests import Dependency, Manifest, Reader
from genesis.agents.toolkit.manifests_other import (
    read_actions,
    read_cargo,
    read_dockerfile,
    read_gemfile,
    read_go_mod,
    read_package_json,
    read_pom,
)
from genesis.agents.toolkit.manifests_python import (
    is_requirements_file,
    read_pipfile,
    read_pyproject,
    read_requirements,
    read_setup_cfg,
    read_setup_py,
)
from genesis.agents.toolkit.pins import PINS, Pin
from genesis.agents.toolkit.workflows import github_workflows

__all__ = ["run"]

_READERS: dict[str, Reader] = {
    "pyproject.toml": read_pyproject,
    "setup.cfg": read_setup_cfg,
    "setup.py": read_setup_py,
    "pipfile": read_pipfile,
    "package.json": read_package_json,
    "go.mod": read_go_mod,
    "cargo.toml": read_cargo,
    "gemfile": read_gemfile,
    "pom.xml": read_pom,
}
_LOCKS = {
    "uv.lock": "python",
    "poetry.lock": "python",
    "pdm.lock": "python",
    "pipfile.lock": "python",
    "pylock.toml": "python",
    "package-lock.json": "npm",
    "npm-shrinkwrap.json": "npm",
    "yarn.lock": "npm",
    "pnpm-lock.yaml": "npm",
    "bun.lock": "npm",
    "bun.lockb": "npm",
    "go.sum": "go",
    "cargo.lock": "rust",
    "gemfile.lock": "ruby",
}
_LOCKABLE = ("python", "npm", "rust", "ruby", "go")
_NAMED = 8


def run(path: object = ".", *, top: object = 500) -> Result:
    """Read a folder's manifests; nothing is resolved, installed or asked of a network.

    Args:
        path: The folder.
        top: How many dependencies are listed.

    Returns:
        `manifests` `[{path, ecosystem, kind, count, exact, bounded, open, unpinned, direct, is_lock, problem}]`,
        `dependencies` `[{name, spec, pin, group, ecosystem, manifest}]`, `totals` by pin with `count` (manifests of
        tests and examples, and compiled requirement files, are not counted), `locks` `[{path, ecosystem}]`,
        `conflicts` `[{name, ecosystem, specs: [{spec, manifest, group}]}]`, `not_shown`, `summary`, `findings`.

    Raises:
        TaskError: The path is not a folder that can be read.
    """
    limit = whole_number(top, "top", least=1, most=100_000)
    tree = survey(path)
    manifests = sorted(_manifests(tree), key=_own_first)
    counted = [each for each in manifests if not (each.is_lock or each.file.is_test or each.file.is_example)]
    locks = [(file.shown, _LOCKS[file.name.lower()]) for file in tree.files if file.name.lower() in _LOCKS]
    locks += [(each.file.shown, each.ecosystem) for each in manifests if each.is_lock]
    listed = [(manifest, dependency) for manifest in counted for dependency in manifest.dependencies]
    pins = Counter(dependency.pin for _, dependency in listed)
    conflicts = _conflicts(counted)
    return {
        "manifests": [_row(manifest) for manifest in manifests],
        "dependencies": [
            {**_plain(dependency), "ecosystem": manifest.ecosystem, "manifest": manifest.file.shown}
            for manifest, dependency in listed[:limit]
        ],
        "not_shown": max(0, len(listed) - limit),
        "totals": {"count": len(listed), **_by_pin(pins)},
        "locks": [{"path": name, "ecosystem": ecosystem} for name, ecosystem in sorted(locks)],
        "conflicts": conflicts,
        "summary": _summary(counted, len(listed), pins, len(locks)),
        "findings": dump(_findings(manifests, counted, {ecosystem for _, ecosystem in locks}, conflicts)),
    }


def _manifests(tree: Tree) -> Iterator[Manifest]:
    for file in tree.files:
        reader = _reader(file)
        if reader is not None:
            text = tree.text_of(file)
            if text is not None:
                yield from reader(file, text)
    for workflow in github_workflows(tree):
        yield read_actions(workflow)


def _own_first(manifest: Manifest) -> tuple[bool, bool, int, str]:
    """Order manifests: the project's before workflows', and those before tests' and examples'."""
    file = manifest.file
    return file.is_test or file.is_example, manifest.ecosystem == "github-actions", file.path.count("/"), file.path


def _reader(file: SourceFile) -> Reader | None:
    known = _READERS.get(file.name.lower())
    if known is not None:
        return known
    if is_requirements_file(file):
        return read_requirements
    return read_dockerfile if is_dockerfile(file) else None


def _plain(dependency: Dependency) -> Result:
    spec = dependency.spec
    if "://" in spec and "@" in spec:
        scheme, _, rest = spec.partition("://")
        host, at, tail = rest.partition("@")
        spec = f"{scheme}://{tail}" if at and "/" not in host else spec
    return {"name": dependency.name[:200], "spec": spec[:200], "pin": dependency.pin, "group": dependency.group}


def _by_pin(counts: Counter[Pin]) -> dict[str, int]:
    return {pin: counts[pin] for pin in PINS}


def _row(manifest: Manifest) -> Result:
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


def _conflicts(manifests: list[Manifest]) -> list[Result]:
    """Find what is required with different constraints in different places; a name alone agrees with all."""
    places: dict[tuple[str, str], list[tuple[Dependency, Manifest]]] = defaultdict(list)
    for manifest in manifests:
        for dependency in manifest.dependencies:
            if dependency.spec and dependency.group not in ("peer", "build"):
                places[(manifest.ecosystem, dependency.name)].append((dependency, manifest))
    found: list[Result] = []
    for (ecosystem, name), uses in sorted(places.items()):
        distinct = {dependency.spec: (dependency, manifest) for dependency, manifest in reversed(uses)}
        if len(distinct) > 1:
            specs = [
                {"spec": _plain(dependency)["spec"], "manifest": manifest.file.shown, "group": dependency.group}
                for dependency, manifest in sorted(
                    distinct.values(), key=lambda pair: (pair[1].file.path, pair[0].spec)
                )
            ]
            found.append({"name": name, "ecosystem": ecosystem, "specs": specs})
    return found


def _summary(counted: list[Manifest], count: int, pins: Counter[Pin], locks: int) -> str:
    if not counted:
        return "No manifest declares a dependency."
    loose = pins["unpinned"] + pins["open"]
    text = f"{plural(count, 'requirement')} in {plural(len(counted), 'manifest')}: {pins['exact']:,} exact"
    return f"{text}, {pins['bounded']:,} bounded, {loose:,} without an upper bound; {plural(locks, 'lock file')}."


def _findings(
    manifests: list[Manifest], counted: list[Manifest], locked: set[str], conflicts: list[Result]
) -> Iterator[Finding]:
    for manifest in manifests:
        if manifest.problem and not manifest.file.is_test:
            yield Finding(
                severity="medium" if not manifest.dependencies else "low",
                title=f"The {manifest.kind} file cannot be read in full",
                detail=manifest.problem[:200],
                where=manifest.file.shown,
                advice="Mend the file, or check its requirements by hand.",
            )
        if manifest.indexes:
            yield Finding(
                severity="medium",
                title="Packages may come from an extra or an insecure index",
                detail=f"It uses {', '.join(sorted(set(manifest.indexes)))}.",
                where=manifest.file.shown,
                advice="Use one index over HTTPS: with several, anybody can publish a package of the same name.",
            )
    for ecosystem in _LOCKABLE:
        yield from _lock_findings(ecosystem, counted, locked)
    yield from _action_findings(counted)
    if conflicts:
        names = [str(conflict["name"]) for conflict in conflicts]
        yield Finding(
            severity="low",
            title=f"{plural(len(conflicts), 'package')} required with differing constraints",
            detail=_names(names),
            advice="Say each constraint in one place, and let the other files refer to it.",
        )


def _lock_findings(ecosystem: str, counted: list[Manifest], locked: set[str]) -> Iterator[Finding]:
    mine = [manifest for manifest in counted if manifest.ecosystem == ecosystem and manifest.dependencies]
    movable = sum(dependency.pin != "exact" for manifest in mine for dependency in manifest.dependencies)
    only_libraries = all(manifest.is_library for manifest in mine)
    if mine and ecosystem not in locked and (movable or ecosystem == "go"):
        yield Finding(
            severity="low" if only_libraries else "medium",
            title=f"No lock file for {ecosystem}",
            detail=f"{plural(movable, 'requirement')} can resolve to another version tomorrow.",
            where=mine[0].file.shown,
            advice="Commit a lock file, so that a build can be repeated and a bad release cannot slip in.",
        )
    loose = _loose(mine, runtime_only=ecosystem in locked)
    if loose:
        yield Finding(
            severity="low" if only_libraries or ecosystem in locked else "medium",
            title=f"{plural(len(set(loose)), f'{ecosystem} package')} without an upper bound",
            detail=_names(loose),
            where=mine[0].file.shown if len(mine) == 1 else "",
            advice="Give runtime requirements a bound where a major release can break the project.",
        )


def _loose(manifests: list[Manifest], *, runtime_only: bool) -> list[str]:
    """Name what has no upper bound; where a lock file fixes versions, only what users of the package get matters."""
    return [
        dependency.name
        for manifest in manifests
        for dependency in manifest.dependencies
        if dependency.pin in ("unpinned", "open") and (dependency.group == "runtime" or not runtime_only)
    ]


def _action_findings(counted: list[Manifest]) -> Iterator[Finding]:
    actions = [each for manifest in counted if manifest.ecosystem == "github-actions" for each in manifest.dependencies]
    on_branch = [f"{each.name}@{each.spec}" for each in actions if each.pin == "unpinned"]
    on_tag = [f"{each.name}@{each.spec}" for each in actions if each.pin == "bounded"]
    foreign = [name for name in on_tag if not name.startswith(("actions/", "github/"))]
    if on_branch:
        yield Finding(
            severity="medium",
            title=f"{plural(len(set(on_branch)), 'GitHub Action')} used from a branch",
            detail=_names(on_branch),
            where=".github/workflows",
            advice="Pin to a full commit id: whoever pushes to that branch runs code with this repository's token.",
        )
    if on_tag:
        yield Finding(
            severity="medium" if foreign else "low",
            title=f"{plural(len(set(on_tag)), 'GitHub Action')} pinned to a tag, which its owner can move",
            detail=_names(foreign or on_tag),
            where=".github/workflows",
            advice="Pin third-party actions to a full commit id and let a bot update it.",
        )


def _names(names: list[str]) -> str:
    distinct = list(dict.fromkeys(name[:80] for name in names))
    more = len(distinct) - _NAMED
    return ", ".join(distinct[:_NAMED]) + (f" and {more} more" if more > 0 else "")
