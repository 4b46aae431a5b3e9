"""The evidence that a report is made from, whether it is read from a store or from a file.

Both give the same plain records, so the rest of the report need not know which it was.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ablation.study.ledger import Plan
from ablation.study.record import Run
from ablation.training.predictions import Predictions

#: The splits that a run predicts, by the prefix of their artifacts' names.
VALIDATION, HELD_BACK = "", "test_"

#: A run's history: `epoch`, `val/accuracy` and other metrics → one value for each epoch.
History = Mapping[str, NDArray[np.float64]]

T = TypeVar("T")


@dataclass(frozen=True)
class Found(Generic[T]):
    """One kind of artifact of some runs.

    Attributes:
        read: run id → its content.
        unreadable: run id → why it can't be read. Each run is in one of the two.
    """

    read: Mapping[str, T]
    unreadable: Mapping[str, str]


class Evidence(Protocol):
    """All that is known of a study.

    Attributes:
        study: its name.
        plans: what its commands asked for.
        runs: all that were logged, oldest first.
        folders: run id → the folder of its pictures, where that is known; never written to files.
    """

    study: str
    plans: Sequence[Plan]
    runs: Sequence[Run]
    folders: Mapping[str, str]

    def predictions(
        self, run_ids: Collection[str], split: str, with_probabilities: bool = False
    ) -> Found[Predictions]:
        """The runs' predictions of each picture of a split, VALIDATION or HELD_BACK.

        Args:
            run_ids: of finished runs.
            split: one of the two constants above.
            with_probabilities: whether every class's probability is wanted too.
        """

    def histories(self, run_ids: Collection[str]) -> Found[History]:
        """The runs' metrics by epoch."""
