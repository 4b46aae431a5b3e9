"""What a report is made from, wherever it comes from: the store of a study, or a file of evidence.

Both give the same plain records, so that everything after them knows of neither.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ablation.study.ledger import Plan
from ablation.study.record import Run
from ablation.training.predictions import Predictions

#: The two sets of pictures that a run is asked about, as their artifacts' names begin.
VALIDATION, HELD_BACK = "", "test_"

#: A run's epochs: `epoch` and `val/accuracy` and more → a value an epoch.
History = Mapping[str, NDArray[np.float64]]

T = TypeVar("T")


@dataclass(frozen=True)
class Found(Generic[T]):
    """What was asked of some runs.

    Attributes:
        read: run id → what was found.
        unreadable: run id → why nothing was; a run is in one of the two.
    """

    read: Mapping[str, T]
    unreadable: Mapping[str, str]


class Evidence(Protocol):
    """All that is known of a study.

    Attributes:
        study: its name.
        plans: what its commands asked for.
        runs: all that were logged, oldest first.
    """

    study: str
    plans: Sequence[Plan]
    runs: Sequence[Run]

    def predictions(
        self, run_ids: Collection[str], split: str, with_probabilities: bool = False
    ) -> Found[Predictions]:
        """What runs said of each picture of a split, VALIDATION or HELD_BACK."""

    def histories(self, run_ids: Collection[str]) -> Found[History]:
        """Runs' metrics by epoch."""
