"""What can be set, of which type and in which range: the schema behind the files in conf/.

What each key is for is said in conf/config.yaml. Neither torch nor MLflow is imported, so that a
mistake is answered at once.
"""

import functools
import math
import operator
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypedDict, TypeVar, Unpack

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf

from ablation.errors import ConfigError
from ablation.names import MOST_BYTES, is_folder_name

Value = TypeVar("Value")

#: The largest seed that NumPy and torch take.
MOST_SEED = 2**32 - 1


class Limits(TypedDict, total=False):
    """A range of numbers: `least` and `most` are inside it, `above` and `below` are not."""

    least: float
    most: float
    above: float
    below: float


def setting(
    default: Any = MISSING,
    *,
    choices: tuple[str, ...] | None = None,
    result: bool = True,
    **limits: Unpack[Limits],
) -> Any:
    """A key of the config with the values that it may take.

    Args:
        default: its value where no file gives one.
        choices: the only words it takes.
        result: False for what cannot change a run's result; it is left out of the fingerprint.
        limits: the range of a number, or of each number of a list.
    """
    metadata = {"choices": choices, "limits": limits, "result": result}
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
    metric: str | None = setting(
        None, choices=("accuracy", "balanced_accuracy", "log_loss", "brier"), result=False
    )


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
    budget: str | None = setting(None, result=False)
    most: int = setting(20, least=3, result=False)
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


@dataclass(frozen=True)
class Key:
    """One key of the schema.

    Attributes:
        path: its names from the top: ("optimizer", "lr").
        type: of its value: float, int | None, list[str], …
        choices: the only words that it takes; None where it takes any.
        limits: the range of a number.
        result: whether it can change a run's result, and so is part of the run's identity.
    """

    path: tuple[str, ...]
    type: Any
    choices: tuple[str, ...] | None
    limits: Limits
    result: bool

    def of(self, config: Config) -> Any:
        """The key's value in a config."""
        return functools.reduce(getattr, self.path, config)


def _walk(kind: Any, above: tuple[str, ...] = ()) -> Iterator[Key]:
    """The keys of a part of the schema, in the order in which they stand there."""
    for item in fields(kind):
        path = (*above, item.name)
        if is_dataclass(item.type):
            yield from _walk(item.type, path)
        else:
            yield Key(path, item.type, **item.metadata)


#: Every key of the schema by its dotted name.
SCHEMA: Mapping[str, Key] = {".".join(key.path): key for key in _walk(Config)}


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
    config = _read(composed)
    problems = list(_problems(config))
    if problems:
        raise ConfigError("\n".join(problems))
    config.reg.l1 *= "l1" in config.reg.penalties
    config.reg.l2 *= "l2" in config.reg.penalties
    return config


def visible(composed: DictConfig) -> DictConfig:
    """The config without Hydra's own part."""
    return OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])


def _read(composed: DictConfig) -> Config:
    """The config with the values that were composed.

    Raises:
        ConfigError: one of them has no key in the schema, as +nonsense=1.
    """
    values: dict[str, Any] = OmegaConf.to_container(visible(composed), resolve=True)  # type: ignore[assignment]
    config = Config()
    for key in SCHEMA.values():
        *above, name = key.path
        given = functools.reduce(operator.getitem, above, values)
        setattr(functools.reduce(getattr, above, config), name, given.pop(name))
    parts = dict.fromkeys(key.path[0] for key in SCHEMA.values() if len(key.path) > 1)
    for name in values:
        if name not in parts:
            raise ConfigError(f"{name}: unknown key; choose from {_names(0)}")
    for part in parts:
        for name in values[part]:
            raise ConfigError(f"{part}.{name}: unknown key; choose from {_names(1, part)}")
    return config


def _names(depth: int, *above: str) -> str:
    paths = [key.path for key in SCHEMA.values() if key.path[:depth] == above]
    return ", ".join(dict.fromkeys(path[depth] for path in paths))


def chosen(value: Value | None) -> Value:
    """A setting that may be null in the config and has been filled since."""
    assert value is not None
    return value


def leaves(config: Config) -> dict[str, Any]:
    """Every key of a config, dotted, with its value: {"optimizer.lr": 0.001, …}."""
    return {name: key.of(config) for name, key in SCHEMA.items()}


def as_yaml(config: Config) -> str:
    """The resolved config as a file that Hydra can read again."""
    return OmegaConf.to_yaml(OmegaConf.create(asdict(config)))


def _problems(config: Config) -> Iterator[str]:
    for name, key in SCHEMA.items():
        value = key.of(config)
        for part in value if isinstance(value, list) else [value]:
            if part == MISSING:
                yield f"{name} is not set: its config group has no level, or its level not this key"
            elif part is not None:
                yield from _out_of_range(name, part, key)
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


def _out_of_range(name: str, value: Any, key: Key) -> Iterator[str]:
    if key.choices and value not in key.choices:
        yield f"{name}={value}: choose from {', '.join(key.choices)}"
    words = {"least": "at least", "most": "at most", "above": "above", "below": "below"}
    holds = {
        "least": operator.ge,
        "most": operator.le,
        "above": operator.gt,
        "below": operator.lt,
    }
    limits: Mapping[str, Any] = {**key.limits}
    # A NaN fails every comparison, so it is refused wherever there is a range.
    is_inside = all(holds[kind](value, limit) for kind, limit in limits.items())
    if not is_inside or value == math.inf:
        wanted = " and ".join(f"{words[kind]} {limit:g}" for kind, limit in limits.items())
        yield f"{name}={value}: must be {'finite and ' if value == math.inf else ''}{wanted}"


def _no_range(key: str, value: list[float] | None) -> Iterator[str]:
    if value is None:
        return
    if len(value) != 2 or not all(map(math.isfinite, value)) or value[0] >= value[1]:
        yield f"{key}={value}: takes the value that is black and the larger one that is white"


def _unknown_device(device: str) -> Iterator[str]:
    kind, _, index = device.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (index and not index.isdigit()):
        yield f"device={device}: choose from auto, cpu, cuda, cuda:1 (its number), mps"
