"""The parts of a run that are objects of any library: a level names one by its `_target_`.

The other keys of such a level are the arguments of that class or function. Of those that come with
the project the arguments are written down here with their types and ranges, so that a mistake is
answered without loading torch. Of any other target they are read from its signature.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from omegaconf import OmegaConf

from ablation import first_version, targets
from ablation.errors import ConfigError, nearest
from ablation.settings import Key, keys_of, setting
from ablation.targets import TARGET

#: A part of the config: `_target_`, and the arguments that it is given.
Part = dict[str, Any]


@dataclass
class OptimizerKeys:
    """Those after `eps` are taken beside every optimizer's own."""

    lr: float = setting(above=0)
    momentum: float = setting(least=0, below=1)
    nesterov: bool = setting()
    betas: list[float] = setting([], least=0, below=1)
    eps: float = setting(above=0)
    trunk_lr_scale: float = setting(least=0)
    layer_decay: float = setting(above=0, most=1)
    decay: str = setting(choices=("all", "matrices"))
    clip: float | None = setting(above=0)
    ema: float | None = setting(least=0, below=1)


@dataclass
class SchedulerKeys:
    step_epochs: int = setting(least=1)
    gamma: float = setting(above=0, most=1)
    final: float = setting(least=0, most=1)
    warmup_epochs: float = setting(least=0)
    start: float = setting(above=0, most=1)


@dataclass
class LossKeys:
    label_smoothing: float = setting(least=0, most=1)
    power: float = setting(least=0)
    gamma: float = setting(least=0)


@dataclass
class AugmentKeys:
    crop: bool = setting()
    flip: bool = setting()
    mixup: float | None = setting(above=0)
    cutmix: float | None = setting(above=0)
    num_ops: int = setting(least=1)
    magnitude: int = setting(least=0, most=30)
    p: float = setting(least=0, most=1)
    scale: list[float] = setting([], least=0, most=1)


@dataclass
class RegKeys:
    l1: float = setting(least=0)
    l2: float = setting(least=0)
    head_l2: float = setting(least=0)


_KINDS: Mapping[str, type] = {
    "optimizer": OptimizerKeys,
    "scheduler": SchedulerKeys,
    "loss": LossKeys,
    "reg": RegKeys,
    "augment": AugmentKeys,
}

#: The keys of shipped parts by their dotted names.
KEYS: Mapping[str, Key] = {
    key.name: key for group, kind in _KINDS.items() for key in keys_of(kind, (group,))
}

#: Keys that the framework takes beside those of any target of a group.
COMMON: Mapping[str, tuple[str, ...]] = {
    "optimizer": ("trunk_lr_scale", "layer_decay", "decay", "clip", "ema"),
    "augment": ("crop", "flip", "mixup", "cutmix"),
}
_ADAM = ("lr", "betas", "eps")
#: Shipped targets → the arguments that their levels give.
SHIPPED: Mapping[str, tuple[str, ...]] = {
    "torch.optim.SGD": ("lr", "momentum", "nesterov"),
    "torch.optim.Adam": _ADAM,
    "torch.optim.AdamW": _ADAM,
    "ablation.training.scheduler.constant": (),
    "ablation.training.scheduler.cosine": ("final",),
    "ablation.training.scheduler.step": ("step_epochs", "gamma"),
    "ablation.training.scheduler.warmup_cosine": ("warmup_epochs", "final"),
    "ablation.training.scheduler.one_cycle": ("warmup_epochs", "start", "final"),
    "torch.nn.CrossEntropyLoss": ("label_smoothing",),
    "ablation.training.loss.ClassWeighted": ("power",),
    "ablation.training.loss.Focal": ("gamma",),
    "torchvision.transforms.v2.RandAugment": ("num_ops", "magnitude"),
    "torchvision.transforms.v2.TrivialAugmentWide": (),
    "torchvision.transforms.v2.RandomErasing": ("p", "scale"),
    "ablation.training.regularizer.L1": ("l1",),
    "ablation.training.regularizer.L2": ("l2",),
    "ablation.training.regularizer.ElasticNet": ("l1", "l2"),
    "ablation.training.regularizer.L2SP": ("l2", "head_l2"),
}
#: What the framework gives: to a class when it is made, to a function whenever it is called.
_GIVEN = {
    "optimizer": {"class": 1, "function": 1},
    "scheduler": {"class": 1, "function": 1},
    "loss": {"class": 0, "function": 2},
    "reg": {"class": 0, "function": 1},
    "task": {"class": 2, "function": 2},
    "augment": {"class": 0, "function": 1},
}
GROUPS = tuple(_GIVEN)
#: Groups of which a run may have none.
_OPTIONAL = ("reg", "task", "augment")
#: Hydra's own words beside `_target_`.
_HYDRAS = (TARGET, "_convert_", "_recursive_")


def is_key(name: str) -> bool:
    """Whether a dotted name is an argument of a part: optimizer.lr, and optimizer.rho too."""
    group, dot, _ = name.partition(".")
    return bool(dot) and group in GROUPS


