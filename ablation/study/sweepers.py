"""Adaptive sweepers, which choose runs by the results of earlier ones, as Optuna's does.

The result of a run is its best validation accuracy, so they must maximize it.
"""

from collections.abc import Iterator, Mapping, Sequence

from omegaconf import DictConfig

from ablation.errors import ConfigError
from ablation.study.hydra_insides import BASIC_SWEEPER, IntervalSweep, Override, key_of, text_of

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


def settings(base: DictConfig, given: Sequence[Override]) -> tuple[str, ...]:
    """Overrides that make the sweeper look for high accuracies, as far as they were not given.

    Args:
        base: a composed config, with Hydra's own part.
        given: the command's overrides.

    Raises:
        ConfigError: the sweeper was told to look for low values.
    """
    if "hydra_optuna_sweeper" not in str(base.hydra.sweeper._target_):
        return ()
    named = {key_of(item): item for item in given}
    direction = named.get("hydra.sweeper.direction")
    if direction and str(direction.value()) != "maximize":
        raise ConfigError(
            f"{text_of(direction)}: the result of a run is one accuracy, the higher the "
            "better; hydra.sweeper.direction=maximize"
        )
    return tuple(f"{key}={value}" for key, value in _OPTUNA.items() if key not in named)


def n_trials(base: DictConfig) -> int | None:
    """How many runs there will be; None where the sweeper does not say."""
    number = base.hydra.sweeper.get("n_trials")
    return int(number) if number else None


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
