"""Runs that diverged: when one is called so, in which words, and how it is known in the store.

A run has diverged once a number of its training is not finite. Such a network answers something,
often the first class, and its accuracy is no result.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ablation.errors import ConfigError

if TYPE_CHECKING:
    from ablation.study.record import Run


#: What the error of every such run starts with.
LEAD = "diverged in epoch "

#: A run of an earlier version finished none the less; these of its metrics tell.
LOSSES = {
    "train/loss": "training loss",
    "train/penalty": "penalty",
    "val/loss": "validation loss",
}
#: SQL has no infinity: MLflow keeps the largest float in its place.
LARGEST = 1.797e308


class DivergedError(ConfigError):
    """A training that came to a number that is not finite.

    Attributes:
        epoch: the one in which that was seen, from 1.
        what: the number that is not finite: "training loss nan".
    """

    def __init__(self, epoch: int, what: str) -> None:
        super().__init__(f"{LEAD}{epoch} ({what})")
        self.epoch = epoch
        self.what = what

    def at(self, settings: Mapping[str, object]) -> str:
        """The sentence with the settings under which it happened."""
        named = ", ".join(f"{key}={_shown(value)}" for key, value in settings.items())
        return f"{LEAD}{self.epoch} at {named} ({self.what})"


def not_finite(numbers: Mapping[str, float]) -> str:
    """The first of the named numbers that is not finite, in words; empty where all are."""
    for name, value in numbers.items():
        if not math.isfinite(value) or abs(value) >= LARGEST:
            return f"{name} {'nan' if math.isnan(value) else 'inf'}"
    return ""


def reason(run: "Run") -> str:
    """Why a run of the store counts as diverged; empty where it does not.

    Of a run that finished the last epoch's losses are looked at: a network that has lost its
    numbers does not find them again.
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
