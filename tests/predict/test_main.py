"""The command that predicts: in a new process, elsewhere, and honest about what it can't."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import command, paint
from tests.predict.made_up import FROZEN, Call, Trained, made_run


def test_a_new_process_in_another_folder_predicts_a_folder(
    trained: Trained, tmp_path: Path
) -> None:
    run = trained.runs[FROZEN]
    said = command(
        *(
            run.info.run_id,
            str(trained.pictures),
            "--tracking-uri",
            trained.uri,
            "--out",
            "sheet.png",
        ),
        cwd=tmp_path,
        module="ablation.predict",
    )
    assert said.code == 0, said.err
    assert said.err == ""
    lines = said.out.splitlines()
    assert run.info.run_name in lines[0]
    for row in trained.predictions(FROZEN).itertuples():
        path = trained.pictures / Path(str(row.picture)).relative_to("val")
        (line,) = [line for line in lines if str(path) in line]
        _, _, label, probability, other, unsure, nearer, _ = (
            cell.strip() for cell in line.split("│")
        )
        assert label == row.predicted
        assert float(probability.rstrip("%")) == pytest.approx(100 * row.confidence, abs=0.06)
        assert other.split()[0] != label
        shares = np.array([row.confidence, 1 - row.confidence])
        entropy = -(shares * np.log2(np.maximum(shares, 1e-300))).sum()  # at most 1 bit
        assert float(unsure.rstrip("%")) == pytest.approx(100 * entropy, abs=0.6)
        assert 0 <= float(nearer.partition("%")[0]) < 100
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 900
        # The first picture is on it, in its colour.
        blue = sheet.convert("RGB").getpixel((60, 120))
    assert blue[2] > blue[0]  # type: ignore[index]
    # Nothing else is left behind, not even an empty store.
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]


def test_what_can_be_read_is_predicted_beside_what_cannot(
    trained: Trained, call: Call, tmp_path: Path
) -> None:
    good = trained.pictures / "red" / "00.png"
    torn = tmp_path / "torn.png"
    torn.write_bytes(good.read_bytes()[:300])
    text = tmp_path / "notes.png"
    text.write_text("no picture")
    (tmp_path / "empty").mkdir()
    code, out, err = call(
        trained.runs[FROZEN].info.run_id,
        *(str(torn), str(tmp_path / "nowhere.png"), str(good), str(text), str(tmp_path / "empty")),
    )
    assert code == 1
    assert str(good) in out
    assert out.count(".png") == 1
    assert err.splitlines()[0] == "error: 4 can't be read:"
    for line in (
        f"{tmp_path / 'nowhere.png'}: there is no such file",
        f"{tmp_path / 'empty'}: no pictures in this folder",
        f"{text}: not a picture",
        f"{torn}: ",
    ):
        assert line in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("best", "nowhere.png"), "nowhere.png: there is no such file"),
        (("0123abcd", "PICTURE"), "0123abcd: the store has no run with this id"),
        (("best", "PICTURE", "--study", "none"), "study=none: the store has no such study"),
        (("best", "PICTURE", "--study", "failures"), "study=failures: no run has finished"),
        (("RUN", "PICTURE", "--study", "colours"), "--study goes with best"),
        (("RUN", "PICTURE", "--out", "sheet.txt"), "--out sheet.txt: end its name in .png"),
        (("RUN", "PICTURE", "--out", "no/such/x.png"), "there is no folder no/such"),
    ],
)
def test_a_mistake_is_told_in_one_message(
    trained: Trained, call: Call, arguments: tuple[str, ...], words: str
) -> None:
    made_run(trained.client, "failures", 1.0, "FAILED")
    meant = {
        "PICTURE": str(trained.pictures / "red" / "00.png"),
        "RUN": trained.runs[FROZEN].info.run_id,
    }
    code, out, err = call(*(meant.get(argument, argument) for argument in arguments))
    assert code == 1
    assert out == ""
    assert err.startswith("error: ")
    assert words in err
    assert len(err.strip().splitlines()) == 1


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    picture = tmp_path / "red.png"
    paint(picture, (200, 0, 0), 0, (40, 40))
    said = command("best", "red.png", cwd=tmp_path, module="ablation.predict")
    assert said.code == 1
    assert "tracking.uri=sqlite:///mlflow.db: there is no such file" in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["red.png"]


def test_help_and_a_missing_picture_load_neither_torch_nor_mlflow(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from ablation.predict.__main__ import main\n"
        "try:\n    main()\n"
        "except SystemExit as stopped:\n"
        "    print(stopped.code, {'torch', 'mlflow'} & set(sys.modules))"
    )
    for arguments, wanted in ((["--help"], "0 set()"), (["best", "none.png"], "1 set()")):
        said = subprocess.run(
            [sys.executable, "-c", script, *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        assert said.stdout.splitlines()[-1] == wanted
