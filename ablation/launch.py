"""A study from its grid to its report: what comes before and after Hydra's launcher."""

import os
import shlex
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig
from rich.console import Console

from ablation import config as schema
from ablation import errors, process
from ablation.config import Config
from ablation.errors import ConfigError
from ablation.pictures import data
from ablation.progress import Progress
from ablation.study import grid
from ablation.study import ledger as study
from ablation.study.grid import Grid
from ablation.tracking import places, plans, runlog
from ablation.tracking import store as tracking
from ablation.tracking import view as ui
from ablation.tracking.artifacts import ArtifactError, Artifacts

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from ablation.report import Written
    from ablation.training.run import Outcome

#: Tells a launcher's own processes how many runs there are.
N_RUNS = "ABLATION_RUNS"

#: The progress of the study that this process launches; None in a launcher's own workers.
_progress: Progress | None = None
#: Runs of this process whose results may still be on their way to the store.
_unwritten: "list[Outcome]" = []


def launch(asked: Grid, arguments: Sequence[str], run_all: Callable[[], None]) -> int:
    """Check places, pictures, weights and store, run everything, write the report.

    Args:
        asked: the checked grid.
        arguments: the command's, as they were typed.
        run_all: hands the grid to Hydra, which calls `task` for each run.

    Returns:
        The exit code: 0 all runs finished, 2 some did, 1 none did.

    Raises:
        ConfigError: the study can't run, or its launcher ended before its runs.
        KeyboardInterrupt: a person stopped it; what had finished is reported.
    """
    console = Console(highlight=False, soft_wrap=True)
    process.command_line(arguments)
    uri = tracking.resolve_uri(asked.base.tracking.uri)
    places.check_results(asked.base.results, asked.study)
    places.check_store(uri)
    for line in (*(f"note: {note}" for note in asked.notes), *_pictures(asked.configs)):
        console.print(line, markup=False)
    client, experiment_id = _open_store(asked, uri)
    for line in _networks(asked.configs):
        console.print(line, markup=False)
    try:
        _run(asked, console, run_all)
    except KeyboardInterrupt:
        _report_finished(asked, client, experiment_id, console)
        raise
    # A worker that was killed, a sweeper that gave up; Hydra's own exits.
    except (Exception, SystemExit) as error:
        _report_finished(asked, client, experiment_id, console)
        raise ConfigError(
            f"the launcher ended before its runs ({errors.brief(error)}); the same command goes "
            "on with what has not finished"
        ) from error
    return _conclude(asked, client, experiment_id, uri, console)


def _open_store(asked: Grid, uri: str) -> "tuple[MlflowClient, str]":
    """The store with the study and its plan in it, and the study's id there.

    Raises:
        ConfigError: it can't be used.
    """
    # A launcher's own processes may start in another folder: they are told where the store is,
    # and how many runs there are.
    os.environ["MLFLOW_TRACKING_URI"] = uri
    os.environ[N_RUNS] = str(asked.n_runs or "")
    client = tracking.connect(uri)
    try:
        experiment_id = tracking.open_study(client, asked.study)
        tracking.close_dead(client, experiment_id)
        ui.save_view(client, experiment_id, asked.axes)
        if asked.is_complete:
            plans.save_plan(client, experiment_id, study.plan_of(asked))
    except ConfigError:
        raise
    # Each kind of store fails in its own way.
    except Exception as error:
        raise ConfigError(
            f"tracking.uri={uri}: the MLflow store can't be used ({errors.brief(error)})"
        ) from error
    return client, experiment_id


