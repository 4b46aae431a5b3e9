"""Each claim in one sentence."""

from dataclasses import replace

from ablation.report.claims.claim import CellContrast, Claim, Interaction, LevelEffect
from ablation.report.claims.metric import Metric
from ablation.report.claims.power import Needed, needed
from ablation.report.claims.statistics import Contrast
from ablation.study.fractions import effect_name


def in_words(claim: Claim, seconds: float | None = None) -> str:
    """One sentence that says no more than the claim does.

    Args:
        claim: Any claim of a comparison.
        seconds: That one more run takes, as far as is known. Where the claim is open, the sentence
            says how much data would settle whether there is a difference of the size of interest,
            and what the seeds would cost.
    """
    metric = claim.rules.metric
    if claim.found.difference < 0:
        claim = _turned(claim)
    found = claim.found
    scope = _scope(found) + _averaged_over(claim)
    if claim.same:
        return _nothing_changed(claim)
    ending = _where_nothing_changed(claim) + _confounded(claim)
    match claim.verdict:
        case "different":
            return f"{_different(claim, _figures(found, metric))}, {scope}{ending}"
        case "same":
            return f"{_equivalent(claim)}: {_figures(found, metric)}, {scope}{ending}"
    sentence = f"open: {_open(claim)} is {_figures(found, metric)}, {scope}"
    if found.excludes_zero:
        sentence += (
            f"; its own interval excludes 0, but corrected p = {claim.corrected_p:.2g} for all"
            f" {claim.n_claims:,} comparisons of this report"
        )
    return f"{sentence}; {_what_it_takes(claim, seconds)}{ending}"


def _scope(found: Contrast) -> str:
    """What a difference was measured with: "3 seeds, 153 pictures"."""
    if not found.n_folds:
        runs = count(found.n_seeds, "seed")
    elif found.n_seeds == 1:
        runs = count(found.n_folds, "fold")
    else:
        runs = f"{found.n_seeds} × {found.n_folds} folds"
    return f"{runs}, {count(found.n_pictures, 'picture')}"


def tuning_note(claim: Claim) -> str:
    """What a reader must know about the learning rate beside a claim; empty where nothing."""
    match claim.tuning:
        case "compared":
            return "at equal learning rates, not each at its best"
        case "some tuned":
            return "learning rate searched in some cells only"
        case "fixed":
            return "learning rate fixed, not tuned"
    return ""


def _turned(claim: Claim) -> Claim:
    """The same claim with its sides exchanged."""
    found = claim.found.reversed()
    match claim:
        case CellContrast():
            return replace(claim, found=found, a=claim.b, b=claim.a)
        case LevelEffect():
            return replace(claim, found=found, level=claim.baseline, baseline=claim.level)
        case Interaction():
            (level_i, level_j), (base_i, base_j) = claim.levels, claim.baselines
            return replace(
                claim, found=found, levels=(level_i, base_j), baselines=(base_i, level_j)
            )
    raise TypeError(f"not a claim of a report: {claim!r}")


def _different(claim: Claim, figures: str) -> str:
    if isinstance(claim, Interaction):
        lead, here, there = _interaction_names(claim)
        return f"{lead} is {figures} higher with {here} than with {there}"
    higher, lower, beside = _sides(claim)
    if claim.rules.metric.lower_is_better:
        return f"{lower} beats {higher}{beside}: its {claim.rules.metric.label} is {figures} lower"
    return f"{higher} beats {lower}{beside} by {figures}"


def _equivalent(claim: Claim) -> str:
    within = f"the same within {claim.rules.metric.amount(claim.rules.difference)}"
    if isinstance(claim, Interaction):
        lead, here, there = _interaction_names(claim)
        return f"{lead} is {within} with {here} and with {there}"
    one, other, beside = _sides(claim)
    return f"{one} and {other}{beside} are {within}"


def _open(claim: Claim) -> str:
    if isinstance(claim, Interaction):
        lead, here, there = _interaction_names(claim)
        return f"({lead} with {here}) minus (that with {there})"
    one, other, beside = _sides(claim)
    return f"{one} minus {other}{beside}"


def _nothing_changed(claim: Claim) -> str:
    """What is said in place of a difference where the two sides answered the same."""
    scope = _scope(claim.found)
    if isinstance(claim, Interaction):
        other = claim.factors[1 - claim.factors.index(claim.idle)]
        return (
            f"at these settings {claim.idle} changed no prediction, whichever {other}: there is no"
            f" interaction to be seen, {scope}"
        )
    one, other, beside = _sides(claim)
    where = ""
    if isinstance(claim, LevelEffect) and claim.possible > 1:
        kind = "matched pair" if claim.matched == claim.possible else "complete matched pair"
        where = f" in each of {count(claim.matched, kind)} of cells"
        where = f" in the one {kind} of cells" if claim.matched == 1 else where
    if claim.same == "right":
        return (
            f"{one} and {other}{beside} were right on the very same pictures{where}, {scope}; only"
            " their wrong predictions differ"
        )
    sentence = (
        f"{one} and {other}{beside} gave the same prediction on every picture{where}, {scope}"
    )
    if isinstance(claim, LevelEffect):
        sentence += f": at these settings {claim.factor} changed no prediction"
    return sentence


def _where_nothing_changed(claim: Claim) -> str:
    """The arms in which a level made no difference to any prediction."""
    if not isinstance(claim, LevelEffect) or not claim.same_with:
        return ""
    arms = " and with ".join(_level_name(factor, level) for factor, level in claim.same_with)
    where = "" if claim.matched == claim.possible else " in these pairs"
    return f"; with {arms}, {claim.factor} changed no prediction{where}"


