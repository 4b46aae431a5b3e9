"""What can be set, of which type and in which range: the schema behind the files in conf/.

What each key is for is said in conf/config.yaml. Neither torch nor MLflow is imported, so that a
mistake is answered at once.
"""

import functools
import math
import operator
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf

from ablation import parts
from ablation.errors import ConfigError, nearest
from ablation.names import MOST_BYTES, is_folder_name
from ablation.parts import Part
from ablation.settings import Key, keys_of, setting
from ablation.targets import TARGET

Value = TypeVar("Value")

#: The largest seed that NumPy and torch take.
MOST_SEED = 2**32 - 1


@dataclass
class DataConfig:
    source: str = setting(choices=("digits", "folder", "archive", "table"))
    root: str | None = setting(None, result=False)
    columns: dict[str, str] = setting({}, later=True)
    on_bad: str = setting("fail", later=True, choices=("fail", "skip"))
    extra_formats: list[str] = setting([])
    background: list[int] = setting([255, 255, 255], least=0, most=255)
    value_range: list[float] | None = setting(None)
    train_pictures: int | None = setting(None, least=1)
    val_pictures: int | None = setting(None, least=1)
    val_fraction: float = setting(0.2, above=0, below=1)
    test_fraction: float = setting(0.0, least=0, below=1)
    split_seed: int = setting(0, least=0, most=MOST_SEED)
    folds: int | None = setting(None, later=True, least=2)
    size: int | None = setting(None, least=32)
    val_crop: float | None = setting(None, above=0, most=1)
    interpolation: str | None = setting(None, choices=("bilinear", "bicubic"))
    crop_min: float = setting(0.08, above=0, most=1)
    crop_aspect: float = setting(4 / 3, least=1)
    flip: bool = setting(True)
    url: str | None = setting(None, result=False)
    sha256: str | None = setting(None, result=False)


#: The library of a network that a person's own code makes.
OWN = "own"


@dataclass
class ModelConfig:
    """Attributes beside the keys: `own`, the target and the arguments of a person's own network."""

    library: str = setting(choices=("timm", "torchvision", OWN))
    name: str = setting()
    weights: str = setting(result=False)
    mean: list[float] | None = setting(None, least=0, most=1)
    std: list[float] | None = setting(None, above=0)
    dropout: float | None = setting(None, later=True, least=0, below=1)
    drop_path: float = setting(0.0, later=True, least=0, below=1)
    own: Part = field(default_factory=dict)


@dataclass
class TransferConfig:
    pretrained: bool = setting()
    trained: str = setting(choices=("all", "stages", "head"))
    stages: int = setting(1, least=1)
    freeze_statistics: bool = setting(True)
    head_epochs: int = setting(0, later=True, least=0)
    stage_epochs: int = setting(0, later=True, least=0)


@dataclass
class TrackingConfig:
    uri: str | None = setting(None, result=False)
    patience: float = setting(300.0, least=0, result=False)


@dataclass
class CacheConfig:
    folder: str | None = setting(None, result=False)
    features: bool = setting(True, result=False)
    features_gb: float = setting(10.0, above=0, result=False)
    pictures_gb: float = setting(1.0, least=0, result=False)
    memory_gb: float = setting(2.0, least=0, result=False)
    checkpoint_seconds: float = setting(30.0, least=0, result=False)


@dataclass
class ReportConfig:
    nuisance: list[str] = setting([], result=False)
    baseline: dict[str, str] = setting({}, result=False)
    difference: float = setting(0.01, above=0, below=1, result=False)
    metric: str | None = setting(None, result=False)
    compare: str = setting("all", choices=("all", "baseline"), result=False)


#: What a report can be asked to compare, beside a person's own function.
REPORT_METRICS = ("accuracy", "balanced_accuracy", "log_loss", "brier", "score")
#: Which cells of a grid are trained; see `study.designs`.
DESIGNS = ("full", "one_at_a_time", "leave_one_out", "add_one_in", "fractional")