def task(composed: DictConfig) -> float | None:
    """One run, in whichever process the launcher put it.

    Returns:
        Its best validation accuracy, for sweepers that choose runs by their results; None where it
        failed.
    """
    from hydra.core.hydra_config import HydraConfig

    from ablation.training import run

    hydras = HydraConfig.get()
    progress = _progress or _worker_progress(int(hydras.job.num))
    name = str(composed.study)
    try:
        config = schema.resolve(composed)
        levels = grid.levels(hydras.runtime.choices)
        name = grid.run_name(config, levels)
        progress.run_started(name, config.epochs)
        client = tracking.connect(tracking.resolve_uri(config.tracking.uri))
        experiment_id = tracking.open_study(client, str(config.study))
        outcome = run.train(config, levels, client, experiment_id, progress.epoch)
    # A setting that a sweeper chose, a store that went away: the other runs may still do.
    except Exception as error:
        outcome = run.Outcome(name, "failed", error=errors.brief(error))
    _unwritten.append(outcome)
    if not _progress:
        # A launcher's worker may end at any time after it has said that the run has.
        _settle(keep=0)
    progress.run_ended(outcome)
    # Otherwise the store may lag one run behind the training.
    _settle(keep=1)
    return outcome.best_val_accuracy


def _worker_progress(number: int) -> Progress:
    """The progress of one run in a process of a launcher's own; the first is number 0."""
    n_runs = os.environ.get(N_RUNS)
    console = Console(highlight=False, soft_wrap=True)
    return Progress(console, "study", int(n_runs) if n_runs else None, place=number + 1)


def _pictures(configs: Sequence[Config]) -> Iterator[str]:
    """Load what the runs will share; a line on each source of pictures.

    Raises:
        DataError: naming the folder or the pictures that can't be used.
    """
    for config in {repr(config.data): config for config in configs}.values():
        pictures = data.load(config.data, config.cache.pictures_gb)
        name = config.data.root if config.data.source != "digits" else config.data.source
        yield f"{name}: {pictures.summary()}"
        yield from pictures.lines()


def _networks(configs: Sequence[Config]) -> Iterator[str]:
    """Find the device, the networks and their weights; a line on each network and its views.

    Raises:
        ConfigError: no such device, a network that can't be trained as it was asked for, or no
            network's weights can be had.
    """
    from ablation.network import device, model, preprocessing, transfer

    # Here, so that a launcher's workers find the number of threads in their environment.
    device.prepare(configs[0].threads)
    for wanted in {config.device for config in configs}:
        device.choose(wanted)
    pretrained = {
        repr(config.model): config.model for config in configs if config.transfer.pretrained
    }
    problems = []
    for network in pretrained.values():
        try:
            model.weights_digest(network)
        except ConfigError as error:
            problems.append(str(error))
    needs_none = any(not config.transfer.pretrained for config in configs)
    if problems and len(problems) == len(pretrained) and not needs_none:
        raise ConfigError("\n".join(problems))
    filled = [preprocessing.filled(config) for config in configs]
    for config in {repr((one.model, one.data.size)): one for one in filled}.values():
        model.refuse_size(config.model, schema.chosen(config.data.size))
    for config in {repr((one.model, one.transfer)): one for one in filled}.values():
        transfer.refuse_stages(model.skeleton(config.model), config.transfer)
    yield from dict.fromkeys(map(preprocessing.in_words, filled))
    yield from (f"warning: {problem}" for problem in problems)


def _run(asked: Grid, console: Console, run_all: Callable[[], None]) -> None:
    global _progress
    if asked.has_workers:
        process.imported()
        run_all()
        return
    with Progress(console, asked.study, asked.n_runs) as progress:
        _progress = progress
        process.imported()
        try:
            run_all()
        finally:
            _progress = None
            _settle(keep=0)
            # A run that was stopped at its very end is in no list.
            runlog.flush()


def _settle(keep: int) -> None:
    """Wait until all but the newest `keep` runs are written; a run that can't be has failed."""
    while len(_unwritten) > keep:
        outcome = _unwritten[0]
        try:
            if outcome.log is not None:
                outcome.log.wait()
        # The store's own errors: a full disk, a server that went away.
        except Exception as error:
            print(f"{outcome.name}: its results could not be logged ({errors.brief(error)})")
            if outcome.log is not None:
                outcome.log.fail("FAILED", f"could not be logged: {error}", traceback.format_exc())
        _unwritten.pop(0)


