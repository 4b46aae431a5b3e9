"""From the command line to the runs that were asked for, each composed and checked by Hydra.

Everything is checked here before anything expensive is imported: an unknown level, a misspelt
key, a value of the wrong type or out of range. The answer is one message with the choices.
"""

import itertools
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Glob, Override, OverrideType
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ablation import config as schema
from ablation import mistakes, overrides, sweepers
from ablation.config import Config, ConfigError
from ablation.overrides import MOST_RUNS, SCHEMA, key_of, quoted, text_of

#: Config groups that choose no level of a factor.
NOT_FACTORS = ("experiment",)

#: Keys that name what a run is made of by its place; its content is part of the run's identity.
BY_CONTENT = ("data.root", "model.weights")

#: Where an experiment keeps what it sweeps.
_PARAMS = "hydra.sweeper.params"


@dataclass(frozen=True)
class PlannedRun:
    """One run that was asked for."""

    overrides: tuple[str, ...]
    config: Config
    levels: Mapping[str, str]  # factor → level, of every config group
    varied: Mapping[str, str]  # axis → level or value, of what the command sweeps
    fingerprint: str


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
    items = overrides.read([*_search_path(config_dir, words), *words])
    _refuse_words(items)
    with initialize_config_dir(str(schema.folder()), version_base="1.3"):
        search = tuple(text_of(item) for item in items if key_of(item) == "hydra.searchpath")
        items = _with_plus(items, search)
        fixed = tuple(text_of(item) for item in items if _is_fixed(item))
        base = _compose(fixed)
        is_sweep = _is_sweep(base, items, multirun)
        swept = _swept(base, items, search)
        is_adaptive = sweepers.is_adaptive(base)
        if not is_adaptive:
            sweepers.refuse_intervals(swept)
        if not is_sweep:
            _refuse_sweeps(swept, items)
        _refuse_axes(swept)
        axes = {axis: _values(item, search) for axis, item in swept.items()}
        if math.prod(map(len, axes.values())) > MOST_RUNS:
            raise ConfigError(f"{', '.join(axes)}: more than {MOST_RUNS:,} runs together")
        if is_sweep:
            _check_report(base, axes)
        study = _study_name(base, axes)
        settled = _settled(base, items, study, axes, is_sweep)
        fixed = (*(text for text in fixed if not text.startswith("study=")), *settled)
        if is_adaptive and is_sweep:
            runs: tuple[PlannedRun, ...] = ()
            configs = tuple(_resolve((*fixed, *one)) for one in sweepers.samples(swept, axes))
        else:
            is_adaptive = False
            runs = tuple(_runs(fixed, axes))
            configs = tuple(run.config for run in runs)
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
        notes=(*overrides.repeated(words), *_unused(items, axes, configs)),
    )


def _search_path(config_dir: Path | None, words: Sequence[str]) -> list[str]:
    if config_dir is None:
        return []
    if not config_dir.is_dir():
        raise ConfigError(f"--config-dir={config_dir}: there is no such folder")
    own = next((word for word in words if word.startswith("hydra.searchpath=")), None)
    if own:
        raise ConfigError(f"{own} and --config-dir={config_dir}: give one of them")
    return [f"hydra.searchpath=[{quoted(f'file://{config_dir.resolve()}')}]"]


def _is_fixed(item: Override) -> bool:
    """Whether an override is handed to Hydra as it is, the same for all runs."""
    return not (item.is_sweep_override() or _is_param(item) or key_of(item) == "hydra.mode")


def _values(item: Override, search: tuple[str, ...]) -> tuple[str, ...]:
    levels = _options(key_of(item), search) if _is_pattern(item) else []
    return overrides.values_of(item, levels)


def _is_pattern(item: Override) -> bool:
    value: object = item.value()
    return isinstance(value, Glob)


def _refuse_words(items: Sequence[Override]) -> None:
    """What Hydra would take, and what makes no study."""
    for item in items:
        key, text = key_of(item), text_of(item)
        if item.is_delete() and not key.startswith("hydra"):
            raise ConfigError(
                f"{text}: no part of a run can be left out; choose a level or a value"
            )
        if key == "axes":
            raise ConfigError(f"{text}: the command fills it from what is swept")
        if key == "hydra.job.chdir" and item.value():
            raise ConfigError(
                f"{text}: the runs find pictures, store and cache from the folder of the command; "
                "leave it at false"
            )
        is_level = "." not in key and not key.startswith("hydra") and key not in SCHEMA
        if is_level and any(isinstance(value, list) for value in _elements(item)):
            raise ConfigError(f"{text}: one level at a time; -m {key}=A,B trains each")


def _elements(item: Override) -> list[Any]:
    value = item.value()
    return list(getattr(value, "list", [])) if item.is_choice_sweep() else [value]


def _with_plus(items: Sequence[Override], search: tuple[str, ...]) -> list[Override]:
    """Spare people the plus sign that Hydra wants for a config group beyond the defaults."""
    known = {field.name for field in fields(Config)}
    unknown = {
        key_of(item)
        for item in items
        if item.type == OverrideType.CHANGE
        and not re.search(r"[.@]|^hydra", key_of(item))
        and key_of(item) not in known
        and _options(key_of(item), search)
    }
    if unknown:
        unknown -= set(_compose(search).hydra.runtime.choices)
    return [
        overrides.parse(f"+{text_of(item)}") if key_of(item) in unknown else item for item in items
    ]


