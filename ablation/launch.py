"""The story of a study, from its grid to its report and its exit code."""

import contextlib
import shlex
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from ablation import checks, locks, process, standing
from ablation import config as schema
from ablation.config import chosen
from ablation.errors import ConfigError, brief
from ablation.progress import Progress
from ablation.report.claims.words import count
from ablation.result import Result, show_report, show_run, wanted
from ablation.session import Session, tell_workers
from ablation.study import grid, hydra_insides, rounds, sweepers
from ablation.study.grid import Grid
from ablation.study.hydra_insides import Way
from ablation.study.ledger import Ledger, ledger, plan_of
from ablation.study.record import Run as Record
from ablation.tracking import artifacts, beside, outbox, plans, runlog, store, view
from ablation.tracking.origin import is_own
from ablation.tracking.patience import AwayError
from ablation.tracking.store import Study

if TYPE_CHECKING:
    from mlflow.entities import Run

    from ablation.report import Written


#: Between two looks at the runs of other commands.
WAIT_SECONDS = 1.0


def launch(asked: Grid, arguments: Sequence[str]) -> int:
    """Check what can be checked, train every run, write the report.

    Args:
        asked: the checked grid.
        arguments: the command's, as they were typed.

    Returns:
        The exit code: 0 all runs finished, 2 some did, 1 none did.

    Raises:
        ConfigError: the study can't run, or its launcher ended before its runs.
        KeyboardInterrupt: a person stopped it; what had finished is reported.
    """
    console = Console(highlight=False, soft_wrap=True)
    process.started()
    process.command_line(arguments)
    uri = store.resolve_uri(asked.base.tracking.uri)
    if asked.base.plan:
        _show_plan(asked, uri, console)
        return 0
    checks.check_places(asked, uri)
    _print_lines(console, (f"note: {note}" for note in asked.notes))
    _print_lines(console, checks.pictures(asked.configs))
    study = _open_study(asked, uri, console)
    _print_lines(console, checks.networks(asked.configs))
    with _reporting_an_early_end(asked, study, console):
        _run_all(asked, asked.launched, study, console)
    if asked.is_sweep:
        written = _write_report(asked, study)
        if asked.auto:
            asked, written = _add_seeds(asked, study, written, console)
        result = Result.of(asked, written.ledger, (*written.breaches, *written.losses))
        show_report(console, written, result)
    else:
        result = _look_at_run(asked, study)
        show_run(console, asked, uri, result)
    return result.exit_code


def _show_plan(asked: Grid, uri: str, console: Console) -> None:
    """Print the runs and what has become of each; nothing is written.

    Raises:
        ConfigError: the runs can't be known before, or the store can't be used.
    """
    if not asked.runs or asked.auto:
        raise ConfigError("plan=true: here the runs are chosen by the results of earlier ones")
    _print_lines(console, (f"note: {note}" for note in asked.notes))
    book = ledger([], [])
    file = beside.database(uri)
    if file is None or file.is_file():
        client = store.connect(uri)
        experiment = client.get_experiment_by_name(asked.study)
        if experiment is not None:
            runs = store.search(client, experiment.experiment_id)
            book = ledger([], [store.as_record(run) for run in runs])
    found = standing.of_grid(asked, book)
    console.print(standing.table(found, asked.study))
    console.print(standing.summary(found, standing.seconds_of_run(book)), markup=False)


def _print_lines(console: Console, lines: Iterable[str]) -> None:
    for line in lines:
        console.print(line, markup=False)


def _open_study(asked: Grid, uri: str, console: Console) -> Study:
    """The study in the store, with its plan and its saved view.

    Raises:
        ConfigError: the store can't be used.
    """
    # A launcher's workers may start in another folder.
    store.tell_workers(uri)
    tell_workers(asked.n_runs)
    client = store.connect(uri)
    try:
        results, patience = Path(asked.base.results), float(asked.base.tracking.patience)
        study = store.open_study(client, asked.study, results, patience)
        n_delivered = outbox.deliver_waiting(study)
        store.close_dead(client, study.experiment_id)
        view.save_view(client, study.experiment_id, asked.axes)
        for part in asked.launched if asked.is_complete else ():
            plans.save_plan(client, study.experiment_id, plan_of(part))
        # A single run, or a worker, asks for its own.
        if asked.is_sweep and asked.way is not Way.WORKERS:
            study = replace(study, before=store.all_finished(client, study.experiment_id))
    except ConfigError:
        raise
    # Each kind of store fails in its own way.
    except Exception as error:
        raise ConfigError(
            f"tracking.uri={uri}: the MLflow store can't be used ({brief(error)})"
        ) from error
    if n_delivered:
        n = count(n_delivered, "run")
        console.print(f"delivered {n} that an earlier command could not log", markup=False)
    return study


