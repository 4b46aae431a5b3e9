"""Names of studies and runs, made of what is compared."""

import unicodedata
from collections.abc import Collection, Mapping
from pathlib import Path

from omegaconf import DictConfig

from ablation.config import Config, leaves
from ablation.names import folder_name
from ablation.targets import TARGET


def study_name(base: DictConfig, axes: Collection[str]) -> str:
    """The study's name as it was given, else one made of the pictures and what is compared.

    Args:
        base: a composed config, with Hydra's own part.
        axes: what is swept, perhaps with a plus sign before it.
    """
    if base.study is not None:
        # An accented letter has two spellings, and would make two studies.
        return unicodedata.normalize("NFC", str(base.study))
    compared = [axis.lstrip("+").rpartition(".")[2] for axis in axes if axis != "seed"]
    task = base.task.get(TARGET)
    if task:
        source = [] if "task" in compared else [str(task).rpartition(".")[2]]
        return _joined([*source, *compared])
    source = [] if "data" in compared else [str(base.hydra.runtime.choices["data"])]
    if source and base.data.source in ("folder", "table") and base.data.root:
        path = Path(base.data.root).resolve()
        source = [path.stem if base.data.source == "table" else path.name]
    return _joined([*source, *compared])


def _joined(parts: Collection[str]) -> str:
    names = [folder_name(name) for name in parts]
    return folder_name("-".join(name for name in names if name)) or "pictures"


def run_name(config: Config, levels: Mapping[str, str]) -> str:
    """The varied levels, then the seed: full-l1-adam-s0."""
    settings = leaves(config)
    parts = [
        levels[axis] if axis in levels else f"{axis.rpartition('.')[2]}{settings.get(axis)}".lower()
        for axis in config.axes
    ]
    if not parts and config.task[TARGET]:
        parts = [str(config.task[TARGET]).rpartition(".")[2]]
    if not parts:
        parts = [levels[factor] for factor in ("transfer", "reg", "optimizer") if factor in levels]
    return "-".join([*parts, f"s{config.seed}"])
