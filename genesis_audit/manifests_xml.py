"""Read the manifests that are XML: Maven's and NuGet's, with the versions that they inherit inside the folder."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from genesis_audit.documents import BrokenDocument, load_xml
from genesis_audit.files import SourceFile
from genesis_audit.manifests import Dependency, Manifest
from genesis_audit.pins import Pin, pin_of

__all__ = ["is_nuget", "read_xml"]

_PROPERTY = re.compile(r"\$[{(]([\w.-]+)[})]")
_NUGET = re.compile(r"(?:^packages\.config|^directory\.(?:packages|build)\.(?:props|targets)|\.(?:cs|fs|vb)proj)$")
_MAX_PARENTS = 20


def is_nuget(file: SourceFile) -> bool:
    """Whether a file can name NuGet packages."""
    return bool(_NUGET.search(file.name.lower()))


def read_xml(texts: dict[SourceFile, str]) -> Iterator[Manifest]:
    """Read all XML manifests of a folder together, because a version is often in another one.

    Args:
        texts: The texts of the files named `pom.xml`, and of those that `is_nuget` accepts.
    """
    documents: dict[str, ET.Element] = {}
    for file, text in texts.items():
        try:
            documents[file.path] = load_xml(text)
        except BrokenDocument as error:
            ecosystem = "nuget" if is_nuget(file) else "maven"
            yield Manifest(file, ecosystem, file.name, problem=str(error), is_broken=True)
    modules = {_coordinates(file.path, documents) for file in texts if file.path in documents and not is_nuget(file)}
    for file in texts:
        if file.path in documents:
            manifest = _project(file, documents) if is_nuget(file) else _pom(file, documents)
            manifest.dependencies = [each for each in manifest.dependencies if each.name not in modules]
            if manifest.dependencies:
                yield manifest


def _coordinates(path: str, documents: dict[str, ET.Element]) -> str:
    """Name the module that a pom describes; modules of the folder that use each other need no other project."""
    properties, _ = _merge_parents(_parents(path, documents))
    return _expand("${project.groupId}:${project.artifactId}", properties)


def _pom(file: SourceFile, documents: dict[str, ET.Element]) -> Manifest:
    manifest = Manifest(file, "maven", "pom.xml", is_library=True)
    chain = _parents(file.path, documents)
    properties, managed = _merge_parents(chain)
    root = chain[0]
    for parent in _children(root, "parent"):
        if len(chain) == 1:
            _add(manifest, parent, "parent", properties, {})
    management = {id(each) for holder in ("dependencyManagement", "pluginManagement") for each in _below(root, holder)}
    for element in root.iter():
        fields = _fields(element)
        tag = _local(element)
        if tag == "dependency" and (id(element) not in management or fields.get("scope") == "import"):
            _add(manifest, element, "", properties, managed)
        elif tag == "plugin" and id(element) not in management and "version" in fields:
            _add(manifest, element, "build", properties, managed)
    return manifest


def _add(
    manifest: Manifest, element: ET.Element, group: str, properties: dict[str, str], managed: dict[str, dict[str, str]]
) -> None:
    """Add a Maven dependency; what a parent outside of the folder manages has no constraint, and is as fixed as it.

    Args:
        manifest: Where it goes.
        element: What declares it.
        group: Its group; empty where its scope implies it.
        properties: What may be used in its fields.
        managed: The fields that the pom and its parents set for all dependencies of a name.
    """
    fields = _fields(element)
    default = "org.apache.maven.plugins" if group == "build" else ""
    name = _expand(f"{fields.get('groupId', default)}:{fields.get('artifactId', '')}", properties)
    fields = {**managed.get(name, {}), **fields}
    scope = fields.get("scope", "compile")
    group = group or {"compile": "runtime", "import": "bom"}.get(scope, scope)
    spec = _expand(fields.get("version", ""), properties)
    manifest.dependencies.append(Dependency(name, spec, _xml_pin(spec), group))


def _xml_pin(spec: str) -> Pin:
    return pin_of(spec) if spec and not _PROPERTY.search(spec) else "exact"


def _parents(path: str, documents: dict[str, ET.Element]) -> list[ET.Element]:
    """List a pom and those of its parents that are in the folder."""
    chain = [documents[path]]
    for _ in range(_MAX_PARENTS):
        parent = next(_children(chain[-1], "parent"), None)
        if parent is None:
            break
        place = _fields(parent).get("relativePath", "../pom.xml")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(path), place))
        path = path if path.endswith(".xml") else posixpath.join(path, "pom.xml")
        artifact = next((each.text for each in _children(documents.get(path), "artifactId")), None)
        if artifact is None or artifact.strip() != _fields(parent).get("artifactId"):
            break
        chain.append(documents[path])
    return chain


def _merge_parents(chain: list[ET.Element]) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Merge the properties and the managed dependencies of a pom and its parents; the nearest wins."""
    properties: dict[str, str] = {}
    managed: dict[str, dict[str, str]] = {}
    for root in reversed(chain):
        own = {f"project.{key}": value for key, value in _fields(root).items()}
        parent = next((_fields(each) for each in _children(root, "parent")), {})
        for key in ("groupId", "version"):
            own.setdefault(f"project.{key}", parent.get(key, ""))
            own[f"project.parent.{key}"] = parent.get(key, "")
        properties |= own
        for each in _children(root, "properties"):
            properties |= _fields(each)
        for each in _below(root, "dependencyManagement"):
            fields = _fields(each)
            if _local(each) == "dependency":
                managed[f"{fields.get('groupId', '')}:{fields.get('artifactId', '')}"] = fields
    return properties, {_expand(name, properties): fields for name, fields in managed.items()}


