"""Read the manifests that are programs or line formats, by the lines that name a package: none of them is executed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from genesis_audit.dockerfile import base_images, instructions, split_image
from genesis_audit.files import SourceFile
from genesis_audit.manifests import Dependency, Manifest, group_of
from genesis_audit.pins import Pin, action_pin, image_pin, pin_of

__all__ = ["line_reader", "read_dockerfile"]

_Judge = Callable[[str, str], Pin]


@dataclass(frozen=True)
class _Format:
    """A format: which files have it, and the lines that name a package."""

    ecosystem: str
    kind: str
    file: re.Pattern[str]
    """Searched in the lower-case path."""
    line: str
    """A regular expression with the groups `name`, and where there are any `spec`, `direct` and `group`."""
    judge: _Judge
    library: re.Pattern[str]
    """What a text holds that describes a package for others."""
    group: str
    """The group of all dependencies, where the lines do not say."""


def _format(
    ecosystem: str, kind: str, file: str, line: str, judge: _Judge = pin_of, *, library: str = "(?!)", group: str = ""
) -> _Format:
    return _Format(ecosystem, kind, re.compile(file), line, judge, re.compile(library), group)


def _exact(_spec: str, _ecosystem: str) -> Pin:
    return "exact"


def _swift_pin(spec: str, _ecosystem: str) -> Pin:
    if "branch" in spec:
        return "unpinned"
    return "exact" if "exact" in spec or "revision" in spec else "bounded"


def _tag_pin(spec: str, _ecosystem: str) -> Pin:
    return "exact" if any(character.isdigit() for character in spec) else "unpinned"


_CONFIGURATION = (
    r"[\"']?(?P<group>(?:\w*(?:[iI]mplementation|[aA]pi|[cC]ompileOnly|[rR]untimeOnly|[pP]rocessor|[cC]lasspath))"
    r"|kapt\w*|ksp\w*|compile|testCompile|provided|runtime|developmentOnly|coreLibraryDesugaring)[\"']?"
)
_FORMATS = (
    _format(
        "go",
        "go.mod",
        r"(?:^|/)go\.mod$",
        r"^(?:require)?[ \t]*(?P<name>[\w.-]+\.[\w-]+(?:/[^\s=]+)?)[ \t]+(?P<spec>v\d\S*)[ \t]*"
        r"(?P<group>// indirect)?(?![^\n]*=>)",
        _exact,
    ),
    _format(
        "ruby",
        "Gemfile",
        r"(?:^|/)(?:gemfile|gems\.rb)$",
        r"^[ \t]*(?:gem[ (]\s*['\"](?P<name>[\w.-]+)['\"](?P<direct>[^#\n]*\b(?:git|path|github):)?"
        r"(?P<spec>(?:\s*,\s*['\"][~<>=!\s]*\d[^'\"]*['\"])*)(?:[^#\n]*\bgroups?(?::|\s*=>)(?P<inline>[^\n]*))?"
        r"|group\b(?P<group>[^\n]*)\bdo\b|(?P<end>end)\b)",
    ),
    _format(
        "ruby",
        "gemspec",
        r"\.gemspec$",
        r"^[^#\n]*\.add_(?P<group>\w*?)_?dependency[ (]*(?:%q)?['\"<](?P<name>[\w.-]+)['\">](?:\.freeze)?"
        r"(?P<spec>(?:\s*,\s*\[?['\"][^'\"\n]+['\"]\]?(?:\.freeze)?)*)",
        library="",
    ),
    _format(
        "maven",
        "Gradle script",
        r"\.gradle(?:\.kts)?$",
        rf"^[ \t]*{_CONFIGURATION}[ \t(]+(?:(?:enforcedP|p)latform\()?"
        r"(?:kotlin\([\"'](?P<kotlin>[\w.-]+)[\"'](?:,\s*[\"'](?P<kv>[^\"'\n]+)[\"'])?"
        r"|['\"](?P<name>[\w.-]+:[\w.-]+)(?::(?P<spec>[^'\"@:\s]*))?[^'\"\n]*['\"]"
        r"|group\s*[:=]\s*['\"](?P<g>[^'\"\n]+)['\"],\s*name\s*[:=]\s*['\"](?P<n>[^'\"\n]+)['\"]"
        r"(?:,\s*version\s*[:=]\s*['\"]?(?P<v>[^'\"\s)]+))?)",
    ),
    _format(
        "maven",
        "Gradle script",
        r"\.gradle(?:\.kts)?$",
        r"^[ \t]*(?P<group>id|kotlin(?=\())[ \t(]*['\"](?P<name>[\w.-]+)['\"]\)?[ \t]+version[ \t(]*['\"]?"
        r"(?P<spec>[^'\"\s)]+)",
    ),
    _format(
        "maven",
        "sbt",
        r"\.sbt$",
        r"['\"](?P<g>[\w.-]+)['\"]\s*%{1,3}\s*['\"](?P<n>[\w.-]+)['\"]\s*%\s*['\"]?(?P<v>[\w.+-]+)",
    ),
    _format(
        "swift",
        "Package.swift",
        r"(?:^|/)package(?:@swift-[\d.]+)?\.swift$",
        r"^[ \t]*\.package\(\s*(?:name:\s*\"[^\"]*\",\s*)?url:\s*\"(?:https://|git@)?(?P<name>[^\"\n]+?)(?:\.git)?\"\s*,"
        r"\s*(?P<spec>[^\n]*?)\)?\s*\)?,?\s*$",
        _swift_pin,
    ),
    _format(
        "hex",
        "mix.exs",
        r"(?:^|/)mix\.exs$",
        r"^[ \t]*\[?\{:(?P<name>\w+),[ \t]*(?:\"(?P<spec>[^\"\n]*)\"|(?P<direct>(?:git|github|path):))"
        r"(?:[^}\n]*only: *(?P<group>[^}\n]*))?",
        library=r"\bpackage:|\bdef(?:p)? package\b",
    ),
    _format(
        "haskell",
        "cabal file",
        r"\.cabal$",
        r"^[ \t]+(?:build-depends:[ \t]*)?(?:,[ \t]*)?(?P<name>[A-Za-z][\w-]*)[ \t]*(?P<spec>[\^<>=][^,\n]*)?,?[ \t]*$",
        library="",
    ),
    _format(
        "cmake",
        "CMakeLists.txt",
        r"(?:^|/)cmakelists\.txt$|\.cmake$",
        r"^[ \t]*(?i:find_package)[ \t]*\([ \t]*(?P<name>[A-Za-z][\w.-]*)(?:[ \t]+(?P<spec>\d[\w.]*))?"
        r"|^[ \t]*(?i:FetchContent_Declare|ExternalProject_Add)[ \t]*\(\s*[\w.-]+[^)]{0,500}?\bGIT_REPOSITORY\s+[\"']?"
        r"(?:https://)?(?P<n>[^\s\"')]+?)(?:\.git)?[\"']?\s[^)]{0,500}?\bGIT_TAG\s+[\"']?(?P<v>[^\s\"')]+)",
        _tag_pin,
    ),
    _format(
        "bazel",
        "MODULE.bazel",
        r"(?:^|/)module\.bazel$",
        r"^[ \t]*bazel_dep\(\s*name\s*=\s*\"(?P<name>[\w.-]+)\"(?:\s*,\s*version\s*=\s*\"(?P<spec>[^\"\n]*)\")?",
        _exact,
        group="build",
    ),
    _format(
        "maven",
        "rules_jvm_external",
        r"(?:^|/)(?:module\.bazel|workspace(?:\.bazel)?)$",
        r"^[ \t]*['\"](?P<g>[\w.-]+\.?[\w.-]*):(?P<n>[\w.-]+):(?P<v>[\w.-]+)['\"],?[ \t]*(?:#[^\n]*)?$",
        group="build",
    ),
    _format(
        "conan",
        "conanfile",
        r"(?:^|/)conanfile\.(?:txt|py)$",
        r"^[ \t]*(?:self\.)?(?:(?:(?P<group>tool_requires|build_requires)|requires)[ \t(=]*)?['\"]?"
        r"(?P<name>[a-z][\w.+-]+)/(?P<spec>\[[^]\n]+\]|\d[\w.+-]*)",
    ),
    _format(
        "cocoapods", "Podfile", r"(?:^|/)podfile$", r"^[ \t]*pod[ (]+['\"](?P<name>[^'\"\n]+)['\"](?P<spec>[^\n#]*)"
    ),
    _format(
        "cpan",
        "cpanfile",
        r"(?:^|/)cpanfile$",
        r"^[ \t]*requires[ (]+['\"](?P<name>[\w:]+)['\"](?:\s*(?:,|=>)\s*['\"]?(?P<spec>[^'\"\n;)]*))?",
    ),
    _format(
        "git",
        "submodules",
        r"^\.gitmodules$",
        r"^[ \t]*url[ \t]*=[ \t]*(?P<name>\S+)",
        lambda _spec, _ecosystem: "direct",
    ),
    _format(
        "github-actions",
        "workflow",
        r"^\.github/(?:workflows/[^/]+|.*\baction)\.ya?ml$",
        r"^[ \t-]*uses:[ \t]*['\"]?(?!\./|docker:)(?P<name>[\w./-]+)@(?P<spec>[^\s'\"#]+)",
        lambda spec, _ecosystem: action_pin(spec),
        group="ci",
    ),
)
_SPEC_NOISE = re.compile(r"['\"\[\]()]|\.freeze\b|,\s*$|^\s*,|:git\b.*|:path\b.*")
_BUNDLED_GROUP = re.compile(r"\b(?:default|production|assets)\b")
"""Groups of a Gemfile that are installed where the project runs."""
_GEMSPEC = re.compile(r"^[ \t]*gemspec\b", re.MULTILINE)
"""What a Gemfile says whose gem's own requirements are in its gemspec: the others are for its developers."""
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")