@dataclass
class Config:
    """One run, resolved."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    transfer: TransferConfig = field(default_factory=TransferConfig)
    task: Part = field(default_factory=dict)
    augment: Part = field(default_factory=dict)
    loss: Part = field(default_factory=dict)
    reg: Part = field(default_factory=dict)
    optimizer: Part = field(default_factory=dict)
    scheduler: Part = field(default_factory=dict)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    cache: CacheConfig = field(default_factory=CacheConfig)
    report: ReportConfig = field(default_factory=ReportConfig)
    study: str | None = setting(None, result=False)
    design: str = setting("full", choices=DESIGNS, result=False)
    design_resolution: int | None = setting(None, least=3, most=5, result=False)
    skip: list[Any] = setting([], result=False)
    zip: list[Any] = setting([], result=False)
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
    plan: bool = setting(False, result=False)
    stop_on_failure: bool = setting(False, result=False)
    save_weights: bool = setting(True, result=False)
    results: str = setting("results", result=False)
    axes: list[str] = setting([], result=False)


#: Every key of the schema by its dotted name, those of parts aside: these depend on the target.
SCHEMA: Mapping[str, Key] = {key.name: key for key in keys_of(Config)}
#: What runs of earlier versions did, by the keys that they lacked.
LATER: Mapping[str, Any] = {name: key.default for name, key in SCHEMA.items() if key.later}
#: The keys that can be told without knowing a target: the schema's and those of shipped parts.
KNOWN: Mapping[str, Key] = {**SCHEMA, **parts.KEYS}


def is_key(name: str) -> bool:
    """Whether a dotted name is a key, and not a config group: also that of a part's argument."""
    return name in SCHEMA or parts.is_key(name) or name.startswith("model.")


def register() -> None:
    """Make the schema known to Hydra under the name that conf/config.yaml starts from."""
    ConfigStore.instance().store(name="schema", node=structured())


def structured() -> DictConfig:
    """The schema with its defaults, over which a config is composed."""
    node = OmegaConf.structured(Config)
    for group in (*parts.GROUPS, "model"):
        # Which keys a part has depends on its target, so all are accepted here.
        OmegaConf.set_struct(node[group], False)
    del node.model.own
    return node  # type: ignore[no-any-return]


def folder() -> Path:
    """The folder of the config files: beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).resolve().parent
    beside, inside = package.parent / "conf", package / "conf"
    return beside if (beside / "config.yaml").is_file() else inside


def cache_folder(cache: CacheConfig) -> Path:
    """The folder of what is kept between commands to save time."""
    return Path(
        cache.folder or os.environ.get("ABLATION_CACHE") or "~/.cache/ablation"
    ).expanduser()


def resolve(composed: DictConfig, *, for_training: bool = True) -> Config:
    """Turn a config that was composed over the schema into a checked `Config`.

    A key that the target of its part does not take is left out, so that what is logged is what was
    applied: `reg=l1,l2 reg.l1=1e-4` leaves the second cell without an L1 penalty.

    Args:
        composed: over the schema.
        for_training: False leaves the parts as they are: to predict, a person's own optimizer need
            not be there.

    Raises:
        ConfigError: naming every key that is unknown or out of its range.
    """
    values: dict[str, Any] = OmegaConf.to_container(visible(composed), resolve=True)  # type: ignore[assignment]
    return checked(values, for_training=for_training)[0]


def checked(values: dict[str, Any], *, for_training: bool = True) -> tuple[Config, frozenset[str]]:
    """Turn values that were composed over the schema into a checked `Config`.

    Args:
        values: nested, without Hydra's own part; they become the config's.
        for_training: see `resolve`.

    Returns:
        The config, and the keys of its parts that their targets don't take, dotted.

    Raises:
        ConfigError: as `resolve`.
    """
    config, untaken = _read(values)
    problems = list(_problems(config))
    for group in parts.GROUPS if for_training else ():
        part, rest = parts.taken(group, getattr(config, group))
        setattr(config, group, part)
        problems += parts.problems(group, part)
        untaken += rest
    if problems:
        raise ConfigError("\n".join(problems))
    return config, frozenset(untaken)


def visible(composed: DictConfig) -> DictConfig:
    """The config without Hydra's own part."""
    return OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])


def _read(values: dict[str, Any]) -> tuple[Config, tuple[str, ...]]:
    """The config with the values that were composed, and the keys that its network does not take.

    Raises:
        ConfigError: one of them has no key in the schema, as +nonsense=1.
    """
    config = Config()
    for key in SCHEMA.values():
        *above, name = key.path
        given = functools.reduce(operator.getitem, above, values)
        setattr(functools.reduce(getattr, above, config), name, given.pop(name))
    for group in parts.GROUPS:
        setattr(config, group, values.pop(group))
    untaken = _take_own_model(config.model, values["model"])
    groups = dict.fromkeys(key.path[0] for key in SCHEMA.values() if len(key.path) > 1)
    for name in values:
        if name not in groups:
            raise ConfigError(f"{name}: unknown key; choose from {_names(0)}")
    for group in groups:
        for name in values[group]:
            known = [key for key in KNOWN if key.startswith(f"{group}.")]
            guess = nearest(f"{group}.{name}", known)
            raise ConfigError(f"{group}.{name}: unknown key{guess}; choose from {_names(1, group)}")
    return config, untaken


