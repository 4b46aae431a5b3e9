"""`python -m ablation.predict RUN_ID PICTURE…`: what a finished run's network says of pictures.

Works from MLflow alone: the run's config, its classes, and the weights that it trained; what it
left frozen is built again from the model's own weights, and checked to be the same.

Exit code: 0 every picture was read, 1 something could not be read.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ablation import process
from ablation.artifacts import brief
from ablation.config import ConfigError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from ablation.config import Config
    from ablation.decode import Facts, Pixels, Reading
    from ablation.novelty import Known
    from ablation.transfer import Parts

EXAMPLES = """\
examples:
  python -m ablation.predict best ant.jpg
  python -m ablation.predict best pictures/ --study seed_grid --out sheet.png
  python -m ablation.predict 3f2a… a.jpg b.jpg --tracking-uri sqlite:////data/mlflow.db
"""

#: The artifacts that a run is rebuilt from.
CONFIG, CLASSES, WEIGHTS = "config.yaml", "classes.json", "weights.safetensors"

#: Pictures that are decoded and predicted together.
BATCH = 32
#: Most pictures on a sheet.
MOST_TILES = 400


class PredictError(ConfigError):
    """A run or a picture that can't be read; its text says which and why."""


@dataclass
class Classifier:
    """A finished run's network as it was at its best epoch.

    Attributes:
        name: the run's.
        best_val_accuracy: the run's, 0..1.
        config: the run's; its data part makes the views.
        classes: their names, in the order of the network's outputs.
        parts: the network, on `place`.
        known: by what a picture is told that is far from the training ones; None where the run
            does not have it.
    """

    name: str
    best_val_accuracy: float
    config: "Config"
    classes: tuple[str, ...]
    parts: "Parts"
    place: "torch.device"
    known: "Known | None"

    def judge(
        self, pictures: "Sequence[Pixels]"
    ) -> "tuple[npt.NDArray[np.float32], npt.NDArray[np.float64] | None]":
        """Probabilities of the classes, and how far each picture is, see `Predictions`.

        Args:
            pictures: each of shape (height, width, 3).

        Returns:
            Shapes (n, n_classes) and (n,).
        """
        import torch

        from ablation import device, views
        from ablation.inputs import autocast

        centred = [views.centre_view(pixels, self.config.data) for pixels in pictures]
        batch = torch.stack(centred).contiguous(memory_format=torch.channels_last)
        batch = views.normalise(batch.to(self.place), self.config.model)
        precision = device.precision(self.config.precision, self.place)
        self.parts.eval()
        with torch.no_grad(), autocast(self.place, precision):
            # In two steps, the features between them in full precision: as in training.
            features = self.parts.above[:-1](self.parts.below(batch).float())
            logits = self.parts.above[-1](features).float()
        probabilities: npt.NDArray[np.float32] = logits.softmax(1).cpu().numpy()
        if self.known is None:
            return probabilities, None
        return probabilities, self.known.share_nearer(features.float().cpu().numpy())


@dataclass
class Predictions:
    """What was predicted, and what could not be read.

    Attributes:
        paths: of the pictures that were read.
        probabilities: one row a picture, each of shape (n_classes,).
        facts: what decoding each told.
        shares_nearer: the share of the run's validation pictures that lie nearer to its training
            pictures, 0..1; empty where the run does not tell.
        thumbnails: as many, where they are wanted, up to `MOST_TILES`.
        unreadable: a line on each picture that was not.
    """

    paths: list[Path] = field(default_factory=list)
    probabilities: "list[npt.NDArray[np.float32]]" = field(default_factory=list)
    facts: "list[Facts]" = field(default_factory=list)
    shares_nearer: list[float] = field(default_factory=list)
    thumbnails: "list[Pixels]" = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def main() -> None:
    """The command; exits with the code above."""
    with process.command():
        sys.exit(predict(_parser().parse_args()))


