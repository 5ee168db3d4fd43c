"""The structure of a plan: outline, order, data flow, references; shared by planning, validation and compile."""

from genesis.structure.dataflow import DataFlow, Missing, dataflow
from genesis.structure.edges import shown_edges
from genesis.structure.estimates import expected_seconds, expected_tokens, expected_usd, known_seconds, known_usd
from genesis.structure.junctions import Junctions, junctions
from genesis.structure.outline import Node, Outline, Unresolved, outline
from genesis.structure.problems import PARTS, Part, Problem, Shape
from genesis.structure.references import WHOLE_RESULT, fill, literal, references, rewritten, split

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
    "dataflow",
    "expected_seconds",
    "expected_tokens",
    "expected_usd",
    "fill",
    "junctions",
    "known_seconds",
    "known_usd",
    "literal",
    "outline",
    "references",
    "rewritten",
    "shown_edges",
    "split",
]
