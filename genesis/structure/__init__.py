"""The structure of a plan: outline, order, data flow, references; shared by planning, validation and compile."""

from genesis.structure.dataflow import DataFlow, Missing, dataflow
from genesis.structure.edges import shown_edges
from genesis.structure.estimates import expected_seconds, expected_tokens, expected_usd, known_seconds, known_usd
from genesis.structure.junctions import Junctions, junctions
from genesis.structure.outline import Node, Outline, Unresolved, outline
from genesis.structure.problems import PARTS, Part, Problem, Shape
from genesis.structure.references import (
    WHOLE_RESULT,
    as_text,
    copied,
    fill,
    fillable,
    is_name,
    references,
    renamed,
    replaced,
    split,
    splits,
    tokens,
)
from genesis.structure.task_graphs import build_plan_graph, build_program_graph

__all__ = [
    "PARTS",
    "WHOLE_RESULT",
    "DataFlow",
    "Junctions",
    "Missing",
    "Node",
    "Outline",
    "Part",
    "Problem",
    "Shape",
    "Unresolved",
    "as_text",
    "build_plan_graph",
    "build_program_graph",
    "copied",
    "dataflow",
    "expected_seconds",
    "expected_tokens",
    "expected_usd",
    "fill",
    "fillable",
    "is_name",
    "junctions",
    "known_seconds",
    "known_usd",
    "outline",
    "references",
    "renamed",
    "replaced",
    "shown_edges",
    "split",
    "splits",
    "tokens",
]
