"""Cross-validation: with `data.folds` a run's seed says which fold of the pictures it judges.

Seeds 0 to K - 1 are the K folds of one division of the pictures, the next K those of another; so
grid, ledger and launchers need to know nothing of folds. Half a division would judge some pictures
and not others, so it is refused.
"""

from collections.abc import Mapping, Sequence

from omegaconf import DictConfig

from ablation.config import Config
from ablation.errors import ConfigError

#: The setting, and the axis that its folds are on.
KEY, SEED = "data.folds", "seed"


def with_seeds(
    axes: Mapping[str, tuple[str, ...]], base: DictConfig, *, is_sweep: bool
) -> dict[str, tuple[str, ...]]:
    """What is swept, with the folds of one division where no seeds are asked for.

    Args:
        axes: what the command sweeps → its values.
        base: a composed config.
        is_sweep: whether the command may have several runs.

    Raises:
        ConfigError: the seeds are not those of whole divisions, or the folds are swept.
    """
    if any(axis.lstrip("+") == KEY for axis in axes):
        raise ConfigError(f"{KEY}: can't be swept, as runs of different folds are not compared")
    n_folds = base.data.folds
    if n_folds is None:
        return dict(axes)
    if not is_sweep:
        raise ConfigError(f"{KEY}={n_folds}: add -m; each fold is a run of a study")
    whole = f"{SEED}='range({n_folds})'"
    if SEED not in axes:
        if base.seed:
            raise ConfigError(
                f"{SEED}={base.seed}: with {KEY}={n_folds} a seed is one fold; {whole}, or no "
                "seed, judges all pictures once"
            )
        return {**axes, SEED: tuple(map(str, range(n_folds)))}
    refuse_parts([int(value) for value in axes[SEED]], n_folds)
    return dict(axes)


def refuse_parts(seeds: Sequence[int], n_folds: int) -> None:
    """Refuse seeds that are not the folds of whole divisions.

    Raises:
        ConfigError: naming those that lack.
    """
    divisions = {seed // n_folds for seed in seeds}
    lacking = {d * n_folds + fold for d in divisions for fold in range(n_folds)} - set(seeds)
    if lacking:
        missing = ", ".join(map(str, sorted(lacking)[:8]))
        raise ConfigError(
            f"{SEED}={','.join(map(str, seeds[:8]))}: with {KEY}={n_folds} a seed is one fold, and "
            f"these lack {missing}; {SEED}='range({n_folds})' is one division of the pictures, "
            f"{SEED}='range({2 * n_folds})' two"
        )


def refuse_unlike(configs: Sequence[Config]) -> None:
    """Refuse runs of different folds, which levels of `data` may ask for.

    Raises:
        ConfigError: there are such.
    """
    if len({config.data.folds for config in configs}) > 1:
        raise ConfigError(f"{KEY}: runs of different folds are not compared")