def predict(arguments: argparse.Namespace) -> int:
    """Find the pictures, find the run, predict, tell.

    Returns:
        The exit code.

    Raises:
        ConfigError: a run that can't be used, no picture at all, a sheet that can't be written.
    """
    _check(arguments)
    from ablation import folders

    # What no run would read is answered before one is looked for.
    paths, missing, _ = find_pictures(arguments.pictures, folders.FORMATS | folders.readable())
    if not paths:
        raise PredictError(_listed(missing))
    from ablation import tracking

    uri = tracking.resolve_uri(arguments.tracking_uri)
    client = tracking.connect_existing(uri, "--tracking-uri ")
    if arguments.run == "best":
        run = best_run(client, arguments.study)
    else:
        run = finished_run(client, arguments.run)
    classifier = load(client, run)
    process.imported()
    accepted = folders.formats(classifier.config.data.extra_formats)
    paths, missing, notes = find_pictures(arguments.pictures, accepted)
    found = classify(classifier, paths, keep_thumbnails=bool(arguments.out))
    _tell(classifier, found, notes, arguments.top)
    if found.paths and arguments.out:
        _save_sheet(classifier, found, arguments.out)
    unreadable = missing + found.unreadable
    if unreadable:
        raise PredictError(_listed(unreadable))
    return 0


def find_pictures(
    asked: Sequence[Path], accepted: frozenset[str]
) -> tuple[list[Path], list[str], list[str]]:
    """The files to read: those that are named, and a folder's as those of a class folder.

    Args:
        accepted: suffixes of what is read of a folder; what is named is read whatever it is called.

    Returns:
        The files, a line on each that is not there, and notes on what folders hold beside them.
    """
    from ablation import folders

    paths: list[Path] = []
    missing, notes = [], []
    for path in asked:
        if not folders.is_text(str(path)):
            shown = os.fsencode(path).decode("utf-8", "backslashreplace")
            missing.append(f"{shown}: its name is not UTF-8; rename it")
        elif os.path.isdir(path):
            try:
                inside = folders.listing(path, accepted)
            except folders.DataError as error:
                missing.append(str(error))
                continue
            others = folders.not_read(inside.others, path) if inside.others else ""
            paths += inside.pictures
            if not inside.pictures:
                missing.append(f"{path}: no pictures in this folder{others and '; ' + others}")
            elif others:
                hint = "; name a file to have it read" if folders.how_to_read(inside.others) else ""
                notes.append(f"{path}: {others}{hint}")
        elif os.path.exists(path):
            paths.append(path)
        else:
            missing.append(f"{path}: there is no such file")
    return paths, missing, notes


def _tell(classifier: Classifier, found: Predictions, notes: Sequence[str], top: int) -> None:
    """What should be known of the pictures, then what the network says of them."""
    from rich.console import Console

    from ablation import remarks, shown

    # A file or a pipe has no width to fit into.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 10_000)
    if found.paths:
        for warning in shown.warnings(classifier, found):
            console.print(f"[bold red]warning[/]: {warning}", soft_wrap=True)
    of_pictures = remarks.of_pictures(list(zip(map(str, found.paths), found.facts, strict=True)))
    for note in (*notes, *of_pictures):
        console.print(f"note: {note}", markup=False, soft_wrap=True)
    if found.paths:
        console.print(shown.table(classifier, found, top))
        console.print(shown.explanation(classifier))


def best_run(client: "MlflowClient", study: str | None = None) -> "Run":
    """The run of the highest best validation accuracy; of several, the earliest.

    Args:
        study: where to look; without one, the study of the newest finished run.

    Raises:
        ConfigError: no such study, or none of its runs finished without having diverged.
    """
    from ablation import diverged, tracking

    # Only what this framework finished has this metric.
    finished = "attributes.status = 'FINISHED' and metrics.best_val_accuracy >= 0"
    if study is not None:
        experiments = [tracking.find_study(client, study).experiment_id]
    else:
        everywhere = [experiment.experiment_id for experiment in client.search_experiments()]
        newest = client.search_runs(
            everywhere, finished, max_results=1, order_by=["attributes.end_time DESC"]
        )
        experiments = [run.info.experiment_id for run in newest]
    n_diverged = 0
    for run in _by_accuracy(client, experiments, finished):
        # MLflow can't be asked for losses that are finite.
        if not diverged.reason(tracking.as_record(run)):
            return run
        n_diverged += 1
    where = f"study={study}" if study is not None else "best"
    why = f", but {n_diverged} that diverged" if n_diverged else ""
    raise PredictError(f"{where}: no run has finished{why}")


def _by_accuracy(client: "MlflowClient", experiments: list[str], query: str) -> "Iterator[Run]":
    """The best first; of equal ones the earliest."""
    order = ["metrics.best_val_accuracy DESC", "attributes.start_time ASC"]
    token: str | None = None
    while experiments:
        page = client.search_runs(
            experiments, query, max_results=50, order_by=order, page_token=token
        )
        yield from page
        token = page.token
        if not token:
            return


