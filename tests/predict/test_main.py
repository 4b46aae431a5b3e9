"""Predictions of a finished run: the same as in training, elsewhere, and honest about the rest."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from PIL import Image

from ablation.network import model
from ablation.predict import classify, runs
from ablation.predict import show as shown
from ablation.predict.__main__ import main
from ablation.predict.classifier import load
from ablation.tracking import store as tracking
from tests.conftest import command, paint

#: What is frozen, cut in the middle, or trained whole; statistics that stay, and that move.
SWEEP = ["transfer=frozen,partial,full", "transfer.freeze_statistics=true,false"]
CELLS = [
    f"{transfer}-{statistics}"
    for transfer in ("frozen", "partial", "full")
    for statistics in ("still", "moving")
]
FROZEN = CELLS[0]


@dataclass
class Trained:
    """A finished study whose pictures have moved.

    Attributes:
        folder: of the store.
        pictures: of the validation pictures, class by class.
        runs: by cell.
    """

    folder: Path
    pictures: Path
    runs: Mapping[str, Run]

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    @property
    def client(self) -> MlflowClient:
        return tracking.connect(self.uri)

    def predictions(self, cell: str) -> pd.DataFrame:
        folder = Path(self.runs[cell].info.artifact_uri.removeprefix("file://"))
        return pd.read_csv(folder / "predictions.csv")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Six runs on blue and red pictures; the folder that they were trained from is gone."""
    folder, pictures = tmp_path_factory.mktemp("trained"), tmp_path_factory.mktemp("pictures")
    for part, count in (("train", 8), ("val", 6)):
        for name, colour in (("blue", (90, 90, 160)), ("red", (160, 90, 90))):
            for index in range(count):
                seed = len(part) * 100 + 2 * index + (name == "red")
                size = (40, 50 + index) if index % 2 else (70 + index, 45)
                paint(pictures / part / name / f"{index:02}.png", colour, seed, size)
    said = command(
        "-m",
        *SWEEP,
        "study=colours",
        "data=imagefolder",
        f"data.root={pictures}",
        "data.size=64",
        "epochs=1",
        "batch_size=8",
        cwd=folder,
    )
    assert said.code == 0, said.err
    moved = tmp_path_factory.mktemp("moved") / "val"
    (pictures / "val").rename(moved)
    shutil.rmtree(pictures)
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("colours")
    assert experiment is not None
    runs = {}
    for run in client.search_runs([experiment.experiment_id]):
        is_still = run.data.params["transfer.freeze_statistics"] == "True"
        runs[f"{run.data.params['transfer']}-{'still' if is_still else 'moving'}"] = run
    return Trained(folder, moved, runs)


@pytest.mark.parametrize("cell", CELLS)
def test_predictions_are_those_of_the_training(trained: Trained, cell: str) -> None:
    wanted = trained.predictions(cell)
    paths = [trained.pictures / Path(picture).relative_to("val") for picture in wanted.picture]
    classifier = load(trained.client, trained.runs[cell])
    found = classify.classify(classifier, paths)
    assert found.paths == paths
    probabilities = np.array(found.probabilities)
    labels = [classifier.classes[index] for index in probabilities.argmax(1)]
    assert labels == wanted.predicted.tolist()
    assert probabilities.max(1) == pytest.approx(wanted.confidence.to_numpy(), abs=1e-4)


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


@pytest.mark.parametrize("cell", CELLS)
def test_the_validation_pictures_lie_where_the_run_left_them(trained: Trained, cell: str) -> None:
    """Read anew, each has the rank that it had in training, in a network that is not folded."""
    wanted = trained.predictions(cell)
    paths = [trained.pictures / Path(picture).relative_to("val") for picture in wanted.picture]
    classifier = load(trained.client, trained.runs[cell])
    assert classifier.known is not None
    assert classifier.known.training.shape == (16, 1280)
    assert len(classifier.known.validation) == len(paths) == 12
    found = classify.classify(classifier, paths)
    assert sorted(found.shares_nearer) == pytest.approx(np.arange(12) / 12)


