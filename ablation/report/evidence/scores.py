"""Scores of a run's predictions beside its accuracy, from the probabilities that it gave."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ablation import targets
from ablation.errors import ConfigError, first_line
from ablation.training.predictions import Predictions

Floats = NDArray[np.float32]

#: Bins of equal width for the calibration error, as in Guo et al. 2017 (ICML).
BINS = 15


@dataclass(frozen=True)
class Scores:
    """Of one run, on one set of pictures.

    Attributes:
        balanced_accuracy: the mean of `recall`, 0..1.
        recall: class → the share of its pictures that were classified correctly; of the classes
            that have pictures.
        macro_f1: the mean over these classes of F1, 0..1.
        auroc: area under the curve, each class against the rest, the mean over the classes; NaN
            where it is not defined or the probabilities were not kept.
        log_loss: mean cross-entropy in nats; NaN where the probabilities were not kept, and so
            are the next two.
        brier: mean over the pictures of the sum over the classes of the squared error, 0..2.
        calibration_error: expected calibration error over `BINS` equal bins of confidence, 0..1.
    """

    balanced_accuracy: float
    recall: Mapping[str, float]
    macro_f1: float
    auroc: float
    log_loss: float
    brier: float
    calibration_error: float


def of_run(said: Predictions) -> Scores:
    """All scores of a run's predictions."""
    classes = sorted(set(said.labels))
    recall, f1 = _recall_and_f1(said, classes)
    losses = of_pictures(said)
    has = bool(losses)
    return Scores(
        balanced_accuracy=float(np.mean(recall)),
        recall=dict(zip(classes, map(float, recall), strict=True)),
        macro_f1=float(np.mean(f1)),
        auroc=_auroc(said) if has else np.nan,
        log_loss=float(losses["log_loss"].mean(dtype=np.float64)) if has else np.nan,
        brier=float(losses["brier"].mean(dtype=np.float64)) if has else np.nan,
        calibration_error=_calibration_error(said) if has else np.nan,
    )


def _recall_and_f1(
    said: Predictions, classes: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The recall and the F1 of these classes, which all have pictures.

    F1, the harmonic mean of precision and recall, is twice the right answers of a class by its
    pictures and those that were taken for it.
    """
    number = {name: n for n, name in enumerate(dict.fromkeys([*classes, *said.predicted]))}
    true, predicted = (
        np.array([number[name] for name in names]) for names in (said.labels, said.predicted)
    )
    right, of_class, taken_for = (
        np.bincount(some, minlength=len(number))[: len(classes)]
        for some in (true[true == predicted], true, predicted)
    )
    return right / of_class, 2 * right / (of_class + taken_for)


def of_pictures(said: Predictions) -> dict[str, Floats]:
    """Each picture's part of the losses: their means are the run's log loss and Brier score.

    Args:
        said: what the run predicted.

    Returns:
        "log_loss" and "brier" → of shape (n_pictures,), in the order of `said`; empty where the
        probabilities were not kept.
    """
    if said.probabilities is None or not said.classes:
        return {}
    chances = said.probabilities.astype(np.float64)
    at = {name: n for n, name in enumerate(said.classes)}
    true = np.array([at[label] for label in said.labels])
    rows = np.arange(len(true))
    # As scikit-learn does, so that no picture has an infinite loss.
    eps = np.finfo(said.probabilities.dtype).eps
    clipped = np.clip(chances, eps, 1 - eps)
    log_loss = -np.log(clipped[rows, true])
    brier = np.sum(chances**2, axis=1) - 2 * chances[rows, true] + 1
    return {"log_loss": log_loss.astype(np.float32), "brier": brier.astype(np.float32)}


def by(target: str, said: Predictions) -> Floats:
    """Each picture's score by a function of a person's own.

    Args:
        target: its dotted path. It is called with the true classes, indices of shape (n,), and the
            probabilities, of shape (n, n_classes), and returns n numbers.
        said: what the run predicted, with its probabilities.

    Raises:
        ConfigError: there is no such function, it failed, or it returned something else.
    """
    assert said.probabilities is not None
    at = {name: n for n, name in enumerate(said.classes)}
    true = np.array([at[label] for label in said.labels])
    score = targets.found(target)
    try:
        found = np.asarray(score(true, said.probabilities.astype(np.float64)), dtype=np.float32)
    # Whatever a person's own code raises.
    except Exception as error:
        raise ConfigError(
            f"report.metric={target}: {type(error).__name__}: {first_line(error)}"
        ) from error
    if found.shape != true.shape or not np.isfinite(found).all():
        raise ConfigError(
            f"report.metric={target}: returned an array of shape {found.shape}"
            + ("" if found.shape != true.shape else " with values that are not finite")
            + f"; one finite number for each of the {len(true)} pictures is wanted"
        )
    return found


def balanced(right: NDArray[np.bool_], labels: Sequence[str]) -> NDArray[np.float64]:
    """Each picture's part of the balanced accuracy: their mean in a run is its balanced accuracy.

    The classes of a study are not drawn by chance, so a picture differs from the others by how far
    its answer lies from its own class's recall, not by which class it is of: the balanced accuracy
    of the run, plus that distance, weighted as the class is. So the variance between the pictures
    is that within the classes (a stratified sample, Cochran 1977, *Sampling Techniques*, ch. 5).

    Args:
        right: right or wrong in each run, of shape (n_runs, n_pictures).
        labels: the true classes of the pictures.

    Returns:
        Of the shape of `right`.
    """
    names = np.array(labels)
    classes = sorted(set(labels))
    parts = np.zeros(right.shape, dtype=np.float64)
    recalls = np.zeros((len(right), len(classes)))
    for n, name in enumerate(classes):
        of_class = np.flatnonzero(names == name)
        recalls[:, n] = right[:, of_class].mean(axis=1)
        weight = len(labels) / (len(classes) * len(of_class))
        # The distances from a mean over few pictures are too small by this.
        weight *= np.sqrt(len(of_class) / max(len(of_class) - 1, 1))
        parts[:, of_class] = weight * (right[:, of_class] - recalls[:, [n]])
    balanced_accuracy: NDArray[np.float64] = parts + recalls.mean(axis=1, keepdims=True)
    return balanced_accuracy


def _auroc(said: Predictions) -> float:
    """The mean over the classes of each one's area against the rest.

    A class's area is the share of pairs, of a picture of the class and one of another, in which the
    first has the higher probability; a tie counts half (Hanley & McNeil 1982, Radiology 143). So it
    follows from the sum of the ranks, which are found for all classes at once.
    """
    from scipy.stats import rankdata

    assert said.probabilities is not None
    is_of = np.array(said.labels)[:, None] == np.array(said.classes)
    n_of = is_of.sum(axis=0)
    n_others = len(is_of) - n_of
    has_both = (n_of > 0) & (n_others > 0)
    if not has_both.any():
        return np.nan
    ranks = np.where(is_of, rankdata(said.probabilities, axis=0), 0).sum(axis=0)[has_both]
    n_of, n_others = n_of[has_both], n_others[has_both]
    return float(np.mean((ranks - n_of * (n_of + 1) / 2) / (n_of * n_others)))


def _calibration_error(said: Predictions) -> float:
    """The mean gap between confidence and accuracy, weighted by the pictures of each bin."""
    assert said.probabilities is not None
    confidence = said.probabilities.max(axis=1)
    right = np.array(said.labels) == np.array(said.predicted)
    # A bin includes its upper edge.
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = np.bincount(bins, weights=right - confidence, minlength=BINS)
    return float(np.abs(gaps).sum() / len(right))
