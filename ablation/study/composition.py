"""From the words of a command to a config, composed by Hydra; what makes no study is refused."""

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ablation import config as schema
from ablation.config import Config, is_key
from ablation.errors import ConfigError
from ablation.study import hydra_insides, mistakes, overrides
from ablation.study.hydra_insides import Override, is_change, key_of, levels_of, text_of
from ablation.study.overrides import quoted

#: How a value refers to another one.
REFERENCE = "${"


def search_path(config_dir: Path | None, words: Sequence[str]) -> list[str]:
    """The override that adds a folder of config files to the project's own; none without a folder.

    Raises:
        ConfigError: there is no such folder, or the words add one, too.
    """
    if config_dir is None:
        return []
    if not config_dir.is_dir():
        raise ConfigError(f"--config-dir={config_dir}: there is no such folder")
    own = next((word for word in words if word.startswith("hydra.searchpath=")), None)
    if own:
        raise ConfigError(f"{own} and --config-dir={config_dir}: give one of them")
    return [f"hydra.searchpath=[{quoted(f'file://{config_dir.resolve()}')}]"]


def refuse_words(items: Sequence[Override]) -> None:
    """Refuse what Hydra would accept and what makes no study.

    Raises:
        ConfigError: naming the word, and what to type instead.
    """
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
        if key == "hydra.searchpath":
            _refuse_missing(item)
        is_level = "." not in key and not key.startswith("hydra") and not is_key(key)
        if is_level and any(isinstance(value, list) for value in _elements(item)):
            raise ConfigError(f"{text}: one level at a time; -m {key}=A,B trains each")


def _refuse_missing(searchpath: Override) -> None:
    """Refuse a folder that does not exist: Hydra would ignore it."""
    value = searchpath.value()
    for path in value if isinstance(value, list) else ():
        folder = str(path).removeprefix("file://")
        if "://" not in folder and not Path(folder).is_dir():
            raise ConfigError(f"{text_of(searchpath)}: there is no folder {folder}")


def _elements(item: Override) -> list[Any]:
    value = item.value()
    return list(getattr(value, "list", [])) if item.is_choice_sweep() else [value]


def with_plus(items: Sequence[Override], search: tuple[str, ...]) -> list[Override]:
    """Add the plus sign that Hydra wants before a config group that config.yaml does not list.

    Args:
        items: the overrides as they were typed.
        search: the override that adds folders of config files, if there is one.
    """
    known = {field.name for field in fields(Config)}
    unknown = {
        key_of(item)
        for item in items
        if is_change(item)
        and not re.search(r"[.@]|^hydra", key_of(item))
        and key_of(item) not in known
        and levels_of(key_of(item), search)
    }
    if unknown:
        unknown -= set(composed(search).hydra.runtime.choices)
    return [
        overrides.parse(f"+{text_of(item)}") if key_of(item) in unknown else item for item in items
    ]


class Combination:
    """One combination of levels as Hydra composed it, in which the values of keys are set."""

    def __init__(self, texts: Sequence[str]) -> None:
        """
        Args:
            texts: the overrides, of which the values may be set anew.

        Raises:
            ConfigError: as `composed`.
        """
        whole = composed(texts)
        self.choices: Mapping[str, Any] = dict(whole.hydra.runtime.choices)
        self._settings = schema.visible(whole)
        self._values: dict[str, Any] = OmegaConf.to_container(self._settings)  # type: ignore[assignment]

    def with_values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The config's values, nested.

        Args:
            given: the value of each key that is set, in its type, by dotted names.

        Raises:
            OmegaConfBaseException: a value refers to a key that is not there.
        """
        if REFERENCE in repr((self._values, given)):
            for key, value in given.items():
                OmegaConf.update(self._settings, key, value)
            return OmegaConf.to_container(self._settings, resolve=True)  # type: ignore[return-value]
        # Without references a plain copy is the same, and takes a tenth of the time.
        found = copy.deepcopy(self._values)
        for key, value in given.items():
            *above, name = key.split(".")
            inside = found
            for part in above:
                inside = inside.setdefault(part, {})
            inside[name] = copy.deepcopy(value)
        return found


def composed(texts: Sequence[str]) -> DictConfig:
    """The config of these overrides, with Hydra's own part.

    Raises:
        ConfigError: in one sentence that names the key and the choices.
    """
    try:
        return hydra_insides.composed(texts)
    except mistakes.COMPOSITION as error:
        raise ConfigError(mistakes.explain(error, texts)) from error


def resolve(texts: Sequence[str]) -> Config:
    """The checked config of one run.

    Raises:
        ConfigError: as `composed` raises it, or a value is out of its range.
    """
    try:
        return schema.resolve(schema.visible(composed(texts)))
    except OmegaConfBaseException as error:
        raise ConfigError(mistakes.explain(error, texts)) from error
