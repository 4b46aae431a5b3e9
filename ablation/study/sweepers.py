"""Adaptive sweepers, which choose runs by the results of earlier ones, as Optuna's does.

The result of a run is its best validation accuracy, so they must maximize it.
"""

import contextlib
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig

from ablation.config import is_key
from ablation.errors import ConfigError
from ablation.study.hydra_insides import BASIC_SWEEPER, IntervalSweep, Override, key_of, text_of

#: The settings that a report does not compare.
NUISANCE = "report.nuisance"
#: Without these settings Optuna would look for the lowest accuracy, and stop after the first batch
#: in which a run failed.
_OPTUNA = {"hydra.sweeper.direction": "maximize", "hydra.sweeper.max_failure_rate": "1.0"}


def is_adaptive(base: DictConfig) -> bool:
    """Whether the sweeper chooses the runs by their results, so that they are not known before."""
    return not str(base.hydra.sweeper._target_).endswith(BASIC_SWEEPER)


def refuse_intervals(items: Mapping[str, Override]) -> None:
    """Refuse intervals, from which only an adaptive sweeper can choose values.

    Raises:
        ConfigError: one of the overrides sweeps an interval.
    """
    for item in items.values():
        key = key_of(item)
        if isinstance(item.value(), IntervalSweep):
            raise ConfigError(
                f"{text_of(item)}: an interval names no values; name those to train, "
                f"{key}=A,B, or let an adaptive sweeper choose them, hydra/sweeper=optuna"
            )


def settings(
    base: DictConfig, given: Sequence[Override], axes: Mapping[str, Sequence[str]]
) -> tuple[str, ...]:
    """Overrides that an adaptive sweeper needs, as far as they were not given.

    The settings that it searches are no factors to compare: the report shows each cell at its best.
    Optuna's is to look for high accuracies, and to choose the same runs again when the same command
    goes on after it was stopped. Where Optuna keeps its own study, it goes on with that.

    Args:
        base: a composed config, with Hydra's own part.
        given: the command's overrides.
        axes: what is swept → its values.

    Raises:
        ConfigError: the sweeper was told to look for low values.
    """
    if not is_adaptive(base):
        return ()
    named = {key_of(item): item for item in given}
    searched = [axis.lstrip("+") for axis in axes if is_key(axis.lstrip("+")) and axis != "seed"]
    found = []
    if searched and not base.report.nuisance and NUISANCE not in named:
        found.append(f"{NUISANCE}=[{','.join(searched)}]")
    if "hydra_optuna_sweeper" not in str(base.hydra.sweeper._target_):
        return tuple(found)
    direction = named.get("hydra.sweeper.direction")
    if direction and str(direction.value()) != "maximize":
        raise ConfigError(
            f"{text_of(direction)}: the result of a run is one accuracy, the higher the "
            "better; hydra.sweeper.direction=maximize"
        )
    found += [f"{key}={value}" for key, value in _OPTUNA.items() if key not in named]
    sampler = base.hydra.sweeper.sampler
    if "seed" in sampler and sampler.seed is None and base.hydra.sweeper.storage is None:
        found.append("hydra.sweeper.sampler.seed=0")
    return tuple(found)


def n_trials(base: DictConfig, axes: Mapping[str, Sequence[str]]) -> int | None:
    """How many runs there will be; None where the sweeper does not say.

    Args:
        base: a composed config, with Hydra's own part.
        axes: what is swept → its values.
    """
    number = base.hydra.sweeper.get("n_trials")
    if not number:
        return None
    is_grid = "GridSampler" in str(base.hydra.sweeper.get("sampler"))
    return min(int(number), math.prod(map(len, axes.values()))) if is_grid else int(number)


@contextlib.contextmanager
def counted_by_the_sweeper() -> Iterator[None]:
    """Within the context, it is the sweeper alone that ends after the last point of a grid.

    Optuna's sampler of grids asks for an end, too, when it has seen the last point. Outside of
    Optuna's own loop that is an error, which the sweeper passes over only where that trial did not
    fail.
    """
    try:
        import optuna
    except ImportError:  # another sweeper
        yield
        return
    optuna.logging.set_verbosity(logging.WARNING)
    sampler: Any = optuna.samplers.GridSampler
    after = sampler.after_trial
    sampler.after_trial = lambda *given: None
    try:
        yield
    finally:
        sampler.after_trial = after


def samples(
    swept: Mapping[str, Override], axes: Mapping[str, tuple[str, ...]]
) -> Iterator[tuple[str, ...]]:
    """A sample of the runs that the sweeper may choose.

    Each value, and each end of an interval, is in at least one of them: a value that is wrong is
    found without composing every combination.

    Args:
        swept: axis → the override that sweeps it.
        axes: axis → its values.

    Yields:
        The overrides of one run.
    """
    columns = [_ends(swept[axis], values) for axis, values in axes.items()]
    for at in range(max(map(len, columns), default=1)):
        chosen = (values[min(at, len(values) - 1)] for values in columns)
        yield tuple(f"{axis}={value}" for axis, value in zip(axes, chosen, strict=True))


def _ends(item: Override, values: tuple[str, ...]) -> tuple[str, ...]:
    interval = item.value()
    if isinstance(interval, IntervalSweep):
        return str(interval.start), str(interval.end)
    return values
