"""What can be set, of which type and within which range: the schema behind the files in conf/.

Imports neither torch nor MLflow, so that a mistake is answered at once.
"""

import hashlib
import json
import math
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf

from ablation.errors import ConfigError

Value = TypeVar("Value")
#: Most bytes of a study's name: file systems take 255, and temporary names are longer.
MOST_BYTES = 200

#: As NumPy and torch take it; each run needs several of their own.
MOST_SEED = 2**32 - 1


def setting(
    default: Any = MISSING,
    *,
    choices: tuple[str, ...] | None = None,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    result: bool = True,
) -> Any:
    """A key of the config with the values that it may take.

    Args:
        default: its value where no file gives one.
        choices: the only words it takes.
        least, most: an inclusive range.
        above, below: an exclusive range.
        result: False for what cannot change a run's result and so is no part of its identity.
    """
    limits = {"least": least, "most": most, "above": above, "below": below}
    metadata = {
        "choices": choices,
        "limits": {name: limit for name, limit in limits.items() if limit is not None},
        "result": result,
    }
    if isinstance(default, list | dict):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass
class DataConfig:
    source: str = setting(choices=("digits", "folder", "archive"))
    root: str | None = setting(None, result=False)
    extra_formats: list[str] = setting([])
    background: list[int] = setting([255, 255, 255], least=0, most=255)
    value_range: list[float] | None = setting(None)
    train_pictures: int | None = setting(None, least=1)
    val_pictures: int | None = setting(None, least=1)
    val_fraction: float = setting(0.2, above=0, below=1)
    test_fraction: float = setting(0.0, least=0, below=1)
    split_seed: int = setting(0, least=0, most=MOST_SEED)
    size: int | None = setting(None, least=32)
    val_crop: float | None = setting(None, above=0, most=1)
    interpolation: str | None = setting(None, choices=("bilinear", "bicubic"))
    crop_min: float = setting(0.08, above=0, most=1)
    crop_aspect: float = setting(4 / 3, least=1)
    flip: bool = setting(True)
    url: str | None = setting(None, result=False)
    sha256: str | None = setting(None, result=False)


@dataclass
class ModelConfig:
    library: str = setting(choices=("timm", "torchvision"))
    name: str = setting()
    weights: str = setting(result=False)
    mean: list[float] | None = setting(None, least=0, most=1)
    std: list[float] | None = setting(None, above=0)


@dataclass
class TransferConfig:
    pretrained: bool = setting()
    trained: str = setting(choices=("all", "stages", "head"))
    stages: int = setting(1, least=1)
    freeze_statistics: bool = setting(True)


@dataclass
class RegConfig:
    penalties: list[str] = setting([], choices=("l1", "l2"))
    l1: float = setting(0.0, least=0)
    l2: float = setting(0.0, least=0)


@dataclass
class OptimizerConfig:
    name: str = setting(choices=("sgd", "adam", "adamw"))
    lr: float = setting(above=0)
    momentum: float = setting(0.9, least=0, below=1)
    nesterov: bool = setting(False)
    beta1: float = setting(0.9, least=0, below=1)
    beta2: float = setting(0.999, least=0, below=1)
    eps: float = setting(1e-8, above=0)


@dataclass
class SchedulerConfig:
    name: str = setting(choices=("constant", "cosine", "step"))
    step_epochs: int = setting(2, least=1)
    gamma: float = setting(0.1, above=0, most=1)
    final: float = setting(0.0, least=0, most=1)


@dataclass
class TrackingConfig:
    uri: str | None = setting(None, result=False)


@dataclass
class CacheConfig:
    folder: str | None = setting(None, result=False)
    features: bool = setting(True, result=False)
    features_gb: float = setting(10.0, above=0, result=False)
    pictures_gb: float = setting(2.0, least=0, result=False)
    memory_gb: float = setting(2.0, least=0, result=False)


@dataclass
class ReportConfig:
    nuisance: list[str] = setting([], result=False)
    baseline: dict[str, str] = setting({}, result=False)
    difference: float = setting(0.01, above=0, below=1, result=False)


