"""Write a graph of tasks as a Mermaid flowchart, which GitHub, GitLab and many wikis draw."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from genesis.graph.clusters import walk_clusters
from genesis.graph.labels import make_label, shorten

if TYPE_CHECKING:
    from networkx import DiGraph

__all__ = ["dump_mermaid"]

_SYNTAX = re.compile(r"[^\w ,/-]|(?<![^\W_])_|_(?![^\W_])|^-")
"""All but letters, digits and signs without meaning in labels: Markdown has `_a_` as emphasis, `-` begins a
list and `www.a.b` is a link."""


def dump_mermaid(graph: DiGraph[str]) -> str:
    """Write a graph as a Mermaid flowchart: composites as subgraphs, edges that only results make as dotted lines.

    Mermaid's ids are numbers, so that a task may be called `end`. An edge between a composite and a task in it,
    which only a faulty plan has, is left out: Mermaid refuses it.
    """
    names: dict[str, str] = {}
    drawn = list(_clusters(graph, names))
    return "\n".join(("flowchart LR", *drawn, *_edges(graph, names))) + "\n"


def _clusters(graph: DiGraph[str], names: dict[str, str]) -> Iterator[str]:
    for step, path, depth in walk_clusters(graph):
        indent = "  " * (depth + 1)
        attributes = graph.nodes.get(path, {})
        if step == "open":
            names.setdefault(path, f"c{len(names)}")
            yield f"{indent}subgraph {names[path]}[{_quote(make_label(path, attributes))}]"
        elif step == "close":
            yield f"{indent}end"
        elif not attributes.get("composite"):
            names.setdefault(path, f"t{len(names)}")
            yield f"{indent}{names[path]}[{_quote(make_label(path, attributes))}]"


def _edges(graph: DiGraph[str], names: dict[str, str]) -> Iterator[str]:
    for source, target, attributes in graph.edges(data=True):
        if f"{target}/".startswith(f"{source}/") or f"{source}/".startswith(f"{target}/"):
            continue
        line = "-.->" if attributes.get("kind") == "input" else "-->"
        keys = shorten(", ".join(attributes.get("keys", ())))
        yield f"  {names[source]} {line}{f'|{_quote([keys])}|' if keys else ''} {names[target]}"


def _quote(lines: list[str]) -> str:
    """Quote the lines of a label; special characters are written as numeric entities.

    Mermaid reads a formula between double dollar signs, escaped or not; a zero-width space separates them.
    """
    lines = [re.sub(r"\$(?=\$)", "$\u200b", line) for line in lines]
    return '"' + "<br/>".join(_SYNTAX.sub(lambda found: f"#{ord(found[0])};", line) for line in lines) + '"'
