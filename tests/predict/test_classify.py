"""Predictions are those of the training, near and far pictures are told apart."""

from pathlib import Path

import numpy as np
import pytest

from ablation.predict.classifier import rebuild
from ablation.predict.classify import classify
from tests.predict.made_up import CELLS, Call, Trained, copied_run


@pytest.mark.parametrize("cell", CELLS)
def test_predictions_are_those_of_the_training(trained: Trained, cell: str) -> None:
    wanted = trained.predictions(cell)
    paths = [trained.pictures / Path(picture).relative_to("val") for picture in wanted.picture]
    classifier = rebuild(trained.client, trained.runs[cell])
    found = classify(classifier, paths)
    assert found.paths == paths
    probabilities = np.array(found.probabilities)
    labels = [classifier.classes[index] for index in probabilities.argmax(1)]
    assert labels == wanted.predicted.tolist()
    assert probabilities.max(1) == pytest.approx(wanted.confidence.to_numpy(), abs=1e-4)


@pytest.mark.parametrize("cell", CELLS)
def test_the_validation_pictures_lie_where_the_run_left_them(trained: Trained, cell: str) -> None:
    """Read anew, each has the rank that it had in training, in a network that is not folded."""
    wanted = trained.predictions(cell)
    paths = [trained.pictures / Path(picture).relative_to("val") for picture in wanted.picture]
    classifier = rebuild(trained.client, trained.runs[cell])
    assert classifier.known is not None
    assert classifier.known.training.shape == (16, 1280)
    assert len(classifier.known.validation) == len(paths) == 12
    found = classify(classifier, paths)
    assert sorted(found.shares_nearer) == pytest.approx(np.arange(12) / 12)


def test_a_network_that_answers_no_number_is_refused(trained: Trained, call: Call) -> None:
    from safetensors.numpy import load_file, save_file

    run = copied_run(trained)
    path = Path(run.info.artifact_uri.removeprefix("file://")) / "weights.safetensors"
    weights = load_file(path)
    weights["head.bias"][0] = np.nan
    save_file(weights, path)
    code, out, err = call(run.info.run_id, str(trained.pictures / "red" / "00.png"))
    assert (code, out) == (1, "")
    assert "no probabilities, but nan: it diverged in training, or its weights are damaged" in err