@dataclass
class Config:
    """One run, resolved."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    transfer: TransferConfig = field(default_factory=TransferConfig)
    reg: RegConfig = field(default_factory=RegConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    scheduler: SchedulerConfig = field(default_factory=SchedulerConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    cache: CacheConfig = field(default_factory=CacheConfig)
    report: ReportConfig = field(default_factory=ReportConfig)
    study: str | None = setting(None, result=False)
    seed: int = setting(0, least=0, most=MOST_SEED)
    epochs: int = setting(5, least=1)
    batch_size: int = setting(16, least=1)
    device: str = setting("auto", result=False)
    threads: int | None = setting(None, least=1, result=False)
    cpu_kernels: bool = setting(True, result=False)
    precision: str = setting("auto", choices=("auto", "float32", "bfloat16"))
    rerun: bool = setting(False, result=False)
    save_weights: bool = setting(True, result=False)
    results: str = setting("results", result=False)
    axes: list[str] = setting([], result=False)


#: Keys that only some levels use, and where they do.
USES: Mapping[str, Callable[[Config], bool]] = {
    "data.root": lambda config: config.data.source != "digits",
    "data.url": lambda config: config.data.source == "archive",
    "data.sha256": lambda config: config.data.source == "archive",
    "model.weights": lambda config: config.transfer.pretrained,
    "transfer.stages": lambda config: config.transfer.trained == "stages",
    "transfer.freeze_statistics": lambda config: config.transfer.trained != "all",
    "reg.l1": lambda config: "l1" in config.reg.penalties,
    "reg.l2": lambda config: "l2" in config.reg.penalties,
    "optimizer.momentum": lambda config: config.optimizer.name == "sgd",
    "optimizer.nesterov": lambda config: config.optimizer.name == "sgd",
    "optimizer.beta1": lambda config: config.optimizer.name != "sgd",
    "optimizer.beta2": lambda config: config.optimizer.name != "sgd",
    "optimizer.eps": lambda config: config.optimizer.name != "sgd",
    "scheduler.step_epochs": lambda config: config.scheduler.name == "step",
    "scheduler.gamma": lambda config: config.scheduler.name == "step",
    "scheduler.final": lambda config: config.scheduler.name == "cosine",
}


def _keys(kind: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for item in fields(kind):
        if is_dataclass(item.type):
            yield from _keys(item.type, f"{prefix}{item.name}.")
        else:
            yield prefix + item.name, item


#: Every key of the schema, dotted, with its field.
SCHEMA = dict(_keys(Config))


def register() -> None:
    """Make the schema known to Hydra under the name that conf/config.yaml starts from."""
    ConfigStore.instance().store(name="schema", node=Config)


def folder() -> Path:
    """The folder of the config files: beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).resolve().parent
    beside, inside = package.parent / "conf", package / "conf"
    return beside if (beside / "config.yaml").is_file() else inside


def resolve(composed: DictConfig) -> Config:
    """Turn a config that was composed over the schema into a checked `Config`.

    A strength that its `reg` level does not use is set to 0, so that what is logged is what was
    applied: `reg=l1,l2 reg.l1=1e-4` leaves the second cell without an L1 penalty.

    Raises:
        ConfigError: naming every key that is unknown or out of its range.
    """
    values = OmegaConf.to_container(visible(composed), resolve=True)
    assert isinstance(values, dict)
    config: Config = _build(Config, values)
    problems = list(_problems(config))
    if problems:
        raise ConfigError("\n".join(problems))
    config.reg.l1 *= "l1" in config.reg.penalties
    config.reg.l2 *= "l2" in config.reg.penalties
    return config


def visible(composed: DictConfig) -> DictConfig:
    """The config without Hydra's own part."""
    return OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])


def _build(kind: Any, values: dict[Any, Any], prefix: str = "") -> Any:
    known = {item.name: item for item in fields(kind)}
    unknown = [prefix + str(key) for key in values if key not in known]
    if unknown:
        raise ConfigError(f"{unknown[0]}: unknown key; choose from {', '.join(known)}")
    return kind(
        **{
            key: _build(known[key].type, value, f"{prefix}{key}.")
            if is_dataclass(known[key].type)
            else value
            for key, value in values.items()
        }
    )


def chosen(value: Value | None) -> Value:
    """A setting that the config may leave open, once it has been filled."""
    assert value is not None
    return value


def leaves(config: Any, prefix: str = "") -> dict[str, Any]:
    """Every key of a config, dotted, with its value: {"optimizer.lr": 0.001, …}."""
    flat: dict[str, Any] = {}
    for item in fields(config):
        value = getattr(config, item.name)
        if is_dataclass(value):
            flat.update(leaves(value, f"{prefix}{item.name}."))
        else:
            flat[prefix + item.name] = value
    return flat


