"""The ledger, the integrity of the arms, and how a report was made."""

import shlex
from collections.abc import Iterator

from ablation.report.claims.results import Results
from ablation.report.evidence import integrity
from ablation.report.evidence.runs import level_of
from ablation.report.pages import tables
from ablation.report.pages.answers import MOST_ITEMS, _some
from ablation.report.pages.blocks import Block, Bullets, Code, Table, Text


def _ledger(results: Results) -> Iterator[Block]:
    ledger = results.runs.ledger
    finished = set(ledger.finished)
    unplanned = finished - set(ledger.planned)
    duplicates = {name: runs for name, runs in ledger.finished.items() if len(runs) > 1}
    yield Table(
        ("planned", "finished", "diverged", "failed", "running", "missing", "duplicates"),
        (
            (
                f"{len(ledger.planned):,}" if ledger.planned else "not recorded",
                f"{len(finished):,}",
                f"{len(ledger.diverged):,}",
                f"{len(ledger.failed):,}",
                f"{len(ledger.running):,}",
                f"{len(ledger.missing):,}",
                f"{sum(len(runs) - 1 for runs in duplicates.values()):,}",
            ),
        ),
        "rrrrrrr",
    )
    by_status: dict[str, list[tuple[str, str]]] = {}
    for status, name, _, error in tables.unfinished(results):
        by_status.setdefault(status, []).append((name, error))
    for status, column in (("diverged", "what happened"), ("failed", "error")):
        if status in by_status:
            listed = by_status[status][:MOST_ITEMS]
            yield Table((f"{status} run", column), tuple(listed), "ll")
    if "running" in by_status:
        yield Text(f"Running: {_some((name for name, _ in by_status['running']), MOST_ITEMS)}.")
    if "missing" in by_status:
        yield tables.missing(results)
    if any(len(content) > MOST_ITEMS for content in by_status.values()):
        yield Text("Not all may be listed here; `runs.csv` has all.", "remark")
    if duplicates:
        repeated = [
            f"{runs[0].name} ({len(runs)} times; the newest counts, {runs[0].id})"
            for runs in duplicates.values()
        ]
        yield Text(f"Duplicates: {_some(repeated, MOST_ITEMS)}.")
    if unplanned and ledger.planned:
        names = [ledger.finished[fingerprint][0].name for fingerprint in sorted(unplanned)]
        yield Text(f"Finished without being part of a grid: {_some(names, MOST_ITEMS)}.")
    if not ledger.planned:
        yield Text(
            "No grid was recorded, so only what was logged is counted here: a run that was never "
            "started can't be known to be missing.",
            "remark",
        )


def _integrity(results: Results) -> Iterator[Block]:
    rows = []
    for check in results.checks:
        if check.breaches:
            verdict = "BREACH: " + "; ".join(check.breaches)
        elif check.warnings:
            verdict = "note: " + "; ".join(check.warnings)
        elif not check.n_concerned:
            verdict = "concerns no run"
        elif not check.n_checked:
            verdict = "not recorded"
        else:
            verdict = "holds"
        of = f"{check.n_checked:,} of {check.n_concerned:,}" if check.n_concerned else "–"
        rows.append((check.holds, of, verdict))
    yield Table(("what must hold", "runs checked", "found"), tuple(rows), "lrl")


def _made(results: Results) -> Iterator[Block]:
    table = results.runs.table
    commands = [plan.command for plan in results.runs.plans]
    commands += [c for c in _values(results, "command") if c not in commands]
    if commands:
        yield Code("\n".join(commands[:MOST_ITEMS]))
    items = []
    commits = _values(results, "code_commit")
    if commits:
        dirty = "true" in _values(results, "code_dirty")
        items.append(("code", ", ".join(commits) + (", with uncommitted changes" if dirty else "")))
    for text in _values(results, "versions"):
        listed = ", ".join(f"{k} {v}" for k, v in integrity.versions(text).items())
        items.append(("versions", listed))
    for label, tag, key in (("pictures", "data", "data"), ("weights", "weights", "model")):
        digests = integrity.column(table, f"tags.{tag}_digest").tolist()
        for level, digest in dict.fromkeys(zip(level_of(table, key), digests, strict=True)):
            if isinstance(digest, str) and digest != "none":
                items.append((f"{label} of {level}, digest", digest))
    device, precision = (integrity.column(table, f"tags.{tag}") for tag in ("device", "precision"))
    places = (device + ", " + precision).dropna().unique()
    if len(places):
        items.append(("computed on", "; ".join(map(str, places))))
    items.append(("every run", f"`runs.csv`, and MLflow's experiment {results.runs.study}"))
    if results.is_small:
        text = "`evidence.zip`; `python -m ablation.report evidence=evidence.zip` makes this again"
    else:
        study = shlex.quote(results.runs.study)
        text = (
            f"not kept here, as it holds {results.n_probabilities:,} probabilities; `python -m "
            f"ablation.report study={study} evidence=FILE` writes it"
        )
    items.append(("evidence", text))
    yield Bullets(tuple(items))


def _values(results: Results, tag: str) -> list[str]:
    return [str(v) for v in integrity.column(results.runs.table, f"tags.{tag}").dropna().unique()]
