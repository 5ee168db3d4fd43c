"""Reading and writing YAML and JSON documents: bounded, safe, and with errors that name the place."""

from genesis.document.read import parse, read
from genesis.document.validate import close_matches, given_values, validated
from genesis.document.write import dump_json, dump_yaml, write_atomic, write_output

__all__ = [
    "close_matches",
    "dump_json",
    "dump_yaml",
    "given_values",
    "parse",
    "read",
    "validated",
    "write_atomic",
    "write_output",
]
