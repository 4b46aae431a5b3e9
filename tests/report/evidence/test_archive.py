"""The evidence in one file: the same report without a store, and a clear message of damage."""

import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from ablation import report
from ablation.config import ReportConfig
from ablation.report.evidence import archive, archive_writer
from ablation.report.evidence.archive import Archived
from ablation.report.evidence.source import VALIDATION
from ablation.report.evidence.store import Stored
from ablation.tracking.store import connect
from ablation.training import predictions
from tests import conftest
from tests.report.made_up import Study, store
from tests.report.reading import content, run

PAIR = {"transfer": ["full", "frozen"], "reg": ["l1", "l2"]}
RATES = {"reg": ["l1", "l2"], "optimizer.lr": ["1e-3", "1e-2"]}


def reached(cell: object) -> float:
    return 0.7 + len(str(cell)) % 3 / 10


STUDIES = {
    "a grid with seeds and pictures held back": Study(PAIR, reached, seeds=range(3), n_test=60),
    "one run": Study({}, reached),
    "runs that failed, that run, that are missing": Study(
        PAIR,
        reached,
        seeds=(0, 1),
        lost=lambda cell, seed: cell["reg"] == "l2" and seed == 1,
        failed=lambda cell, seed: "OSError: <disk>" if cell["reg"] == "l1" and seed else "",
        running=lambda cell, seed: cell == {"transfer": "frozen", "reg": "l2"},
    ),
    "nothing finished": Study({"reg": ["l1", "l2"]}, reached, failed=lambda *_: "no"),
    "earlier versions": Study(PAIR, reached, n_test=20, is_old=True),
    "other pictures": Study({"data": ["digits", "hymenoptera"], "reg": ["l1", "l2"]}, reached),
    "no grid was recorded": Study(PAIR, reached, planned=False),
    "a breach": Study(PAIR, reached, tags=lambda *_: {"frozen_digest_after": "0"}),
    "metrics that are no numbers": Study(
        PAIR, reached, metrics=lambda *_: {"loss": float("nan")}
    ),
    "no artifacts": Study(PAIR, reached, files=False),
}  # fmt: skip


def both(folder: Path, *made: Study, **config: object) -> tuple[report.Written, report.Written]:
    """The reports of a study from its store, and from the file that was written from that."""
    stored = Stored(connect(store(folder / "store", *made)), made[0].name)
    archive_writer.save(stored, folder / "evidence.zip")
    asked = ReportConfig(**config)  # type: ignore[arg-type]
    first = report.write(stored, folder / "from store", asked)
    shutil.rmtree(folder / "store")
    return first, report.write(Archived(folder / "evidence.zip"), folder / "from file", asked)


@pytest.mark.parametrize("name", STUDIES)
def test_the_report_from_the_file_is_that_from_the_store_to_the_last_byte(
    name: str, tmp_path: Path
) -> None:
    first, second = both(tmp_path, STUDIES[name])
    one, other = content(first.path.parent), content(second.path.parent)
    assert set(one) == set(other)
    for file in one:
        assert one[file] == other[file], file
    assert first.exit_code == second.exit_code
    assert (first.losses, first.breaches) == (second.losses, second.breaches)


@pytest.mark.parametrize(
    "config",
    [
        {"baseline": {"reg": "l2"}},
        {"nuisance": ["optimizer.lr"]},
        {"nuisance": ["reg"], "difference": 0.05},
    ],
)
def test_a_report_can_be_asked_for_in_other_ways_from_the_file_too(
    config: dict[str, object], tmp_path: Path
) -> None:
    first, second = both(tmp_path, Study(RATES, reached, seeds=(0, 1)), **config)
    assert content(first.path.parent) == content(second.path.parent)


def test_duplicates_are_in_the_file_and_the_newest_counts(tmp_path: Path) -> None:
    made = Study(PAIR, lambda _: 100)
    first, second = both(tmp_path, made, replace(made, accuracy=lambda _: 120, later=9_999))
    assert content(first.path.parent) == content(second.path.parent)
    evidence = Archived(tmp_path / "evidence.zip")
    runs = [run.id for run in evidence.runs]
    assert len(evidence.predictions(runs, VALIDATION).read) == 8


def test_a_swept_folder_is_a_factor_and_stays(tmp_path: Path) -> None:
    made = Study(
        {"data.root": ["few", "many"]}, lambda cell: 0.9 if "many" in str(cell) else 0.6,
        overrides=("data=imagefolder", "data.root=x"),
    )  # fmt: skip
    first, second = both(tmp_path, made)
    assert "data.root (few, many)" in second.path.read_text()
    assert content(first.path.parent) == content(second.path.parent)


# --- The command


