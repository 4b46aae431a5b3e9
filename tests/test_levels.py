"""Every shipped level trains, does something, and gives the same where a training was cut off."""

from pathlib import Path

import pytest

from ablation import parts
from ablation.config import folder
from ablation.training.checkpoint import Checkpoint
from ablation.training.fit import Fit
from tests.training.small import cut_off, small, trained

#: What a run has that says nothing else.
DEFAULTS = {
    "augment": "crop_flip",
    "loss": "cross_entropy",
    "optimizer": "adam",
    "reg": "none",
    "scheduler": "constant",
    "transfer": "full",
}
LEVELS = [
    (group, path.stem)
    for group in DEFAULTS
    for path in sorted((folder() / group).glob("*.yaml"))
    if path.stem != DEFAULTS[group]
]
#: Settings of the network that are a factor of many studies.
NETWORK = ["model.dropout=0.5", "model.drop_path=0.5"]
#: Keys that every optimizer takes, with a value that is not the usual one.
SHARED = ["trunk_lr_scale=0.1", "layer_decay=0.5", "decay=matrices", "clip=0.1", "ema=0.5"]
DECAY = ["reg=l2", "reg.l2=0.1"]
#: Short, and where every level can have an effect: three epochs, views that may be mirrored.
RUN = ["epochs=3", "data.flip=true", "data.train_pictures=16", "cpu_kernels=false"]


def history(*words: str) -> list[tuple[float, float]]:
    """The losses of a run's epochs."""
    _, _, found, _ = trained(small(*RUN, *words))
    return losses(found)


def losses(found: Fit) -> list[tuple[float, float]]:
    return [(row["train/loss"], row["val/loss"]) for row in found.history]


@pytest.fixture(scope="module")
def usual() -> list[tuple[float, float]]:
    return history()


@pytest.fixture(scope="module")
def decayed() -> list[tuple[float, float]]:
    return history(*DECAY)


@pytest.mark.parametrize(("group", "level"), LEVELS)
def test_a_level_trains_changes_the_result_and_is_the_same_where_it_was_cut_off(
    group: str, level: str, usual: list[tuple[float, float]], tmp_path: Path
) -> None:
    # Without a weight decay AdamW is Adam.
    words = [f"{group}={level}", *(DECAY if level == "adamw" else ())]
    found = history(*words)
    assert found != (history(*DECAY) if level == "adamw" else usual)
    resumed = cut_off(small(*RUN, *words), 3, Checkpoint(tmp_path / "state.pt", 0))
    assert found == losses(resumed)


@pytest.mark.parametrize("word", SHARED)
def test_what_every_optimizer_takes_changes_the_result(
    word: str, decayed: list[tuple[float, float]], tmp_path: Path
) -> None:
    words = [*DECAY, f"optimizer.{word}"]
    found = history(*words)
    assert found != decayed
    resumed = cut_off(small(*RUN, *words), 2, Checkpoint(tmp_path / "state.pt", 0))
    assert found == losses(resumed)


@pytest.mark.parametrize("word", NETWORK)
def test_a_setting_of_the_network_changes_the_result_and_is_the_same_where_it_was_cut_off(
    word: str, usual: list[tuple[float, float]], tmp_path: Path
) -> None:
    found = history(word)
    assert found != usual
    resumed = cut_off(small(*RUN, word), 3, Checkpoint(tmp_path / "state.pt", 0))
    assert found == losses(resumed)


def test_every_part_with_levels_is_tested() -> None:
    assert {*DEFAULTS, "task"} == {*parts.GROUPS, "transfer"}
    assert [word.partition("=")[0] for word in SHARED] == list(parts.COMMON["optimizer"])
