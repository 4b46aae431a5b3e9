"""What is told of predictions, and how far they hold."""

from pathlib import Path

import numpy as np
from PIL import Image

from ablation.predict.classifier import rebuild
from ablation.predict.classify import Predictions
from ablation.predict.show import warnings
from tests.predict.made_up import FROZEN, Call, Trained, copied_run


def test_a_picture_of_another_kind_is_called_far(
    trained: Trained, call: Call, tmp_path: Path
) -> None:
    kinds = {"white": np.full((60, 60, 3), 255), "black": np.zeros((60, 60, 3))}
    kinds["board"] = 255 * (np.indices((60, 60)).sum(0) // 6 % 2)[..., None].repeat(3, 2)
    for name, pixels in kinds.items():
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / f"{name}.png")
    near = trained.pictures / "red" / "00.png"
    ask = (trained.runs[FROZEN].info.run_id, str(tmp_path), str(near))
    code, out, err = call(*ask, "--out", str(tmp_path / "sheet.jpg"))
    assert (code, err) == (0, "")
    first, *lines = out.splitlines()
    assert first.startswith("warning: 3 of 4 pictures are far from the training pictures")
    lines = [line for line in lines if not line.startswith("note: ")]
    for name in kinds:
        (line,) = [line for line in lines if f"{name}.png" in line]
        assert "100%, far from the training pictures" in line
    (line,) = [line for line in lines if str(near) in line]
    assert "far from" not in line
    assert "16 training pictures" in lines[-1]
    with Image.open(tmp_path / "sheet.jpg") as sheet:
        orange = np.asarray(sheet.convert("RGB")).astype(int)
    assert (abs(orange - [213, 94, 0]).sum(2) < 60).sum() > 500


def test_how_many_pictures_are_far_and_rather_far_is_said_first(trained: Trained) -> None:
    classifier = rebuild(trained.client, trained.runs[FROZEN])

    def said(*shares: float) -> list[str]:
        paths = [Path(f"{index}.png") for index in range(len(shares))]
        found = Predictions(paths=paths, shares_nearer=list(shares))
        return [line.split(",")[0] for line in warnings(classifier, found)]

    assert said(0.0, 0.5, 0.949) == []
    assert said(0.99) == ["This picture is far from the training pictures"]
    assert said(0.95) == ["This picture is rather far"]
    assert said(1.0, 0.99, 0.989, 0.5) == [
        "2 of 4 pictures are far from the training pictures",
        "1 of 4 pictures is rather far",
    ]


def test_a_run_of_an_earlier_version_tells_no_distance_and_says_so(
    trained: Trained, call: Call
) -> None:
    run = copied_run(trained, "features.safetensors")
    code, out, _ = call(run.info.run_id, str(trained.pictures / "red" / "00.png"))
    assert code == 0
    assert "warning: This run does not tell how far a picture is" in out
    assert "uncertainty" in out
    assert "farther than" not in out


def test_runners_up_are_told_as_many_as_asked(trained: Trained, call: Call) -> None:
    ask = (trained.runs[FROZEN].info.run_id, str(trained.pictures / "red" / "00.png"))
    assert "runner-up" not in call(*ask, "--top", "1")[1]
    assert "runner-up" in call(*ask, "--top", "9")[1]
