"""Settings that were given and that no run of the command uses, for they may be a mistake."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from ablation.config import Config
from ablation.errors import ConfigError

#: Keys that only some runs use → whether a run uses them.
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


def notes(given: Mapping[str, str], configs: Sequence[Config], *, is_sweep: bool) -> Iterator[str]:
    """A sentence on each key that was set and that no run uses.

    Args:
        given: key → the word that sets it.
        configs: of the runs.
        is_sweep: whether a report is written.

    Raises:
        ConfigError: it is the folder of the pictures.
    """
    for key, is_used in USES.items():
        if key not in given or any(is_used(config) for config in configs):
            continue
        if key == "data.root":
            raise ConfigError(
                f"{given[key]}: no run takes its pictures from there; add data=imagefolder"
            )
        yield f"{given[key]} changes nothing: no run of this command uses {key}"
    for key, word in given.items():
        if key.startswith("report.") and not is_sweep:
            yield f"{word} changes nothing: one run alone has no report; -m makes one"
