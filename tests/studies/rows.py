"""The rows of a table of simulations: made on all cores, and kept as they come.

A table takes an hour or more. With `--keep FILE` each row is added to a file when it is there; the
same command again takes it from there, and makes only those that are missing.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

Row = dict[str, object]


class Made(NamedTuple):
    """The rows of a table, and the command that makes them."""

    rows: list[Row]
    command: str


def made(
    command: str, about: str, studies: int, kinds: Sequence[Any], row_of: Callable[..., Row]
) -> Made:
    """Make a row of each kind, as the arguments of the command say.

    Args:
        command: what the study is run as, without arguments.
        about: one line on it.
        studies: simulated in each row, where the arguments say nothing else.
        kinds: of studies, one for each row.
        row_of: makes a row of (kind, studies, seed).
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--studies", type=int, default=studies, help="simulated studies a row")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--keep", type=Path, help="a file that rows are added to as they come")
    given = parser.parse_args()
    kept = dict(_kept(given.keep)) if given.keep and given.keep.exists() else {}
    names = {kind: f"{kind} {given.studies} {given.seed}" for kind in kinds}
    started = time.monotonic()
    with ProcessPoolExecutor(given.processes, initializer=os.nice, initargs=(19,)) as pool:
        waiting: dict[Future[Row], str] = {
            pool.submit(row_of, kind, given.studies, given.seed): name
            for kind, name in names.items()
            if name not in kept
        }
        for future in as_completed(waiting):
            row = kept[waiting[future]] = future.result()
            print(f"{time.monotonic() - started:5.0f} s", *row.values(), flush=True)
            if given.keep:
                with given.keep.open("a") as file:
                    print(json.dumps([waiting[future], row]), file=file)
    rows = [kept[name] for name in names.values()]
    return Made(rows, f"{command} --studies {given.studies} --seed {given.seed}")


def _kept(file: Path) -> Iterator[tuple[str, Row]]:
    for line in file.read_text().splitlines():
        name, row = json.loads(line)
        yield name, row
