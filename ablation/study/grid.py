"""From the command line to the runs that were asked for, each composed and checked by Hydra.

Everything is checked before anything expensive is imported: an unknown level, a misspelt key, a
value of the wrong type or out of range. The answer is one message with the choices.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from ablation import config as schema
from ablation import targets
from ablation.config import KNOWN, Config, is_key
from ablation.errors import ConfigError, nearest
from ablation.study import (
    composition,
    designs,
    folds,
    launchers,
    mistakes,
    overrides,
    rounds,
    sweepers,
    sweeps,
    unused,
)
from ablation.study.composition import Combination
from ablation.study.fingerprints import fingerprint
from ablation.study.hydra_insides import (
    Job,
    Override,
    RunMode,
    Way,
    config_files,
    key_of,
    text_of,
    way,
)
from ablation.study.naming import run_name, study_name
from ablation.study.overrides import quoted
from ablation.study.rounds import Auto


@dataclass(frozen=True)
class AskedRun:
    """What a training has to know of the run that was asked for.

    Attributes:
        config: resolved and checked.
        levels: factor → level, of every config group.
        fingerprint: of the config, see `fingerprints`.
        name: such as full-l1-adam-s0.
    """

    config: Config
    levels: Mapping[str, str]
    fingerprint: str
    name: str


@dataclass(frozen=True)
class PlannedRun(AskedRun):
    """One run of a grid.

    Attributes:
        overrides: what it is composed of.
        varied: axis → level or value, of what the command sweeps.
        untaken: the keys that were given for its parts and that it does not take.
    """

    overrides: tuple[str, ...]
    varied: Mapping[str, str]
    untaken: frozenset[str]


@dataclass(frozen=True)
class Grid:
    """The runs that a command asks for, in the order in which they are launched.

    Attributes:
        study: its name.
        axes: what is swept → its levels or values, as they are given to Hydra.
        runs: every run; none where an adaptive sweeper chooses them.
        overrides: what is handed to Hydra, sweeps included.
        is_sweep: whether the command may have several runs, and so ends with a report.
        is_complete: whether `runs` has every run.
        n_runs: how many runs there will be; None where only the sweeper knows.
        way: where its runs are started.
        configs: of every run; where a sweeper chooses them, of a sample of what it may choose.
        notes: what a person should know before the runs.
        auto: how far seeds are added in rounds; None where they are fixed.
        parts: the full grids without overlap that the runs consist of; none where it is one itself.
    """

    study: str
    axes: Mapping[str, tuple[str, ...]]
    runs: tuple[PlannedRun, ...]
    overrides: tuple[str, ...]
    is_sweep: bool
    is_complete: bool
    n_runs: int | None
    way: Way
    configs: tuple[Config, ...]
    notes: tuple[str, ...]
    auto: Auto | None = None
    parts: "tuple[Grid, ...]" = ()

    @property
    def launched(self) -> "tuple[Grid, ...]":
        """What Hydra is given, one after another."""
        return self.parts or (self,)

    @property
    def base(self) -> Config:
        """What is the same in all runs, and the first value of what is not."""
        return self.configs[0]


def expand(words: Sequence[str], *, multirun: bool, config_dir: Path | None = None) -> Grid:
    """Compose and check every run of a command.

    Args:
        words: the command's `key=value` arguments.
        multirun: whether lists are swept (-m).
        config_dir: a further folder of config files, searched after the project's own.

    Raises:
        ConfigError: with one message that names the key and the choices.
    """
    schema.register()
    typed, words = words, rounds.with_first_look(words)
    items = overrides.read([*composition.search_path(config_dir, words), *words])
    composition.refuse_words(items)
    with config_files(schema.folder()):
        search = tuple(text_of(item) for item in items if key_of(item) == "hydra.searchpath")
        items = composition.with_plus(items, search)
        fixed = tuple(text_of(item) for item in items if sweeps.is_fixed(item))
        base = composition.composed(fixed)
        is_sweep = sweeps.are_on(base, items, multirun)
        swept = sweeps.found(base, items, search)
        auto = rounds.auto(typed, base.most, base.budget, is_sweep)
        sweeps.refuse(base, swept, items, is_sweep)
        is_adaptive = _is_adaptive(base, auto, is_sweep)
        typed_axes = {axis: sweeps.values_of(item, search) for axis, item in swept.items()}
        axes = folds.with_seeds(typed_axes, base, is_sweep=is_sweep)
        if is_sweep:
            _check_report(base, axes)
        grids = designs.asked_for(base, axes) if is_sweep else (axes,)
        study = study_name(base, axes)
        settled = _settled(base, items, study, axes, is_sweep)
        fixed = (*(text for text in fixed if not text.startswith("study=")), *settled)
        by_grid = [() if is_adaptive else tuple(_runs(fixed, grid)) for grid in grids]
        runs = tuple(itertools.chain.from_iterable(by_grid))
        samples = sweepers.samples(swept, axes) if is_adaptive else ()
        configs = tuple(composition.resolve((*fixed, *sample)) for sample in samples)
    configs = configs or tuple(run.config for run in runs)
    folds.refuse_unlike(configs)
    given = {key_of(item): text_of(item) for item in items} | {
        axis: f"{axis}={','.join(values)}" for axis, values in axes.items()
    }
    unused.refuse_untaken(given, configs, [run.untaken for run in runs])
    asked = Grid(
        study=study,
        axes=axes,
        runs=runs,
        overrides=_overrides(fixed, axes),
        is_sweep=is_sweep,
        is_complete=not is_adaptive,
        n_runs=sweepers.n_trials(base, axes) if is_adaptive else len(runs),
        way=way(base.hydra, is_sweep=is_sweep),
        configs=configs,
        notes=(*overrides.repeated(words), *unused.notes(given, configs, is_sweep=is_sweep)),
        auto=auto,
    )
    if grids == (axes,):
        return asked
    told = designs.notes(base.design, grids, base.report.nuisance)
    return _in_parts(replace(asked, notes=(*asked.notes, *told)), by_grid, grids, fixed)


def _in_parts(
    asked: Grid,
    runs: Sequence[tuple[PlannedRun, ...]],
    grids: Sequence[Mapping[str, tuple[str, ...]]],
    fixed: tuple[str, ...],
) -> Grid:
    parts = (_part(asked, own, fixed, grid) for own, grid in zip(runs, grids, strict=True))
    return replace(asked, parts=tuple(parts))


def _overrides(fixed: Sequence[str], axes: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    return (*fixed, *(f"{axis}={','.join(values)}" for axis, values in axes.items()))


def _is_adaptive(base: DictConfig, auto: Auto | None, is_sweep: bool) -> bool:
    """Whether a sweeper chooses the runs by itself.

    Raises:
        ConfigError: with it, or with `seed=auto`, goes something that it does not go with.
    """
    is_adaptive = is_sweep and sweepers.is_adaptive(base)
    by_itself = "a sweeper that chooses runs by itself"
    if base.data.folds and (auto or is_adaptive):
        what = rounds.AUTO if auto else by_itself
        raise ConfigError(f"{folds.KEY}: not with {what}; a seed is a fold")
    if auto and is_adaptive:
        raise ConfigError(f"{rounds.AUTO}: not with a sweeper that chooses runs by itself")
    has_rules = base.design != designs.FULL or base.skip or base.zip
    if has_rules and (auto or is_adaptive):
        what = rounds.AUTO if auto else by_itself
        raise ConfigError(f"design, skip, zip: not with {what}")
    return is_adaptive


def part(asked: Grid, axes: Mapping[str, tuple[str, ...]]) -> Grid:
    """The same command with other values on its axes.

    Args:
        asked: the grid of a command.
        axes: those of `asked`, each with some of its values, or with other seeds.
    """
    fixed = asked.overrides[: -len(asked.axes)]
    with config_files(schema.folder()):
        runs = tuple(_runs(fixed, axes))
    return _part(asked, runs, fixed, axes)


def _part(
    asked: Grid,
    runs: tuple[PlannedRun, ...],
    fixed: tuple[str, ...],
    axes: Mapping[str, tuple[str, ...]],
) -> Grid:
    return replace(
        asked,
        axes=axes,
        runs=runs,
        overrides=_overrides(fixed, axes),
        n_runs=len(runs),
        configs=tuple(run.config for run in runs),
        notes=(),
    )


def round_of(asked: Grid, found: rounds.Progress, seeds: Sequence[int]) -> list[Grid]:
    """The next round of `seed=auto`: more seeds for the cells whose comparisons are open.

    Args:
        asked: the grid of the first round.
        found: what the report has found so far.
        seeds: that are added.

    Returns:
        Full grids without overlap, since that is what Hydra sweeps.
    """
    names = [axis for axis in asked.axes if axis != "seed"]
    wanted = set(found.cells)
    cells: dict[tuple[str, ...], None] = {}
    for values, run in zip(itertools.product(*asked.axes.values()), asked.runs, strict=True):
        if tuple(run.varied[factor] for factor in found.factors) in wanted:
            given = dict(zip(asked.axes, values, strict=True))
            cells[tuple(given[name] for name in names)] = None
    others = {name: asked.axes[name] for name in names}
    new = tuple(map(str, seeds))
    return [
        part(asked, {axis: new if axis == "seed" else grid[axis] for axis in asked.axes})
        for grid in rounds.products(cells, others)
    ]


def _settled(
    base: DictConfig,
    items: Sequence[Override],
    study: str,
    axes: Mapping[str, tuple[str, ...]],
    is_sweep: bool,
) -> tuple[str, ...]:
    """What the command settles for all runs, as overrides."""
    names = (axis.lstrip("+") for axis in axes if axis != "seed")
    mode = (RunMode.MULTIRUN if is_sweep else RunMode.RUN).name
    settled = [
        f"study={quoted(study)}",
        f"axes=[{','.join(quoted(name) for name in names)}]",
        f"hydra.mode={mode}",
    ]
    if is_sweep and "params" in base.hydra.sweeper:
        # The axes have what the experiment sweeps, with the command's changes.
        settled.append(f"{sweeps.PARAMS}=null")
    if is_sweep:
        settled += [*sweepers.settings(base, items, axes), *launchers.settings(base, items)]
    return tuple(settled)


def _check_report(base: DictConfig, axes: Mapping[str, tuple[str, ...]]) -> None:
    """Refuse, before the runs, what the report would not find after them."""
    if base.report.metric and "." in base.report.metric:
        targets.found(base.report.metric)
    compared = {
        axis.lstrip("+"): tuple(map(overrides.plain, values)) for axis, values in axes.items()
    }
    names = ", ".join(compared) or "nothing"
    for key in base.report.nuisance:
        if key not in KNOWN and key not in compared:
            guess = nearest(key, sorted(KNOWN))
            raise ConfigError(
                f"report.nuisance=[{key}]: unknown key{guess}; this command sweeps {names}"
            )
    for factor, level in base.report.baseline.items():
        given = f"report.baseline.{factor}={level}"
        if factor not in compared:
            raise ConfigError(f"{given}: this command compares {names}")
        if str(level) not in compared[factor]:
            guess = nearest(str(level), compared[factor])
            raise ConfigError(
                f"{given}: unknown level{guess}; choose from {', '.join(compared[factor])}"
            )


def _runs(fixed: tuple[str, ...], axes: Mapping[str, tuple[str, ...]]) -> Iterator[PlannedRun]:
    """Every combination, the last axis fastest.

    Hydra composes each combination of levels once; values are then set in the composed config.
    """
    combinations: dict[tuple[str, ...], Combination] = {}
    # Each value is read once, not once for every run.
    read = {
        (axis, value): sweeps.typed(axis, value)
        for axis, values in axes.items()
        if is_key(axis)
        for value in values
    }
    for values in itertools.product(*axes.values()):
        varied = dict(zip(axes, values, strict=True))
        swept = {axis: f"{axis}={value}" for axis, value in varied.items()}
        chosen = tuple(text for axis, text in swept.items() if not is_key(axis))
        own = (*fixed, *swept.values())
        if chosen not in combinations:
            # The first values are composed too, so that an unknown key is found.
            combinations[chosen] = Combination(own)
        given = {axis: read[axis, value] for axis, value in varied.items() if is_key(axis)}
        try:
            config, untaken = schema.checked(combinations[chosen].with_values(given))
        except OmegaConfBaseException as error:
            raise ConfigError(mistakes.explain(error, own)) from error
        asked = asked_run(config, levels(combinations[chosen].choices))
        plain = {axis.lstrip("+"): overrides.plain(value) for axis, value in varied.items()}
        yield PlannedRun(**vars(asked), overrides=own, varied=plain, untaken=untaken)


def levels(choices: Mapping[str, Any]) -> dict[str, str]:
    """Each factor's level, from Hydra's record of the config groups that were chosen."""
    return {
        group: str(level)
        for group, level in choices.items()
        if not group.startswith("hydra/") and group not in sweeps.NOT_FACTORS and level is not None
    }


def composed_run(job: Job, composed: DictConfig) -> AskedRun:
    """The run that Hydra executes, made from the config that Hydra composed for it.

    Raises:
        ConfigError: a value is out of its range.
    """
    return asked_run(schema.resolve(composed), levels(job.choices))


def asked_run(config: Config, levels: Mapping[str, str]) -> AskedRun:
    """A run with its fingerprint and its name.

    Args:
        config: resolved and checked.
        levels: factor → level, of every config group.
    """
    return AskedRun(config, levels, fingerprint(config), run_name(config, levels))
