"""The tables of a report as CSV files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from ablation.report.claims.claim import Claim, LevelEffect
from ablation.report.claims.results import Results
from ablation.report.claims.tuning import tuning_note
from ablation.report.claims.words import in_words
from ablation.report.evidence.runs import level_of
from ablation.report.pages.tables import unfinished
from ablation.report.pages.text import (
    claim_factors,
    claim_name,
    left_out,
    verdict_of_same,
)


def save(results: Results, folder: Path) -> None:
    """Write runs.csv, cells.csv and contrasts.csv into a folder."""
    runs_frame(results).to_csv(folder / "runs.csv", index=False)
    pd.DataFrame(_cell_rows(results)).to_csv(folder / "cells.csv", index=False)
    pd.DataFrame(_claim_rows(results), columns=CLAIM_COLUMNS).to_csv(
        folder / "contrasts.csv", index=False
    )


def runs_frame(results: Results) -> pd.DataFrame:
    """Every run that was asked for or logged, a row each, with its status."""
    found = results.runs
    names = [*found.factors, *found.searched]
    table = found.table
    content: dict[str, Any] = {"status": "finished", "name": table.get("name")}
    content |= {key: level_of(table, key) for key in names}
    content |= {"seed": table.seed}
    metrics = [name for name in map(str, table.columns) if name.startswith("metrics.")]
    content |= {column.removeprefix("metrics."): table[column] for column in metrics}
    content |= {"error": "", "run_id": table.run_id, "fingerprint": table.get("tags.fingerprint")}
    finished = pd.DataFrame(content, index=table.index)
    whole = [cell for cell in results.cells if not cell.diverged]
    used = {run_id for cell in whole for run_id in cell.run_ids}
    finished.insert(1, "is_compared", table.run_id.isin(used))
    rest = [
        {"status": status, "is_compared": False, "name": name, **levels, "error": error}
        for status, name, levels, error in unfinished(results)
    ]
    return pd.concat([finished, pd.DataFrame(rest)], ignore_index=True) if rest else finished


def _cell_rows(results: Results) -> Iterator[dict[str, Any]]:
    for group in results.groups:
        for place, cell in enumerate([*group.ranked, *group.unranked], 1):
            found = group.intervals.get(cell.levels)
            test = None if cell.diverged else results.test.get(cell.levels)
            yield {
                **({"pictures": group.name} if group.name else {}),
                "rank": None if cell.diverged else place,
                **dict(zip(results.factors, cell.levels, strict=True)),
                **cell.chosen,
                "n_seeds": len(cell.seeds),
                "n_diverged": len(cell.diverged),
                "n_pictures": found.n_images if found else None,
                "best_val_accuracy": cell.mean,
                "low": found.low if found else None,
                "high": found.high if found else None,
                "last_val_accuracy": float(cell.last.mean()),
                "test_accuracy": test.mean if test else None,
                "test_low": test.low if test else None,
                "test_high": test.high if test else None,
                "train_seconds": float(cell.seconds.mean()),
            }
    for one in results.lost:
        levels = dict(zip(results.factors, one.levels, strict=True))
        yield {**levels, "n_seeds": 0, "n_diverged": len(one.seeds)}


CLAIM_COLUMNS = [
    "kind", "factors", "levels", "difference", "low", "high", "p_value", "corrected_p",
    "n_claims", "told_apart", "n_seeds", "n_pictures", "interval_covers", "note", "in_words",
]  # fmt: skip


def _notes(results: Results, claim: Claim) -> str:
    notes = _sameness(claim), left_out(results, claim), tuning_note(results, claim)
    return "; ".join(filter(None, notes))


def _sameness(claim: Claim) -> str:
    """Where a claim's sides gave the same answers."""
    if claim.same:
        return verdict_of_same(claim)
    if isinstance(claim, LevelEffect) and claim.same_with:
        arms = ", ".join(f"{factor} {level}" for factor, level in claim.same_with)
        return f"same predictions with {arms}"
    return ""


def _claim_rows(results: Results) -> Iterator[dict[str, Any]]:
    for group in results.groups:
        if group.comparison is None:
            continue
        for kind, claims in (
            ("effect", group.comparison.effects),
            ("interaction", group.comparison.interactions),
            ("cells", group.comparison.contrasts),
        ):
            for claim in claims:
                yield {
                    "kind": kind,
                    "factors": claim_factors(claim) if kind != "cells" else group.name,
                    "levels": claim_name(claim),
                    "difference": claim.found.difference,
                    "low": claim.found.low,
                    "high": claim.found.high,
                    "p_value": claim.found.p_value,
                    "corrected_p": claim.corrected_p,
                    "n_claims": claim.n_claims,
                    "told_apart": claim.told_apart,
                    "n_seeds": claim.found.n_seeds,
                    "n_pictures": claim.found.n_images,
                    "interval_covers": claim.found.covers,
                    "note": _notes(results, claim),
                    "in_words": in_words(claim, results.config.difference),
                }
