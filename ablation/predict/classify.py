"""Pictures in, probabilities out."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ablation.predict.classifier import Classifier, PredictError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ablation.pictures.decode import Facts, Pixels, Reading


#: Pictures that are decoded and predicted together.
BATCH = 32
#: Most pictures on a sheet.
MOST_TILES = 400


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


def classify(
    classifier: Classifier, paths: Sequence[Path], keep_thumbnails: bool = False
) -> Predictions:
    """Read and predict batch by batch, so that a large folder does not fill the memory.

    Raises:
        PredictError: the network's answers are not finite.
    """
    import numpy as np

    from ablation.figures import sheets, style
    from ablation.pictures.decode import Reading

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
                np.asarray(sheets.thumbnail(pixels, style.SIDE)) for _, pixels, _ in readable[:left]
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
    from ablation.pictures.decode import DecodeError, decode

    try:
        return decode(path.read_bytes(), reading)
    except DecodeError as error:
        return str(error)
    except OSError as error:
        return error.strerror or str(error)
