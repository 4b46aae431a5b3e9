"""`python -m ablation`: trains the runs that a command asks for and writes their report.

Exit code: 0 all runs finished, 2 some failed, 1 the study could not run.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ablation import config as schema
from ablation import process, targets
from ablation.errors import ConfigError
from ablation.study import flags


def main() -> None:
    """The command; exits with the code above."""
    process.stop_on_signals()
    with process.command("stopped; the same command goes on with what has not finished"):
        sys.exit(_command(sys.argv[1:]))


def _command(arguments: Sequence[str]) -> int:
    command = flags.parse(arguments)
    beside = (command.config_dir, command.config_dir.parent) if command.config_dir else ()
    targets.look_in(Path.cwd(), *beside)
    if command.printing:
        return _print(command)
    from ablation.study import grid

    asked = grid.expand(command.words, multirun=command.multirun, config_dir=command.config_dir)
    from ablation import launch

    return launch.launch(asked, arguments)


def _print(command: flags.Command) -> int:
    """Print what a flag asks for, after a check of the words."""
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
    _run_hydra([*command.flags, *words])
    return 0


def _run_hydra(arguments: Sequence[str]) -> None:
    from ablation.study import hydra_insides

    schema.register()
    hydra_insides.run(_no_task, arguments, schema.folder())


def _no_task(composed: Any) -> None:
    """Hydra wants a task, and runs none where it prints."""


if __name__ == "__main__":
    main()
