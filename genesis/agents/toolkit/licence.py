"""Under which licence a project is: its licence files, what its manifests declare, and whether those agree."""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from genesis.agents.toolkit.documents import items, load_json, load_toml, mapping, read, string
from genesis.agents.toolkit.files import SourceFile, Tree, survey
from genesis.agents.toolkit.finding import Finding, Result, dump, plural
from genesis.agents.toolkit.licence_texts import LicenceGuess, guess_licence, spdx_base

__all__ = ["run"]

_LICENCE_NAME = re.compile(r"^(?:un)?(?:licen[cs]e|copying|copyright)(?:[._-].*)?$", re.IGNORECASE)
_NOT_TEXT = (
    ".py",
    ".js",
    ".ts",
    ".go",
    ".rs",
    ".java",
    ".c",
    ".h",
    ".json",
    ".yml",
    ".yaml",
    ".toml",
    ".html",
    ".tmpl",
)
_CLASSIFIER = "License :: "
_MAX_TEXT_BYTES = 300_000
_A_WHOLE_TEXT = 200


@dataclass(frozen=True)
class _Declared:
    where: str
    licence: str


def run(path: object = ".") -> Result:
    """Find a folder's licence and compare it with what its manifests declare.

    Args:
        path: The folder.

    Returns:
        `spdx` (the best guess for the whole, or null), `confidence`, `files` `[{path, spdx, confidence}]` (those of the
        top folder first), `declared` `[{where, licence}]`, `mismatch` (bool), `summary`, `findings`.

    Raises:
        TaskError: The path is not a folder that can be read.
    """
    tree = survey(path)
    files = _licence_files(tree)
    own = [(file, guess) for file, guess in files if "/" not in file.path or file.path.lower().startswith("licenses/")]
    declared = list(_declarations(tree))
    known = [guess for _, guess in own if guess.spdx]
    main = max(known, key=lambda guess: guess.confidence, default=None)
    mismatched = _mismatched(known, [each for each in declared if "/" not in each.where])
    return {
        "spdx": main.spdx if main else None,
        "confidence": main.confidence if main else 0.0,
        "files": [
            {"path": file.shown, "spdx": guess.spdx or None, "confidence": guess.confidence}
            for file, guess in files[:50]
        ],
        "declared": [{"where": each.where, "licence": each.licence[:120]} for each in declared[:50]],
        "mismatch": bool(mismatched),
        "summary": _summary(main, own, declared),
        "findings": dump(_findings(own, declared, mismatched)),
    }


def _licence_files(tree: Tree) -> list[tuple[SourceFile, LicenceGuess]]:
    found = [
        (file, guess_licence(text))
        for file in tree.files
        if _is_licence_name(file)
        and not file.is_test
        and not file.path.lower().startswith(("docs/", "doc/", "examples/"))
        and (text := tree.text_of(file, _MAX_TEXT_BYTES)) is not None
    ]
    return sorted(found, key=lambda pair: (pair[0].path.count("/"), pair[0].path))


def _is_licence_name(file: SourceFile) -> bool:
    in_folder = file.path.rpartition("/")[0].lower().endswith("licenses") and file.suffix in (".txt", ".md")
    return (bool(_LICENCE_NAME.match(file.name)) or in_folder) and not file.name.lower().endswith(_NOT_TEXT)


def _declarations(tree: Tree) -> Iterator[_Declared]:
    readers = {
        "pyproject.toml": _in_pyproject,
        "setup.cfg": _in_setup_cfg,
        "package.json": _in_package_json,
        "cargo.toml": _in_cargo,
        "pom.xml": _in_pom,
    }
    for file in tree.named(*readers):
        text = None if file.is_test or file.is_example else tree.text_of(file)
        if text is not None:
            for licence in readers[file.name.lower()](text):
                if licence.strip():
                    yield _Declared(file.shown, " ".join(licence.split()))