def line_reader(file: SourceFile) -> Callable[[SourceFile, str], Iterator[Manifest]] | None:
    """Find the reader of a file that is in one of these formats."""
    formats = [each for each in _FORMATS if each.file.search(file.path.lower())]
    return (lambda file, text: _read(formats, file, text)) if formats else None


def _read(formats: list[_Format], file: SourceFile, text: str) -> Iterator[Manifest]:
    for ecosystem in dict.fromkeys(each.ecosystem for each in formats):
        mine = [each for each in formats if each.ecosystem == ecosystem]
        manifest = Manifest(file, ecosystem, mine[0].kind)
        manifest.is_library = bool(mine[0].library.search(text))
        manifest.dependencies += (dependency for each in mine for dependency in _dependencies(each, text))
        if manifest.dependencies:
            yield manifest


def _dependencies(known: _Format, text: str) -> Iterator[Dependency]:
    block, depth = "", 0
    is_gems = known.kind == "Gemfile" and _GEMSPEC.search(text) is not None
    for match in re.finditer(known.line, text, re.MULTILINE):
        found = {key: value or "" for key, value in match.groupdict().items()}
        if found.get("kotlin"):
            found |= {"name": f"org.jetbrains.kotlin:kotlin-{found['kotlin']}", "spec": found["kv"]}
        elif found.get("group") == "kotlin":
            found |= {"name": f"org.jetbrains.kotlin.{found['name']}", "group": "id"}
        name = found.get("name") or ":".join(filter(None, (found.get("g"), found.get("n"))))
        written = found.get("group") or found.get("inline") or block or ("dev" if is_gems else "")
        group = _group(known, written)
        if not name:
            indent = len(match[0]) - len(match[0].lstrip())
            if found.get("group"):
                block, depth = found["group"], indent
            elif indent <= depth:  # else it ends a condition inside of the group
                block = ""
            continue
        spec = _spec(found.get("spec") or found.get("v", ""), text)
        pin: Pin = "direct" if found.get("direct") and not spec else known.judge(spec, known.ecosystem)
        if known.kind == "Gradle script" and (not spec or "$" in spec):
            pin = "exact"  # a platform or a property elsewhere has its version
        yield Dependency(name, spec, pin, group)


