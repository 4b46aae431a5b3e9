"""Words into a config: by Hydra, from its config groups, less what makes no study."""

import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from hydra import compose
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from ablation import config as schema
from ablation.config import SCHEMA, Config
from ablation.errors import ConfigError
from ablation.study import mistakes, overrides
from ablation.study.overrides import key_of, quoted, text_of


def search_path(config_dir: Path | None, words: Sequence[str]) -> list[str]:
    """The override that adds a folder of config files to Hydra's; none without a folder.

    Raises:
        ConfigError: there is no such folder, or the words name others themselves.
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
    """What Hydra would take, and what makes no study.

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
        is_level = "." not in key and not key.startswith("hydra") and key not in SCHEMA
        if is_level and any(isinstance(value, list) for value in _elements(item)):
            raise ConfigError(f"{text}: one level at a time; -m {key}=A,B trains each")


def _refuse_missing(searchpath: Override) -> None:
    """Hydra passes over a folder that is not there."""
    value = searchpath.value()
    for path in value if isinstance(value, list) else ():
        folder = str(path).removeprefix("file://")
        if "://" not in folder and not Path(folder).is_dir():
            raise ConfigError(f"{text_of(searchpath)}: there is no folder {folder}")


def _elements(item: Override) -> list[Any]:
    value = item.value()
    return list(getattr(value, "list", [])) if item.is_choice_sweep() else [value]


def with_plus(items: Sequence[Override], search: tuple[str, ...]) -> list[Override]:
    """Spare people the plus sign that Hydra wants for a config group beyond the defaults.

    Args:
        items: as they were typed.
        search: the override that adds folders of config files, if there is one.
    """
    known = {field.name for field in fields(Config)}
    unknown = {
        key_of(item)
        for item in items
        if item.type == OverrideType.CHANGE
        and not re.search(r"[.@]|^hydra", key_of(item))
        and key_of(item) not in known
        and options(key_of(item), search)
    }
    if unknown:
        unknown -= set(composed(search).hydra.runtime.choices)
    return [
        overrides.parse(f"+{text_of(item)}") if key_of(item) in unknown else item for item in items
    ]


def options(group: str, search: tuple[str, ...]) -> list[str]:
    """The levels of a config group."""
    loader = GlobalHydra.instance().config_loader()
    names = loader.get_group_options(group, overrides=list(search))
    return [name for name in names if name != "schema"]


def composed(texts: Sequence[str]) -> DictConfig:
    """The config of these overrides, with Hydra's own part.

    Raises:
        ConfigError: in one sentence that names the key and the choices.
    """
    try:
        return compose("config", list(texts), return_hydra_config=True)
    except mistakes.COMPOSITION as error:
        raise ConfigError(mistakes.explain(error, texts)) from error


def resolve(texts: Sequence[str]) -> Config:
    """One run of these overrides.

    Raises:
        ConfigError: as `composed`, or a value is out of its range.
    """
    try:
        return schema.resolve(schema.visible(composed(texts)))
    except OmegaConfBaseException as error:
        raise ConfigError(mistakes.explain(error, texts)) from error
