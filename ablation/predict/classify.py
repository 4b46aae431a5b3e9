"""Pictures in, probabilities out."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ablation import process
from ablation.predict.classifier import Classifier
from ablation.predict.errors import PredictError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ablation.pictures.decode import Facts, Pixels, Reading

#: Pictures that are decoded and predicted together.
BATCH = 32
#: The most pictures on a sheet.
MOST_TILES = 400


@dataclass
class Predictions:
    """What was predicted, and what could not be read.

    Attributes:
        paths: of the pictures that were read.
        probabilities: for each picture, shape (n_classes,).
        facts: what decoding tells of each picture.
        shares_nearer: for each picture, the share of the run's validation pictures that lie nearer
            to its training pictures, 0..1; empty where the run does not keep what tells it.
        thumbnails: of the first pictures, at most `MOST_TILES`; empty where none are asked for.
        unreadable: a line on each picture that could not be read.
    """

    paths: list[Path] = field(default_factory=list)
    probabilities: "list[npt.NDArray[np.float32]]" = field(default_factory=list)
    facts: "list[Facts]" = field(default_factory=list)
    shares_nearer: list[float] = field(default_factory=list)
    thumbnails: "list[Pixels]" = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def classify(
    classifier: Classifier, paths: Sequence[Path], keep_thumbnails: bool = False
) -> Predictions:
    """Decode and classify pictures, batch by batch, so that they need not fit into memory.

    Args:
        classifier: of a finished run.
        paths: of the pictures.
        keep_thumbnails: whether to keep small copies of the pictures, for a sheet.

    Raises:
        PredictError: the network's outputs are not finite.
    """
    from ablation.pictures.decode import Reading

    found = Predictions()
    for batch in _batches(paths, Reading.of(classifier.config.data)):
        found.unreadable += [f"{path}: {why}" for path, why in batch if isinstance(why, str)]
        decoded = [(path, *result) for path, result in batch if not isinstance(result, str)]
        if not decoded:
            continue
        pixels = [one for _, one, _ in decoded]
        probabilities, shares = classifier.judge(pixels)
        _refuse_not_finite(classifier, probabilities, [path for path, _, _ in decoded])
        found.probabilities += list(probabilities)
        found.shares_nearer += [] if shares is None else shares.tolist()
        found.paths += [path for path, _, _ in decoded]
        found.facts += [facts for _, _, facts in decoded]
        if keep_thumbnails:
            found.thumbnails += _thumbnails(pixels[: MOST_TILES - len(found.thumbnails)])
    return found


def _batches(
    paths: Sequence[Path], reading: "Reading"
) -> "Iterator[list[tuple[Path, tuple[Pixels, Facts] | str]]]":
    """Pictures with their pixels and facts, or the reason why they have none."""
    from ablation.pictures.decode import read_and_decode

    with ThreadPoolExecutor() as threads:
        for first in range(0, len(paths), BATCH):
            part = paths[first : first + BATCH]
            decoded = process.results(
                threads, lambda path: read_and_decode(path.read_bytes, reading)[1], part
            )
            yield list(zip(part, decoded, strict=True))


def _refuse_not_finite(
    classifier: Classifier, probabilities: "npt.NDArray[np.float32]", paths: Sequence[Path]
) -> None:
    import numpy as np

    is_finite = np.isfinite(probabilities).all(1)
    if not is_finite.all():
        raise PredictError(
            f"{classifier.name}: its network gives {paths[int(is_finite.argmin())]} no "
            "probabilities, but nan: it diverged in training, or its weights are damaged; take "
            "another run"
        )


def _thumbnails(pictures: "Sequence[Pixels]") -> "list[Pixels]":
    import numpy as np

    from ablation.figures.canvas import SIDE, thumbnail

    return [np.asarray(thumbnail(pixels, SIDE)) for pixels in pictures]
