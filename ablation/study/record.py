"""A run as it was logged: the plain record that a store and a file of evidence both give."""

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
        start, end: in milliseconds since 1970; None where not known.
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
