"""Reads pictures of a study again, for thumbnails, where they can still be had.

Evidence holds no pictures. The digits come with scikit-learn; of other sources the store knows the
folder, and a file of evidence does not.
"""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from ablation.config import DataConfig
from ablation.pictures import sources
from ablation.pictures.decode import DecodeError, Pixels, Reading, decode
from ablation.report.evidence.source import Evidence

#: A picture's name, and what reads its file.
Content = tuple[str, Callable[[], bytes]]


def read(evidence: Evidence, run_id: str, names: Collection[str]) -> dict[str, Pixels]:
    """Those of the pictures that can be read, each of shape (height, width, 3).

    Args:
        evidence: on the study.
        run_id: of a run that was evaluated on them.
        names: of the pictures, as its predictions have them.
    """
    (run,) = (run for run in evidence.runs if run.id == run_id)
    found = {}
    source = _digits if run.params.get("data.source") == "digits" else _files
    for name, content in source(evidence.folders.get(run_id), names):
        try:
            found[name] = decode(content(), Reading())[0]
        except (OSError, DecodeError):
            continue
    return found


def _digits(folder: str | None, names: Collection[str]) -> Iterator[Content]:
    digits = sources.find(DataConfig(source="digits", size=sources.DIGITS_SIZE))
    for pictures in digits.splits.values():
        yield from ((one.name, one.read) for one in pictures if one.name in names)


def _files(folder: str | None, names: Collection[str]) -> Iterator[Content]:
    if folder is None:
        return
    root = Path(folder).expanduser().resolve()
    if root.is_file():  # of a table, whose paths are relative to its folder
        root = root.parent
    for name in names:
        path = (root / name).resolve()
        # A name comes from an artifact, which need not be ours.
        if path.is_relative_to(root) and path.is_file():
            yield name, path.read_bytes