def _take_own_model(model: ModelConfig, rest: dict[str, Any]) -> tuple[str, ...]:
    """Move the target of a person's own network and its arguments from `rest` into the model.

    Returns:
        The keys that this target does not take, dotted.
    """
    model.own, untaken = parts.own_model(rest)
    rest.clear()
    if model.own:
        own = {"library": OWN, "name": str(model.own[TARGET]), "weights": "default"}
        for name, value in own.items():
            if getattr(model, name) == MISSING:
                setattr(model, name, value)
    return untaken


def _names(depth: int, *above: str) -> str:
    paths = [key.path for key in KNOWN.values() if key.path[:depth] == above]
    return ", ".join(dict.fromkeys(path[depth] for path in paths))


def chosen(value: Value | None) -> Value:
    """A setting that may be null in the config and has been filled since."""
    assert value is not None
    return value


def leaves(config: Config) -> dict[str, Any]:
    """Every key of a config, dotted, with its value: {"optimizer.lr": 0.001, …}."""
    found = {name: key.of(config) for name, key in SCHEMA.items()}
    for group in parts.GROUPS:
        found |= parts.flat(group, getattr(config, group))
    return found | parts.flat("model", config.model.own)


def nested(config: Config) -> dict[str, Any]:
    """The values of a config as they are composed: {"optimizer": {"lr": 0.001, …}, …}."""
    values = asdict(config)
    values["model"] |= values["model"].pop("own")
    return values


def as_yaml(config: Config) -> str:
    """The resolved config as a file that Hydra can read again.

    As `OmegaConf.to_yaml` writes it, which takes five times as long: every run has one.
    """
    values = nested(config)
    return str(yaml.dump(values, Dumper=_dumper(), allow_unicode=True, sort_keys=False))


@functools.cache
def _dumper() -> type[Any]:
    from omegaconf._utils import get_omega_conf_dumper

    class Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
        """OmegaConf's rule for texts that look like numbers, in the faster dumper."""

        def ignore_aliases(self, data: object) -> bool:
            return True

    Dumper.add_representer(str, get_omega_conf_dumper().str_representer)
    return Dumper


def _problems(config: Config) -> Iterator[str]:
    for name, key in SCHEMA.items():
        value = key.of(config)
        if value == MISSING:
            yield f"{name} is not set: its config group has no level, or its level not this key"
        else:
            yield from key.problems(value)
    if config.data.source == "table" and not config.data.root:
        yield "data.root is not set: name the table of the pictures, data.root=FILE.csv"
    elif config.data.source != "digits" and not config.data.root:
        yield (
            "data.root is not set: name the folder of the pictures, data.root=FOLDER with "
            "train/<class>/ and val/<class>/, or with one folder a class"
        )
    if (config.model.library == OWN) != bool(config.model.own):
        yield (
            f"model.library={config.model.library}: {OWN} goes with model.{TARGET}, which names a "
            "class or a function that makes a network"
        )
    if config.data.folds and config.data.test_fraction:
        yield (
            f"data.test_fraction={config.data.test_fraction:g}: not with data.folds, by which all "
            "pictures are judged"
        )
    if len(config.data.background) != 3:
        yield f"data.background={config.data.background}: takes red, green and blue, 0 to 255"
    yield from _no_range("data.value_range", config.data.value_range)
    if any(part is not None and len(part) != 3 for part in (config.model.mean, config.model.std)):
        yield "model.mean and model.std take three numbers each, one a colour channel, or null"
    if config.study is not None and not is_folder_name(config.study):
        yield (
            f"study={config.study}: a study's name becomes a folder's; letters, digits, '.', '_', "
            "'-' and spaces only, starting with a letter or a digit, ending with neither '.' nor a "
            f"space, {MOST_BYTES} bytes at most"
        )
    metric = config.report.metric
    if metric is not None and "." not in metric and metric not in REPORT_METRICS:
        yield (
            f"report.metric={metric}: choose from {', '.join(REPORT_METRICS)}, or name a function "
            "of your own by its module, MODULE.FUNCTION"
        )
    yield from _unknown_device(config.device)


def _no_range(key: str, value: list[float] | None) -> Iterator[str]:
    if value is None:
        return
    if len(value) != 2 or not all(map(math.isfinite, value)) or value[0] >= value[1]:
        yield f"{key}={value}: takes the value that is black and the larger one that is white"


def _unknown_device(device: str) -> Iterator[str]:
    kind, _, index = device.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (index and not index.isdigit()):
        yield f"device={device}: choose from auto, cpu, cuda, cuda:1 (its number), mps"
