"""Heads that are trained together become what they would have become alone, to the last digit."""

from typing import Any

import pytest

from ablation import randomness
from ablation.config import Config
from ablation.errors import ConfigError
from ablation.study.diverged import DivergedError
from ablation.study.grid import asked_run
from ablation.training.fit import Epoch, Fit
from ablation.training.together import Diverged, Result, Together, fit_together
from tests.training.small import built, small, trained

FROZEN = ("transfer=frozen", "epochs=3", "data.train_pictures=22")
ARMS = (
    ("optimizer=sgd", "reg=l1"),
    ("optimizer=sgd", "reg=l2", "optimizer.lr=0.3"),
    ("optimizer=adam", "reg=none", "scheduler=cosine"),
    ("optimizer=adam", "reg=elastic", "optimizer.lr=0.1"),
    ("optimizer=adamw", "reg=l2", "scheduler=one_cycle", "+optimizer.clip=0.5"),
    ("optimizer=adamw", "reg=l1", "+optimizer.ema=0.9"),
)


def numbers(found: Fit) -> dict[str, Any]:
    """Everything of a training but its seconds."""
    return {
        "history": [
            {k: v for k, v in row.items() if k != "epoch_seconds"} for row in found.history
        ],
        "best": (found.best_epoch, found.best_val_accuracy, found.last_val_accuracy),
        "probabilities": found.probabilities.tolist(),
        "features": found.features.tolist(),
        "state": {name: value.tolist() for name, value in found.state.items()},
        "applied": found.applied,
        "n_steps": found.n_steps,
    }


def configs(*more: str) -> list[Config]:
    return [small(*FROZEN, *arm, *more) for arm in ARMS]


def together(group: list[Config]) -> list[Result | None]:
    _, parts, examples, compute = built(group[0])
    with randomness.seeded(randomness.TRAINING, group[0].seed):
        found = fit_together(parts, examples, group, compute, lambda row: None)
    return [found.get(repr(config)) for config in group]


@pytest.mark.parametrize("more", [(), ("seed=3", "+model.dropout=0.2", "data.train_pictures=24")])
def test_runs_trained_together_have_the_numbers_that_they_have_alone(more: tuple[str, ...]) -> None:
    group = configs(*more)
    found = together(group)
    for config, one in zip(group, found, strict=True):
        assert isinstance(one, Fit)
        _, _, alone, _ = trained(config)
        assert numbers(one) == numbers(alone)


def test_a_run_that_diverges_ends_alone_and_as_it_would_alone() -> None:
    wild = small(*FROZEN, "optimizer=sgd", "optimizer.lr=1e38")
    tame = small(*FROZEN, "optimizer=sgd")
    diverged, found = together([wild, tame])
    with pytest.raises(DivergedError) as alone:
        trained(wild)
    assert isinstance(diverged, Diverged)
    assert str(diverged.error) == str(alone.value)
    assert len(diverged.history) == alone.value.epoch - 1
    assert isinstance(found, Fit)
    assert numbers(found) == numbers(trained(tame)[2])


def test_a_run_that_can_not_be_trained_leaves_the_others_as_they_are() -> None:
    group = [*configs(), small(*FROZEN, "+optimizer.weight_decay=0.1", "reg=l2")]
    *found, wrong = together(group)
    assert wrong is None
    assert all(isinstance(one, Fit) for one in found)
    with pytest.raises(ConfigError, match="give one"):
        together([group[-1], *group[:-1]])
    # Alone with one that is left out, nothing is trained together.
    assert together([group[0], group[-1]]) == [None, None]


def fitted(runs: Together, config: Config) -> tuple[Fit | None, list[Epoch]]:
    _, parts, examples, compute = built(config)
    rows: list[Epoch] = []
    with randomness.seeded(randomness.TRAINING, config.seed):
        return runs.fit(parts, examples, config, compute, rows.append), rows


def test_a_later_run_is_given_what_was_trained_with_an_earlier_one() -> None:
    first, second = small(*FROZEN, *ARMS[0]), small(*FROZEN, *ARMS[1])
    runs = Together([asked_run(config, {}) for config in (first, second)])
    found, rows = fitted(runs, first)
    assert found is not None
    assert rows == found.history
    later, rows = fitted(runs, second)
    assert later is not None
    assert rows == later.history
    assert numbers(later) == numbers(trained(second)[2])
    # It is held no longer, and no other run is to come.
    runs.ended(asked_run(first, {}))
    assert fitted(runs, second)[0] is None


@pytest.mark.parametrize(
    "other",
    [
        ("seed=1",), ("epochs=4",), ("batch_size=4",), ("transfer=full",), ("augment=none",),
        ("loss=smoothing",), ("data.train_pictures=20",), ("reg=l2sp",),
        ("optimizer._target_=torch.optim.Adagrad",),
    ],
)  # fmt: skip
def test_a_run_that_differs_in_more_is_trained_alone(other: tuple[str, ...]) -> None:
    first, second = small(*FROZEN), small(*FROZEN, *other)
    runs = Together([asked_run(config, {}) for config in (first, second)])
    assert fitted(runs, first)[0] is None