def _group(known: _Format, written: str) -> str:
    """Name a dependency's group; a Gemfile's own groups are those of its developers, unless they are bundled."""
    group = known.group or group_of(written)
    is_own = known.kind == "Gemfile" and bool(written) and not _BUNDLED_GROUP.search(written)
    return "dev" if is_own and group == "runtime" else group


def _spec(written: str, text: str) -> str:
    """Clean a constraint of its quotes, and replace a variable that the same file assigns."""
    variable = _VARIABLE.fullmatch(written.strip())
    if variable:
        assigned = re.search(rf"\b{variable[1]}\s*=\s*['\"]([^'\"\n]+)['\"]", text)
        return assigned[1] if assigned else written
    if written.startswith("${"):
        return ""  # what a call gives
    return ", ".join(part.strip() for part in _SPEC_NOISE.sub("", written).split(",") if part.strip())


def read_dockerfile(file: SourceFile, text: str) -> Iterator[Manifest]:
    """Read a Dockerfile's base images."""
    manifest = Manifest(file, "docker", "Dockerfile")
    for base in base_images(instructions(text)):
        name, tag, digest = split_image(base.image)
        manifest.dependencies.append(Dependency(name, digest or tag, image_pin(tag, digest), "base image"))
    if manifest.dependencies:
        yield manifest