def fingerprint(config: Config) -> str:
    """What identifies a run's config: 16 hexadecimal digits over all that can change its result.

    What is swept is part of it: two files of weights make two runs, though a path changes nothing.
    """
    relevant = {
        key: value
        for key, value, item in _settings(config)
        if item.metadata["result"] or key in config.axes
    }
    text = json.dumps(relevant, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def as_yaml(config: Config) -> str:
    """The resolved config as a file that Hydra can read again."""
    return OmegaConf.to_yaml(OmegaConf.create(asdict(config)))


def _settings(config: Any, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    for item in fields(config):
        value = getattr(config, item.name)
        if is_dataclass(value):
            yield from _settings(value, f"{prefix}{item.name}.")
        else:
            yield prefix + item.name, value, item


def _problems(config: Config) -> Iterator[str]:
    for key, value, item in _settings(config):
        for part in value if isinstance(value, list) else [value]:
            if part == MISSING:
                yield f"{key} is not set: its config group has no level, or its level not this key"
            elif part is not None:
                yield from _out_of_range(key, part, item.metadata)
    if config.data.source != "digits" and not config.data.root:
        yield (
            "data.root is not set: name the folder of the pictures, data.root=FOLDER with "
            "train/<class>/ and val/<class>/, or with one folder a class"
        )
    if len(config.data.background) != 3:
        yield f"data.background={config.data.background}: takes red, green and blue, 0 to 255"
    yield from _no_range("data.value_range", config.data.value_range)
    if config.optimizer.nesterov and config.optimizer.momentum == 0:
        yield "optimizer.nesterov=true needs optimizer.momentum above 0"
    if any(part is not None and len(part) != 3 for part in (config.model.mean, config.model.std)):
        yield "model.mean and model.std take three numbers each, one a colour channel, or null"
    if config.study is not None and not is_folder_name(config.study):
        yield (
            f"study={config.study}: a study's name becomes a folder's; letters, digits, '.', '_', "
            "'-' and spaces only, starting with a letter or a digit, ending with neither '.' nor a "
            f"space, {MOST_BYTES} bytes at most"
        )
    yield from _unknown_device(config.device)


def _out_of_range(key: str, value: Any, metadata: Mapping[str, Any]) -> Iterator[str]:
    choices, limits = metadata["choices"], metadata["limits"]
    if choices and value not in choices:
        yield f"{key}={value}: choose from {', '.join(choices)}"
    words = {"least": "at least", "most": "at most", "above": "above", "below": "below"}
    holds = {
        "least": lambda limit: value >= limit,
        "most": lambda limit: value <= limit,
        "above": lambda limit: value > limit,
        "below": lambda limit: value < limit,
    }
    # A NaN fails every comparison, so it is refused wherever there is a range.
    if any(not holds[name](limit) for name, limit in limits.items()) or value == float("inf"):
        wanted = " and ".join(f"{words[name]} {limit:g}" for name, limit in limits.items())
        yield f"{key}={value}: must be {'finite and ' if value == float('inf') else ''}{wanted}"


def _no_range(key: str, value: list[float] | None) -> Iterator[str]:
    if value is None:
        return
    if len(value) != 2 or not all(map(math.isfinite, value)) or value[0] >= value[1]:
        yield f"{key}={value}: takes the value that is black and the larger one that is white"


def folder_name(text: str) -> str:
    """The text, or as much of it as can name a study and its folder; "" where nothing can.

    The spelling of accented letters is settled: a Mac's file system spells them in two characters.
    """
    normal = unicodedata.normalize("NFC", text)
    kept = "".join(letter if _is_safe(letter) else "_" for letter in normal).strip("._- ")
    while kept and unicodedata.category(kept[0])[0] not in "LN":
        kept = kept[1:]
    short = kept.encode()[:MOST_BYTES].decode(errors="ignore")
    return short.strip("._- ")


def is_folder_name(name: str) -> bool:
    starts_well = name != "" and unicodedata.category(name[0])[0] in "LN"
    fits = len(name.encode()) <= MOST_BYTES and name[-1:] not in ". "
    return starts_well and fits and all(map(_is_safe, name))


def _is_safe(letter: str) -> bool:
    # Marks are parts of letters in many scripts: हिन्दी, ไทย.
    return letter in "._- " or unicodedata.category(letter)[0] in "LMN"


def _unknown_device(device: str) -> Iterator[str]:
    kind, _, index = device.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (index and not index.isdigit()):
        yield f"device={device}: choose from auto, cpu, cuda, cuda:1 (its number), mps"