def taken(group: str, part: Part) -> tuple[Part, tuple[str, ...]]:
    """What a part's target takes of the keys that were given.

    Args:
        group: such as "optimizer".
        part: as it was composed.

    Returns:
        The part with these keys alone, in the types of the shipped ones, and the names of the
        others, to which another level may belong.

    Raises:
        ConfigError: there is no such target, or it lacks an argument.
    """
    part = first_version.part(group, part)
    target = _target(group, part)
    known = {*SHIPPED.get(str(target), ()), *COMMON.get(group, ()), *_HYDRAS}
    rest = [key for key in part if key not in known]
    if target is None:
        kept = {key: value for key, value in part.items() if key in known}
        return _in_types(group, kept, ""), tuple(f"{group}.{key}" for key in rest)
    # Of a shipped target the arguments beyond those of its level are looked up only where needed:
    # that loads torch.
    if target not in SHIPPED or any(f"{group}.{key}" not in KEYS for key in rest):
        own = targets.arguments(target, _GIVEN[group][_kind(target)])
        if group == "task" and not own:
            own = None  # It reads the keys from the config that it is given.
        rest = [] if own is None else [key for key in rest if key not in own]
        missing = [key for key, is_wanted in (own or {}).items() if is_wanted and key not in part]
        if missing:
            raise ConfigError(f"{group}.{missing[0]} is not set, and {target} needs it")
    kept = {key: value for key, value in part.items() if key not in rest}
    return _in_types(group, kept, target), tuple(f"{group}.{key}" for key in rest)


def _target(group: str, part: Part) -> str | None:
    if TARGET in part:
        target = part[TARGET]
        if target is None and group not in _OPTIONAL:
            raise ConfigError(f"{group}.{TARGET}: null; every run has a {group}")
        return None if target is None else str(target)
    raise ConfigError(f"{group}.{TARGET} is not set: a level names a class or a function")


def _kind(target: str) -> str:
    return "class" if targets.is_class(target) else "function"


def _in_types(group: str, part: Part, target: str) -> Part:
    """The shipped arguments converted to their types, as 1 to 1.0; a wrong type is an error."""
    names = {*SHIPPED.get(target, ()), *COMMON.get(group, ())}
    known = {name: value for name, value in part.items() if name in names}
    return part | {name: typed(f"{group}.{name}", value) for name, value in known.items()}


def typed(name: str, value: Any) -> Any:
    """A value of a shipped part's key in the type of this key.

    Raises:
        OmegaConfBaseException: it can't be converted.
    """
    key = KEYS[name]
    if type(value) is key.type:
        return value
    is_list = key.type == list[float] and isinstance(value, list)
    if is_list and all(type(number) is float for number in value):
        return list(value)
    settings = OmegaConf.create({key.path[0]: OmegaConf.structured(_KINDS[key.path[0]])})
    OmegaConf.update(settings, name, value)
    converted = OmegaConf.select(settings, name)
    return OmegaConf.to_container(converted) if OmegaConf.is_config(converted) else converted


def problems(group: str, part: Part) -> Iterator[str]:
    """What is wrong with the values of a part."""
    target = part.get(TARGET)
    for name in (*SHIPPED.get(str(target), ()), *COMMON.get(group, ())):
        if name in part:
            yield from KEYS[f"{group}.{name}"].problems(part[name])
    if group == "optimizer":
        if part.get("nesterov") and not part.get("momentum"):
            yield "optimizer.nesterov=true needs optimizer.momentum above 0"
        if "betas" in part and target in SHIPPED and len(part["betas"]) != 2:
            yield f"optimizer.betas={part['betas']}: takes two numbers, [0.9,0.999]"
    if group == "augment" and part.get("mixup") and part.get("cutmix"):
        yield "augment.mixup and augment.cutmix: give one of them"


def unknown(name: str, word: str, part: Part) -> str:
    """The sentence on a key that no level of a command takes.

    Args:
        name: dotted.
        word: as it was given.
        part: of the first run.
    """
    group, _, key = name.partition(".")
    target = part.get(TARGET)
    if group == "model":
        own = tuple(targets.arguments(target, 0) or ()) if target else ()
        names = [f"model.{one}" for one in ("library", "name", "weights", "mean", "std", *own)]
        return f"{word}: unknown key{nearest(name, names)}; choose from {', '.join(names)}"
    if target is None:
        return f"{word}: this level of {group} takes no settings"
    taken = SHIPPED.get(target)
    if taken is None or f"{group}.{key}" not in KEYS:
        taken = tuple(targets.arguments(target, _GIVEN[group][_kind(target)]) or ())
    names = [f"{group}.{one}" for one in (*taken, *COMMON.get(group, ()))]
    choices = f"; choose from {', '.join(names)}" if names else ""
    return f"{word}: {target} takes no {key}{nearest(name, names)}{choices}"


def own_model(rest: Part) -> tuple[Part, tuple[str, ...]]:
    """A person's own network, from what `model` has beside the keys of the schema.

    Args:
        rest: `_target_` and arguments; without a target there is no such network.

    Returns:
        The target with the arguments that it takes, and the names of the other keys.

    Raises:
        ConfigError: there is no such target, or it lacks an argument.
    """
    if rest.get(TARGET) is None:
        return {}, tuple(f"model.{key}" for key in rest if key != TARGET)
    target = str(rest[TARGET])
    known = targets.arguments(target, 0)
    untaken = [key for key in rest if known is not None and key not in {*known, *_HYDRAS}]
    missing = [key for key, is_wanted in (known or {}).items() if is_wanted and key not in rest]
    if missing:
        raise ConfigError(f"model.{missing[0]} is not set, and {target} needs it")
    kept = {key: value for key, value in rest.items() if key not in untaken}
    return kept, tuple(f"model.{key}" for key in untaken)


def flat(group: str, part: Part) -> dict[str, Any]:
    """A part's values by their dotted names."""
    return {f"{group}.{key}": value for key, value in part.items()}
