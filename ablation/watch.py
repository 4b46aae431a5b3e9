"""`python -m ablation.watch NAME`: how a study stands, live, from any machine that has its store.

It only reads. It ends when no run is under way and none is missing, or with Ctrl-C.
"""

import argparse
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live

from ablation import process, standing
from ablation.study.ledger import Ledger, ledger
from ablation.tracking import plans, store

if TYPE_CHECKING:
    from mlflow import MlflowClient

#: Between two looks.
SECONDS = 2.0


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser("python -m ablation.watch", description=__doc__)
    parser.add_argument("study", metavar="NAME", help="of the study")
    parser.add_argument("--tracking-uri", help="of the store; else MLFLOW_TRACKING_URI, else here")
    parser.add_argument("--once", action="store_true", help="show it once and end")
    given = parser.parse_args(arguments)
    with process.command():
        watch(given.study, store.resolve_uri(given.tracking_uri), once=given.once)


def watch(study: str, uri: str, *, once: bool) -> None:
    """Show a study until it is complete.

    Args:
        study: its name.
        uri: of the store.
        once: whether it is shown once only.

    Raises:
        TrackingError: there is no such store or study.
    """
    client = store.connect_existing(uri, "--tracking-uri ")
    console = Console(highlight=False)
    book = look(client, study)
    if once or not console.is_terminal:
        console.print(shown(study, book))
        return
    with Live(shown(study, book), console=console, auto_refresh=False) as live:
        while book.running or book.missing:
            time.sleep(SECONDS)
            book = look(client, study)
            live.update(shown(study, book), refresh=True)


def look(client: "MlflowClient", study: str) -> Ledger:
    """What a study was asked for, and what has become of it."""
    experiment = store.find_study(client, study)
    runs = store.search(client, experiment.experiment_id)
    return ledger(plans.plans(experiment), [store.as_record(run) for run in runs])


def shown(study: str, book: Ledger) -> Group:
    """The table and the line below it."""
    found = standing.of_ledger(book)
    line = standing.summary(found, standing.seconds_of_run(book))
    return Group(standing.table(found, study), line)


if __name__ == "__main__":
    main()
