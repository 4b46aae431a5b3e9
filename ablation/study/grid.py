"""From the command line to the runs that were asked for, each composed and checked by Hydra.

Everything is checked here before anything expensive is imported: an unknown level, a misspelt
key, a value of the wrong type or out of range. The answer is one message with the choices.
"""

import itertools
import math
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import initialize_config_dir
from hydra.core.override_parser.types import Override
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ablation import config as schema
from ablation.config import SCHEMA, Config
from ablation.errors import ConfigError
from ablation.study import composition, mistakes, overrides, sweepers, sweeps
from ablation.study.overrides import MOST_RUNS, key_of, quoted, text_of


@dataclass(frozen=True)
class AskedRun:
    """What one training needs to know of what was asked for.

    Attributes:
        config: resolved and checked.
        levels: factor → level, of every config group.
        fingerprint: of the config, see `config.fingerprint`.
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
    """

    overrides: tuple[str, ...]
    varied: Mapping[str, str]


@dataclass(frozen=True)
class Grid:
    """The runs that a command asks for, in the order in which they are launched."""

    study: str
    axes: Mapping[str, tuple[str, ...]]  # what is swept → its levels or values
    runs: tuple[PlannedRun, ...]
    overrides: tuple[str, ...]  # what to hand to Hydra, sweeps included
    is_sweep: bool
    is_complete: bool  # False where an adaptive sweeper chooses the runs as it goes
    n_runs: int | None  # None where only the sweeper knows
    has_workers: bool  # whether runs are trained in processes of a launcher's own
    configs: tuple[Config, ...]  # of every run, or of such as an adaptive sweeper may choose
    notes: tuple[str, ...]  # what a person should know before the runs

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
    items = overrides.read([*composition.search_path(config_dir, words), *words])
    composition.refuse_words(items)
    with initialize_config_dir(str(schema.folder()), version_base="1.3"):
        search = tuple(text_of(item) for item in items if key_of(item) == "hydra.searchpath")
        items = composition.with_plus(items, search)
        fixed = tuple(text_of(item) for item in items if sweeps.is_fixed(item))
        base = composition.composed(fixed)
        is_sweep = sweeps.are_on(base, items, multirun)
        swept = sweeps.found(base, items, search)
        sweeps.refuse(base, swept, items, is_sweep)
        axes = {axis: sweeps.values_of(item, search) for axis, item in swept.items()}
        if is_sweep:
            _check_size(axes)
            _check_report(base, axes)
        study = _study_name(base, axes)
        settled = _settled(base, items, study, axes, is_sweep)
        fixed = (*(text for text in fixed if not text.startswith("study=")), *settled)
        is_adaptive = is_sweep and sweepers.is_adaptive(base)
        runs = () if is_adaptive else tuple(_runs(fixed, axes))
        samples = sweepers.samples(swept, axes) if is_adaptive else ()
        configs = tuple(composition.resolve((*fixed, *sample)) for sample in samples)
    configs = configs or tuple(run.config for run in runs)
    return Grid(
        study=study,
        axes=axes,
        runs=runs,
        overrides=(*fixed, *(f"{axis}={','.join(values)}" for axis, values in axes.items())),
        is_sweep=is_sweep,
        is_complete=not is_adaptive,
        n_runs=sweepers.n_trials(base) if is_adaptive else len(runs),
        has_workers=is_sweep and not base.hydra.launcher._target_.endswith(".BasicLauncher"),
        configs=configs,
        notes=(*overrides.repeated(words), *_unused(items, axes, configs, is_sweep)),
    )


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
        # What it sweeps is among the axes, less what the command changes.
        settled.append(f"{sweeps.PARAMS}=null")
    if is_sweep:
        settled += sweepers.settings(base, items)
    return tuple(settled)


def _check_size(axes: Mapping[str, tuple[str, ...]]) -> None:
    if math.prod(map(len, axes.values())) > MOST_RUNS:
        raise ConfigError(f"{', '.join(axes)}: more than {MOST_RUNS:,} runs together")


def _check_report(base: DictConfig, axes: Mapping[str, tuple[str, ...]]) -> None:
    """Whether the report will find what it is asked for, told before the runs and not after."""
    compared = {
        axis.lstrip("+"): tuple(map(overrides.plain, values)) for axis, values in axes.items()
    }
    names = ", ".join(compared) or "nothing"
    for key in base.report.nuisance:
        if key not in SCHEMA and key not in compared:
            guess = mistakes.nearest(key, sorted(SCHEMA))
            raise ConfigError(
                f"report.nuisance=[{key}]: unknown key{guess}; this command sweeps {names}"
            )
    for factor, level in base.report.baseline.items():
        given = f"report.baseline.{factor}={level}"
        if factor not in compared:
            raise ConfigError(f"{given}: this command compares {names}")
        if str(level) not in compared[factor]:
            guess = mistakes.nearest(str(level), compared[factor])
            raise ConfigError(
                f"{given}: unknown level{guess}; choose from {', '.join(compared[factor])}"
            )


