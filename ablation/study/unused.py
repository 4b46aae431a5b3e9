"""Settings that were given and that no run of the command uses, for they may be a mistake."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from ablation import parts
from ablation.config import KNOWN, Config
from ablation.errors import ConfigError

#: Keys that only some runs use → whether a run uses them.
USES: Mapping[str, Callable[[Config], bool]] = {
    "data.root": lambda config: config.data.source != "digits",
    "data.columns": lambda config: config.data.source == "table",
    "data.url": lambda config: config.data.source == "archive",
    "data.sha256": lambda config: config.data.source == "archive",
    "model.weights": lambda config: config.transfer.pretrained,
    "transfer.stages": lambda config: config.transfer.trained == "stages",
    "transfer.head_epochs": lambda config: config.transfer.trained != "head",
    "transfer.stage_epochs": lambda config: config.transfer.head_epochs > 0,
    "model.drop_path": lambda config: config.transfer.trained != "head",
    "design_resolution": lambda config: config.design == "fractional",
    "transfer.freeze_statistics": lambda config: (
        config.transfer.trained != "all" or config.transfer.head_epochs > 0
    ),
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


def refuse_untaken(
    given: Mapping[str, str], configs: Sequence[Config], untaken: Sequence[frozenset[str]]
) -> None:
    """Refuse arguments of parts that no run's target takes.

    A shipped argument in a config file is no mistake: an experiment may set those of several
    levels, of which a command then chooses one.

    Args:
        given: key → the word that sets it.
        configs: of the runs.
        untaken: of each run, the keys that it does not take.

    Raises:
        ConfigError: naming the key, and those that there are.
    """
    for key in sorted({key for keys in untaken for key in keys}):
        group, _, name = key.partition(".")
        its_parts = [
            config.model.own if group == "model" else getattr(config, group) for config in configs
        ]
        is_taken = any(name in part for part in its_parts)
        if not is_taken and (key in given or key not in KNOWN):
            its = next(n for n, keys in enumerate(untaken) if key in keys)
            raise ConfigError(parts.unknown(key, given.get(key, key), its_parts[its]))
