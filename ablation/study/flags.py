"""The command's flags, which are Hydra's: each is obeyed or refused with what to use instead."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ablation.errors import ConfigError
from ablation.study.hydra_insides import arguments_parser

#: Flags that print something and run nothing.
PRINTING = ("help", "hydra_help", "version", "cfg", "info", "shell_completion")

#: Flags that say what is run or printed, and how.
STEERING = ("multirun", "run", "config_dir", "resolve", "package")

#: Flags that are refused, and what to use instead.
REFUSED = {
    "config_path": "the project's own config files are always read; --config-dir=FOLDER adds more",
    "config_name": (
        "every run starts from config.yaml; settings of your own go into experiment/NAME.yaml of a "
        "folder that --config-dir names, and +experiment=NAME reads them"
    ),
    "experimental_rerun": (
        "a run is repeated from its command, which its report and its MLflow tag `command` show; "
        "rerun=true trains what had finished again"
    ),
}


@dataclass(frozen=True)
class Command:
    """A command, its flags separated from its words.

    Attributes:
        words: the `key=value` arguments, in their order.
        multirun: whether -m was given.
        config_dir: a further folder of config files, None without one.
        printing: the flag of `PRINTING` that was given, "" for none.
        flags: the flags that Hydra is given where something is printed.
    """

    words: tuple[str, ...]
    multirun: bool
    config_dir: Path | None
    printing: str
    flags: tuple[str, ...]


def parse(arguments: Sequence[str]) -> Command:
    """Separate flags from words, wherever they stand.

    Args:
        arguments: the command line without the program's name.

    Raises:
        ConfigError: an unknown flag, one that is refused, or two that exclude each other.
    """
    # The parser would print Hydra's version alone and exit.
    rest = [argument for argument in arguments if argument != "--version"]
    try:
        parsed, unknown = arguments_parser().parse_known_intermixed_args(rest)
    except argparse.ArgumentError as error:
        raise ConfigError(str(error).removeprefix("argument ")) from error
    if unknown:
        raise ConfigError(f"{unknown[0]}: unknown flag; --hydra-help lists all")
    values = {**vars(parsed), "version": len(rest) < len(arguments)}
    given = {name: value for name, value in values.items() if value not in (None, False, [])}
    for name, instead in REFUSED.items():
        if name in given:
            raise ConfigError(f"{_flag(name)}={given[name]}: {instead}")
    printing = [name for name in PRINTING if name in given]
    _refuse_together(given, printing)
    hydras = {name: given[name] for name in (*printing, "resolve", "package") if name in given}
    return Command(
        tuple(parsed.overrides),
        parsed.multirun,
        Path(parsed.config_dir) if parsed.config_dir is not None else None,
        printing[0] if printing else "",
        tuple(
            part
            for name, value in hydras.items()
            for part in ([_flag(name)] if value is True else [_flag(name), str(value)])
        ),
    )


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _refuse_together(given: Mapping[str, object], printing: Sequence[str]) -> None:
    for exclusive in (printing, [name for name in ("run", "multirun") if name in given]):
        if len(exclusive) > 1:
            raise ConfigError(f"{' and '.join(map(_flag, exclusive))}: give one of them")
    if "resolve" in given and not {"cfg", "help"} & set(printing):
        raise ConfigError("--resolve: belongs to --cfg or --help")
    if "resolve" in given and given.get("cfg") == "hydra":
        raise ConfigError("--cfg hydra --resolve: it refers to keys of the run; use --cfg all")
    if "package" in given and "cfg" not in printing:
        raise ConfigError(f"--package={given['package']}: belongs to --cfg")
