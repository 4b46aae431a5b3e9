"""A run as it was logged: a plain record, read from a store or from a file of evidence."""

from collections.abc import Mapping
from dataclasses import dataclass

#: MLflow's statuses of a run that has not ended.
UNDER_WAY = ("RUNNING", "SCHEDULED")


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        id: MLflow's.
        name: such as full-l1-s0.
        status: FINISHED, FAILED or KILLED; RUNNING or SCHEDULED while its process lives.
        start, end: in milliseconds since 1970; `end` is None until the run has ended.
        params: factors and resolved config, as text.
        metrics: the last value of each.
        tags: fingerprint, digests, versions and the like.
    """

    id: str
    name: str
    status: str
    start: int
    end: int | None
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