def _options(group: str, search: tuple[str, ...]) -> list[str]:
    """The levels of a config group."""
    loader = GlobalHydra.instance().config_loader()
    names = loader.get_group_options(group, overrides=list(search))
    return [name for name in names if name != "schema"]


def _is_sweep(base: DictConfig, items: Sequence[Override], multirun: bool) -> bool:
    """Whether runs are multiplied: by -m, or by hydra.mode in the command or in an experiment."""
    given = next((item for item in items if key_of(item) == "hydra.mode"), None)
    if given is not None and given.value() not in ("RUN", "MULTIRUN"):
        raise ConfigError(f"{text_of(given)}: choose from RUN, MULTIRUN")
    mode = given.value() if given else base.hydra.mode.name if base.hydra.mode else None
    if multirun and given and mode == "RUN":
        raise ConfigError(f"{text_of(given)} and -m: give one of them")
    return multirun or mode == RunMode.MULTIRUN.name


def _swept(
    base: DictConfig, items: Sequence[Override], search: tuple[str, ...]
) -> dict[str, Override]:
    """What is swept: by the experiment, then by the command.

    What the command names, it decides: another sweep of an axis, or one value in place of it.
    """
    in_file = base.hydra.sweeper.get("params") or {}
    params = {str(key): "null" if text is None else str(text) for key, text in in_file.items()}
    for item in items:
        key, value = key_of(item), item.value()
        if key == _PARAMS:
            params = {**params, **value} if isinstance(value, dict) else {}
        elif key.startswith(f"{_PARAMS}."):
            name = key.removeprefix(f"{_PARAMS}.")
            if item.is_delete():
                params.pop(name, None)
            else:
                text = value if isinstance(value, str) else text_of(item).partition("=")[2]
                params[name] = text
    from_file = _with_plus(overrides.read([f"{k}={v}" for k, v in params.items()]), search)
    named = {key_of(item): item for item in items}
    swept = {item.get_key_element(): item for item in items if _is_swept(item)}
    kept = {
        item.get_key_element(): item
        for item in from_file
        if key_of(item) not in named or _is_swept(named[key_of(item)])
    }
    return kept | swept


def _is_swept(item: Override) -> bool:
    return item.is_sweep_override() and not _is_param(item)


def _is_param(item: Override) -> bool:
    return key_of(item) == _PARAMS or key_of(item).startswith(f"{_PARAMS}.")


def _refuse_sweeps(swept: Mapping[str, Override], items: Sequence[Override]) -> None:
    """One run has one value of each key."""
    typed = {key_of(item) for item in items}
    for item in swept.values():
        key = key_of(item)
        if key in typed:
            raise ConfigError(overrides.several(item))
        names = ", ".join(key_of(one) for one in swept.values())
        raise ConfigError(
            f"hydra.sweeper.params: the experiment has several runs, of {names}; add -m to train "
            f"all of them, or name one value of each"
        )


def _refuse_axes(swept: Mapping[str, Override]) -> None:
    """What is one for a whole command, or changes no result, is nothing to compare."""
    for item in swept.values():
        key, text = key_of(item), text_of(item)
        if key.startswith("hydra"):
            raise ConfigError(f"{text}: decides how the runs are launched; give it one value")
        if key in NOT_FACTORS:
            raise ConfigError(f"{text}: one experiment at a time")
        is_result = key not in SCHEMA or SCHEMA[key].metadata["result"] or key in BY_CONTENT
        if not is_result or key.startswith("report."):
            raise ConfigError(
                f"{text}: {key} changes no run's result, so there is nothing to compare; "
                "give it one value"
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
        settled.append(f"{_PARAMS}=null")
    if is_sweep:
        settled += sweepers.settings(base, items)
    return tuple(settled)


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
        (axis, value): overrides.parse(f"{axis}={value}").value()
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
            composed[chosen] = _compose(own)
        settings = schema.visible(composed[chosen])
        try:
            for axis, value in varied.items():
                if axis in SCHEMA:
                    OmegaConf.update(settings, axis, read[axis, value])
            config = schema.resolve(settings)
        except OmegaConfBaseException as error:
            raise ConfigError(mistakes.explain(error, own)) from error
        yield PlannedRun(
            own,
            config,
            levels(composed[chosen].hydra.runtime.choices),
            {axis.lstrip("+"): overrides.plain(value) for axis, value in varied.items()},
            schema.fingerprint(config),
        )


def levels(choices: Mapping[str, Any]) -> dict[str, str]:
    """Each factor's level, from Hydra's record of the config groups that were chosen."""
    return {
        group: str(level)
        for group, level in choices.items()
        if not group.startswith("hydra/") and group not in NOT_FACTORS and level is not None
    }


def _unused(
    items: Sequence[Override], axes: Mapping[str, tuple[str, ...]], configs: Sequence[Config]
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


def _compose(texts: Sequence[str]) -> DictConfig:
    try:
        return compose("config", list(texts), return_hydra_config=True)
    except mistakes.COMPOSITION as error:
        raise ConfigError(mistakes.explain(error, texts)) from error


def _resolve(texts: Sequence[str]) -> Config:
    try:
        return schema.resolve(schema.visible(_compose(texts)))
    except OmegaConfBaseException as error:
        raise ConfigError(mistakes.explain(error, texts)) from error
