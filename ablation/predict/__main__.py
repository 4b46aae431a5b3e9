"""`python -m ablation.predict RUN_ID PICTURE…`: what a finished run's network says of pictures.

Works from MLflow alone: the run's config, its classes, and the weights that it trained; what it
left frozen is built again from the model's own weights, and checked to be the same.

Exit code: 0 every picture was read, 1 something could not be read.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ablation import process
from ablation.predict.classifier import Classifier, PredictError, load
from ablation.predict.classify import Predictions, classify
from ablation.predict.find import find_pictures
from ablation.predict.runs import best_run, finished_run
from ablation.tracking.artifacts import brief

EXAMPLES = """\
examples:
  python -m ablation.predict best ant.jpg
  python -m ablation.predict best pictures/ --study seed_grid --out sheet.png
  python -m ablation.predict 3f2a… a.jpg b.jpg --tracking-uri sqlite:////data/mlflow.db
"""


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
    from ablation.pictures import folders

    # What no run would read is answered before one is looked for.
    paths, missing, _ = find_pictures(arguments.pictures, folders.FORMATS | folders.readable())
    if not paths:
        raise PredictError(_listed(missing))
    from ablation.tracking import store as tracking

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


def _tell(classifier: Classifier, found: Predictions, notes: Sequence[str], top: int) -> None:
    """What should be known of the pictures, then what the network says of them."""
    from rich.console import Console

    from ablation.pictures import remarks
    from ablation.predict import show as shown

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


def _save_sheet(classifier: Classifier, found: Predictions, path: Path) -> None:
    from ablation.figures import sheets
    from ablation.predict import show as shown

    try:
        sheets.save_sheet(shown.sheet(classifier, found), path)
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
