"""Whether an untuned learning rate could be the reason for a difference."""

from pathlib import Path

from ablation.report.claims.claim import Comparison
from ablation.report.claims.words import tuning_note
from tests.report.made_up import Study
from tests.report.reading import ARMS, by_transfer, results_of

TWO = (0, 1)
RATES = {"optimizer.lr": ["1e-4", "1e-3", "1e-2"]}


def comparison_of(folder: Path, made: Study, **config: object) -> Comparison:
    (group,) = results_of(folder, made, **config).groups
    assert group.comparison is not None
    return group.comparison


def test_only_claims_across_optimizers_or_transfers_need_a_tuned_rate(tmp_path: Path) -> None:
    found = comparison_of(
        tmp_path, Study({**ARMS, "optimizer": ["adam", "sgd"]}, by_transfer, seeds=TWO)
    )
    assert {(claim.factor, claim.tuning) for claim in found.effects} == {
        ("transfer", "fixed"), ("optimizer", "fixed"), ("reg", "not needed"),
    }  # fmt: skip
    for pair in found.contrasts:
        only_reg = (pair.a[0], pair.a[2]) == (pair.b[0], pair.b[2])
        assert (pair.tuning == "not needed") == only_reg
    assert {claim.tuning for claim in found.interactions} == {"fixed"}
    assert tuning_note(found.effects[0]) == "learning rate fixed, not tuned"


def test_where_every_cell_has_its_best_rate_nothing_has_to_be_said(tmp_path: Path) -> None:
    made = Study({"transfer": ["full", "frozen"], **RATES}, by_transfer, seeds=TWO)
    (effect,) = comparison_of(tmp_path, made, nuisance=["optimizer.lr"]).effects
    assert effect.tuning == "each tuned"
    assert not tuning_note(effect)


def test_a_rate_that_was_searched_in_some_cells_only_is_noted(tmp_path: Path) -> None:
    made = Study(
        {"transfer": ["full", "frozen"], **RATES},
        by_transfer,
        seeds=TWO,
        lost=lambda cell, _: cell["transfer"] == "frozen" and cell["optimizer.lr"] != "1e-3",
    )
    (effect,) = comparison_of(tmp_path, made, nuisance=["optimizer.lr"]).effects
    assert effect.tuning == "some tuned"
    assert tuning_note(effect) == "learning rate searched in some cells only"


def test_where_rates_are_compared_transfers_are_compared_at_equal_ones(tmp_path: Path) -> None:
    made = Study({"transfer": ["full", "frozen"], **RATES}, by_transfer, seeds=TWO)
    effects = comparison_of(tmp_path, made).effects
    assert {(claim.factor, claim.tuning) for claim in effects} == {
        ("transfer", "compared"), ("optimizer.lr", "not needed"),
    }  # fmt: skip
    assert tuning_note(effects[0]) == "at equal learning rates, not each at its best"
