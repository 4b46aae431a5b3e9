"""`python -m ablation.predict RUN_ID PICTURE…`: what a finished run's network says of pictures.

It needs MLflow alone: the run's config, its classes and the weights that it trained. The part that
the run left frozen is built from the model's pre-trained weights, and checked to be the same.

Exit code: 0 every picture was read, 1 something could not be read.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from ablation import process, targets
from ablation.predict import runs
from ablation.predict.classifier import rebuild
from ablation.predict.classify import classify
from ablation.predict.errors import PredictError
from ablation.predict.find import find_pictures

EXAMPLES = """\
examples:
  python -m ablation.predict best ant.jpg
  python -m ablation.predict best pictures/ --study seed_grid --out sheet.png
  python -m ablation.predict 3f2a… a.jpg b.jpg --tracking-uri sqlite:////data/mlflow.db
"""


def main() -> None:
    """The command; exits with the code above."""
    with process.command():
        predict(_parser().parse_args())


def predict(arguments: argparse.Namespace) -> None:
    """Find the pictures and the run, classify the pictures, and show what was predicted.

    Raises:
        ConfigError: the run can't be used, a picture can't be read, or the sheet can't be written.
    """
    _refuse_mistakes(arguments)
    targets.look_in(Path.cwd())  # for a network of a person's own
    from ablation.pictures import files

    # What no run could read is answered before a run is looked for, which takes seconds.
    asked = find_pictures(arguments.pictures, files.FORMATS | files.decodable_suffixes())
    if not asked.paths:
        raise PredictError(_listed(asked.missing))
    from ablation.predict import show

    classifier = rebuild(*runs.named(arguments))
    process.imports_done()
    accepted = files.accepted_suffixes(classifier.config.data.extra_formats)
    asked = find_pictures(arguments.pictures, accepted)
    found = classify(classifier, asked.paths, keep_thumbnails=bool(arguments.out))
    show.tell(classifier, found, asked.notes, arguments.top)
    if found.paths and arguments.out:
        show.save_sheet(classifier, found, arguments.out)
    unreadable = asked.missing + found.unreadable
    if unreadable:
        raise PredictError(_listed(unreadable))


def _refuse_mistakes(arguments: argparse.Namespace) -> None:
    """Refuse arguments that make no sense before any work is done.

    Raises:
        PredictError: it says which.
    """
    runs.refuse_mistakes(arguments)
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
    runs.add_arguments(parser)
    parser.add_argument(
        "pictures", metavar="PICTURE", nargs="+", type=Path, help="a picture, or a folder of them"
    )
    parser.add_argument(
        "--out", metavar="FILE", type=Path, help="draw the pictures with their labels, .png or .jpg"
    )
    parser.add_argument(
        "--top",
        metavar="N",
        type=_at_least_one,
        default=3,
        help="classes told of each (default: 3)",
    )
    return parser


def _at_least_one(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: must be a whole number, 1 or more")
    return int(text)


if __name__ == "__main__":
    main()
