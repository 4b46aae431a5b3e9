"""What the framework uses of Hydra beyond its documented interface, all in this one place.

Its grammar of overrides, its argument parser, its registry of config files, and how an application
is started. `tests/study/test_hydra_insides.py` says what changed when a new version breaks one of
them. The wording of Hydra's messages is the matter of `mistakes`.
"""

import argparse
import contextlib
import enum
import logging.config
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob as Glob
from hydra.core.override_parser.types import IntervalSweep as IntervalSweep
from hydra.core.override_parser.types import Override as Override
from hydra.core.override_parser.types import OverrideType, Quote, QuotedString
from hydra.types import RunMode as RunMode
from omegaconf import DictConfig, OmegaConf

from ablation.process import WANTS_TRACEBACK

#: The version of Hydra's behaviour that the config files are written for.
VERSION_BASE = "1.3"
#: Hydra's own launcher and sweeper: runs one after another in this process, all known beforehand.
BASIC_LAUNCHER, BASIC_SWEEPER = ".BasicLauncher", ".BasicSweeper"


# --- The grammar


def parse_override(word: str) -> Override:
    """One override.

    Raises:
        HydraException: it can't be read.
    """
    item = OverridesParser.create().parse_override(word)
    # Only the parser of several overrides keeps what was typed.
    item.input_line = word
    return item


def key_of(item: Override) -> str:
    """The key or group of an override, with its package, without plus signs and tildes."""
    return item.get_key_element().lstrip("+~")


def text_of(item: Override) -> str:
    """The override as Hydra takes it."""
    assert item.input_line is not None
    return item.input_line


def is_change(item: Override) -> bool:
    """Whether it changes what is there, and neither adds (+) nor deletes (~)."""
    return item.type == OverrideType.CHANGE


def with_quotes(text: str) -> str:
    """The text in double quotes, with what the grammar wants escaped in them."""
    return QuotedString(text, Quote.double).with_quotes()


# --- Config files


@contextlib.contextmanager
def config_files(folder: Path) -> Iterator[None]:
    """Let `composed` and `levels_of` read the config files of a folder."""
    with initialize_config_dir(str(folder), version_base=VERSION_BASE):
        yield


def composed(overrides: Sequence[str]) -> DictConfig:
    """The config of these overrides, with Hydra's own part."""
    return compose("config", list(overrides), return_hydra_config=True)


def levels_of(group: str, search: Sequence[str]) -> list[str]:
    """The levels of a config group; none where there is no such group.

    Args:
        group: such as "transfer".
        search: the override that adds folders of config files, if there is one.
    """
    loader = GlobalHydra.instance().config_loader()
    names = loader.get_group_options(group, overrides=list(search))
    return [name for name in names if name != "schema"]


# --- The command


def arguments_parser() -> argparse.ArgumentParser:
    """Hydra's own parser of a command's flags; it raises what it would print before it exits."""
    from hydra._internal.utils import get_args_parser

    parser = get_args_parser()
    parser.exit_on_error = False
    parser.allow_abbrev = False
    return parser


def run(task: Callable[[DictConfig], Any], arguments: Sequence[str], config_files: Path) -> None:
    """Let Hydra run a command.

    Args:
        task: called with the composed config of each run, in whichever process a launcher puts it.
        arguments: the command's flags and words.
        config_files: the folder of the config files.

    Raises:
        SystemExit: Hydra's own exits, as after printing its help.
    """
    import hydra

    # What Hydra would print as a traceback, it raises.
    os.environ[WANTS_TRACEBACK] = "1"
    # Hydra reads the command from nowhere else.
    sys.argv = [sys.argv[0], *arguments]
    hydra.main(version_base=VERSION_BASE, config_path=str(config_files), config_name="config")(
        task
    )()


class Way(enum.Enum):
    """Where the runs of a command are started."""

    #: In this process, one after another, without Hydra.
    HERE = enum.auto()
    #: In this process by Hydra, since a sweeper, a callback or a log file takes part.
    HYDRA = enum.auto()
    #: By a launcher of Hydra, in processes of its own.
    WORKERS = enum.auto()


def way(hydras: DictConfig, *, is_sweep: bool) -> Way:
    """Where the runs of a command are started.

    Args:
        hydras: Hydra's own part of the config.
        is_sweep: whether there may be several runs.
    """
    if is_sweep and not hydras.launcher._target_.endswith(BASIC_LAUNCHER):
        return Way.WORKERS
    is_adaptive = is_sweep and not hydras.sweeper._target_.endswith(BASIC_SWEEPER)
    logs = any(log.get("handlers") for log in (hydras.job_logging, hydras.hydra_logging))
    around = hydras.callbacks or hydras.job.env_set or hydras.job.env_copy or hydras.output_subdir
    return Way.HYDRA if is_adaptive or logs or around else Way.HERE


def without_logging() -> None:
    """Turn the messages of libraries off, as Hydra does by the config's `job_logging=disabled`."""
    said = {"version": 1, "root": {"level": "ERROR"}, "disable_existing_loggers": True}
    logging.config.dictConfig(said)


@dataclass(frozen=True)
class Job:
    """The run that Hydra is executing in this process.

    Attributes:
        number: its place in the sweep, from 0; 0 for a single run.
        overrides: what Hydra composed it of, without Hydra's own settings.
        choices: config group → the level that was chosen.
    """

    number: int
    overrides: tuple[str, ...]
    choices: Mapping[str, Any]


def job() -> Job:
    """The run that calls this, from inside the task of `run`."""
    from hydra.core.hydra_config import HydraConfig

    hydras = HydraConfig.get()
    number = 0 if OmegaConf.is_missing(hydras.job, "num") else int(hydras.job.num)
    return Job(number, tuple(hydras.overrides.task), hydras.runtime.choices)


def seconds_after_notice() -> float:
    """How long a launcher's job may go on after the notice that its time is up.

    Submitit's own number, 30, where the launcher has none.
    """
    from hydra.core.hydra_config import HydraConfig

    return float(HydraConfig.get().launcher.get("signal_delay_s", 30))