def _project(file: SourceFile, documents: dict[str, ET.Element]) -> Manifest:
    manifest = Manifest(file, "nuget", file.name, is_library=True)
    above = [path for path in documents if _applies(path, file.path)]
    properties = {
        _local(element): (element.text or "").strip()
        for path in [*above, file.path]
        for group in documents[path].iter()
        if _local(group) == "PropertyGroup"
        for element in group
    }
    central = {name: spec for path in above for tag, name, spec, _ in _packages(documents[path]) if "Version" in tag}
    for tag, name, written, private in _packages(documents[file.path]):
        if tag == "PackageVersion":
            continue  # a version for the projects below, which list what they use of it
        spec = _expand(written or central.get(name, ""), properties)
        group = "dev" if private else "test" if "test" in file.name.lower() else "runtime"
        manifest.dependencies.append(Dependency(name, spec, _xml_pin(spec), group))
    return manifest


def _applies(path: str, project: str) -> bool:
    """Whether a `Directory.*` file is in a project's folder or above it."""
    folder = path.rpartition("/")[0]
    is_shared = path.rpartition("/")[2].lower().startswith("directory.")
    return is_shared and path != project and (not folder or project.startswith(f"{folder}/"))


def _packages(root: ET.Element) -> Iterator[tuple[str, str, str, bool]]:
    for element in root.iter():
        tag, fields = _local(element), {**_fields(element), **element.attrib}
        name = fields.get("Include") or fields.get("Update") or ""
        if tag == "package" and "id" in fields:
            yield tag, fields["id"], fields.get("version", ""), fields.get("developmentDependency") == "true"
        elif tag in ("PackageReference", "PackageVersion", "GlobalPackageReference") and name:
            spec = fields.get("VersionOverride") or fields.get("Version") or ""
            yield tag, name, spec, fields.get("PrivateAssets", "").lower() == "all"


def _expand(text: str, properties: dict[str, str]) -> str:
    """Replace properties by their values, which may hold others; an unknown one stays as it is written."""
    for _ in range(5):
        replaced = _PROPERTY.sub(lambda match: properties.get(match[1], match[0]), text)[:500]
        if replaced == text:
            break
        text = replaced
    return text


def _below(root: ET.Element, tag: str) -> Iterator[ET.Element]:
    for holder in root.iter():
        if _local(holder) == tag:
            yield from holder.iter()


def _children(root: ET.Element | None, tag: str) -> Iterator[ET.Element]:
    return (each for each in (root if root is not None else ()) if _local(each) == tag)


def _fields(element: ET.Element) -> dict[str, str]:
    return {_local(child): (child.text or "").strip() for child in element}


def _local(element: ET.Element) -> str:
    return str(element.tag).rpartition("}")[2]
