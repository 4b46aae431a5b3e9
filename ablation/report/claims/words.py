"""Each claim in one sentence."""

from dataclasses import replace

from ablation.report.claims.claim import CellContrast, Claim, Interaction, LevelEffect
from ablation.report.claims.power import needed
from ablation.report.claims.statistics import Contrast


def in_words(claim: Claim, difference: float = 0.01) -> str:
    """One sentence that says no more than the claim does.

    Args:
        claim: Any claim of a comparison.
        difference: A fraction above 0. For a claim that is not significant, the sentence says how
            much data it would take to detect a difference of this size.
    """
    if claim.found.difference < 0:  # Name the better one first.
        claim = _turned(claim)
    found = claim.found
    one_seed = found.n_seeds == 1
    scope = f"{count(found.n_seeds, 'seed')}, {count(found.n_pictures, 'picture')}"
    scope += _averaged_over(claim)
    if one_seed:
        scope += " (for new pictures, not for new seeds)"
    start = "on these weights, " if one_seed else ""
    if claim.same:
        return _nothing_changed(claim)
    ending = _where_nothing_changed(claim)
    if claim.is_significant:
        return f"{start}{_verdict(claim, _figures(found))}, {scope}{ending}"
    sentence = f"{start}{_no_verdict(claim)}: {_figures(found)}, {scope}"
    if found.excludes_zero:
        sentence += (
            f"; corrected p = {claim.corrected_p:.2g} for all {claim.n_claims:,} comparisons of"
            " this report"
        )
    return f"{sentence}; {_what_it_takes(found, difference)}{ending}"


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


def _verdict(claim: Claim, figures: str) -> str:
    if isinstance(claim, Interaction):
        lead, here, there = _interaction_names(claim)
        return f"{lead} is {figures} higher with {here} than with {there}"
    better, worse, beside = _sides(claim)
    return f"{better} beats {worse}{beside} by {figures}"


def _no_verdict(claim: Claim) -> str:
    if isinstance(claim, Interaction):
        lead, here, there = _interaction_names(claim)
        difference = f"difference in {lead} between {here} and {there}"
    else:
        one, other, beside = _sides(claim)
        difference = f"difference between {one} and {other}{beside}"
    if claim.found.excludes_zero:
        return f"the {difference} is significant only before correction"
    return f"no evidence of a {difference}"


def _nothing_changed(claim: Claim) -> str:
    """What is said in place of a difference where the two sides answered the same."""
    scope = f"{count(claim.found.n_seeds, 'seed')}, {count(claim.found.n_pictures, 'picture')}"
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
    if not isinstance(claim, LevelEffect | Interaction) or claim.possible == 1:
        return ""
    kind = "pairs" if isinstance(claim, LevelEffect) else "squares"
    if claim.matched == claim.possible:
        return f", averaged over {claim.matched} matched {kind} of cells"
    return f", averaged over {claim.matched} of {claim.possible} matched {kind} of cells"


def _figures(found: Contrast) -> str:
    """Such as "21.3 points [17.0, 25.6]"; an interval without 0 is never rounded to hold it."""
    decimals = 1
    nearest = min(abs(found.low), abs(found.high))
    while found.excludes_zero and decimals < 8 and round(100 * nearest, decimals) == 0:
        decimals += 1

    def points(fraction: float) -> str:
        rounded = round(100 * fraction, decimals) + 0.0  # + 0.0 makes -0.0 a plain 0.0.
        return f"{rounded:.{decimals}f}"

    unit = "point" if points(found.difference) == "1.0" else "points"
    return f"{points(found.difference)} {unit} [{points(found.low)}, {points(found.high)}]"


def _what_it_takes(found: Contrast, difference: float) -> str:
    points = f"{100 * difference:g}"
    task = f"to detect a difference of {points} {'point' if points == '1' else 'points'}"
    need = needed(found, difference)
    seeds = need.seeds and f"about {_rough(need.seeds)} seeds"
    pictures = need.pictures and f"{_rough(need.pictures)} pictures"
    if found.n_seeds == 1:
        if not need.pictures or need.pictures <= found.n_pictures:
            return f"these pictures are enough {task} on these weights; other seeds may differ"
        return (
            f"about {pictures} would be needed {task} on these weights,"
            " and more seeds to say anything about others"
        )
    if need.seeds and need.seeds <= found.n_seeds:
        return f"that is enough {task} in a single comparison"
    if seeds and pictures:
        return f"{seeds} or {pictures} would be needed {task}"
    if seeds:
        return f"{seeds} would be needed {task}; more pictures alone would not be enough"
    if pictures:
        return f"about {pictures} would be needed {task}; more seeds alone would not be enough"
    return f"neither more seeds alone nor more pictures alone would be enough {task}: it takes both"


def _rough(number: int) -> str:
    """Rounded up to two digits: the estimate is not more precise than that."""
    step = 10 ** max(len(str(number)) - 2, 0)
    return f"{-(-number // step) * step:,}"


def count(number: int, noun: str) -> str:
    """(2, "seed") → "2 seeds"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