def _run_all(asked: Grid, parts: Sequence[Grid], study: Study, console: Console) -> None:
    """Launch every run, and wait for those that another command is training.

    A run that the other command leaves unfinished, because it was killed, is trained here.

    Args:
        asked: all runs of the command.
        parts: those that are launched now.
        study: in the store.
        console: where the waiting is told.
    """
    _run(parts, study, console)
    while asked.runs and _wait_for_others(asked, study, console):
        book = ledger([], _records(study))
        left = wanted(asked, book) & set(book.failed)
        if not any(book.failed[fingerprint].status == "KILLED" for fingerprint in left):
            return
        _run(parts, study, console)


def _wait_for_others(asked: Grid, study: Study, console: Console) -> bool:
    """Wait while other commands train runs of this one; whether there was anything to wait for."""
    own = {run.fingerprint for run in asked.runs}
    has_waited = has_told = False
    while True:
        # Before the dead are closed: a run that was left to a process which has died since is one
        # that was waited for.
        running = _of_others(own, study)
        n_closed = study.patience(store.close_dead, study.client, study.experiment_id)
        if running and n_closed:
            has_waited, running = True, _of_others(own, study)
        if not running:
            return has_waited
        if not has_told:
            n = count(len(running), "run")
            console.print(f"waiting for {n} that another command is training", markup=False)
        has_waited = has_told = True
        time.sleep(WAIT_SECONDS)


def _of_others(own: set[str], study: Study) -> "list[Run]":
    """The runs of these fingerprints that are under way, and not in this process or its workers."""
    query = "attributes.status = 'RUNNING'"
    return [
        run
        for run in study.patience(store.search, study.client, study.experiment_id, query)
        if run.data.tags.get("fingerprint") in own and not is_own(run.data.tags)
    ]


def _records(study: Study) -> list[Record]:
    runs = study.patience(store.search, study.client, study.experiment_id)
    return [store.as_record(run) for run in runs]


def _run(asked: Sequence[Grid], study: Study, console: Console) -> None:
    """Train every run of these grids, in this process or in a launcher's workers."""
    if asked[0].way is Way.WORKERS:
        process.imports_done()
        for part in asked:
            _run_by_hydra(part, Session())
        return
    first, *others = asked
    n_runs = first.n_runs and first.n_runs + sum(len(part.runs) for part in others)
    with Progress(console, first.study, n_runs) as progress:
        session = Session(progress, study)
        process.imports_done()
        try:
            for part in asked:
                _run_here(part, session)
        finally:
            try:
                session.finish_writing()
            finally:
                # A run that was stopped has no outcome to wait for; and where the waiting was
                # stopped, what is being written is still to be whole.
                runlog.flush()


def _run_here(asked: Grid, session: Session) -> None:
    if asked.way is Way.HYDRA:
        _run_by_hydra(asked, session)
        return
    # Hydra would compose each run again, twice.
    hydra_insides.without_logging()
    session.run_all(asked.runs)


def _run_by_hydra(asked: Grid, session: Session) -> None:
    flags = ["--multirun"] if asked.is_sweep else []
    is_adaptive = not asked.is_complete
    with sweepers.counted_by_the_sweeper() if is_adaptive else contextlib.nullcontext():
        hydra_insides.run(session.task, [*flags, *asked.overrides], schema.folder())


def _add_seeds(
    asked: Grid, study: Study, written: "Written", console: Console
) -> "tuple[Grid, Written]":
    """Rounds of more seeds for the cells whose comparisons are open, a report after each.

    Args:
        asked: the first round, which has run.
        study: in the store.
        written: its report.
        console: where each round's findings are told.

    Returns:
        All runs that were asked for, as one grid, and the last report.
    """
    auto, runs = chosen(asked.auto), list(asked.runs)
    for number, look in enumerate(auto.looks, 1):
        found = written.progress
        after = auto.looks[number] if number < len(auto.looks) else look
        parts = grid.round_of(asked, found, range(look, after))
        n_runs = sum(len(part.runs) for part in parts)
        spent = time.monotonic() - process.started()
        why = rounds.ending(auto, replace(found, n_seeds=look), spent, n_runs)
        _print_lines(console, rounds.told(number, look, found, spent))
        if why:
            console.print(f"seed=auto ends: {why}", markup=False)
            break
        for part in parts:
            plans.save_plan(study.client, study.experiment_id, plan_of(part))
        tell_workers(n_runs)
        runs += [run for part in parts for run in part.runs]
        known = replace(asked, runs=tuple(runs), n_runs=len(runs))
        with _reporting_an_early_end(known, study, console):
            _run_all(known, parts, study, console)
        written = _write_report(asked, study)
    return replace(asked, runs=tuple(runs), n_runs=len(runs)), written


