"""What is stored of a run's predictions: all of it, exactly, and safe from odd names."""

import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from ablation.training import predictions
from ablation.training.predictions import PredictionError


def softmax(n: int, k: int, seed: int = 0) -> NDArray[np.float32]:
    logits = np.random.default_rng(seed).normal(0, 4, (n, k))
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return (powers / powers.sum(1, keepdims=True)).astype(np.float32)


def made(n: int, classes: list[str]) -> predictions.Predictions:
    names = [f"val/{i:06}.jpg" for i in range(n)]
    labels = np.arange(n) % len(classes)
    return predictions.of(names, labels, classes, softmax(n, len(classes)))


def test_every_probability_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    said = made(153, ["ants", "bees", "wasps"])
    predictions.save(said, tmp_path)
    back = predictions.from_parquet(tmp_path / "predictions.parquet", with_probabilities=True)
    assert back.probabilities is not None
    assert said.probabilities is not None
    assert back.probabilities.dtype == np.float32
    assert back.probabilities.tobytes() == said.probabilities.tobytes()
    for name in ("pictures", "labels", "predicted", "classes"):
        assert getattr(back, name) == getattr(said, name)


def test_any_reader_of_parquet_finds_a_column_a_class(tmp_path: Path) -> None:
    said = made(20, ["ants", "bees"])
    predictions.save(said, tmp_path, "test_")
    table = pd.read_parquet(tmp_path / "test_predictions.parquet")
    assert list(table) == ["picture", "label", "predicted", "p_ants", "p_bees"]
    np.testing.assert_array_equal(table[["p_ants", "p_bees"]].to_numpy(), said.probabilities)
    assert (table[["p_ants", "p_bees"]].to_numpy().argmax(1) == (table.predicted == "bees")).all()


def test_both_files_give_the_same_answers(tmp_path: Path) -> None:
    predictions.save(made(99, ["ants", "bees"]), tmp_path)
    exact = predictions.from_parquet(tmp_path / "predictions.parquet")
    text = predictions.from_csv((tmp_path / "predictions.csv").read_text())
    assert (exact.pictures, exact.labels, exact.predicted) == (
        text.pictures, text.labels, text.predicted,
    )  # fmt: skip
    assert exact.probabilities is None


def test_of_equal_probabilities_the_first_class_is_predicted() -> None:
    chances = np.array([[0.4, 0.4, 0.2], [0.2, 0.4, 0.4]], dtype=np.float32)
    said = predictions.of(["a", "b"], np.array([0, 2]), ["x", "y", "z"], chances)
    assert said.predicted == ["x", "y"]


@pytest.mark.parametrize(
    "classes",
    [
        ["label", "picture", "predicted", "confidence"],
        ["p_label", "label"],
        ["a,b", 'say "so"'],
        ["1", "2", "nan", "NA", ""],
        ["é", "中", "a\nb"],
    ],
)
def test_a_class_of_any_name_keeps_its_column(classes: list[str], tmp_path: Path) -> None:
    said = made(40, classes)
    predictions.save(said, tmp_path)
    back = predictions.from_parquet(tmp_path / "predictions.parquet", with_probabilities=True)
    assert (list(back.classes), back.labels) == (classes, said.labels)
    np.testing.assert_array_equal(back.probabilities, said.probabilities)
    text = predictions.from_csv((tmp_path / "predictions.csv").read_text())
    assert (text.labels, text.predicted) == (said.labels, said.predicted)


def test_the_table_for_people_has_the_classes_while_they_are_few() -> None:
    usual = ["picture", "label", "predicted", "confidence"]
    names = [str(number) for number in range(21)]
    assert list(predictions.as_table(made(30, names))) == usual
    few = predictions.as_table(made(30, names[:20]))
    assert list(few) == [*usual, *(f"p_{name}" for name in names[:20])]
    np.testing.assert_allclose(few["confidence"], few.iloc[:, 4:].max(axis=1))


def test_a_picture_whose_name_is_no_text_is_stored_too(tmp_path: Path) -> None:
    name = b"val/\xff.jpg".decode("utf-8", "surrogateescape")
    said = predictions.of([name], np.array([0]), ["a", "b"], softmax(1, 2))
    predictions.save(said, tmp_path)
    assert predictions.from_parquet(tmp_path / "predictions.parquet").pictures == [r"val/\xff.jpg"]


def test_a_thousand_classes_and_fifty_thousand_pictures_take_little_more_than_their_floats(
    tmp_path: Path,
) -> None:
    n, k = 50_000, 1_000
    chances = np.full((n, k), 1 / k, dtype=np.float32)
    names = [f"val/{i:06}.jpg" for i in range(n)]
    tracemalloc.start()
    said = predictions.of(names, np.arange(n) % k, [f"class {i}" for i in range(k)], chances)
    predictions.save(said, tmp_path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    predictions.from_parquet(tmp_path / "predictions.parquet")
    _, reading = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # One turned copy of the 200 MB; the report, which needs no probabilities, reads none.
    assert most < 300e6
    assert reading < 50e6


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no table", b"PAR1" + bytes(99) + b"PAR1"])
def test_a_damaged_file_is_told(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "predictions.parquet").write_bytes(content)
    with pytest.raises(PredictionError, match=r"predictions\.parquet"):
        predictions.from_parquet(tmp_path / "predictions.parquet")


@pytest.mark.parametrize(
    "text",
    ["", "picture,label\na,b\n", "picture,label,predicted\n", "picture,label,predicted\na,b\n",
     "picture,label,predicted,confidence\na,b,b,much\n"],
)  # fmt: skip
def test_a_damaged_table_is_told(text: str) -> None:
    with pytest.raises(PredictionError, match=r"predictions\.csv"):
        predictions.from_csv(text)
