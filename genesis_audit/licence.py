"""Under which licence a project is: its licence files, what its manifests declare, and whether those agree."""

from __future__ import annotations

import configparser
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from genesis.security.parameters import READ_PATH
from genesis_audit.documents import items, load_json, load_toml, load_xml, mapping, read, string
from genesis_audit.files import SourceFile, Tree, survey
from genesis_audit.finding import AuditFinding, ToolResult, dump, plural
from genesis_audit.licence_names import LicenceText, find_licence_ids, identify

__all__ = ["run"]

_NAME = re.compile(r"^(?:un|mit-)?(?:licen[cs]es?|copying)(?:[._-].*)?$|[._-]licen[cs]e(?:\.txt|\.md)?$", re.IGNORECASE)
_TEXT_SUFFIXES = re.compile(r"^(?:|\.(?:txt|md|markdown|rst|adoc|[0-9]|mit|apache|bsd|gpl|lesser|lgpl\w*|gpl\w*))$")
_README = re.compile(r"^readme(?:\.\w+)?$", re.IGNORECASE)
_FLAGS = re.IGNORECASE | re.MULTILINE | re.DOTALL
_README_SECTION = re.compile(r"^(?:#+|=+)?[ \t]*\W{0,4}licen[cs]\w*\b[^\n]{0,40}\n(.{0,600})", _FLAGS)
_PROPRIETARY = re.compile(r"unlicensed|proprietary|commercial|all rights reserved|see licen[cs]e", re.IGNORECASE)
_SURE, _TWO = 0.8, 2
_MAX_TEXT_BYTES = 300_000


@dataclass(frozen=True)
class _Declared:
    where: str
    licence: str


def run(path: Annotated[object, READ_PATH] = ".") -> ToolResult:
    """Find a folder's licence and compare it with what its manifests declare.

    Args:
        path: The folder.

    Returns:
        `spdx` (the surest for the whole, or null), `confidence`, `files` `[{path, spdx, confidence}]` (those of the top
        folder first; several texts in one file are joined by `AND`), `declared` `[{where, licence}]`, `mismatch`
        (bool), `summary`, `findings`.

    Raises:
        TaskError: The path is not a folder that can be read.
    """
    tree = survey(path)
    files = _licence_files(tree)
    own = [pair for pair in files if "/" not in pair[0].path]
    texts = [pair for pair in files if pair[0].path.lower().startswith("licenses/")]
    if not any(text.ids for _, text in own):
        own += texts  # else they are those of parts of it, too, as REUSE asks for
    declared, silent = _declarations(tree)
    spdx, confidence = _whole(own, [each for each in declared if "/" not in each.where])
    mismatched = _find_mismatches([*own, *texts], [each for each in declared if "/" not in each.where])
    return {
        "spdx": spdx or None,
        "confidence": confidence,
        "files": [
            {"path": file.shown, "spdx": text.expression or None, "confidence": text.confidence}
            for file, text in files[:50]
        ],
        "declared": [{"where": each.where, "licence": each.licence[:120]} for each in declared[:50]],
        "mismatch": bool(mismatched),
        "summary": _summary(spdx, confidence, own, declared),
        "findings": dump(_findings(tree, own, declared, mismatched, silent)),
    }


def _whole(own: list[tuple[SourceFile, LicenceText]], declared: list[_Declared]) -> tuple[str, float]:
    """Name the licence of the whole: a declared expression that its texts bear out, else those texts.

    Files such as LICENSE-MIT beside LICENSE-APACHE are a choice.
    """
    known = sorted((text for _, text in own if text.ids), key=lambda text: -text.confidence)
    if not known:
        return "", 0.0
    ids = {each for text in known for each in text.ids}
    for each in declared:
        if (names := find_licence_ids(each.licence)) and names <= ids:
            try:
                return str(canonicalize_license_expression(each.licence)), known[0].confidence
            except InvalidLicenseExpression:
                continue
    sure = list(dict.fromkeys(text.expression for text in known if text.confidence >= _SURE))
    is_choice = sum("-" in file.name for file, _ in own) >= _TWO and all(" " not in each for each in sure)
    return " OR ".join(sure) if is_choice and sure else known[0].expression, known[0].confidence


