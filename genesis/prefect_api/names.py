"""Names that flow runs and events carry on the wire: tags, and the ids of Prefect's resources in events."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = [
    "DEPLOYMENT",
    "FLOW_RUN",
    "OWN_TAG",
    "PROJECT_TAG",
    "REHEARSAL_TAG",
    "WORK_POOL",
    "correlation_in_tags",
    "correlation_tag",
    "is_run_tag",
    "relate_tag",
    "run_tag",
    "tag_resource_id",
]

OWN_TAG = "genesis"
"""On all flow runs and deployments of Genesis."""
PROJECT_TAG = "project:"
"""Before the project's name, on its deployments."""
REHEARSAL_TAG = "rehearsal"
FLOW_RUN = "prefect.flow-run."
"""Before a flow run's id or a state's name: the resource of an event, or the event."""
WORK_POOL = "prefect.work-pool."
DEPLOYMENT = "prefect.deployment."
_CORRELATION = "cid:"
_RUN = "run:"


def correlation_tag(correlation_id: str | None) -> str:
    """Return the tag by which everything of one correlation id is found."""
    return f"{_CORRELATION}{correlation_id}"


def correlation_in_tags(tags: Iterable[str]) -> str | None:
    """Read the correlation id from a flow run's tags; None where they have none."""
    return next((tag.removeprefix(_CORRELATION) for tag in tags if tag.startswith(_CORRELATION)), None)


def run_tag(run_id: str) -> str:
    """Return the tag that all children of a run have."""
    return f"{_RUN}{run_id}"


def is_run_tag(tag: str) -> bool:
    """Whether a tag is that of the children of some run."""
    return tag.startswith(_RUN)


def tag_resource_id(tag: str) -> str:
    """Return the id under which an event is related to a tag."""
    return f"prefect.tag.{tag}"


def relate_tag(tag: str) -> dict[str, str]:
    """Describe a tag as what an event is related to, as Prefect does for the flow run's own."""
    return {"prefect.resource.id": tag_resource_id(tag), "prefect.resource.role": "tag"}
