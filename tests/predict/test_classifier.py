"""A run is rebuilt from what it keeps, with the weights that it started from."""

import pytest

from ablation.network import model
from ablation.predict.classifier import rebuild
from tests.predict.made_up import Call, Trained, copied_run


def test_a_run_that_trained_all_needs_no_other_weights(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*settings: object) -> None:
        raise model.ModelError("the published weights are not needed")

    monkeypatch.setattr(model, "_pretrained", refuse)
    rebuild(trained.client, trained.runs["full-still"])
    rebuild(trained.client, trained.runs["frozen-moving"])
    with pytest.raises(model.ModelError):
        rebuild(trained.client, trained.runs["frozen-still"])


def test_a_copied_run_predicts(trained: Trained) -> None:
    rebuild(trained.client, copied_run(trained))


def test_other_weights_than_the_run_started_from_are_refused(trained: Trained, call: Call) -> None:
    run = copied_run(trained, tags={"weights_digest": "0" * 16, "start_digest": "0" * 16})
    code, _, err = call(run.info.run_id, str(trained.pictures))
    assert code == 1
    assert f"started from other weights ({'0' * 16})" in err