def _licence_files(tree: Tree) -> list[tuple[SourceFile, LicenceText]]:
    found = [
        (file, identify(text))
        for file in tree.files
        if _is_licence_name(file)
        and not file.is_test
        and not file.path.lower().startswith(("docs/", "doc/", "examples/"))
        and (text := tree.text_of(file, _MAX_TEXT_BYTES)) is not None
    ]
    return sorted(found, key=lambda pair: (pair[0].path.count("/"), pair[0].path))


def _is_licence_name(file: SourceFile) -> bool:
    in_folder = file.path.rpartition("/")[0].lower().rpartition("/")[2] in ("licenses", "licences")
    return bool((_NAME.search(file.name) or in_folder) and _TEXT_SUFFIXES.match(file.suffix))


def _declarations(tree: Tree) -> tuple[list[_Declared], list[SourceFile]]:
    """Read what the manifests declare, and list those of the top folder that publish and do not."""
    declared: list[_Declared] = []
    silent: list[SourceFile] = []
    for file in tree.files:
        reader = _READERS.get(file.name.lower()) or _READERS.get(file.suffix)
        text = tree.text_of(file) if reader and not (file.is_test or file.is_example) else None
        if reader is None or text is None:
            continue
        is_published, licences = reader(text)
        found = [_Declared(file.shown, " ".join(each.split())) for each in licences if each.strip()]
        declared += found
        if is_published and not found and "/" not in file.path:
            silent.append(file)
    return declared, silent


def _in_pyproject(text: str) -> tuple[bool, list[str]]:
    document = read(load_toml, text)
    project, poetry = mapping(document, "project"), mapping(document, "tool", "poetry")
    declared = project.get("license", poetry.get("license"))
    written = string(mapping(declared).get("text")) or string(mapping(declared).get("file")) or string(declared)
    if "\n" in written:
        written = identify(written).expression
    classifiers = [string(item) for item in items(project.get("classifiers", poetry.get("classifiers")))]
    if "license-files" in project and not written:
        written = "see license-files"
    named = [each.rpartition(" :: ")[2] for each in classifiers if each.startswith("License :: ")]
    is_private = "Private :: Do Not Upload" in classifiers or "license" in items(project.get("dynamic"))
    return "name" in project and "build-system" in mapping(document) and not is_private, [written] if written else named


def _in_setup_cfg(text: str) -> tuple[bool, list[str]]:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return False, []
    return False, [parser.get("metadata", "license", fallback="").partition("\n")[0]]


def _in_json(text: str) -> tuple[bool, list[str]]:
    """Read a package.json or composer.json; npm's old forms are an object and a list of them."""
    document = mapping(read(load_json, text))
    declared = document.get("license") or document.get("licenses")
    values = declared if isinstance(declared, list) else [declared]
    is_published = bool(document.get("name")) and document.get("private") is not True and "version" in document
    return is_published, [string(each) or string(mapping(each).get("type")) for each in values]


def _in_cargo(text: str) -> tuple[bool, list[str]]:
    package = mapping(read(load_toml, text), "package")
    workspace = mapping(read(load_toml, text), "workspace", "package")
    licences = [string(table.get("license")).replace("/", " OR ") for table in (package, workspace)]  # its old form
    return False, [*licences, string(package.get("license-file"))]


def _in_pom(text: str) -> tuple[bool, list[str]]:
    root = read(load_xml, text)
    found = [
        child.text or ""
        for each in (root.iter() if root is not None else ())  # type: ignore[attr-defined]  # an element
        if str(each.tag).rpartition("}")[2] == "license"
        for child in each
        if str(child.tag).rpartition("}")[2] == "name"
    ]
    return False, found


def _by_line(pattern: str, *, published: bool) -> Callable[[str], tuple[bool, list[str]]]:
    compiled = re.compile(pattern, re.MULTILINE | re.IGNORECASE)
    return lambda text: (published, compiled.findall(text))


