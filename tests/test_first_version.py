"""What runs of the first version left behind is read as runs of this version would leave it."""

import pytest

from ablation import first_version
from ablation.config import leaves
from ablation.parts import GROUPS
from ablation.study import grid

#: The params of parts as the first version logged them, and the command that logs the same today.
LOGGED = {
    "optimizer=adam reg=l1 scheduler=step": {
        "optimizer": "adam", "reg": "l1", "scheduler": "step",
        "optimizer.name": "adam", "optimizer.lr": "0.001", "optimizer.momentum": "0.9",
        "optimizer.nesterov": "False", "optimizer.beta1": "0.9", "optimizer.beta2": "0.999",
        "optimizer.eps": "1e-08", "scheduler.name": "step", "scheduler.step_epochs": "2",
        "scheduler.gamma": "0.1", "scheduler.final": "0.0",
        "reg.penalties": "['l1']", "reg.l1": "0.001", "reg.l2": "0.0",
    },
    "optimizer=sgd reg=elastic scheduler=cosine": {
        "optimizer": "sgd", "reg": "elastic", "scheduler": "cosine",
        "optimizer.name": "sgd", "optimizer.lr": "0.01", "optimizer.momentum": "0.9",
        "optimizer.nesterov": "False", "optimizer.beta1": "0.9", "optimizer.beta2": "0.999",
        "optimizer.eps": "1e-08", "scheduler.name": "cosine", "scheduler.step_epochs": "2",
        "scheduler.gamma": "0.1", "scheduler.final": "0.0",
        "reg.penalties": "['l1', 'l2']", "reg.l1": "0.001", "reg.l2": "0.001",
    },
    "optimizer=adamw reg=none scheduler=constant": {
        "optimizer": "adamw", "reg": "none", "scheduler": "constant",
        "optimizer.name": "adamw", "optimizer.lr": "0.001", "optimizer.momentum": "0.9",
        "optimizer.nesterov": "False", "optimizer.beta1": "0.9", "optimizer.beta2": "0.999",
        "optimizer.eps": "1e-08", "scheduler.name": "constant", "scheduler.step_epochs": "2",
        "scheduler.gamma": "0.1", "scheduler.final": "0.0",
        "reg.penalties": "[]", "reg.l1": "0.0", "reg.l2": "0.0",
    },
}  # fmt: skip


@pytest.mark.parametrize("command", LOGGED)
def test_params_are_those_that_a_run_of_this_version_logs(command: str) -> None:
    (run,) = grid.expand(command.split(), multirun=False).runs
    logs = {**run.levels, **leaves(run.config)}
    wanted = {
        key: str(value)
        for key, value in logs.items()
        if key.partition(".")[0] in (*GROUPS, "task") and key != "task"
    }
    found = first_version.params(LOGGED[command])
    assert {key: value for key, value in found.items() if key != "task"} == wanted
    assert found["task"] == run.levels["task"]


def test_params_of_this_version_stay_as_they_are() -> None:
    (run,) = grid.expand(["optimizer=sgd"], multirun=False).runs
    logs = {key: str(value) for key, value in leaves(run.config).items()}
    assert first_version.params(logs) == logs
    # A run of a version before the first one, or of another program.
    assert first_version.params({"lr": "1"}) == {"lr": "1"}


@pytest.mark.parametrize("command", LOGGED)
def test_what_the_first_version_would_write_is_read_as_it_was_meant(command: str) -> None:
    (run,) = grid.expand(command.split(), multirun=False).runs
    written = first_version.keys(run.config)
    assert written is not None
    nested: dict[str, dict[str, object]] = {}
    for key, value in written.items():
        group, _, name = key.partition(".")
        nested.setdefault(group, {})[name] = value
    read = first_version.composed(nested)
    for group in ("optimizer", "scheduler", "reg", "loss", "augment", "task"):
        assert read[group] == getattr(run.config, group)


@pytest.mark.parametrize(
    "words",
    [
        "optimizer.clip=1", "loss=focal", "augment=none", "reg=l2sp", "scheduler=warmup",
        "optimizer._target_=torch.optim.RMSprop", "optimizer=sgd +optimizer.dampening=0.1",
    ],
)  # fmt: skip
def test_what_the_first_version_could_not_express_has_a_fingerprint_of_its_own(words: str) -> None:
    runs = [
        grid.expand(given.split(), multirun=False).runs[0] for given in (words, "optimizer=sgd", "")
    ]
    assert first_version.keys(runs[0].config) is None
    assert len({run.fingerprint for run in runs}) == 3
