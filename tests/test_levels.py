"""Every shipped level of a part trains, is the same twice, and does something."""

import pytest

from ablation import parts
from ablation.config import folder
from tests.training.small import small, trained

#: What a run has that says nothing else.
DEFAULTS = {
    "augment": "crop_flip",
    "loss": "cross_entropy",
    "optimizer": "adam",
    "reg": "none",
    "scheduler": "constant",
}
LEVELS = [
    (group, path.stem)
    for group in DEFAULTS
    for path in sorted((folder() / group).glob("*.yaml"))
    if path.stem != DEFAULTS[group]
]
#: Keys that every optimizer takes, with a value that is not the usual one.
SHARED = ["trunk_lr_scale=0.1", "layer_decay=0.5", "decay=matrices", "clip=0.1", "ema=0.5"]
DECAY = ["reg=l2", "reg.l2=0.1"]
#: Short, and where every level can have an effect: three epochs, views that may be mirrored.
RUN = ["transfer=full", "epochs=3", "data.flip=true", "data.train_pictures=16", "cpu_kernels=false"]


def history(*words: str) -> list[tuple[float, float]]:
    """The losses of a run's epochs."""
    _, _, found, _ = trained(small(*RUN, *words))
    return [(row["train/loss"], row["val/loss"]) for row in found.history]


@pytest.fixture(scope="module")
def usual() -> list[tuple[float, float]]:
    return history()


@pytest.fixture(scope="module")
def decayed() -> list[tuple[float, float]]:
    return history(*DECAY)


@pytest.mark.parametrize(("group", "level"), LEVELS)
def test_a_level_trains_is_the_same_twice_and_changes_the_result(
    group: str, level: str, usual: list[tuple[float, float]]
) -> None:
    # Without a weight decay AdamW is Adam.
    words = [f"{group}={level}", *(DECAY if level == "adamw" else ())]
    found = history(*words)
    assert found != (history(*DECAY) if level == "adamw" else usual)
    assert found == history(*words)


@pytest.mark.parametrize("word", SHARED)
def test_what_every_optimizer_takes_changes_the_result(
    word: str, decayed: list[tuple[float, float]]
) -> None:
    assert history(*DECAY, f"optimizer.{word}") != decayed


def test_every_part_with_levels_is_tested() -> None:
    assert {*DEFAULTS, "task"} == set(parts.GROUPS)
    assert [word.partition("=")[0] for word in SHARED] == list(parts.COMMON["optimizer"])