def _confounded(claim: Claim) -> str:
    """What an effect can't be told apart from."""
    names = aliases(claim)
    if not names:
        return ""
    if len(names) == 1:
        return f"; it can't be told apart from the interaction {names[0]}"
    return f"; it can't be told apart from the interactions {', '.join(names)}"


def aliases(claim: Claim) -> list[str]:
    """The interactions of two factors that a claim on a fraction is confounded with, if any."""
    if not isinstance(claim, LevelEffect) or claim.fraction is None:
        return []
    return [effect_name(effect) for effect in claim.fraction.aliases((claim.factor,))]


def _interaction_names(claim: Interaction) -> tuple[str, str, str]:
    level, here = map(_level_name, claim.factors, claim.levels)
    base, there = map(_level_name, claim.factors, claim.baselines)
    return f"{level} minus {base}", here, there


def _sides(claim: Claim) -> tuple[str, str, str]:
    """The two sides of a difference, and what they have in common."""
    if isinstance(claim, LevelEffect):
        names = (_level_name(claim.factor, level) for level in (claim.level, claim.baseline))
        return next(names), next(names), ""
    assert isinstance(claim, CellContrast)
    named = [
        (_level_name(factor, a), _level_name(factor, b))
        for factor, a, b in zip(claim.factors, claim.a, claim.b, strict=True)
    ]
    common = ", ".join(a for a, b in named if a == b)
    return (
        " + ".join(a for a, b in named if a != b),
        " + ".join(b for a, b in named if a != b),
        f" (both with {common})" if common else "",
    )


def _level_name(factor: str, level: str) -> str:
    """A level as people say it: "frozen", but "dropout=0.5"."""
    says_little = not level[:1].isalpha() or level.lower() in {"true", "false", "none", "null"}
    return f"{factor}={level}" if says_little else level


def _averaged_over(claim: Claim) -> str:
    if isinstance(claim, LevelEffect | Interaction) and claim.fraction is not None:
        n = claim.matched
        is_effect = isinstance(claim, LevelEffect)
        return (
            f", {n} cells against {n} others" if is_effect else f", over all {claim.n_cells} cells"
        )
    if not isinstance(claim, LevelEffect | Interaction) or claim.possible == 1:
        return ""
    kind = "pairs" if isinstance(claim, LevelEffect) else "squares"
    if claim.matched == claim.possible:
        return f", averaged over {claim.matched} matched {kind} of cells"
    return f", averaged over {claim.matched} of {claim.possible} matched {kind} of cells"


def _figures(found: Contrast, metric: Metric) -> str:
    """Such as "21.3 points [17.0, 25.6]"; an interval without 0 is never rounded to hold it."""
    decimals = metric.decimals
    nearest = min(abs(found.low), abs(found.high))
    while found.excludes_zero and decimals < 8 and round(metric.scale * nearest, decimals) == 0:
        decimals += 1

    def told(value: float) -> str:
        rounded = round(metric.scale * value, decimals) + 0.0  # + 0.0 makes -0.0 a plain 0.0.
        return f"{rounded:.{decimals}f}"

    unit = "point" if told(found.difference) == "1.0" else metric.unit
    middle = f"{told(found.difference)} {unit}" if metric.unit else told(found.difference)
    return f"{middle} [{told(found.low)}, {told(found.high)}]"


def _what_it_takes(claim: Claim, seconds: float | None) -> str:
    found, difference = claim.found, claim.rules.difference
    amount = claim.rules.metric.amount(difference)
    task = f"settle whether it is {amount} or more"
    need = needed(found, difference)
    seeds = need.seeds and f"about {_rough(need.seeds)} seeds"
    pictures = need.pictures and f"{_rough(need.pictures)} pictures"
    if need.seeds and need.seeds <= found.n_seeds:
        return f"in a single comparison, that is enough to detect {amount}"
    if seeds and pictures:
        return f"{seeds}{_price(claim, need, seconds)} or {pictures} would {task}"
    if seeds:
        price = _price(claim, need, seconds)
        return f"{seeds}{price} would {task}; more pictures alone would not"
    if pictures and found.n_folds:
        return f"about {pictures} in all would {task}; more folds would not"
    if pictures:
        return f"about {pictures} would {task}; more seeds alone would not"
    return f"it takes both more seeds and more pictures to {task}"


def _price(claim: Claim, need: Needed, seconds: float | None) -> str:
    """What the seeds that a claim lacks cost: " (18 more runs, about 3 minutes)"."""
    if seconds is None or need.seeds is None:
        return ""
    n_runs = claim.n_cells * (need.seeds - claim.found.n_seeds)
    return f" ({_rough(n_runs)} more {noun(n_runs, 'run')}, {about(n_runs * seconds)})"


def about(seconds: float) -> str:
    """A time as people say it: "about 40 seconds", "about 3 minutes", "about 5 hours"."""
    sizes = (("hour", 3600), ("minute", 60), ("second", 1))
    unit, size = next((one for one in sizes if seconds >= 1.5 * one[1]), sizes[-1])
    number = max(round(seconds / size), 1)
    return f"about {_rough(number)} {noun(number, unit)}"


def _rough(number: int) -> str:
    """Rounded up to two digits: the estimate is not more precise than that."""
    step = 10 ** max(len(str(number)) - 2, 0)
    return f"{-(-number // step) * step:,}"


def count(number: int, name: str) -> str:
    """(2, "seed") → "2 seeds"."""
    return f"{number:,} {noun(number, name)}"


def noun(number: int, name: str) -> str:
    """(2, "seed") → "seeds"."""
    return name if number == 1 else f"{name}s"
