"""The structure of a plan: outline, order, data flow, references; shared by planning, validation and compile."""

from genesis.structure.copies import Copies, count_copies
from genesis.structure.dataflow import DataFlow, Missing, dataflow
from genesis.structure.edges import list_edges
from genesis.structure.estimates import (
    estimate_seconds,
    estimate_tokens,
    estimate_usd,
    get_known_seconds,
    get_known_usd,
)
from genesis.structure.for_each import (
    Scope,
    combine_lists,
    copy_id,
    count_values,
    fill_description,
    find_lists,
    is_item_name,
    list_for_each_names,
    parse_variable,
    put_in_items,
    written_lists,
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

__all__ = [
    "WHOLE_RESULT",
    "Copies",
    "DataFlow",
    "Junctions",
    "Missing",
    "Node",
    "Outline",
    "Problem",
    "Scope",
    "Shape",
    "Unresolved",
    "as_text",
    "combine_lists",
    "copy_id",
    "copy_json",
    "count_copies",
    "count_values",
    "dataflow",
    "estimate_seconds",
    "estimate_tokens",
    "estimate_usd",
    "fill",
    "fill_description",
    "fillable",
    "find_lists",
    "find_problems",
    "get_known_seconds",
    "get_known_usd",
    "is_item_name",
    "is_name",
    "junctions",
    "list_edges",
    "list_for_each_names",
    "outline",
    "parse_variable",
    "put_in_items",
    "references",
    "rename_references",
    "replace_references",
    "split",
    "splits",
    "tokens",
    "written_lists",
]
