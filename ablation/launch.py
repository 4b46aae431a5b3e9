"""A study from its grid to its report: what comes before and after Hydra's launcher."""

import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig
from rich.console import Console

from ablation import config as schema
from ablation import data, grid, process, study, tracking, ui
from ablation.artifacts import ArtifactError, Artifacts
from ablation.config import Config, ConfigError
from ablation.grid import Grid
from ablation.progress import Progress

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from ablation.report import Written
    from ablation.run import Outcome

#: The progress of the study that this process launches; None in a launcher's own workers.
_progress: Progress | None = None
#: Runs of this process whose results may still be on their way to the store.
_unwritten: "list[Outcome]" = []


def launch(asked: Grid, arguments: Sequence[str], run_all: Callable[[], None]) -> int:
    """Check pictures, weights and store, run everything, write the report.

    Args:
        asked: the checked grid.
        arguments: the command's, as they were typed.
        run_all: hands the grid to Hydra, which calls `task` for each run.

    Returns:
        The exit code: 0 all runs finished, 2 some did, 1 none did.

    Raises:
        ConfigError: the study can't run.
    """
    console = Console(highlight=False, soft_wrap=True)
    tracking.command_line(arguments)
    for line in _pictures(asked.configs):
        console.print(line, markup=False)
    # A launcher's own processes may start in another folder: they are told where the store is.
    uri = tracking.resolve_uri(asked.configs[0].tracking.uri)
    os.environ["MLFLOW_TRACKING_URI"] = uri
    client = tracking.connect(uri)
    experiment_id = tracking.open_study(client, asked.study)
    tracking.close_dead(client, experiment_id)
    ui.save_view(client, experiment_id, asked.axes)
    if asked.is_complete:
        study.save_plan(client, experiment_id, study.plan_of(asked))
    for line in _networks(asked.configs):
        console.print(line, markup=False)
    _run(asked, console, run_all)
    return _conclude(asked, experiment_id, uri, console)


def task(composed: DictConfig) -> float | None:
    """One run, in whichever process the launcher put it.

    Returns:
        Its best validation accuracy, for sweepers that choose runs by their results.
    """
    from hydra.core.hydra_config import HydraConfig

    from ablation import run

    progress = _progress or Progress(Console(highlight=False, soft_wrap=True), "study", None)
    config = schema.resolve(composed)
    levels = grid.levels(HydraConfig.get().runtime.choices)
    assert config.study is not None
    client = tracking.connect(tracking.resolve_uri(config.tracking.uri))
    experiment_id = tracking.open_study(client, config.study)
    progress.run_started(run.run_name(config, levels), config.epochs)
    outcome = run.train(config, levels, client, experiment_id, progress.epoch)
    progress.run_ended(outcome)
    _unwritten.append(outcome)
    # The store may lag one run behind the training; a launcher's worker may end at any time.
    _settle(keep=1 if _progress else 0)
    return outcome.best_val_accuracy


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
    from ablation import device, model, preprocessing, transfer

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
    n_runs = len(asked.runs) if asked.is_complete else None
    with Progress(console, asked.study, n_runs) as progress:
        _progress = progress
        process.imported()
        try:
            run_all()
        finally:
            _progress = None
            _settle(keep=0)


def _settle(keep: int) -> None:
    """Wait until all but the newest `keep` runs are written; a run that can't be has failed."""
    while len(_unwritten) > keep:
        outcome = _unwritten.pop(0)
        if outcome.log is None:
            continue
        try:
            outcome.log.wait()
        # The store's own errors: a full disk, a server that went away.
        except Exception as error:
            print(f"{outcome.name}: its results could not be logged ({error})")
            outcome.log.fail("FAILED", f"could not be logged: {error}", traceback.format_exc())


def _conclude(asked: Grid, experiment_id: str, uri: str, console: Console) -> int:
    """Write the report, count what finished, say where all of it is."""
    client = tracking.connect(uri)
    if asked.is_sweep:
        written = _report(asked, client)
        book, faults = written.ledger, (*written.breaches, *written.losses)
    else:
        runs = tracking.search(client, experiment_id)
        book = study.ledger([study.plan_of(asked)], [tracking.as_record(run) for run in runs])
        newest = {finished[0].id for finished in book.finished.values()}
        faults = tuple(_without_files(client, [run for run in runs if run.info.run_id in newest]))
    wanted = {run.fingerprint for run in asked.runs}
    wanted = wanted or {*book.finished, *book.diverged, *book.failed}
    n_lost = len(wanted - set(book.finished))
    n_diverged = len(wanted & set(book.diverged))
    if asked.is_sweep:
        console.print()
        console.print(written.main_table)
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
    from ablation.report.store import Stored

    first = asked.configs[0]
    try:
        evidence = Stored(client, asked.study)
        return report.write(evidence, Path(first.results), first.report)
    # Hours of training lie behind it: whatever stopped the report, they are not lost.
    except Exception as error:
        why = error if isinstance(error, ConfigError) else f"{type(error).__name__}: {error}"
        raise ConfigError(
            f"the report could not be written ({why}); the runs are in "
            f"MLflow, and `python -m ablation.report study={asked.study}` writes it again"
        ) from error
