"""`python -m ablation`: the runs that a command asks for, then the report that compares them.

Hydra expands and launches the runs; before it the grid is checked, after it the report is
written and the exit code told: 0 all runs finished, 2 some failed, 1 the study could not run.
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ablation import config as schema
from ablation import process

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from ablation.grid import Grid

#: Hydra's flags that print something and run nothing.
PRINTING = ("help", "hydra_help", "cfg", "info", "shell_completion")


def main() -> None:
    """The command; exits with the code above."""
    # A scheduler's end comes as SIGTERM: the run is closed as one that was stopped by hand.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with process.command("stopped; the same command goes on with what has not finished"):
        sys.exit(_command(sys.argv[1:]))


def _command(arguments: Sequence[str]) -> int:
    parsed = _parser().parse_args(arguments)
    if any(getattr(parsed, flag, None) for flag in PRINTING):
        _launch(arguments)
        return 0
    return _study(parsed, arguments)


def _study(parsed: argparse.Namespace, arguments: Sequence[str]) -> int:
    """Check what was asked for, launch it, report on it."""
    from ablation import grid

    asked = grid.expand(
        parsed.overrides,
        multirun=parsed.multirun,
        config_dir=Path(parsed.config_dir) if parsed.config_dir else None,
    )
    from ablation import launch

    return launch.launch(asked, arguments, lambda: _launch(_hydra_arguments(asked)))


def _hydra_arguments(asked: "Grid") -> list[str]:
    return [*(["--multirun"] if asked.is_sweep else []), *asked.overrides]


def _launch(arguments: Sequence[str]) -> None:
    """Hand the command to Hydra, which calls `_task` for each run."""
    import hydra

    schema.register()
    sys.argv = [sys.argv[0], *arguments]
    hydra.main(version_base="1.3", config_path=str(schema.folder()), config_name="config")(_task)()


def _task(composed: "DictConfig") -> float | None:
    """One run, in whichever process the launcher put it: the sweeper's objective is its result."""
    from ablation import launch

    return launch.task(composed)


def _parser() -> argparse.ArgumentParser:
    from hydra._internal.utils import get_args_parser

    return get_args_parser()


if __name__ == "__main__":
    main()
