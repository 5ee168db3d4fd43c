"""Read the manifests of other ecosystems: npm, Go, Rust, Ruby, Maven, container images and GitHub Actions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from genesis.agents.toolkit.dockerfile import base_images, instructions, split_image
from genesis.agents.toolkit.documents import BrokenDocument, load_json, load_toml, mapping, string
from genesis.agents.toolkit.files import SourceFile
from genesis.agents.toolkit.manifests import Dependency, Manifest
from genesis.agents.toolkit.pins import Pin, action_pin, cargo_pin, gem_pin, image_pin, npm_pin
from genesis.agents.toolkit.workflows import Workflow

__all__ = [
    "read_actions",
    "read_cargo",
    "read_dockerfile",
    "read_gemfile",
    "read_go_mod",
    "read_package_json",
    "read_pom",
]

_GO_REQUIRE = re.compile(r"^\s*(?:require\s+)?([\w.-]+\.[\w.-]+/\S+)\s+(v\S+)(\s*// indirect)?", re.MULTILINE)
_GO_BLOCK = re.compile(r"^require\s*\((.*?)^\)|^(require\s+[^(\n]+)$", re.MULTILINE | re.DOTALL)
_GEM = re.compile(r"^\s*gem\s+[\"']([^\"'\n]+)[\"']([^#\n]*)", re.MULTILINE)
_QUOTED = re.compile(r"[\"']([^\"'\n]+)[\"']")
_NPM_GROUPS = {
    "dependencies": "runtime",
    "devDependencies": "dev",
    "optionalDependencies": "optional",
    "peerDependencies": "peer",
}
_CARGO_GROUPS = {"dependencies": "runtime", "dev-dependencies": "dev", "build-dependencies": "build"}


def read_package_json(file: SourceFile, text: str) -> Iterator[Manifest]:
    """Read the four kinds of dependencies of a package.json."""
    try:
        document = mapping(load_json(text))
    except BrokenDocument as error:
        yield Manifest(file, "npm", "package.json", problem=str(error))
        return
    manifest = Manifest(file, "npm", "package.json")
    manifest.is_library = not document.get("private") and bool(document.get("name")) and "version" in document
    for key, group in _NPM_GROUPS.items():
        for name, value in mapping(document, key).items():
            spec = string(value)
            manifest.dependencies.append(Dependency(name, spec, npm_pin(spec), group))
    if manifest.dependencies:
        yield manifest


def read_go_mod(file: SourceFile, text: str) -> Iterator[Manifest]:
    """Read a go.mod, whose versions are exact by design."""
    manifest = Manifest(file, "go", "go.mod")
    for block in _GO_BLOCK.finditer(text):
        for match in _GO_REQUIRE.finditer(block[1] or block[2] or ""):
            group = "indirect" if match[3] else "runtime"
            manifest.dependencies.append(Dependency(match[1], match[2], "exact", group))
    yield manifest


def read_cargo(file: SourceFile, text: str) -> Iterator[Manifest]:
    """Read a Cargo.toml, with a workspace's and a target's own dependencies."""
    try:
        document = load_toml(text)
    except BrokenDocument as error:
        yield Manifest(file, "rust", "Cargo.toml", problem=str(error))
        return
    manifest = Manifest(file, "rust", "Cargo.toml", is_library="lib" in document)
    tables = [mapping(document), mapping(document, "workspace")]
    tables += [mapping(table) for table in mapping(document, "target").values()]
    for table in tables:
        for key, group in _CARGO_GROUPS.items():
            manifest.dependencies += _crates(mapping(table, key), group)
    if manifest.dependencies:
        yield manifest


def _crates(table: dict[str, object], group: str) -> Iterator[Dependency]:
    for name, value in table.items():
        details = mapping(value)
        spec = string(details.get("version") if details else value)
        source = string(details.get("git") or details.get("path") or "")
        if details.get("workspace") is True:
            continue
        yield Dependency(name, spec or source, "direct" if source and not spec else cargo_pin(spec), group)


def read_gemfile(file: SourceFile, text: str) -> Iterator[Manifest]:
    """Read the `gem` lines of a Gemfile."""
    manifest = Manifest(file, "ruby", "Gemfile")
    for match in _GEM.finditer(text):
        constraints = [part for part in _QUOTED.findall(match[2]) if re.match(r"^(?:[~<>=!]+\s*)?\d", part)]
        is_direct = bool(re.search(r"\b(?:git|path|github):", match[2])) and not constraints
        spec = ", ".join(constraints)
        manifest.dependencies.append(Dependency(match[1], spec, "direct" if is_direct else gem_pin(spec)))
    if manifest.dependencies:
        yield manifest


def read_pom(file: SourceFile, text: str) -> Iterator[Manifest]:
    """Read a Maven pom.xml; one with entity declarations is refused, because entities can explode."""
    manifest = Manifest(file, "maven", "pom.xml")
    if "<!ENTITY" in text or "<!DOCTYPE" in text:
        manifest.problem = "it declares entities, so it was not read"
        yield manifest
        return
    try:
        root = ET.fromstring(text)  # noqa: S314  # entities were refused above
    except (ET.ParseError, ValueError, RecursionError) as error:
        manifest.problem = str(error)
        yield manifest
        return
    properties = {_local(each): (each.text or "").strip() for each in _children(root, "properties")}
    for each in root.iter():
        if _local(each) != "dependency":
            continue
        fields = {_local(child): (child.text or "").strip() for child in each}
        version = fields.get("version", "")
        if version.startswith("${") and version.endswith("}"):
            version = properties.get(version[2:-1], version)
        name = f"{fields.get('groupId', '')}:{fields.get('artifactId', '')}"
        ranged = version.startswith(("[", "("))
        if version:
            pin: Pin = "bounded" if ranged else "unpinned" if version in ("LATEST", "RELEASE") else "exact"
            manifest.dependencies.append(Dependency(name, version, pin, fields.get("scope", "runtime")))
    yield manifest


def _children(root: ET.Element, name: str) -> Iterator[ET.Element]:
    for each in root:
        if _local(each) == name:
            yield from each


def _local(element: ET.Element) -> str:
    return str(element.tag).rpartition("}")[2]


def read_dockerfile(file: SourceFile, text: str) -> Iterator[Manifest]:
    """Read a Dockerfile's base images."""
    manifest = Manifest(file, "docker", "Dockerfile")
    for base in base_images(instructions(text)):
        name, tag, digest = split_image(base.image)
        manifest.dependencies.append(Dependency(name, digest or tag, image_pin(tag, digest), "base image"))
    if manifest.dependencies:
        yield manifest


def read_actions(workflow: Workflow) -> Manifest:
    """Give the actions that a workflow uses; those of the repository itself are left out."""
    manifest = Manifest(workflow.file, "github-actions", "workflow", problem=workflow.problem)
    for step in workflow.steps:
        name, _, reference = step.uses.partition("@")
        if name and not name.startswith(("./", "docker://")):
            manifest.dependencies.append(Dependency(name, reference, action_pin(reference), "ci"))
    return manifest
