"""Runs of the first version, whose config named optimizers, schedulers and penalties by a word.

Their studies stay finished and their reports stay as they are: a config that the first version
could express has the fingerprint that it had there, and what its runs logged is read in today's
names.
"""

import re
from collections.abc import Mapping
from typing import Any

from ablation.targets import TARGET

Part = dict[str, Any]

#: The config groups that the first version wrote in another way, or had not.
GROUPS = ("augment", "loss", "reg", "optimizer", "scheduler")

_OPTIMIZERS = {
    "torch.optim.SGD": "sgd",
    "torch.optim.Adam": "adam",
    "torch.optim.AdamW": "adamw",
}
_SCHEDULERS = {
    f"ablation.training.scheduler.{name}": name for name in ("constant", "cosine", "step")
}
_PENALTIES = {
    None: [],
    "ablation.training.regularizer.L1": ["l1"],
    "ablation.training.regularizer.L2": ["l2"],
    "ablation.training.regularizer.ElasticNet": ["l1", "l2"],
}
#: What the first version's levels set, also where an optimizer or scheduler did not use it.
_OPTIMIZER = {"momentum": 0.9, "nesterov": False, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
_SCHEDULER = {"step_epochs": 2, "gamma": 0.1, "final": 0.0}
_AUGMENT = {TARGET: None, "crop": True, "flip": True}
_LOSS = {TARGET: "torch.nn.CrossEntropyLoss", "label_smoothing": 0.0}


def keys(config: Any) -> dict[str, Any] | None:
    """The parts of a config as the first version wrote them, by their dotted names.

    Returns:
        None where it could not express them.
    """
    optimizer, scheduler, reg = dict(config.optimizer), dict(config.scheduler), dict(config.reg)
    names = (optimizer.pop(TARGET), scheduler.pop(TARGET), reg.pop(TARGET))
    if config.task[TARGET] is not None:
        return None
    if config.augment != _AUGMENT:
        return None
    is_known = names[0] in _OPTIMIZERS and names[1] in _SCHEDULERS and names[2] in _PENALTIES
    if not is_known or config.loss != _LOSS:
        return None
    betas = dict(zip(("beta1", "beta2"), optimizer.pop("betas", ()), strict=False))
    was = {"name": _OPTIMIZERS[names[0]], **_OPTIMIZER, **betas, **optimizer}
    scheduled = {"name": _SCHEDULERS[names[1]], **_SCHEDULER, **scheduler}
    penalised = {"penalties": _PENALTIES[names[2]], "l1": 0.0, "l2": 0.0, **reg}
    if len(was) > len(_OPTIMIZER) + 2 or len(scheduled) > len(_SCHEDULER) + 1 or len(penalised) > 3:
        return None
    parts = {"optimizer": was, "scheduler": scheduled, "reg": penalised}
    return {f"{group}.{key}": value for group, part in parts.items() for key, value in part.items()}


def params(logged: Mapping[str, str]) -> dict[str, str]:
    """The params of a run of any version, as a run of this version logs them."""
    if "optimizer.name" not in logged:
        return dict(logged)
    rest = {key: value for key, value in logged.items() if key.partition(".")[0] not in GROUPS}
    levels = {key: value for key, value in logged.items() if key in GROUPS}
    found = {
        f"{group}.{key}": str(value)
        for group in GROUPS
        for key, value in part(group, _of(group, logged)).items()
    }
    added = {"task": "pictures", f"task.{TARGET}": "None"}
    added |= {"augment": "crop_flip", "loss": "cross_entropy"}
    return {**rest, **added, **levels, **found}


def composed(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a config of any version, in the form of this one.

    Args:
        values: nested, as they are kept with a run.
    """
    found = {group: part(group, values.get(group, {})) for group in GROUPS}
    return {**values, "task": values.get("task", {TARGET: None}), **found}


def part(group: str, given: Part) -> Part:
    """A part of a config of any version, in the form of this one.

    Args:
        group: optimizer, scheduler, reg or loss.
        given: its keys.
    """
    if TARGET in given:
        return given
    if group == "optimizer" and "name" in given:
        target = next((one for one, name in _OPTIMIZERS.items() if name == given["name"]), None)
        old = {"lr": 1e-3, **_OPTIMIZER, **given}
        is_sgd = given["name"] == "sgd"
        own: tuple[str, ...] = ("lr", "momentum", "nesterov") if is_sgd else ("lr", "eps")
        betas = [float(old["beta1"]), float(old["beta2"])]
        found = {name: old[name] for name in own}
        return {TARGET: target, **found, **({} if is_sgd else {"betas": betas})}
    if group == "scheduler" and "name" in given:
        own = {"cosine": ("final",), "step": ("step_epochs", "gamma")}.get(given["name"], ())
        old = {**_SCHEDULER, **given}
        target = f"ablation.training.scheduler.{given['name']}"
        return {TARGET: target, **{name: old[name] for name in own}}
    if group == "reg" and "penalties" in given:
        names = tuple(name for name in ("l1", "l2") if name in _words(given["penalties"]))
        target = next(one for one, penalties in _PENALTIES.items() if tuple(penalties) == names)
        return {TARGET: target, **{name: given.get(name, 1e-3) for name in names}}
    new: dict[str, Part] = {"loss": _LOSS, "augment": _AUGMENT}
    return given or dict(new.get(group, {}))


def _of(group: str, logged: Mapping[str, str]) -> Part:
    start = f"{group}."
    return {key.removeprefix(start): text for key, text in logged.items() if key.startswith(start)}


def _words(penalties: object) -> list[str]:
    """A list of words, or what Python makes of it as a text."""
    return re.findall(r"\w+", str(penalties))
