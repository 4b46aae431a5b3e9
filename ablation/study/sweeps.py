"""What a command sweeps: by its own words, and by the experiment that it names."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ablation import parts
from ablation.config import SCHEMA, Config, is_key
from ablation.errors import ConfigError
from ablation.study import composition, mistakes, overrides, sweepers
from ablation.study.hydra_insides import (
    Glob,
    IntervalSweep,
    Override,
    RunMode,
    key_of,
    levels_of,
    text_of,
)
from ablation.study.overrides import MOST_RUNS

#: Config groups that are not factors.
NOT_FACTORS = ("experiment",)

#: Keys that are paths. The digest of what lies there is part of a run's identity, not the path.
BY_CONTENT = ("data.root", "model.weights")

#: The key under which an experiment keeps what it sweeps.
PARAMS = "hydra.sweeper.params"


def are_on(base: DictConfig, items: Sequence[Override], multirun: bool) -> bool:
    """Whether there may be several runs: by -m, or by hydra.mode, typed or in an experiment.

    Args:
        base: the composed config, with Hydra's own part.
        items: the command's overrides.
        multirun: whether -m was given.

    Raises:
        ConfigError: -m and hydra.mode contradict each other.
    """
    given = next((item for item in items if key_of(item) == "hydra.mode"), None)
    if given is not None and given.value() not in ("RUN", "MULTIRUN"):
        raise ConfigError(f"{text_of(given)}: choose from RUN, MULTIRUN")
    mode = given.value() if given else base.hydra.mode.name if base.hydra.mode else None
    if multirun and given and mode == "RUN":
        raise ConfigError(f"{text_of(given)} and -m: give one of them")
    return multirun or mode == RunMode.MULTIRUN.name


def found(
    base: DictConfig, items: Sequence[Override], search: tuple[str, ...]
) -> dict[str, Override]:
    """What is swept, axis → override: by the experiment, then by the command.

    For an axis that the command names, the command decides: another sweep, or a single value.

    Args:
        base: the composed config, with Hydra's own part.
        items: the command's overrides.
        search: the override that adds folders of config files, if there is one.
    """
    params = _params(base, items)
    in_file = overrides.read([f"{key}={text}" for key, text in params.items()])
    named = {key_of(item): item for item in items}
    swept = {item.get_key_element(): item for item in items if _is_swept(item)}
    kept = {
        item.get_key_element(): item
        for item in composition.with_plus(in_file, search)
        if key_of(item) not in named or _is_swept(named[key_of(item)])
    }
    return kept | swept


def _params(base: DictConfig, items: Sequence[Override]) -> dict[str, str]:
    """What the experiment sweeps, key → values, with the changes that the command makes to it."""
    written = base.hydra.sweeper.get("params") or {}
    params = {str(key): "null" if text is None else str(text) for key, text in written.items()}
    for item in items:
        key, value = key_of(item), item.value()
        if key == PARAMS:
            params = {**params, **value} if isinstance(value, dict) else {}
        elif key.startswith(f"{PARAMS}."):
            name = key.removeprefix(f"{PARAMS}.")
            if item.is_delete():
                params.pop(name, None)
            else:
                text = value if isinstance(value, str) else text_of(item).partition("=")[2]
                params[name] = text
    return params


def _is_swept(item: Override) -> bool:
    return item.is_sweep_override() and not _is_param(item)


def _is_param(item: Override) -> bool:
    return key_of(item) == PARAMS or key_of(item).startswith(f"{PARAMS}.")


def is_fixed(item: Override) -> bool:
    """Whether an override is handed to Hydra as it is, the same for all runs."""
    return not (item.is_sweep_override() or _is_param(item) or key_of(item) == "hydra.mode")


def refuse(
    base: DictConfig, swept: Mapping[str, Override], items: Sequence[Override], is_sweep: bool
) -> None:
    """Refuse what can't be swept, or not without -m, or not by this sweeper.

    Args:
        base: the composed config, with Hydra's own part.
        swept: axis → the override that sweeps it.
        items: the command's overrides.
        is_sweep: whether there may be several runs.

    Raises:
        ConfigError: naming it, and what to type instead.
    """
    if not sweepers.is_adaptive(base):
        sweepers.refuse_intervals(swept)
    if not is_sweep:
        _refuse_sweeps(swept, items)
    _refuse_axes(swept)


def _refuse_sweeps(swept: Mapping[str, Override], items: Sequence[Override]) -> None:
    """Refuse several values of a key in a single run."""
    given = {key_of(item) for item in items}
    for item in swept.values():
        if key_of(item) in given:
            raise ConfigError(overrides.several(item))
        names = ", ".join(key_of(one) for one in swept.values())
        raise ConfigError(
            f"hydra.sweeper.params: the experiment has several runs, of {names}; add -m to train "
            f"all of them, or name one value of each"
        )


def _refuse_axes(swept: Mapping[str, Override]) -> None:
    """Refuse to sweep what is the same for a whole command, or changes no result."""
    for item in swept.values():
        key, text = key_of(item), text_of(item)
        if key.startswith("hydra"):
            raise ConfigError(f"{text}: decides how the runs are launched; give it one value")
        if key in NOT_FACTORS:
            raise ConfigError(f"{text}: one experiment at a time")
        is_result = key not in SCHEMA or SCHEMA[key].result or key in BY_CONTENT
        if not is_result or key.startswith("report."):
            raise ConfigError(
                f"{text}: {key} changes no run's result, so there is nothing to compare; "
                "give it one value"
            )


def values_of(item: Override, search: tuple[str, ...]) -> tuple[str, ...]:
    """The levels or values that an override sweeps, as they are given to Hydra.

    Each value is spelt as in a run's settings: yes becomes True, 1e-3 becomes 0.001.

    Args:
        item: the override.
        search: the override that adds folders of config files, if there is one.

    Raises:
        ConfigError: it names no value, one of a wrong type, or one twice.
    """
    key = key_of(item)
    levels = levels_of(key, search) if _is_pattern(item) else []
    found = overrides.values_of(item, levels)
    if not is_key(key) or isinstance(item.value(), IntervalSweep):
        return found
    in_settings = {value: typed(key, value) for value in found}
    spelt = tuple(
        str(own) if isinstance(own, bool | int | float) else value
        for value, own in in_settings.items()
    )
    if len(set(spelt)) < len(found):
        raise ConfigError(f"{text_of(item)}: names a value twice")
    return spelt


@functools.lru_cache(maxsize=MOST_RUNS)
def typed(key: str, value: str) -> Any:
    """A swept value in the type of its key.

    Raises:
        ConfigError: it can't be converted to that type.
    """
    given = overrides.parse(f"{key}={value}").value()
    if isinstance(given, str) and "${" in given:
        return given
    if key not in SCHEMA and key not in parts.KEYS:
        return given
    settings = _settings()
    try:
        if key in parts.KEYS:
            return parts.typed(key, given)
        OmegaConf.update(settings, key, given)
    except OmegaConfBaseException as error:
        raise ConfigError(mistakes.explain(error, [f"{key}={value}"])) from error
    own = OmegaConf.select(settings, key)
    return OmegaConf.to_container(own) if OmegaConf.is_config(own) else own


@functools.cache
def _settings() -> DictConfig:
    settings: DictConfig = OmegaConf.structured(Config)
    return settings


def _is_pattern(item: Override) -> bool:
    value: object = item.value()
    return isinstance(value, Glob)
