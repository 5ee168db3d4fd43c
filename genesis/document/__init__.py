"""Reading and writing YAML and JSON documents: bounded, safe, and with errors that name the location."""

from genesis.document.read import parse, read, read_text
from genesis.document.validate import close_matches, normalize_values, validate_model
from genesis.document.write import (
    dump_json,
    dump_yaml,
    output_problem,
    write_atomic,
    write_for_people,
    write_output,
)

__all__ = [
    "close_matches",
    "dump_json",
    "dump_yaml",
    "normalize_values",
    "output_problem",
    "parse",
    "read",
    "read_text",
    "validate_model",
    "write_atomic",
    "write_for_people",
    "write_output",
]
