"""What a run does, whichever kind of run it is: known before it is done, and what comes of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ablation.config import Config
from ablation.tracking.store import Identity
from ablation.training.fit import Epoch


@dataclass(frozen=True)
class Done:
    """What has come of a run.

    Attributes:
        accuracy: the best on the validation examples, 0..1.
        metrics: the run's final ones.
        tags: what was checked in training.
        write_artifacts: writes the files into a folder that it is given.
        when_kept: is called once all of it is on disk.
    """

    accuracy: float
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    write_artifacts: Callable[[Path], None]
    when_kept: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Work:
    """What a run is to do.

    Attributes:
        config: with nothing left open.
        identity: what makes it the same as a run that has finished before.
        do: trains; it calls its argument with each epoch's metrics.
    """

    config: Config
    identity: Identity
    do: Callable[[Callable[[Epoch], None]], Done]
