"""Learning rates are those of torch's schedulers, where torch has them."""

import warnings

import pytest
import torch
from torch.optim import lr_scheduler

from ablation.errors import ConfigError
from ablation.study import grid
from ablation.training.scheduler import Moment, schedule

N_STEPS, EPOCHS = 5, 6


def optimizer() -> torch.optim.SGD:
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)


def part(*words: str) -> dict[str, object]:
    return grid.expand(list(words), multirun=False).runs[0].config.scheduler


def rates(given: dict[str, object]) -> list[float]:
    """The learning rate of every step."""
    own = optimizer()
    ours = schedule(given, own)
    found = []
    for step in range(N_STEPS * EPOCHS):
        ours.before(Moment(step, N_STEPS, EPOCHS))
        found.append(own.param_groups[0]["lr"])
        own.step()
    return found


@pytest.mark.parametrize("name", ["constant", "cosine", "step"])
def test_learning_rates_of_epochs_are_those_of_torchs_schedulers(name: str) -> None:
    theirs = optimizer()
    scheduler = {
        "constant": lambda: lr_scheduler.ConstantLR(theirs, factor=1.0),
        "cosine": lambda: lr_scheduler.CosineAnnealingLR(theirs, T_max=EPOCHS),
        "step": lambda: lr_scheduler.StepLR(theirs, step_size=2, gamma=0.1),
    }[name]()
    ours = rates(part(f"scheduler={name}"))
    for epoch in range(EPOCHS):
        of_epoch = ours[epoch * N_STEPS : (epoch + 1) * N_STEPS]
        assert of_epoch == pytest.approx([scheduler.get_last_lr()[0]] * N_STEPS)
        theirs.step()
        scheduler.step()


def test_one_cycle_is_torchs() -> None:
    theirs = optimizer()
    one_cycle = lr_scheduler.OneCycleLR(
        theirs, max_lr=0.1, total_steps=N_STEPS * EPOCHS, pct_start=1.5 / EPOCHS
    )
    wanted = []
    for _ in range(N_STEPS * EPOCHS):
        wanted.append(theirs.param_groups[0]["lr"])
        theirs.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if len(wanted) < N_STEPS * EPOCHS:
                one_cycle.step()
    assert rates(part("scheduler=one_cycle")) == pytest.approx(wanted)


def test_a_warm_up_rises_to_the_whole_rate_and_the_cosine_reaches_its_end() -> None:
    found = rates(part("scheduler=warmup", "scheduler.warmup_epochs=2", "scheduler.final=0.05"))
    peak = found.index(max(found))
    assert peak in (2 * N_STEPS - 1, 2 * N_STEPS)
    assert found[peak] == pytest.approx(0.1, rel=0.05)
    assert found[:peak] == sorted(found[:peak])
    assert found[peak:] == sorted(found[peak:], reverse=True)
    assert found[-1] == pytest.approx(0.1 * 0.05)
    assert 0 < found[0] < 0.1 / N_STEPS


def test_a_warm_up_as_long_as_the_training_only_rises() -> None:
    found = rates(part("scheduler=warmup", f"scheduler.warmup_epochs={EPOCHS}"))
    assert found[:-1] == sorted(found[:-1])


def test_any_of_torchs_schedulers_makes_a_step_after_each_epoch() -> None:
    given = {"_target_": "torch.optim.lr_scheduler.ExponentialLR", "gamma": 0.5}
    found = rates(given)
    assert found[::N_STEPS] == pytest.approx([0.1 * 0.5**epoch for epoch in range(EPOCHS)])
    assert found[0] == found[N_STEPS - 1]


@pytest.mark.parametrize("name", ["torch.optim.lr_scheduler.ReduceLROnPlateau", "torch.nn.Linear"])
def test_what_is_no_schedule_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="neither a function of a moment nor one of torch's"):
        schedule({"_target_": name}, optimizer())
