"""What a run lacks or has damaged is named."""

from pathlib import Path

import pytest

from tests.predict.made_up import Call, Trained, copied_run


@pytest.mark.parametrize(
    ("without", "words"),
    [
        ("weights.safetensors", "kept no weights (save_weights=false)"),
        ("classes.json", "has no classes.json among its artifacts"),
        ("config.yaml", "has no config.yaml among its artifacts"),
    ],
)
def test_a_run_without_an_artifact_says_which(
    trained: Trained, call: Call, without: str, words: str
) -> None:
    run = copied_run(trained, without)
    code, _, err = call(run.info.run_id, str(trained.pictures))
    assert code == 1
    assert words in err
    assert run.info.run_id in err


def test_damaged_weights_are_told(trained: Trained, call: Call) -> None:
    run = copied_run(trained)
    folder = Path(run.info.artifact_uri.removeprefix("file://"))
    (folder / "weights.safetensors").write_bytes(b"no tensors")
    code, _, err = call(run.info.run_id, str(trained.pictures))
    assert code == 1
    assert "its artifacts can't be read" in err