def _runs(fixed: tuple[str, ...], axes: Mapping[str, tuple[str, ...]]) -> Iterator[PlannedRun]:
    """Every combination, the last axis fastest; only levels are composed anew, values are set."""
    composed: dict[tuple[str, ...], DictConfig] = {}
    # Each value is read once, not once a run.
    read = {
        (axis, value): sweeps.typed(axis, value)
        for axis, values in axes.items()
        if axis in SCHEMA
        for value in values
    }
    for values in itertools.product(*axes.values()):
        varied = dict(zip(axes, values, strict=True))
        swept = {axis: f"{axis}={value}" for axis, value in varied.items()}
        chosen = tuple(text for axis, text in swept.items() if axis not in SCHEMA)
        own = (*fixed, *swept.values())
        if chosen not in composed:
            # The first values are composed in full, so that an unknown key is found.
            composed[chosen] = composition.composed(own)
        settings = schema.visible(composed[chosen])
        try:
            for axis, value in varied.items():
                if axis in SCHEMA:
                    OmegaConf.update(settings, axis, read[axis, value])
            config = schema.resolve(settings)
        except OmegaConfBaseException as error:
            raise ConfigError(mistakes.explain(error, own)) from error
        asked = asked_run(config, levels(composed[chosen].hydra.runtime.choices))
        plain = {axis.lstrip("+"): overrides.plain(value) for axis, value in varied.items()}
        yield PlannedRun(**vars(asked), overrides=own, varied=plain)


def levels(choices: Mapping[str, Any]) -> dict[str, str]:
    """Each factor's level, from Hydra's record of the config groups that were chosen."""
    return {
        group: str(level)
        for group, level in choices.items()
        if not group.startswith("hydra/") and group not in sweeps.NOT_FACTORS and level is not None
    }


def asked_run(config: Config, levels: Mapping[str, str]) -> AskedRun:
    """A resolved config with its identity: its fingerprint and its name."""
    return AskedRun(config, levels, schema.fingerprint(config), run_name(config, levels))


def run_name(config: Config, levels: Mapping[str, str]) -> str:
    """The varied levels, then the seed: full-l1-adam-s0."""
    leaves = schema.leaves(config)
    parts = [
        levels[axis] if axis in levels else f"{axis.rpartition('.')[2]}{leaves.get(axis)}".lower()
        for axis in config.axes
    ]
    if not parts:
        parts = [levels[factor] for factor in ("transfer", "reg", "optimizer") if factor in levels]
    return "-".join([*parts, f"s{config.seed}"])


def _unused(
    items: Sequence[Override],
    axes: Mapping[str, tuple[str, ...]],
    configs: Sequence[Config],
    is_sweep: bool,
) -> Iterator[str]:
    """A line on each key that was set and that no run uses, for it may be meant otherwise.

    Raises:
        ConfigError: it is the folder of the pictures.
    """
    texts = {key_of(item): text_of(item) for item in items} | {
        axis: f"{axis}={','.join(values)}" for axis, values in axes.items()
    }
    for key, is_used in schema.USES.items():
        if key not in texts or any(is_used(config) for config in configs):
            continue
        if key == "data.root":
            raise ConfigError(
                f"{texts[key]}: no run takes its pictures from there; add data=imagefolder"
            )
        yield f"{texts[key]} changes nothing: no run of this command uses {key}"
    for key, text in texts.items():
        if key.startswith("report.") and not is_sweep:
            yield f"{text} changes nothing: one run alone has no report; -m makes one"


def _study_name(base: DictConfig, axes: Mapping[str, tuple[str, ...]]) -> str:
    """The study that was named, else one after the pictures and what is compared."""
    if base.study is not None:
        # A letter with its accents has two spellings, and would be two studies.
        return unicodedata.normalize("NFC", str(base.study))
    compared = [axis.lstrip("+").rpartition(".")[2] for axis in axes if axis != "seed"]
    source = [] if "data" in compared else [str(base.hydra.runtime.choices["data"])]
    if source and base.data.source == "folder" and base.data.root:
        source = [Path(base.data.root).resolve().name]
    names = [schema.folder_name(name) for name in (*source, *compared)]
    return schema.folder_name("-".join(name for name in names if name)) or "pictures"
