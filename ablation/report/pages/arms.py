"""The section "Integrity of the arms": whether each arm was trained as its name says."""

from collections.abc import Iterator

from ablation.report.claims.results import Results
from ablation.report.evidence.integrity import Check
from ablation.report.pages.blocks import Block, Table


def integrity(results: Results) -> Iterator[Block]:
    """A row for each check; nothing where no run has finished."""
    if results.checks:
        rows = tuple((check.holds, _runs(check), _found(check)) for check in results.checks)
        yield Table(("what must hold", "runs checked", "found"), rows, "lrl")


def _runs(check: Check) -> str:
    return f"{check.n_checked:,} of {check.n_concerned:,}" if check.n_concerned else "–"


def _found(check: Check) -> str:
    if check.breaches:
        return "BREACH: " + "; ".join(check.breaches)
    if check.warnings:
        return "note: " + "; ".join(check.warnings)
    if not check.n_concerned:
        return "concerns no run"
    return "holds" if check.n_checked else "not recorded"