def _in_pyproject(text: str) -> Iterator[str]:
    document = read(load_toml, text)
    project = mapping(document, "project")
    declared = project.get("license")
    inline = string(mapping(declared).get("text")) if isinstance(declared, dict) else string(declared)
    poetry = string(mapping(document, "tool", "poetry").get("license"))
    if inline or poetry:
        declared_text = inline or poetry
        yield declared_text if len(declared_text) < _A_WHOLE_TEXT else guess_licence(declared_text).spdx
        return
    for item in items(project.get("classifiers")):
        if string(item).startswith(_CLASSIFIER):
            yield string(item).rpartition(" :: ")[2]


def _in_setup_cfg(text: str) -> Iterator[str]:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return
    yield parser.get("metadata", "license", fallback="").partition("\n")[0]


def _in_package_json(text: str) -> Iterator[str]:
    document = mapping(read(load_json, text))
    declared = document.get("license")
    name = string(mapping(declared).get("type")) if isinstance(declared, dict) else string(declared)
    if not name.upper().startswith("SEE LICENSE"):
        yield name


def _in_cargo(text: str) -> Iterator[str]:
    yield string(mapping(read(load_toml, text), "package").get("license"))


def _in_pom(text: str) -> Iterator[str]:
    if "<!ENTITY" in text or "<!DOCTYPE" in text:
        return
    try:
        root = ET.fromstring(text)  # noqa: S314  # entities were refused above
    except (ET.ParseError, ValueError):
        return
    for each in root.iter():
        if str(each.tag).endswith("license"):
            yield from (child.text or "" for child in each if str(child.tag).endswith("name"))


def _mismatched(known: list[LicenceGuess], declared: list[_Declared]) -> list[_Declared]:
    """Give the declarations that name a licence of which there is no text, where there is some text."""
    ids = {guess.spdx for guess in known}
    return [each for each in declared if ids and not any(_agrees(name, ids) for name in spdx_base(each.licence))]


def _agrees(name: str, ids: set[str]) -> bool:
    lowered = {each.lower() for each in ids}
    return name.lower() in lowered or (name == "BSD" and any(each.startswith("bsd") for each in lowered))


def _summary(main: LicenceGuess | None, own: list[tuple[SourceFile, LicenceGuess]], declared: list[_Declared]) -> str:
    if main:
        return f"{main.spdx} by its text (confidence {main.confidence:.2f}) in {plural(len(own), 'licence file')}."
    if own:
        return f"{plural(len(own), 'licence file')}, none of which is recognised."
    return f"No licence file; declared: {declared[0].licence[:80]}." if declared else "No licence."


def _findings(
    own: list[tuple[SourceFile, LicenceGuess]], declared: list[_Declared], mismatched: list[_Declared]
) -> Iterator[Finding]:
    if not own:
        yield Finding(
            severity="medium" if declared else "high",
            title="There is no licence file",
            detail=f"A manifest declares {declared[0].licence[:80]}."
            if declared
            else "No manifest declares one either.",
            where=declared[0].where if declared else "",
            advice="Add the licence's text as LICENSE: without it nobody may use or distribute the code.",
        )
    for file, guess in own:
        if not guess.spdx:
            yield Finding(
                severity="medium",
                title="A licence text is not recognised",
                detail=f"The best match has a confidence of {guess.confidence:.2f}.",
                where=file.shown,
                advice="Have it read by a person, or use an unchanged text of a known licence.",
            )
    for each in mismatched:
        texts = ", ".join(sorted({guess.spdx for _, guess in own if guess.spdx}))
        yield Finding(
            severity="high",
            title="The declared licence differs from the licence text",
            detail=f"Declared is {each.licence[:80]}; the text is {texts}.",
            where=each.where,
            advice="Decide which holds, and make both say so.",
        )
    if own and not declared:
        yield Finding(
            severity="low",
            title="No manifest declares the licence",
            advice="Declare its SPDX id, so that tools which check licences can see it.",
        )
