"""`genesis schema`."""

from __future__ import annotations

import click
from pydantic import BaseModel

from genesis.cli.options import debug_option, json_option
from genesis.cli.output import print_document

__all__ = ["schema"]


@click.command(epilog="Example: genesis schema plan > plan.schema.json")
@click.argument("document", type=click.Choice(["plan", "agents", "playbook"]))
@json_option
@debug_option
def schema(document: str, as_json: bool) -> None:
    """Print the JSON Schema of a plan, agents or playbook file."""
    del as_json  # it is a JSON document either way
    from genesis.model import Plan, Registry
    from genesis.planning import Playbook

    models: dict[str, type[BaseModel]] = {"plan": Plan, "agents": Registry, "playbook": Playbook}
    print_document({"$schema": "https://json-schema.org/draft/2020-12/schema", **models[document].model_json_schema()})
