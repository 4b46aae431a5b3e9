"""`python -m ablation`: the runs that a command asks for, then the report that compares them.

Hydra expands and launches the runs; before it the grid is checked, after it the report is
written and the exit code told: 0 all runs finished, 2 some failed, 1 the study could not run.
"""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ablation import config as schema
from ablation import process
from ablation.errors import ConfigError
from ablation.study import flags

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from ablation.study.grid import Grid


def main() -> None:
    """The command; exits with the code above."""
    process.stop_on_signals()
    with process.command("stopped; the same command goes on with what has not finished"):
        sys.exit(_command(sys.argv[1:]))


def _command(arguments: Sequence[str]) -> int:
    command = flags.parse(arguments)
    if command.printing:
        return _print(command)
    from ablation.study import grid

    asked = grid.expand(command.words, multirun=command.multirun, config_dir=command.config_dir)
    from ablation import launch

    return launch.launch(asked, arguments, lambda: _launch(_hydra_arguments(asked)))


def _hydra_arguments(asked: "Grid") -> list[str]:
    return [*(["--multirun"] if asked.is_sweep else []), *asked.overrides]


def _print(command: flags.Command) -> int:
    """What a flag asks to see, by Hydra, after a check of the words."""
    words = command.words
    if command.printing == "version":
        from importlib import metadata

        print(f"ablation {metadata.version('ablation')}, Hydra {metadata.version('hydra-core')}")
        return 0
    if command.printing == "shell_completion":
        if len(words) != 1 or words[0].partition("=")[0] not in ("install", "uninstall", "query"):
            raise ConfigError("--shell-completion: say for which, install=bash (or zsh, fish)")
    elif words or command.config_dir:
        from ablation.study import grid

        asked = grid.expand(words, multirun=command.multirun, config_dir=command.config_dir)
        if not asked.runs:
            raise ConfigError(
                f"--{command.printing}: an adaptive sweeper chooses its runs as it goes; leave -m "
                "out, and name one value of each key"
            )
        words = asked.runs[0].overrides
        if len(asked.runs) > 1:
            print(f"# The first of {len(asked.runs)} runs")
    _launch([*command.flags, *words])
    return 0


def _launch(arguments: Sequence[str]) -> None:
    """Hand the command to Hydra, which calls `_task` for each run."""
    import hydra

    schema.register()
    # What Hydra would print as a traceback, it raises.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    sys.argv = [sys.argv[0], *arguments]
    hydra.main(version_base="1.3", config_path=str(schema.folder()), config_name="config")(_task)()


def _task(composed: "DictConfig") -> float | None:
    """One run, in whichever process the launcher put it: the sweeper's objective is its result."""
    from ablation import launch

    return launch.task(composed)


if __name__ == "__main__":
    main()