def finished_run(client: "MlflowClient", run_id: str) -> "Run":
    """A run by its id.

    Raises:
        PredictError: there is none, it was deleted, it did not finish, or it diverged.
    """
    from mlflow.exceptions import MlflowException

    from ablation import diverged, tracking

    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        raise PredictError(
            f"{run_id}: the store has no run of this id; MLflow's UI shows it on the run's page "
            "(`best` takes a study's best run)"
        ) from error
    if run.info.lifecycle_stage != "active":
        raise PredictError(f"{run_id}: this run was deleted in MLflow")
    if run.info.status != "FINISHED":
        reason = run.data.tags.get("error")
        raise PredictError(
            f"{run_id}: the run {run.info.run_name} did not finish, it is {run.info.status}"
            + (f" ({reason})" if reason else "")
        )
    if why := diverged.reason(tracking.as_record(run)):
        raise PredictError(
            f"{run_id}: the run {run.info.run_name} {why}: it can tell nothing of a picture"
        )
    return run


def load(client: "MlflowClient", run: "Run") -> Classifier:
    """Rebuild a finished run's network from its artifacts.

    Raises:
        ConfigError: artifacts are missing or damaged, the model's own weights can't be had or are
            not those that the run started from.
    """
    import torch

    from ablation import device, model, transfer

    name = f"{run.info.run_id}: the run {run.info.run_name}"
    with tempfile.TemporaryDirectory() as folder:
        config, classes, state, known = _read_artifacts(client, run, name, Path(folder))
    place = device.choose("auto")
    is_rebuilt = config.transfer.trained != "all" and config.transfer.freeze_statistics
    network = model.build(
        config.model,
        len(classes),
        # Where all was trained, or may have moved, the artifact has all.
        pretrained=config.transfer.pretrained and is_rebuilt,
        seed=config.seed,
    )
    if is_rebuilt:
        start = model.digest(network.trunk.state_dict())
        wanted = run.data.tags.get("start_digest") or run.data.tags.get("weights_digest")
        if start != wanted:
            raise PredictError(
                f"{name} started from other weights ({wanted}) than {config.model.weights} has "
                f"here ({start})"
            )
    parts = transfer.apply(network.to(place), config.transfer)
    try:
        parts.above.load_state_dict(state)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise PredictError(
            f"{name}: {WEIGHTS} does not fit the network {config.model.name} ({reason})"
        ) from error
    torch.set_flush_denormal(True)
    accuracy = run.data.metrics["best_val_accuracy"]
    return Classifier(str(run.info.run_name), accuracy, config, classes, parts, place, known)


def _read_artifacts(
    client: "MlflowClient", run: "Run", name: str, folder: Path
) -> "tuple[Config, tuple[str, ...], dict[str, torch.Tensor], Known | None]":
    from ablation import novelty
    from ablation.artifacts import ArtifactError, Artifacts

    files, at = Artifacts(client), (run.info.run_id, run.info.artifact_uri)
    try:
        there = files.names(*at)
    except ArtifactError as error:
        raise PredictError(f"{name}: its artifacts can't be read: {error}") from error
    if not there >= {CONFIG, CLASSES}:
        raise PredictError(
            f"{name} has no {' and '.join(sorted({CONFIG, CLASSES} - there))} among its artifacts "
            f"({files.folder(*at) or run.info.artifact_uri})"
        )
    if WEIGHTS not in there:
        raise PredictError(
            f"{name} kept no weights (save_weights=false); train it again with rerun=true "
            "save_weights=true"
        )
    from omegaconf import OmegaConf
    from safetensors.torch import load_file

    from ablation import config as schema

    def fetch(artifact: str) -> Path:
        return files.fetch(*at, artifact, folder)

    try:
        # Over the schema: a run of an earlier version lacks what was added since.
        composed = OmegaConf.structured(schema.Config)
        # What views were resized with before it could be chosen.
        composed.data.interpolation = "bilinear"
        composed.merge_with(OmegaConf.load(fetch(CONFIG)))
        config = schema.resolve(composed)
        classes = tuple(json.loads(fetch(CLASSES).read_text()))
        known = novelty.Known.read(fetch(novelty.FILE)) if novelty.FILE in there else None
        return config, classes, load_file(fetch(WEIGHTS)), known
    except Exception as error:
        raise PredictError(f"{name}: its artifacts can't be read ({brief(error)})") from error


