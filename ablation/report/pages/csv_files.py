"""The columns of runs.csv, cells.csv, contrasts.csv and pairs.csv, which are for programs.

Accuracies and differences are fractions, times are seconds.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ablation.report.claims.claim import Claim, LevelEffect, cell_name
from ablation.report.claims.findings import Findings
from ablation.report.claims.results import Results
from ablation.report.claims.words import aliases, in_words, tuning_note
from ablation.report.evidence.cells import Cell, DivergedCell
from ablation.report.evidence.runs import level_of
from ablation.report.pages.claim_text import (
    claim_factors,
    claim_name,
    left_out,
    verdict_of_same,
)
from ablation.report.pages.ledger import unfinished

#: The files that not every report has.
SOME = ("contrasts.csv", "pairs.csv")
CONTRAST_COLUMNS = [
    "kind", "factors", "levels", "difference", "low", "high", "p_value", "corrected_p",
    "n_claims", "verdict", "n_seeds", "n_pictures", "note", "in_words",
]  # fmt: skip

Row = dict[str, Any]


def save(results: Results, folder: Path) -> None:
    """Write runs.csv and cells.csv into a folder; contrasts.csv, or pairs.csv with one seed.

    Raises:
        OSError: a file can't be written.
    """
    runs_frame(results).to_csv(folder / "runs.csv", index=False)
    cells_frame(results).to_csv(folder / "cells.csv", index=False)
    contrasts = contrasts_frame(results)
    pairs = pd.DataFrame(_pair_rows(results))
    if pairs.empty or not contrasts.empty:
        contrasts.to_csv(folder / "contrasts.csv", index=False)
    if not pairs.empty:
        pairs.to_csv(folder / "pairs.csv", index=False)


def runs_frame(results: Results) -> pd.DataFrame:
    """Every run that was planned or logged, a row each.

    The columns are `status`, `is_compared` (whether the run counts in the comparison), `name`, the
    factors and searched settings, `seed`, the logged metrics, `error`, `run_id`, `fingerprint`.
    """
    table = results.runs.table
    compared = {run for cell in results.cells if not cell.diverged for run in cell.run_ids}
    metrics = [name for name in map(str, table.columns) if name.startswith("metrics.")]
    finished = {
        "status": "finished",
        "is_compared": table.run_id.isin(compared),
        "name": table.get("name"),
        **{key: level_of(table, key) for key in (*results.factors, *results.runs.searched)},
        "seed": table.seed,
        **{name.removeprefix("metrics."): table[name] for name in metrics},
        "error": "",
        "run_id": table.run_id,
        "fingerprint": table.get("tags.fingerprint"),
    }
    frame = pd.DataFrame(finished, index=table.index)
    others = [
        {"status": run.status, "is_compared": False, "name": run.name}
        | {**run.levels, "error": run.error}
        for run in unfinished(results)
    ]
    return pd.concat([frame, pd.DataFrame(others)], ignore_index=True) if others else frame


def cells_frame(results: Results) -> pd.DataFrame:
    """Every cell, a row each, with its rank, its levels, its score and the score's interval."""
    return pd.DataFrame(_cell_rows(results))


def contrasts_frame(results: Results) -> pd.DataFrame:
    """Every claim, a row each; see `CONTRAST_COLUMNS`."""
    return pd.DataFrame(_contrast_rows(results), columns=CONTRAST_COLUMNS)


def _cell_rows(results: Results) -> Iterator[Row]:
    """Every cell in which a run finished or diverged, ranked ones first in each group."""
    for group in results.groups:
        for place, cell in enumerate([*group.ranked, *group.unranked], 1):
            name = {"pictures": group.name} if group.name else {}
            yield name | _cell_row(results, group, cell, None if cell.diverged else place)
    for diverged in results.diverged_cells:
        yield {**_levels(results, diverged), "n_seeds": 0, "n_diverged": len(diverged.seeds)}


def _cell_row(results: Results, group: Findings, cell: Cell, rank: int | None) -> Row:
    found = group.intervals.get(cell.levels)
    test = None if cell.diverged else results.test.get(cell.levels)
    return {
        "rank": rank,
        **_levels(results, cell),
        **cell.chosen,
        "n_seeds": len(cell.seeds),
        "n_diverged": len(cell.diverged),
        "n_pictures": found.n_pictures if found else None,
        "best_val_accuracy": float(cell.best.mean()),
        "metric": group.metric.key,
        "score": cell.mean,
        "low": found.low if found else None,
        "high": found.high if found else None,
        "last_val_accuracy": float(cell.last.mean()),
        "test_accuracy": test.mean if test else None,
        "test_low": test.low if test else None,
        "test_high": test.high if test else None,
        "train_seconds": float(cell.seconds.mean()),
    }


def _levels(results: Results, cell: Cell | DivergedCell) -> Mapping[str, str]:
    """Each factor → the cell's level."""
    return dict(zip(results.factors, cell.levels, strict=True))


def _contrast_rows(results: Results) -> Iterator[Row]:
    """Every claim: effects, interactions and pairs of cells."""
    for group in results.groups:
        if group.comparison is not None:
            for claim in group.comparison.effects:
                yield _contrast_row(results, claim, "effect", claim_factors(claim))
            for interaction in group.comparison.interactions:
                name = claim_factors(interaction)
                yield _contrast_row(results, interaction, "interaction", name)
            for pair in group.comparison.contrasts:
                yield _contrast_row(results, pair, "cells", group.name)


def _contrast_row(results: Results, claim: Claim, kind: str, factors: str) -> Row:
    names = ", ".join(aliases(claim))
    confounded = f"confounded with {names}" if names else ""
    notes = _sameness(claim), confounded, left_out(results, claim), tuning_note(claim)
    found = claim.found
    return {
        "kind": kind,
        "factors": factors,
        "levels": claim_name(claim),
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "p_value": found.p_value,
        "corrected_p": claim.corrected_p,
        "n_claims": claim.n_claims,
        "verdict": claim.verdict,
        "n_seeds": found.n_runs,
        "n_pictures": found.n_pictures,
        "note": "; ".join(filter(None, notes)),
        "in_words": in_words(claim, results.run_seconds),
    }


def _pair_rows(results: Results) -> Iterator[Row]:
    """Every pair of cells that share one seed only: the pictures by which of them was right."""
    for group in results.groups:
        for pair in group.paired:
            yield {
                "first": cell_name(pair.a),
                "second": cell_name(pair.b),
                "seed": pair.seed,
                "both_right": pair.both,
                "only_first": pair.only_a,
                "only_second": pair.only_b,
                "neither": pair.neither,
            }


def _sameness(claim: Claim) -> str:
    """Where both sides of a claim gave the same answers; empty where they differ everywhere."""
    if claim.same:
        return verdict_of_same(claim)
    if isinstance(claim, LevelEffect) and claim.same_with:
        arms = ", ".join(f"{factor} {level}" for factor, level in claim.same_with)
        return f"same predictions with {arms}"
    return ""