@contextlib.contextmanager
def _reporting_an_early_end(asked: Grid, study: Study, console: Console) -> Iterator[None]:
    """If the runs end early, report what has finished before the error is told.

    Raises:
        KeyboardInterrupt: a person stopped the runs.
        ConfigError: the launcher ended before its runs.
    """
    try:
        yield
    except KeyboardInterrupt:
        _report_finished(asked, study, console)
        raise
    except AwayError as error:
        raise _away(error, study) from error
    # A launcher that can't start; its sentence says what to set.
    except ConfigError:
        raise
    # A worker that was killed, a sweeper that gave up; Hydra's own exits.
    except (Exception, SystemExit) as error:
        _report_finished(asked, study, console)
        if process.is_stopped():
            raise KeyboardInterrupt from error
        raise ConfigError(
            f"the launcher ended before its runs ({brief(error)}); the same command goes "
            "on with what has not finished"
        ) from error


def _report_finished(asked: Grid, study: Study, console: Console) -> None:
    """The report of the runs that have finished, if any has."""
    try:
        store.close_dead(study.client, study.experiment_id, has_stopped=True)
        book = _ledger(asked, store.search(study.client, study.experiment_id))
        n_finished = len(wanted(asked, book) & set(book.finished))
        if asked.is_sweep and n_finished:
            of = f" of {asked.n_runs}" if asked.n_runs else ""
            console.print(f"{n_finished}{of} runs have finished; writing their report")
            console.print(f"Report: {_write_report(asked, study).path}", markup=False)
    # The person is told next what ended the study: a report that fails must not hide it.
    except Exception as error:
        console.print(f"no report ({brief(error)})", markup=False)


def _write_report(asked: Grid, study: Study) -> "Written":
    """Write the report.

    Raises:
        ConfigError: it could not be written.
    """
    from ablation import report
    from ablation.report.evidence.store import Stored

    def write() -> "Written":
        evidence = Stored(study.client, asked.study)
        return report.write(evidence, Path(asked.base.results), asked.base.report)

    try:
        # Another command of the same study may write its report now.
        with locks.alone(Path(asked.base.results) / asked.study):
            return study.patience(write)
    except AwayError as error:
        raise _away(error, study) from error
    # Hours of training may lie behind it: whatever stopped the report, they are not lost.
    except Exception as error:
        again = shlex.join(["python", "-m", "ablation.report", f"study={asked.study}"])
        raise ConfigError(
            f"the report could not be written ({brief(error)}); the runs are in MLflow, "
            f"and `{again}` writes it again"
        ) from error


def _away(error: AwayError, study: Study) -> ConfigError:
    """The sentence that ends a command whose store did not come back."""
    n = sum(1 for _ in study.outbox.glob("*")) if study.outbox.is_dir() else 0
    kept = (
        f"{n} finished {'run is' if n == 1 else 'runs are'} kept in {study.outbox}; " if n else ""
    )
    return ConfigError(
        f"{error}; {kept}the same command goes on when it is back, and writes the report"
    )


def _look_at_run(asked: Grid, study: Study) -> Result:
    """What became of a single run, which has no report."""
    runs = study.patience(store.search, study.client, study.experiment_id)
    book = _ledger(asked, runs)
    newest = {finished[0].id for finished in book.finished.values()}
    finished = [run for run in runs if run.info.run_id in newest]
    return Result.of(asked, book, list(artifacts.without_files(study.client, finished)))


def _ledger(asked: Grid, runs: "Sequence[Run]") -> Ledger:
    planned = [plan_of(part) for part in asked.launched]
    planned = planned if asked.is_complete and not asked.auto else []
    return ledger(planned, [store.as_record(run) for run in runs])
