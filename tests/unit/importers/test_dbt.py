"""Manifests of dbt."""

import json

_MANIFEST = {
    "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "project_name": "shop"},
    "nodes": {
        "seed.shop.raw": {"resource_type": "seed", "name": "raw", "fqn": ["shop", "raw"]},
        "model.shop.orders": {
            "resource_type": "model",
            "name": "orders",
            "fqn": ["shop", "core", "orders"],
            "depends_on": {"nodes": ["model.shop.staged", "source.shop.app.users"]},
        },
        "model.shop.staged": {
            "resource_type": "model",
            "name": "staged",
            "fqn": ["shop", "staged"],
            "depends_on": {"nodes": ["seed.shop.raw"]},
        },
        "test.shop.unique": {
            "resource_type": "test",
            "name": "unique",
            "fqn": ["shop", "unique"],
            "depends_on": {"nodes": ["model.shop.staged"]},
        },
        "analysis.shop.look": {"resource_type": "analysis", "name": "look"},
    },
    "exposures": {"exposure.shop.page": {}},
}


def test_nodes_run_in_the_order_of_their_dependencies(imported):
    run = imported(json.dumps(_MANIFEST, indent=1), "manifest.json")
    assert set(run.tasks) == {"raw", "orders", "staged", "unique"}
    assert run.runs_in_order("raw", "staged", "orders")
    assert run.starts_after("staged", "unique")
    assert run.runs_beside("orders", "unique")


def test_each_node_is_one_call_of_dbt_by_arguments(imported):
    run = imported(json.dumps(_MANIFEST, indent=1), "manifest.json")
    assert run.argv("orders") == ("dbt", "run", "--select=fqn:{select}")
    assert run.tasks["orders"].inputs == {"select": "shop.core.orders"}
    assert run.tasks["orders"].agent == run.tasks["staged"].agent
    assert [run.argv(path)[1] for path in ("raw", "unique")] == ["seed", "test"]


def test_what_dbt_does_not_run_is_left_out_with_its_line(imported):
    text = json.dumps(_MANIFEST, indent=1)
    run = imported(text, "manifest.json")
    line = next(number for number, each in enumerate(text.splitlines(), 1) if "analysis.shop.look" in each)
    assert run.lost(line, "node analysis.shop.look").startswith("left out")
    assert [each.construct for each in run.losses if "source" in each.construct] == ["dependencies: 1 on a source"]
    assert [each.construct for each in run.losses if "exposures" in each.construct] == ["1 of exposures"]
