"""The section "Integrity of the arms": whether each arm was trained as its name says."""

from collections.abc import Iterator, Sequence

from ablation.report.claims.results import Results
from ablation.report.evidence.integrity import Check
from ablation.report.pages.blocks import Block, Table


def integrity(results: Results) -> Iterator[Block]:
    """The checks of the runs; nothing where no run has finished."""
    if results.checks:
        yield checks_table(results.checks)


def checks_table(checks: Sequence[Check]) -> Table:
    """A row for each check: what must hold, for how many runs it is known, what was found."""
    rows = tuple((check.holds, _runs(check), _found(check)) for check in checks)
    return Table(("what must hold", "runs checked", "found"), rows, "lrl")


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