def test_a_picture_of_another_kind_is_called_far(
    trained: Trained, call: "Call", tmp_path: Path
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
    classifier = load(trained.client, trained.runs[FROZEN])

    def said(*shares: float) -> list[str]:
        paths = [Path(f"{index}.png") for index in range(len(shares))]
        found = classify.Predictions(paths=paths, shares_nearer=list(shares))
        return [line.split(",")[0] for line in shown.warnings(classifier, found)]

    assert said(0.0, 0.5, 0.949) == []
    assert said(0.99) == ["This picture is far from the training pictures"]
    assert said(0.95) == ["This picture is rather far"]
    assert said(1.0, 0.99, 0.989, 0.5) == [
        "2 of 4 pictures are far from the training pictures",
        "1 of 4 pictures is rather far",
    ]


def test_a_run_of_an_earlier_version_tells_no_distance_and_says_so(
    trained: Trained, call: "Call"
) -> None:
    run = copied_run(trained, "features.safetensors")
    code, out, _ = call(run.info.run_id, str(trained.pictures / "red" / "00.png"))
    assert code == 0
    assert "warning: This run does not tell how far a picture is" in out
    assert "uncertainty" in out
    assert "farther than" not in out


def test_a_network_that_answers_no_number_is_refused(trained: Trained, call: "Call") -> None:
    from safetensors.numpy import load_file, save_file

    run = copied_run(trained)
    path = Path(run.info.artifact_uri.removeprefix("file://")) / "weights.safetensors"
    weights = load_file(path)
    weights["head.bias"][0] = np.nan
    save_file(weights, path)
    code, out, err = call(run.info.run_id, str(trained.pictures / "red" / "00.png"))
    assert (code, out) == (1, "")
    assert "no probabilities, but nan: it diverged in training, or its weights are damaged" in err


def test_a_run_that_trained_all_needs_no_other_weights(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*settings: object) -> None:
        raise model.ModelError("the published weights are not needed")

    monkeypatch.setattr(model, "_pretrained", refuse)
    load(trained.client, trained.runs["full-still"])
    load(trained.client, trained.runs["frozen-moving"])
    with pytest.raises(model.ModelError):
        load(trained.client, trained.runs["frozen-still"])


def made_run(
    client: MlflowClient, study: str, accuracy: float = 0.5, status: str = "FINISHED"
) -> str:
    """A run that only the store knows."""
    experiment = client.get_experiment_by_name(study)
    experiment_id = experiment.experiment_id if experiment else client.create_experiment(study)
    run = client.create_run(experiment_id, run_name=f"made-{accuracy}")
    client.log_metric(run.info.run_id, "best_val_accuracy", accuracy)
    client.set_terminated(run.info.run_id, status)
    return str(run.info.run_id)


def test_best_is_the_earliest_of_the_most_accurate_that_finished(trained: Trained) -> None:
    client = trained.client
    made_run(client, "made-up", 0.5)
    first = made_run(client, "made-up", 0.9)
    made_run(client, "made-up", 0.9)
    made_run(client, "made-up", 1.0, "FAILED")
    assert runs.best_run(client, "made-up").info.run_id == first
    # Without a name, the study of the newest finished run.
    only = made_run(client, "newest", 0.1)
    assert runs.best_run(client).info.run_id == only
    made_run(client, "newest-failed", 1.0, "FAILED")
    assert runs.best_run(client).info.run_id == only


Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(
    trained: Trained, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """The command in this process: its exit code, what it printed, what it complained of."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["predict", *arguments, "--tracking-uri", trained.uri])
        monkeypatch.setenv("COLUMNS", "1000")
        with pytest.raises(SystemExit) as stopped:
            main()
        said = capsys.readouterr()
        assert isinstance(stopped.value.code, int)
        return stopped.value.code, said.out, said.err

    return run


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


def test_runners_up_are_told_as_many_as_asked(trained: Trained, call: Call) -> None:
    ask = (trained.runs[FROZEN].info.run_id, str(trained.pictures / "red" / "00.png"))
    assert "runner-up" not in call(*ask, "--top", "1")[1]
    assert "runner-up" in call(*ask, "--top", "9")[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("best", "nowhere.png"), "nowhere.png: there is no such file"),
        (("0123abcd", "PICTURE"), "0123abcd: the store has no run of this id"),
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


def copied_run(trained: Trained, without: str = "", tags: Mapping[str, str] | None = None) -> Run:
    """The first run once more, as far as wanted."""
    client, original = trained.client, trained.runs[FROZEN]
    run_id = made_run(client, "copies")
    for key, value in {**original.data.tags, **(tags or {})}.items():
        client.set_tag(run_id, key, value)
    for path in Path(original.info.artifact_uri.removeprefix("file://")).iterdir():
        if path.is_file() and path.name != without:
            client.log_artifact(run_id, str(path))
    return client.get_run(run_id)


def test_a_copied_run_predicts(trained: Trained) -> None:
    load(trained.client, copied_run(trained))


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


def test_a_run_that_did_not_finish_says_so(trained: Trained, call: Call) -> None:
    run_id = made_run(trained.client, "failures", 0.5, "FAILED")
    trained.client.set_tag(run_id, "error", "out of memory")
    code, _, err = call(run_id, str(trained.pictures))
    assert code == 1
    assert "did not finish, it is FAILED (out of memory)" in err


def test_a_deleted_run_says_so(trained: Trained, call: Call) -> None:
    run_id = made_run(trained.client, "failures")
    trained.client.delete_run(run_id)
    code, _, err = call(run_id, str(trained.pictures))
    assert code == 1
    assert "this run was deleted in MLflow" in err


def test_damaged_weights_are_told(trained: Trained, call: Call) -> None:
    run = copied_run(trained)
    folder = Path(run.info.artifact_uri.removeprefix("file://"))
    (folder / "weights.safetensors").write_bytes(b"no tensors")
    code, _, err = call(run.info.run_id, str(trained.pictures))
    assert code == 1
    assert "its artifacts can't be read" in err


def test_other_weights_than_the_run_started_from_are_refused(trained: Trained, call: Call) -> None:
    run = copied_run(trained, tags={"weights_digest": "0" * 16, "start_digest": "0" * 16})
    code, _, err = call(run.info.run_id, str(trained.pictures))
    assert code == 1
    assert f"started from other weights ({'0' * 16})" in err


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
