"""Each check of the arms: what holds, what is a breach, what was not recorded."""

import json

import numpy as np
import pandas as pd
import pytest

from ablation.report.evidence import integrity
from ablation.report.evidence.answers import Answers

NO_ANSWERS = Answers({}, {}, [], {})


def run(name: str, **changes: str) -> dict[str, object]:
    """A run as the report's table has it; keys of `changes` with __ for a dot."""
    row = {
        "run_id": name,
        "name": name,
        "seed": 0,
        "params.data": "digits",
        "params.model": "efficientnet_lite0",
        "params.epochs": "5",
        "params.batch_size": "16",
        "params.transfer.trained": "head",
        "params.transfer.pretrained": "True",
        "params.reg._target_": "ablation.training.regularizer.L1",
        "params.reg.l1": "0.001",
        "metrics.train/penalty": 3.5,
        "metrics.best_val_accuracy": 0.5,
        "tags.frozen_digest_before": "f",
        "tags.frozen_digest_after": "f",
        "tags.start_digest": "imagenet",
        "tags.weights_digest": "w",
        "tags.data_digest": "d",
        "tags.applied_l1": "0.00100001",
        "tags.applied_l2": "0",
        "tags.n_steps": "75",
        "tags.code_commit": "c",
        "tags.code_dirty": "false",
        "tags.versions": json.dumps({"torch": "2.13.0", "numpy": "2.4.6"}),
        "tags.device": "cpu",
        "tags.precision": "float32",
    }
    return {**row, **{key.replace("__", "."): value for key, value in changes.items()}}


def scratch(name: str, **changes: str) -> dict[str, object]:
    usual = {
        "params__transfer__pretrained": "False",
        "params__transfer__trained": "all",
        "tags__weights_digest": "none",
        "tags__start_digest": "random",
    }
    return run(name, **{**usual, **changes})


def breaches(*rows: dict[str, object], factors: tuple[str, ...] = ()) -> list[str]:
    found = integrity.check(pd.DataFrame(list(rows)), factors, NO_ANSWERS)
    return [breach for check in found for breach in check.breaches]


def test_a_sound_study_has_no_breach() -> None:
    assert not breaches(run("a"), run("b"), scratch("c"))


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        (run("odd", tags__frozen_digest_after="g"), "a frozen weight or buffer changed"),
        (scratch("odd", tags__weights_digest="w"), "started from pre-trained weights"),
        (scratch("odd", tags__start_digest="imagenet"), "started from pre-trained weights"),
        (run("odd", params__reg__l1="0.0", tags__applied_l1="0"), "the l1 penalty was off"),
        (run("odd", tags__applied_l1="0.002"), "the l1 penalty was stronger than asked for"),
        (run("odd", tags__applied_l1="0"), "the l1 penalty was not as asked for"),
        (run("odd", tags__applied_l2="0.001"), "an l2 penalty was on where none"),
        (run("odd", params__reg___target_="None"), "an l1 penalty was on where none"),
        (run("odd", **{"metrics.train/penalty": "0"}), "its value stayed 0"),
        (run("odd", tags__data_digest="x"), "different pictures or another split"),
        (run("odd", tags__weights_digest="x"), "different weights"),
        (run("odd", tags__n_steps="74"), "different numbers of them"),
        (run("odd", tags__code_commit="x"), "different versions of the code"),
        (run("odd", tags__versions='{"torch": "2.14.0", "numpy": "2.4.6"}'),
         "different library versions: torch 2.13.0, 2.14.0"),
    ],
)  # fmt: skip
def test_each_breach_is_told_and_names_the_run(odd: dict[str, object], words: str) -> None:
    found = breaches(run("a"), run("b"), odd)
    assert len([breach for breach in found if words in breach]) == 1, found
    assert "library" in words or any("odd" in breach for breach in found)


def test_what_was_not_recorded_is_no_breach() -> None:
    bare = {key: value for key, value in run("a").items() if not key.startswith("tags.")}
    found = integrity.check(pd.DataFrame([bare]), (), NO_ANSWERS)
    assert not any(check.breaches for check in found)
    frozen = found[0]
    assert (frozen.n_checked, frozen.n_concerned) == (0, 1)


def test_what_differs_by_intent_is_no_breach() -> None:
    other = run("b", params__data="bees", tags__data_digest="e", tags__n_steps="80")
    longer = run("c", params__epochs="10", tags__n_steps="150")
    split = run("d", **{"params.data.split_seed": "1", "tags.data_digest": "f"})
    none = run("e", params__reg__l1="0.0", tags__applied_l1="0", **{"metrics.train/penalty": "0"})
    assert not breaches(
        run("a", **{"params.data.split_seed": "0"}), other, longer, split, none,
        factors=("data", "epochs", "data.split_seed", "reg.l1"),
    )  # fmt: skip


def test_uncommitted_changes_and_other_devices_are_warnings() -> None:
    rows = [run("a", tags__code_dirty="true"), run("b", tags__device="cuda:0")]
    found = integrity.check(pd.DataFrame(rows), (), NO_ANSWERS)
    warnings = [warning for check in found for warning in check.warnings]
    assert warnings == [
        "1 run had changes in the code that are in no commit",
        "runs were computed in different ways: cpu, float32: 1 run; cuda, float32: 1 run",
    ]
    assert not any(check.breaches for check in found)


def test_a_logged_accuracy_that_the_predictions_do_not_give_is_a_breach() -> None:
    answers = Answers({"a": np.array([True, True, True, False])}, {"a": 0}, [()], {})
    (*_, last) = integrity.check(pd.DataFrame([run("a")]), (), answers)
    assert last.breaches == ("the logged accuracy is not what the predictions give: a",)


def test_runs_of_different_numbers_of_threads_are_told() -> None:
    table = pd.DataFrame(
        {"tags.device": ["cpu"] * 3, "tags.precision": ["float32"] * 3, "tags.threads": ["2"] * 3}
    )
    assert not integrity.same_arithmetic(table).warnings
    table.loc[2, "tags.threads"] = "1"
    (warning,) = integrity.same_arithmetic(table).warnings
    assert "cpu, float32, 2 threads: 2 runs; cpu, float32, 1 thread: 1 run" in warning
    table["tags.device"] = "cuda:0"
    assert not integrity.same_arithmetic(table).warnings
