"""Scores of a run's predictions, against scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics

from ablation.report.evidence.scores import balanced, of_pictures, of_run
from ablation.training import predictions
from ablation.training.predictions import Predictions


def said(n: int = 200, n_classes: int = 4, seed: int = 0) -> Predictions:
    rng = np.random.default_rng(seed)
    labels = rng.choice(n_classes, n, p=np.arange(1, n_classes + 1) / sum(range(n_classes + 1)))
    logits = rng.normal(size=(n, n_classes)) + 1.5 * np.eye(n_classes)[labels]
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    names = [f"{at}.png" for at in range(n)]
    classes = [f"class {at}" for at in range(n_classes)]
    return predictions.of(names, labels, classes, chances.astype(np.float32))


def test_the_scores_are_those_of_scikit_learn() -> None:
    made = said()
    found = of_run(made)
    true, chances = made.labels, made.probabilities
    assert chances is not None
    assert found.balanced_accuracy == metrics.balanced_accuracy_score(true, made.predicted)
    assert found.macro_f1 == metrics.f1_score(true, made.predicted, average="macro")
    assert found.auroc == pytest.approx(
        metrics.roc_auc_score(true, chances / chances.sum(1, keepdims=True), multi_class="ovr")
    )
    assert found.log_loss == pytest.approx(
        metrics.log_loss(true, chances, labels=list(made.classes)), rel=1e-5
    )
    recall = metrics.recall_score(true, made.predicted, average=None)
    assert list(found.recall.values()) == recall.tolist()


def test_equal_probabilities_count_half_in_an_area_and_a_class_without_pictures_not_at_all() -> (
    None
):
    made = said()
    assert made.probabilities is not None
    rounded = np.round(np.column_stack([made.probabilities, np.zeros(len(made.labels))]), 1)
    labels = np.array([int(label[-1]) for label in made.labels])
    names = [f"class {at}" for at in range(5)]
    coarse = predictions.of(list(made.pictures), labels, names, rounded.astype(np.float32))
    areas = [metrics.roc_auc_score(labels == at, rounded[:, at]) for at in range(4)]
    assert of_run(coarse).auroc == pytest.approx(np.mean(areas), abs=1e-12)


def test_the_brier_score_is_the_squared_error_over_all_classes() -> None:
    made = said(n_classes=2)
    assert made.probabilities is not None
    of_second = metrics.brier_score_loss(
        np.array(made.labels) == made.classes[1], made.probabilities[:, 1]
    )
    assert of_run(made).brier == pytest.approx(2 * of_second, rel=1e-4)


def test_the_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    # Of 10 pictures with a confidence of 0.8, 6 are right: a gap of 0.2.
    labels = np.array([0] * 6 + [1] * 4)
    chances = np.tile(np.array([0.8, 0.2], dtype=np.float32), (10, 1))
    made = predictions.of([f"{n}" for n in range(10)], labels, ["a", "b"], chances)
    assert of_run(made).calibration_error == pytest.approx(0.2, abs=1e-6)


def test_each_pictures_part_has_the_score_as_its_mean() -> None:
    made = said()
    parts, found = of_pictures(made), of_run(made)
    assert parts["log_loss"].mean() == pytest.approx(found.log_loss, rel=1e-6)
    right = np.array(made.labels) == np.array(made.predicted)
    parts_of_runs = balanced(np.stack([right, ~right]), made.labels)
    assert parts_of_runs.mean(axis=1) == pytest.approx(
        [found.balanced_accuracy, 1 - found.balanced_accuracy]
    )


def test_the_sizes_of_the_classes_are_no_variance_between_pictures() -> None:
    labels = ["ant"] * 90 + ["bee"] * 10
    right = np.ones((1, 100), dtype=bool)
    assert np.ptp(balanced(right, labels)) == 0
    right[0, 95:] = False
    found = balanced(right, labels)
    assert found.mean() == pytest.approx(0.75)
    assert np.ptp(found[0, :90]) == 0


def test_a_certain_mistake_has_a_finite_loss() -> None:
    chances = np.array([[1.0, 0.0]], dtype=np.float32)
    made = predictions.of(["a.png"], np.array([1]), ["a", "b"], chances)
    assert 10 < of_run(made).log_loss < 20
    assert np.isnan(of_run(made).auroc)


def test_without_probabilities_there_are_no_losses() -> None:
    made = Predictions(["a.png", "b.png"], ["x", "y"], ["x", "x"])
    found = of_run(made)
    assert of_pictures(made) == {}
    assert found.balanced_accuracy == 0.5
    assert np.isnan([found.log_loss, found.brier, found.auroc, found.calibration_error]).all()
