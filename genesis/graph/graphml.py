"""Write a graph of tasks as GraphML, which `networkx.read_graphml`, Gephi and yEd read."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from genesis.graph.labels import clean_text, plain_attribute

if TYPE_CHECKING:
    from networkx import DiGraph

__all__ = ["dump_graphml"]


def dump_graphml(graph: DiGraph[str]) -> str:
    """Write a graph as GraphML: each task with its attributes, the composite around it as `parent`.

    Most control characters are invalid in XML, even escaped; they are left out.
    """
    import networkx as nx

    plain: DiGraph[str] = nx.DiGraph(**_plain(graph.graph))
    plain.add_nodes_from((clean_text(path), _plain(attributes)) for path, attributes in graph.nodes.items())
    edges: Iterable[tuple[str, str, dict[str, Any]]] = graph.edges(data=True)
    plain.add_edges_from((clean_text(start), clean_text(end), _plain(attributes)) for start, end, attributes in edges)
    buffer = io.BytesIO()
    nx.write_graphml_xml(plain, buffer)
    return buffer.getvalue().decode("utf-8").rstrip() + "\n"


def _plain(attributes: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: plain_attribute(value) for name, value in attributes.items()}
    return {name: value for name, value in found.items() if value is not None}
