"""Tags and resources as they are on the wire, which other versions and Prefect's own pages read."""

from genesis.prefect_api.names import (
    FLOW_RUN,
    WORK_POOL,
    correlation_in_tags,
    correlation_tag,
    is_run_tag,
    relate_tag,
    run_tag,
    tag_resource_id,
)


def test_tags_are_read_as_they_are_written():
    assert (run_tag("r"), correlation_tag("c")) == ("run:r", "cid:c")
    assert is_run_tag(run_tag("r"))
    assert not is_run_tag(correlation_tag("r"))
    assert correlation_in_tags(["genesis", run_tag("r"), correlation_tag("c")]) == "c"
    assert correlation_in_tags(["genesis", run_tag("r")]) is None


def test_resources_are_named_as_prefect_names_them():
    assert (FLOW_RUN, WORK_POOL, tag_resource_id("a")) == ("prefect.flow-run.", "prefect.work-pool.", "prefect.tag.a")
    assert relate_tag("run:r") == {"prefect.resource.id": "prefect.tag.run:r", "prefect.resource.role": "tag"}
