"""dbt: the nodes of a manifest become tasks that call dbt, one a node.

Reference: docs.getdbt.com, "Manifest JSON file".
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from genesis.importers.fields import excerpt, mapping_of, text_of, texts_of
from genesis.importers.source import Source
from genesis.importers.workflow import Command, Loss, Slot, Step, Workflow

__all__ = ["find_mismatch", "read_workflow"]

_COMMANDS = {"model": "run", "snapshot": "snapshot", "seed": "seed", "test": "test", "unit_test": "test"}
"""What dbt does with each type of node."""


def find_mismatch(source: Source) -> str | None:
    """Return why a file is no manifest of dbt."""
    document = source.document
    if not isinstance(document, dict):
        return "it is no mapping"
    if not isinstance(document.get("nodes"), dict):
        return "it has no mapping 'nodes'"
    version = text_of(mapping_of(document.get("metadata")).get("dbt_schema_version"))
    return None if "/dbt/manifest/" in version else "its metadata names no version of dbt's manifest"


def read_workflow(source: Source) -> Workflow:
    """Translate a manifest."""
    document: dict[str, Any] = source.document
    project = text_of(mapping_of(document.get("metadata")).get("project_name"))
    workflow = Workflow(project or "dbt project")
    nodes = {("nodes", key): mapping_of(node) for key, node in document["nodes"].items()}
    nodes |= {("unit_tests", key): mapping_of(node) for key, node in mapping_of(document.get("unit_tests")).items()}
    source.check_size(len(nodes))
    runnable = {key for (_, key), node in nodes.items() if text_of(node.get("resource_type")) in _COMMANDS}
    left_out: Counter[str] = Counter()
    for (section, key), node in nodes.items():
        if key not in runnable:
            construct = f"node {key} of type {text_of(node.get('resource_type')) or 'unknown'}"
            workflow.losses.append(Loss(source.line(section, key), construct, "left out: dbt does not run it"))
            continue
        workflow.steps.append(_step(source, section, key, node, runnable=runnable, left_out=left_out))
    if left_out:
        kinds = ", ".join(f"{count} on a {kind}" for kind, count in sorted(left_out.items()))
        workflow.losses.append(Loss(source.line("nodes"), f"dependencies: {kinds}", "left out: dbt does not run it"))
    for section in ("disabled", "exposures", "metrics", "semantic_models", "saved_queries"):
        if count := len(mapping_of(document.get(section))):
            workflow.losses.append(
                Loss(source.line(section), f"{count} of {section}", "left out: nothing runs for them")
            )
    return workflow


def _step(
    source: Source, section: str, key: str, node: dict[str, Any], *, runnable: set[str], left_out: Counter[str]
) -> Step:
    kind = text_of(node["resource_type"])
    name = text_of(node.get("name")) or key
    step = Step(key, f"dbt {kind}", source.line(section, key), name=name)
    step.description = f"dbt {_COMMANDS[kind]} {name}"
    if text := text_of(node.get("description")).strip():
        step.description += f": {excerpt(text)}"
    for other in texts_of(mapping_of(node.get("depends_on")).get("nodes")):
        if other in runnable:
            step.after.append(other)
        else:
            left_out[other.partition(".")[0]] += 1
    parts = texts_of(node.get("fqn"))
    selected = ".".join(parts) if parts else name
    step.command = Command(("dbt", _COMMANDS[kind], Slot("select", "--select=fqn:", selected)))
    return step