def classify(
    classifier: Classifier, paths: Sequence[Path], keep_thumbnails: bool = False
) -> Predictions:
    """Read and predict batch by batch, so that a large folder does not fill the memory.

    Raises:
        PredictError: the network's answers are not finite.
    """
    import numpy as np

    from ablation import figures
    from ablation.decode import Reading

    found = Predictions()
    for batch in _batches(paths, Reading.of(classifier.config.data)):
        readable = [(path, *read) for path, read in batch if not isinstance(read, str)]
        found.unreadable += [f"{path}: {why}" for path, why in batch if isinstance(why, str)]
        if not readable:
            continue
        probabilities, shares = classifier.judge([pixels for _, pixels, _ in readable])
        is_finite = np.isfinite(probabilities).all(1)
        if not is_finite.all():
            path = readable[int(is_finite.argmin())][0]
            raise PredictError(
                f"{classifier.name}: its network gives {path} no probabilities, but nan: it "
                "diverged in training, or its weights are damaged; take another run"
            )
        found.probabilities += list(probabilities)
        found.shares_nearer += [] if shares is None else shares.tolist()
        found.paths += [path for path, _, _ in readable]
        found.facts += [facts for _, _, facts in readable]
        if keep_thumbnails:
            left = MOST_TILES - len(found.thumbnails)
            found.thumbnails += [
                np.asarray(figures.thumbnail(pixels, figures.SIDE))
                for _, pixels, _ in readable[:left]
            ]
    return found


def _batches(
    paths: Sequence[Path], reading: "Reading"
) -> "Iterator[list[tuple[Path, tuple[Pixels, Facts] | str]]]":
    with ThreadPoolExecutor() as threads:
        for first in range(0, len(paths), BATCH):
            part = paths[first : first + BATCH]
            read = threads.map(lambda path: _read(path, reading), part)
            yield list(zip(part, read, strict=True))


def _read(path: Path, reading: "Reading") -> "tuple[Pixels, Facts] | str":
    """A picture's pixels, or the reason why it has none."""
    from ablation.decode import DecodeError, decode

    try:
        return decode(path.read_bytes(), reading)
    except DecodeError as error:
        return str(error)
    except OSError as error:
        return error.strerror or str(error)


def _save_sheet(classifier: Classifier, found: Predictions, path: Path) -> None:
    from ablation import figures, shown

    try:
        figures.save_sheet(shown.sheet(classifier, found), path)
    except OSError as error:
        raise PredictError(f"--out {path}: can't be written ({brief(error)})") from error


def _check(arguments: argparse.Namespace) -> None:
    """What would otherwise be found out after the work, or not at all."""
    if arguments.study is not None and arguments.run != "best":
        raise PredictError("--study goes with best; a run's id names its study already")
    if arguments.out is None:
        return
    from PIL import Image

    writable = [
        ending for ending, kind in Image.registered_extensions().items() if kind in Image.SAVE
    ]
    if arguments.out.suffix.lower() not in writable:
        raise PredictError(f"--out {arguments.out}: end its name in .png or .jpg")
    if not arguments.out.absolute().parent.is_dir():
        raise PredictError(f"--out {arguments.out}: there is no folder {arguments.out.parent}")


def _listed(lines: Sequence[str]) -> str:
    if len(lines) == 1:
        return lines[0]
    shown = "\n".join(f"  {line}" for line in lines)
    return f"{len(lines)} can't be read:\n{shown}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ablation.predict",
        description="Tell what a finished run's network says of pictures.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "run", metavar="RUN_ID", help="a run's id in MLflow, or best: the study's best run"
    )
    parser.add_argument(
        "pictures", metavar="PICTURE", nargs="+", type=Path, help="a picture, or a folder of them"
    )
    parser.add_argument(
        "--study", help="where best is looked for (default: the study of the newest finished run)"
    )
    parser.add_argument(
        "--tracking-uri",
        metavar="URI",
        help="the MLflow store (default: MLFLOW_TRACKING_URI, else sqlite:///mlflow.db here)",
    )
    parser.add_argument(
        "--out", metavar="FILE", type=Path, help="draw the pictures with their labels, .png or .jpg"
    )
    parser.add_argument(
        "--top", metavar="N", type=_at_least_one, default=3, help="labels told of each (default: 3)"
    )
    return parser


def _at_least_one(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: a whole number, 1 or more")
    return int(text)


if __name__ == "__main__":
    main()
