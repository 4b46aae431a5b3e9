"""Runs that diverged: what counts as divergence, and how such a run is recognised in the store.

A run has diverged when a loss, a weight or a logit is no longer finite. Its network still predicts
something, often the first class, but the accuracy means nothing.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ablation.errors import ConfigError

if TYPE_CHECKING:
    from ablation.study.record import Run

#: What the error of every such run starts with.
LEAD = "diverged in epoch "

#: An earlier version logged such a run as finished; these metrics give it away.
LOSSES = {
    "train/loss": "training loss",
    "train/penalty": "penalty",
    "val/loss": "validation loss",
}
#: SQL has no infinity: MLflow stores the largest float instead.
LARGEST = 1.797e308


class DivergedError(ConfigError):
    """A training in which a number is no longer finite.

    Attributes:
        epoch: in which that was noticed, from 1.
        what: the number that is not finite: "training loss nan".
    """

    def __init__(self, epoch: int, what: str) -> None:
        super().__init__(f"{LEAD}{epoch} ({what})")
        self.epoch = epoch
        self.what = what

    def at(self, settings: Mapping[str, object]) -> str:
        """The error with the settings under which it happened."""
        named = ", ".join(f"{key}={_shown(value)}" for key, value in settings.items())
        return f"{LEAD}{self.epoch} at {named} ({self.what})"


def not_finite(numbers: Mapping[str, float]) -> str:
    """The first of the named numbers that is not finite, in words; "" where all are finite."""
    for name, value in numbers.items():
        if not math.isfinite(value) or abs(value) >= LARGEST:
            return f"{name} {'nan' if math.isnan(value) else 'inf'}"
    return ""


def reason(run: "Run") -> str:
    """Why a run of the store counts as diverged; "" where it does not.

    For a finished run the losses of the last epoch decide: once they are not finite, they stay so.
    """
    if run.status == "FINISHED":
        metrics = run.metrics
        found = {name: metrics[key] for key, name in LOSSES.items() if key in metrics}
        wrong = not_finite(found)
        return f"diverged, though it was logged as finished ({wrong})" if wrong else ""
    error = str(run.tags.get("error", ""))
    return error if run.status == "FAILED" and error.startswith(LEAD) else ""


def _shown(value: object) -> str:
    """As it is typed: 1e30, not 1e+30."""
    return f"{value:g}".replace("e+", "e") if isinstance(value, float) else str(value)
