"""What a person is shown of predictions: warnings, a table, a sheet of the pictures."""

import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ablation.errors import first_line
from ablation.predict.errors import PredictError
from ablation.training import novelty

if TYPE_CHECKING:
    from PIL import Image
    from rich.table import Table
    from rich.text import Text

    from ablation.predict.classifier import Classifier
    from ablation.predict.classify import Predictions

Floats = npt.NDArray[np.float32]

FAR = "far from the training pictures"


def tell(classifier: "Classifier", found: "Predictions", notes: Sequence[str], top: int) -> None:
    """Print warnings and notes, then the table and what its columns mean.

    Args:
        classifier: of a finished run.
        found: what it predicted.
        notes: what in the folders is not read.
        top: how many classes are told of each picture.
    """
    from rich.console import Console

    from ablation.pictures.remarks import notes_on_pictures

    # A file or a pipe has no width that lines must fit into.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 10_000)
    for warning in warnings(classifier, found) if found.paths else ():
        console.print(f"[bold red]warning[/]: {warning}", soft_wrap=True)
    named = list(zip(map(str, found.paths), found.facts, strict=True))
    for note in (*notes, *notes_on_pictures(named)):
        console.print(f"note: {note}", markup=False, soft_wrap=True)
    if found.paths:
        console.print(table(classifier, found, top))
        console.print(explanation(classifier))


def warnings(classifier: "Classifier", found: "Predictions") -> Iterator[str]:
    """Reasons not to trust the predictions, a sentence each."""
    if classifier.known is None:
        yield (
            "This run does not tell how far a picture is from its training pictures: it was made "
            "by an earlier version (rerun=true trains it again)."
        )
        return
    if not classifier.known.is_of_use:
        yield (
            "This run's network gives all pictures the same features, so it can't tell how far one "
            "is from its training pictures."
        )
    n_far = sum(map(is_far, found.shares_nearer))
    if n_far:
        yield (
            f"{_subject(n_far, found)} {FAR}, farther than {novelty.FAR:.0%} of the validation "
            "pictures: neither the run's accuracy nor the probabilities hold there."
        )
    n_rather = sum(map(is_rather_far, found.shares_nearer))
    if n_rather:
        yield (
            f"{_subject(n_rather, found)} rather far, farther than {novelty.RATHER_FAR:.0%} of the "
            "validation pictures: of pictures like those, only one in 20 is."
        )


def _subject(number: int, found: "Predictions") -> str:
    n = len(found.paths)
    if n == 1:
        return "This picture is"
    return f"{number:,} of {n:,} pictures {'is' if number == 1 else 'are'}"


def is_far(share_nearer: float) -> bool:
    """Whether nearly all validation pictures lie nearer to the training pictures."""
    return share_nearer >= novelty.FAR


def is_rather_far(share_nearer: float) -> bool:
    """Whether most validation pictures lie nearer to the training pictures."""
    return novelty.RATHER_FAR <= share_nearer < novelty.FAR


def uncertainty(probabilities: Floats) -> float:
    """The entropy of probabilities, 0..1: 0 is sure, 1 an even guess among all classes."""
    from scipy.special import entr

    return float(entr(probabilities.astype(np.float64)).sum() / np.log(len(probabilities)))


def explanation(classifier: "Classifier") -> str:
    """What the columns of the table mean."""
    text = "uncertainty: entropy of the probabilities; 0% is sure, 100% an even guess."
    if classifier.known is not None:
        n, n_validation = len(classifier.known.training), len(classifier.known.validation)
        text += (
            f"\nfarther than: the share of {n_validation:,} validation pictures that lie nearer to "
            f"the nearest of {n:,} training pictures; distances are between the features that the "
            "network's head is given."
        )
    return text


def table(classifier: "Classifier", found: "Predictions", top: int) -> "Table":
    """A table for the terminal: each picture's label, its probability, and how sure it is.

    Args:
        classifier: of a finished run.
        found: what it predicted.
        top: how many classes are told of each picture, at least 1.
    """
    from rich.table import Table
    from rich.text import Text

    title = f"{classifier.name}, best validation accuracy {classifier.best_val_accuracy:.1%}"
    shown = Table(title=title, title_justify="left", title_style="bold")
    # No part of a path is cut: it identifies the picture.
    shown.add_column("picture", overflow="fold")
    shown.add_column("label", style="bold")
    shown.add_column("probability", justify="right")
    n_others = min(top, len(classifier.classes)) - 1
    if n_others:
        shown.add_column("runner-up" if n_others == 1 else "runners-up")
    shown.add_column("uncertainty", justify="right")
    if classifier.known is not None:
        shown.add_column("farther than")
    shares = found.shares_nearer or [np.nan] * len(found.paths)
    for path, probabilities, share in zip(found.paths, found.probabilities, shares, strict=True):
        first, *others = (-probabilities).argsort(kind="stable")[: n_others + 1]
        cells = [str(path), classifier.classes[first], f"{probabilities[first]:.1%}"]
        if n_others:
            cells.append(_listed(classifier.classes, probabilities, others))
        cells.append(f"{uncertainty(probabilities):.0%}")
        row = [Text(cell) for cell in cells]
        if classifier.known is not None:
            row.append(_farther_than(share))
        shown.add_row(*row)
    return shown


def _farther_than(share_nearer: float) -> "Text":
    from rich.text import Text

    # Rounded down, so that 99% means at least 99%.
    text = f"{math.floor(100 * share_nearer)}%"
    if is_far(share_nearer):
        return Text(f"{text}, {FAR}", "bold red")
    if is_rather_far(share_nearer):
        return Text(f"{text}, rather far", "yellow")
    return Text(text)


def _listed(classes: Sequence[str], probabilities: Floats, which: Sequence[int]) -> str:
    return ", ".join(f"{classes[index]} {probabilities[index]:.1%}" for index in which)


def sheet(classifier: "Classifier", found: "Predictions") -> "Image.Image":
    """A sheet of the pictures with their labels; pictures that are far have a frame."""
    from ablation.figures import style
    from ablation.figures import tiles as figures

    tiles = []
    shares = found.shares_nearer or [0.0] * len(found.paths)
    for file, pixels, probabilities, share in zip(
        found.paths, found.thumbnails, found.probabilities, shares, strict=False
    ):
        first = int(probabilities.argmax())
        said = f"{classifier.classes[first]} {probabilities[first]:.1%}"
        lines = [(said, style.BLUE), (file.name, style.GREY)]
        if is_far(share):
            lines.append(("far from training", style.ORANGE))
        tiles.append(figures.Tile(pixels, tuple(lines), style.ORANGE if is_far(share) else None))
    n_left = len(found.paths) - len(tiles)
    note = f"by {classifier.name}" + (f"; {n_left} more are not shown" if n_left else "")
    if any(map(is_far, shares)):
        note += f"; framed: {FAR}"
    return figures.sheet(f"Predictions for {len(found.paths)} pictures", note, [("", tiles)])


def save_sheet(classifier: "Classifier", found: "Predictions", path: Path) -> None:
    """Save the sheet of the pictures, in the format of the path's suffix.

    Raises:
        PredictError: the file can't be written.
    """
    from ablation.figures import canvas

    try:
        canvas.save(sheet(classifier, found), path)
    except OSError as error:
        raise PredictError(f"--out {path}: can't be written ({first_line(error)})") from error
