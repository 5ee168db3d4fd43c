"""Write a graph of tasks in DOT, the language of Graphviz."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from genesis.graph.clusters import walk_clusters
from genesis.graph.labels import clean_text, make_label, plain_attribute, shorten

if TYPE_CHECKING:
    from networkx import DiGraph

__all__ = ["dump_dot"]

_TOOLTIP = 300
"""Most characters of a tooltip."""
_HEAD = (
    "digraph genesis {",
    "  graph [compound=true, rankdir=LR, fontname=Helvetica];",
    "  node [shape=box, style=rounded, fontname=Helvetica];",
    "  edge [fontname=Helvetica, fontsize=10];",
)
_RENAMED = {"type": "task_type"}
"""Attributes with a meaning in Graphviz."""


def dump_dot(graph: DiGraph[str]) -> str:
    """Write a graph in DOT: composites as clusters, edges that only results make as dashed lines.

    Nodes are named by their paths. A composite is an invisible point in its cluster, so that edges can begin and end
    at the cluster's border. All attributes are written under their own names; `type` as `task_type`.
    """
    return "\n".join((*_HEAD, *_clusters(graph), *_edges(graph), "}")) + "\n"


def _clusters(graph: DiGraph[str]) -> Iterator[str]:
    for step, path, depth in walk_clusters(graph):
        indent = "  " * (depth + 1)
        attributes: Mapping[str, Any] = graph.nodes.get(path, {})
        if step == "open":
            yield f"{indent}subgraph {_quote(_cluster(path))} {{"
            yield f"{indent}  label={_label(make_label(path, attributes))};"
        elif step == "close":
            yield f"{indent}}}"
        else:
            yield f"{indent}{_quote(path)} [{_node(path, attributes)}];"


def _node(path: str, attributes: Mapping[str, Any]) -> str:
    own = [f"{_RENAMED.get(name, name)}={text}" for name, text in _plain(attributes)]
    if attributes.get("composite"):
        shape = ["shape=point", "style=invis", "width=0"]
    else:
        tooltip = shorten(attributes.get("description", ""), _TOOLTIP)
        shape = [f"label={_label(make_label(path, attributes))}", f"tooltip={_label([tooltip])}"]
    return ", ".join(shape + own)


def _edges(graph: DiGraph[str]) -> Iterator[str]:
    for source, target, attributes in graph.edges(data=True):
        drawn = [f"{name}={text}" for name, text in _plain(attributes)]
        if attributes.get("keys"):
            drawn.append(f"label={_label([shorten(', '.join(attributes['keys']))])}")
        if attributes.get("kind") == "input":
            drawn.append("style=dashed")
        for end, name in ((source, "ltail"), (target, "lhead")):
            if graph.nodes[end].get("composite"):
                drawn.append(f"{name}={_quote(_cluster(end))}")
        yield f"  {_quote(source)} -> {_quote(target)} [{', '.join(drawn)}];"


def _plain(attributes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in attributes.items():
        plain = plain_attribute(value)
        if plain is not None:
            yield name, _quote(plain if isinstance(plain, str) else str(plain).lower())


def _cluster(path: str) -> str:
    """Name a cluster; Graphviz draws a frame around what begins with `cluster`."""
    return f"cluster_{path}"


def _label(lines: list[str]) -> str:
    """Quote lines for a label, in which Graphviz reads entities such as `&lt;` as well."""
    return _quote("\n".join(lines).replace("&", "&amp;"))


def _quote(text: str) -> str:
    escaped = clean_text(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
