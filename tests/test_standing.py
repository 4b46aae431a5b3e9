"""How a study stands: before it is trained, while it is, and after a plan was mistyped."""

from pathlib import Path

from tests.conftest import command

FEW = ["data.train_pictures=24", "data.val_pictures=20", "data.size=32", "epochs=1"]
GRID = ["-m", "transfer=frozen", "reg=l1,l2", "study=s", *FEW]


def test_a_plan_says_what_is_to_be_trained_and_how_long_it_takes(tmp_path: Path) -> None:
    said = command(*GRID, "plan=true", cwd=tmp_path)
    assert said.code == 0, said.err
    assert "2 runs: 2 missing; 2 to train, for how long is known after the first" in said.out
    # It writes nothing.
    assert list(tmp_path.iterdir()) == []
    assert command(*GRID, "reg=l1", cwd=tmp_path).code == 0
    said = command(*GRID, "plan=true", cwd=tmp_path)
    assert "2 runs: 1 finished, 1 missing; 1 to train, about" in said.out
    assert "epoch" not in said.out


def test_a_study_is_watched_and_a_plan_that_was_mistyped_is_forgotten(tmp_path: Path) -> None:
    assert command(*GRID, cwd=tmp_path).code == 0
    # A run that can't be trained: its study stays incomplete.
    bad = command(*GRID, "transfer=scratch", "reg=l1", "optimizer.lr=1e30", cwd=tmp_path)
    assert bad.code == 1
    watched = command("s", "--once", module="ablation.watch", cwd=tmp_path)
    assert watched.code == 0, watched.err
    assert "3 runs: 2 finished, 1 diverged" in watched.out
    listed = command("plans", "s", module="ablation.study", cwd=tmp_path)
    (line,) = [one for one in listed.out.splitlines() if "1e30" in one]
    name = line.split()[0]
    gone = command("forget", "s", name, module="ablation.study", cwd=tmp_path)
    assert gone.out.startswith(f"forgot {name} (1 run)"), gone.out + gone.err
    assert "1e30" not in command("plans", "s", module="ablation.study", cwd=tmp_path).out
    wrong = command("forget", "s", "nonsense", module="ablation.study", cwd=tmp_path)
    assert wrong.code == 1
    assert "has no such plan" in wrong.err
    nowhere = command("t", "--once", module="ablation.watch", cwd=tmp_path)
    assert nowhere.code == 1
    assert "the store has no such study; it has s" in nowhere.err


def test_runs_after_one_that_failed_are_left_out_where_that_is_wanted(tmp_path: Path) -> None:
    words = ["-m", "transfer=scratch", "optimizer.lr=1e30,1e-3,1e-4", *FEW]
    said = command(*words, "stop_on_failure=true", cwd=tmp_path)
    assert said.code == 1
    assert said.out.count("left out, as an earlier run failed") == 2
    assert command(*words, cwd=tmp_path).code == 2
