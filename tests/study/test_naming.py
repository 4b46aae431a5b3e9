"""Names of studies and runs."""

from pathlib import Path

from ablation.study import grid


def test_a_study_is_named_after_its_pictures_and_what_is_compared(tmp_path: Path) -> None:
    assert grid.expand(["reg=l1,l2", "seed=1,2"], multirun=True).study == "digits-reg"
    folder = grid.expand(
        ["data=imagefolder", f"data.root={tmp_path}/my_leaves", "optimizer.lr=1,2"], multirun=True
    )
    assert folder.study == "my_leaves-lr"
    assert grid.expand(["reg=l1,l2", "study=mine"], multirun=True).study == "mine"
