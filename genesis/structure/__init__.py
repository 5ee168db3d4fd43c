"""The structure of a plan: outline, order, data flow, references; shared by planning, validation and compile."""

from genesis.structure.conditions import UNKNOWN, Condition, ConditionError, can_hold, parse_condition, rename_condition
from genesis.structure.dataflow import DataFlow, Missing, dataflow
from genesis.structure.edges import list_edges
from genesis.structure.estimates import (
    estimate_seconds,
    estimate_tokens,
    estimate_usd,
    get_known_seconds,
    get_known_usd,
)
from genesis.structure.junctions import Junctions, junctions
from genesis.structure.outline import Node, Outline, Unresolved, outline
from genesis.structure.problems import Problem, Shape, find_problems
from genesis.structure.references import (
    WHOLE_RESULT,
    as_text,
    copy_json,
    fill,
    fillable,
    is_name,
    references,
    rename_references,
    replace_references,
    split,
    splits,
    tokens,
)
from genesis.structure.when import Conditions, ResolvedCondition, WhenFault, find_conditions

__all__ = [
    "UNKNOWN",
    "WHOLE_RESULT",
    "Condition",
    "ConditionError",
    "Conditions",
    "DataFlow",
    "Junctions",
    "Missing",
    "Node",
    "Outline",
    "Problem",
    "ResolvedCondition",
    "Shape",
    "Unresolved",
    "WhenFault",
    "as_text",
    "can_hold",
    "copy_json",
    "dataflow",
    "estimate_seconds",
    "estimate_tokens",
    "estimate_usd",
    "fill",
    "fillable",
    "find_conditions",
    "find_problems",
    "get_known_seconds",
    "get_known_usd",
    "is_name",
    "junctions",
    "list_edges",
    "outline",
    "parse_condition",
    "references",
    "rename_condition",
    "rename_references",
    "replace_references",
    "split",
    "splits",
    "tokens",
]
