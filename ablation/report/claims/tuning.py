"""Whether the learning rate stands in the way of a claim."""

from ablation.report.claims.claim import CellContrast, Claim, Interaction, LevelEffect
from ablation.report.claims.results import Results

#: Contrasts across these factors say little unless each level has its own best learning rate.
NEED_TUNING = ("optimizer", "transfer")
LEARNING_RATE = "optimizer.lr"


def is_tuned(results: Results, claim: Claim) -> bool | None:
    """Whether each side of a claim had its own best learning rate.

    Returns:
        None for claims that need no tuning: those within one optimizer and one transfer mode.
    """
    if not set(_across(claim)) & set(NEED_TUNING):
        return None
    return LEARNING_RATE in results.runs.searched and all(
        len(cell.tried) > 1 for cell in results.cells
    )


def tuning_note(results: Results, claim: Claim) -> str:
    """What a reader must know of the learning rate beside a claim; empty where there is nothing."""
    if is_tuned(results, claim) is not False:
        return ""
    if LEARNING_RATE in results.factors:
        return "at equal learning rates, not each at its best"
    if LEARNING_RATE in results.runs.searched:
        return "learning rate searched in some cells only"
    return "learning rate fixed, not tuned"


def _across(claim: Claim) -> tuple[str, ...]:
    """The factors on which a claim's sides differ."""
    match claim:
        case LevelEffect():
            return (claim.factor,)
        case Interaction():
            return claim.factors
        case CellContrast():
            pairs = zip(claim.factors, claim.a, claim.b, strict=True)
            return tuple(factor for factor, a, b in pairs if a != b)
    return ()