def _wanted(asked: Grid, book: study.Ledger) -> set[str]:
    """The fingerprints of the command's runs; of those that a sweeper chose, what was logged."""
    known = {run.fingerprint for run in asked.runs}
    return known or {*book.finished, *book.diverged, *book.failed}


def _ledger(asked: Grid, runs: "Sequence[Run]") -> study.Ledger:
    plans = [study.plan_of(asked)] if asked.is_complete else []
    return study.ledger(plans, [tracking.as_record(run) for run in runs])


def _report_finished(
    asked: Grid, client: "MlflowClient", experiment_id: str, console: Console
) -> None:
    """After an early end: the report of what has finished, if anything has."""
    try:
        tracking.close_dead(client, experiment_id)
        book = _ledger(asked, tracking.search(client, experiment_id))
        n_finished = len(_wanted(asked, book) & set(book.finished))
        if asked.is_sweep and n_finished:
            of = f" of {asked.n_runs}" if asked.n_runs else ""
            console.print(f"{n_finished}{of} runs have finished; writing their report")
            console.print(f"Report: {_report(asked, client).path}", markup=False)
    # What ended the study is what a person must be told, and is told next.
    except Exception as error:
        console.print(f"no report ({errors.brief(error)})", markup=False)


def _conclude(
    asked: Grid, client: "MlflowClient", experiment_id: str, uri: str, console: Console
) -> int:
    """Write the report, count what finished, say where all of it is."""
    if asked.is_sweep:
        written = _report(asked, client)
        book, faults = written.ledger, (*written.breaches, *written.losses)
    else:
        runs = tracking.search(client, experiment_id)
        book = _ledger(asked, runs)
        newest = {finished[0].id for finished in book.finished.values()}
        faults = tuple(_without_files(client, [run for run in runs if run.info.run_id in newest]))
    wanted = _wanted(asked, book)
    n_lost = len(wanted - set(book.finished))
    n_diverged = len(wanted & set(book.diverged))
    if asked.is_sweep:
        console.print()
        console.print(written.main_table, markup=False)
        if n_lost:
            plural = "runs" if n_lost > 1 else "run"
            why = f" ({n_diverged} diverged)" if n_diverged else ""
            console.print(f"[red]{n_lost} {plural} did not finish{why}; the report names them[/]")
        console.print(f"Report: {written.path}", markup=False)
    else:
        where = f"MLflow: {uri}, study {asked.study}"
        console.print(f"{where}; `mlflow ui` shows it under “Model training”", markup=False)
    if not asked.is_sweep:
        for fault in faults:
            console.print(f"MISSING: {fault}", style="red", markup=False)
    if n_lost == len(wanted):
        return 1
    return 2 if n_lost or faults else 0


def _without_files(client: "MlflowClient", runs: "Sequence[Run]") -> Iterator[str]:
    """A sentence on each run that has finished and whose artifacts are not there any more."""
    files = Artifacts(client)
    for run in runs:
        try:
            files.names(run.info.run_id, run.info.artifact_uri)
        except ArtifactError as error:
            name = run.info.run_name
            yield (
                f"{name} has finished, but its artifacts can't be read: {error}; rerun=true "
                "trains it again"
            )


def _report(asked: Grid, client: "MlflowClient") -> "Written":
    """Write the report.

    Raises:
        ConfigError: it could not be written.
    """
    from ablation import report
    from ablation.report.evidence.store import Stored

    first = asked.base
    try:
        evidence = Stored(client, asked.study)
        return report.write(evidence, Path(first.results), first.report)
    # Hours of training lie behind it: whatever stopped the report, they are not lost.
    except Exception as error:
        again = shlex.join(["python", "-m", "ablation.report", f"study={asked.study}"])
        raise ConfigError(
            f"the report could not be written ({errors.brief(error)}); the runs are in MLflow, "
            f"and `{again}` writes it again"
        ) from error