_GRADLE = _by_line(r"\blicense\s*\{\s*name(?:\.set\(|[ \t]*=|[ \t])[ \t]*['\"]([^'\"\n]+)", published=False)
_READERS: dict[str, Callable[[str], tuple[bool, list[str]]]] = {
    "pyproject.toml": _in_pyproject,
    "setup.cfg": _in_setup_cfg,
    "setup.py": _by_line(r"^[ \t]+license\s*=\s*['\"]([^'\"\n]+)['\"]", published=False),
    "package.json": _in_json,
    "composer.json": _in_json,
    "cargo.toml": _in_cargo,
    "pom.xml": _in_pom,
    ".gemspec": _by_line(r"^[^#\n]*\.licenses?\s*=\s*\[?\s*(?:%w\[)?['\"]?([^'\"\n\]]+)", published=True),
    ".cabal": _by_line(r"^license:\s*(\S.*)$", published=True),
    ".csproj": _by_line(r"<PackageLicenseExpression[^>]*>([^<]+)<", published=False),
    ".fsproj": _by_line(r"<PackageLicenseExpression[^>]*>([^<]+)<", published=False),
    ".nuspec": _by_line(r"<license\s+type=\"expression\"[^>]*>([^<]+)<", published=False),
    ".gradle": _GRADLE,
    ".kts": _GRADLE,
    ".spec": _by_line(r"^license:[ \t]*(\S.*)$", published=False),
    "mix.exs": _by_line(r"^[ \t]*licenses:\s*\[\s*\"([^\"\n]+)\"", published=False),
}


def _find_mismatches(own: list[tuple[SourceFile, LicenceText]], declared: list[_Declared]) -> list[_Declared]:
    """Find the declarations that name only licences of which there is no text, where all texts are known."""
    ids = {each for _, text in own for each in text.ids}
    if not ids or not all(text.ids for _, text in own):
        return []
    return [each for each in declared if (names := find_licence_ids(each.licence)) and not _agree(names, ids)]


def _agree(names: set[str], ids: set[str]) -> bool:
    bsd = any("BSD" in each for each in names) and any("BSD" in each for each in ids)
    is_vague = "BSD" in names | ids
    return not names.isdisjoint(ids | {found for each in ids for found in find_licence_ids(each)}) or (bsd and is_vague)


def _summary(spdx: str, confidence: float, own: list[tuple[SourceFile, LicenceText]], declared: list[_Declared]) -> str:
    if spdx:
        return f"{spdx} by its text (confidence {confidence:.2f}) in {plural(len(own), 'licence file')}."
    if own:
        return f"{plural(len(own), 'licence file')}, none of which is recognised."
    return f"No licence file; declared: {declared[0].licence[:80]}." if declared else "No licence."


def _findings(
    tree: Tree,
    own: list[tuple[SourceFile, LicenceText]],
    declared: list[_Declared],
    mismatched: list[_Declared],
    silent: list[SourceFile],
) -> Iterator[AuditFinding]:
    if not own and not any(_PROPRIETARY.search(each.licence) for each in declared):
        yield _no_licence_file(declared or list(_in_readme(tree)))
    for file, text in own:
        if not text.ids and not any(known.ids for _, known in own):
            yield AuditFinding(
                severity="low",
                title="A licence text is not one of the SPDX list",
                where=file.shown,
                advice="Have it read by a person: tools that check licences will not know it.",
            )
    for each in mismatched:
        texts = ", ".join(sorted({spdx for _, text in own for spdx in text.ids}))
        yield AuditFinding(
            severity="high",
            title="The declared licence differs from the licence text",
            detail=f"Declared is {each.licence[:80]}; the text is {texts}.",
            where=each.where,
            advice="Decide which holds, and state it in both.",
        )
    if own and silent and not declared:
        yield AuditFinding(
            severity="low",
            title="The manifest of a package does not declare its licence",
            where=silent[0].shown,
            advice="Declare its SPDX id, so that tools which check licences can see it.",
        )


def _in_readme(tree: Tree) -> Iterator[_Declared]:
    """Find licences that the README names in its section about the licence."""
    for file in tree.files:
        if "/" not in file.path and _README.match(file.name):
            section = _README_SECTION.search(tree.text_of(file) or "")
            names = sorted(find_licence_ids(section[0])) if section else []
            if names:
                yield _Declared(file.shown, " and ".join(names))


def _no_licence_file(declared: list[_Declared]) -> AuditFinding:
    return AuditFinding(
        severity="medium" if declared else "high",
        title="There is no licence file",
        detail=f"{declared[0].where} says {declared[0].licence[:80]}."
        if declared
        else "Neither a manifest nor the README names a licence.",
        where=declared[0].where if declared else "",
        advice="Add the licence's text as LICENSE: without it nobody may use or distribute the code.",
    )