def test_the_command_writes_the_file_beside_the_report_and_where_it_is_asked_to(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    uri = f"tracking.uri=sqlite:///{kept / 'mlflow.db'}"
    assert run(monkeypatch, "study=made-up", uri, "evidence=my file.zip") == 0
    assert "Evidence: my file.zip" in capsys.readouterr().out
    beside = Path("results/made-up/evidence.zip")
    assert Path("my file.zip").read_bytes() == beside.read_bytes()
    # From it, over itself, and over an older one.
    before = content(beside.parent)
    assert run(monkeypatch, f"evidence={beside}") == 0
    assert content(beside.parent) == before
    Path("my file.zip").write_bytes(beside.read_bytes()[:900])
    assert run(monkeypatch, "study=made-up", uri, "evidence=my file.zip") == 0
    assert Path("my file.zip").read_bytes() == beside.read_bytes()


def test_a_large_study_is_kept_on_request_and_never_left_stale(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ablation.report.claims.results.MOST_KEPT", 100)
    stored = Stored(connect(f"sqlite:///{kept / 'mlflow.db'}"), "made-up")
    folder = report.write(stored, tmp_path, ReportConfig()).path.parent
    assert not (folder / "evidence.zip").exists()
    assert "study=made-up evidence=FILE` writes it" in (folder / "report.md").read_text()
    (folder / "evidence.zip").write_bytes(b"old")
    report.write(stored, tmp_path, ReportConfig())
    assert (folder / "evidence.zip").read_bytes() == (kept / "e.zip").read_bytes()


def test_the_report_from_a_file_loads_neither_mlflow_nor_torch(kept: Path, tmp_path: Path) -> None:
    probe = (
        "import sys; sys.argv = ['x', f'evidence={sys.argv[1]}']\n"
        "from ablation.report.__main__ import main\n"
        "try: main()\n"
        "except SystemExit as e: print(e.code, [m for m in ('torch', 'mlflow', 'sqlalchemy') "
        "if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe, str(kept / "e.zip")],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "0 []"
    assert not (tmp_path / "mlflow.db").exists()


def test_a_single_command_from_an_empty_folder_makes_the_report(kept: Path, tmp_path: Path) -> None:
    said = conftest.command(
        f"evidence={kept / 'e.zip'}", cwd=tmp_path, module="ablation.report",
        env={"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"},
    )  # fmt: skip
    assert said.code == 0, said.err
    assert "Report: results/made-up/report.md" in said.out


def other_head(path: Path, **changes: object) -> bytes:
    """The file with other content of its first member."""
    target = path.with_name("changed.zip")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as changed:
        for name in source.namelist():
            data = source.read(name)
            if name == archive.HEAD:
                data = json.dumps({**json.loads(data), **changes}).encode()
            changed.writestr(name, data)
    return target.read_bytes()


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


DAMAGES = {
    "half of it": (lambda path: path.read_bytes()[: path.stat().st_size // 2], "is damaged"),
    "one bit": (lambda path: flipped(path.read_bytes(), path.stat().st_size // 2), "is damaged"),
    "one bit of its head": (lambda path: flipped(path.read_bytes(), 200), "is damaged"),
    "nothing": (lambda path: b"", "is not a file of evidence"),
    "a text": (lambda path: b"picture,label\n", "is not a file of evidence"),
    "another zip": (lambda path: ZIP, "is not a file of evidence"),
    "another format": (lambda path: other_head(path, format="x"), "is not a file of evidence"),
    "a newer format": (lambda path: other_head(path, version=2), "format is version 2"),
    "a name that leads elsewhere": (lambda path: other_head(path, study="../x"), "'../x'"),
    "entries that are not runs": (lambda path: other_head(path, runs=[{"id": 1}]), "is damaged"),
    "a run twice": (
        lambda path: other_head(path, runs=[*(h := head(path)["runs"]), h[0]]), "is damaged",
    ),
    "fewer runs": (lambda path: other_head(path, runs=head(path)["runs"][:1]), "is damaged"),
}  # fmt: skip
ZIP = b"PK\x05\x06" + bytes(18)


def head(path: Path) -> dict[str, list[object]]:
    with zipfile.ZipFile(path) as file:
        found: dict[str, list[object]] = json.loads(file.read(archive.HEAD))
    return found


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_foreign_or_newer_file_is_told_in_one_sentence(
    damage: str, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    shutil.copy(kept / "e.zip", tmp_path / "e.zip")
    make, words = DAMAGES[damage]
    (tmp_path / "bad.zip").write_bytes(make(tmp_path / "e.zip"))
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "evidence=bad.zip") == 1
    said = capsys.readouterr().err
    assert said.startswith("error: evidence=bad.zip: ")
    assert words in said
    assert len(said.strip().splitlines()) == 1
    assert not Path("results").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["evidence=none.zip"], "there is no such file; to write one, name the study"),
        (["evidence="], "evidence=: name one file"),
        (["evidence=a", "evidence=b"], "name one file"),
        (["study=made-up", "evidence=no/e.zip"], "there is no folder no"),
        (["study=made-up", "evidence=notes.txt"], "holds something else, and is not written over"),
        (["study=made-up", "evidence=."], "holds something else"),
        (["evidence={kept}/e.zip", "tracking.uri=sqlite:///x.db"], "is read without a store"),
        (["evidence={kept}/e.zip", "report.baseline.reg=l3"], "report.baseline.reg=l3: unknown"),
        (["evidence={kept}/e.zip", "epoch=1"], "it takes study, report.baseline"),
    ],
)
def test_a_mistake_in_the_command_is_told(
    arguments: list[str], words: str, kept: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    Path("notes.txt").write_text("mine")
    assert run(monkeypatch, *(text.format(kept=kept) for text in arguments)) == 1
    assert words in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    assert Path("notes.txt").read_text() == "mine"


def test_runs_of_both_versions_are_reported_together(tmp_path: Path) -> None:
    """A study that was begun by an earlier version, which kept no probabilities."""
    made = Study(PAIR, lambda _: 0.9, seeds=(0, 1), n_test=40)
    new, old = (
        report.write(
            Stored(connect(store(tmp_path / name, study)), made.name),
            tmp_path / f"{name}-report",
            ReportConfig(),
        ).path.with_name("cells.csv")
        for name, study in (("new", made), ("old", replace(made, is_old=True)))
    )
    assert new.read_bytes() == old.read_bytes()
    folder = next((tmp_path / "new" / "artifacts").iterdir()) / "artifacts"
    (folder / predictions.PARQUET).unlink()
    stored = Stored(connect(f"sqlite:///{tmp_path}/new/mlflow.db"), made.name)
    mixed = report.write(stored, tmp_path / "mixed", ReportConfig())
    assert mixed.exit_code == 0
    assert mixed.path.with_name("cells.csv").read_bytes() == new.read_bytes()
