"""Which run of Genesis a flow run belongs to."""

from __future__ import annotations

from prefect.client.schemas.objects import FlowRun

from genesis.prefect_api.names import correlation_in_tags

__all__ = ["CORRELATION_LABEL", "correlation_of"]

CORRELATION_LABEL = "genesis.correlation_id"
"""Label with which the creator of a flow run sets the id."""


def correlation_of(flow_run: FlowRun) -> str | None:
    """Return the correlation id that a flow run was made with: a label, or the tag that all of Genesis have."""
    label = flow_run.labels.get(CORRELATION_LABEL)
    if isinstance(label, str) and label:
        return label
    return correlation_in_tags(flow_run.tags)
