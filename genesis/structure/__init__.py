"""The structure of a plan: outline, order, data flow, references; shared by planning, validation and compile."""

from genesis.structure.conditions import UNKNOWN, Condition, ConditionError, can_hold, parse_condition, rename_condition
from genesis.structure.dataflow import DataFlow, Missing, dataflow
from genesis.structure.edges import list_edges
from genesis.structure.estimates import (
    count_retries,
    estimate_seconds,
    estimate_tokens,
    estimate_usd,
    get_known_seconds,
    get_known_usd,
)
from genesis.structure.junctions import Junctions, junctions
from genesis.structure.outline import Node, Outline, Unresolved, outline
from genesis.structure.plan_values import missing_parameters, plan_values
from genesis.structure.problems import Problem, Shape, find_problems
from genesis.structure.references import (
    WHOLE_RESULT,
    as_json_text,
    as_text,
    copy_json,
    escape_text,
    fill,
    fill_text,
    fillable,
    is_name,
    references,
    referring,
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
    "as_json_text",
    "as_text",
    "can_hold",
    "copy_json",
    "count_retries",
    "dataflow",
    "escape_text",
    "estimate_seconds",
    "estimate_tokens",
    "estimate_usd",
    "fill",
    "fill_text",
    "fillable",
    "find_conditions",
    "find_problems",
    "get_known_seconds",
    "get_known_usd",
    "is_name",
    "junctions",
    "list_edges",
    "missing_parameters",
    "outline",
    "parse_condition",
    "plan_values",
    "references",
    "referring",
    "rename_condition",
    "rename_references",
    "replace_references",
    "split",
    "splits",
    "tokens",
]
