"""Settings that no run uses are named, for they may be a mistake."""

from ablation.study import grid


def test_a_setting_that_no_run_uses_is_named() -> None:
    words = ["reg.l1=1e-4", "transfer.stages=2", "optimizer.momentum=0.5"]
    alone = grid.expand([*words, "reg=l2"], multirun=False)
    assert [note.partition(" ")[0] for note in alone.notes] == [
        "transfer.stages=2",
        "reg.l1=1e-4",
        "optimizer.momentum=0.5",
    ]
    (note,) = grid.expand(["report.difference=0.02"], multirun=False).notes
    assert "-m makes one" in note
    used = ["reg=l1,l2", "transfer=full,partial", "optimizer=adam,sgd", "report.difference=0.02"]
    assert not grid.expand([*words, *used], multirun=True).notes
