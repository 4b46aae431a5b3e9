"""`seed=auto`: seeds are added in rounds, where questions are still open.

After each round the report looks at the data, and what it finds decides whether a cell gets more
seeds. The numbers of seeds at which it looks are fixed in advance, and the looks share the
probability of an error (`report.claims.claim.Rules`), so that peeking costs no honesty.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ablation.errors import ConfigError

#: The word that asks for rounds.
AUTO = "seed=auto"
#: Seeds of each cell at which the report looks; more looks make each of them less sensitive.
LOOKS = (3, 5, 10, 20)
#: Keys that only rounds use.
KEYS = ("budget", "most")
#: Cells that are named in a line.
MOST_NAMED = 8
_UNITS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Auto:
    """How far seeds are added.

    Attributes:
        looks: the numbers of seeds at which the report looks, increasing.
        budget: seconds that the whole command may take; None for no limit.
    """

    looks: tuple[int, ...]
    budget: float | None


def with_first_look(words: Sequence[str]) -> list[str]:
    """The words of a command, with the seeds of the first round in place of `seed=auto`."""
    first = f"seed={','.join(map(str, range(LOOKS[0])))}"
    return [first if word == AUTO else word for word in words]


def auto(words: Sequence[str], most: int, budget: str | None, is_sweep: bool) -> Auto | None:
    """How far a command adds seeds; None where its seeds are fixed.

    Args:
        words: as they were typed.
        most: seeds of a cell.
        budget: a number of seconds, minutes or hours: 90s, 30m, 2h; None for no limit.
        is_sweep: whether the command may have several runs.

    Raises:
        ConfigError: a budget that can't be read, or keys that don't go together.
    """
    if AUTO not in words:
        for word in words:
            if word.partition("=")[0] in KEYS:
                raise ConfigError(f"{word}: only with {AUTO}, which adds seeds in rounds")
        return None
    if not is_sweep:
        raise ConfigError(f"{AUTO}: add -m; seeds are added to a study of several runs")
    return Auto(looks(most), None if budget is None else seconds(budget))


def looks(most: int) -> tuple[int, ...]:
    """The numbers of seeds at which the report looks, `most` being the last."""
    return (*(look for look in LOOKS if look < most), most)


def seconds(budget: str) -> float:
    """A budget in seconds.

    Raises:
        ConfigError: it is no number of seconds, minutes or hours.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", budget)
    if not found or not float(found[1]):
        raise ConfigError(f"budget={budget}: takes seconds, minutes or hours: 90s, 30m, 2h")
    return float(found[1]) * _UNITS[found[2]]


def products(
    cells: Collection[tuple[str, ...]], axes: Mapping[str, Sequence[str]]
) -> Iterator[dict[str, tuple[str, ...]]]:
    """Cells as few full grids without overlap, which is what Hydra sweeps.

    Args:
        cells: each by its values on `axes`.
        axes: what is swept → all its values, in order.

    Returns:
        Of each grid, axis → its values.
    """
    names = list(axes)
    yield from (
        dict(zip(names, values, strict=True))
        for values in _products(set(cells), [tuple(axes[name]) for name in names])
    )


def _products(
    cells: set[tuple[str, ...]], axes: Sequence[tuple[str, ...]]
) -> Iterator[tuple[tuple[str, ...], ...]]:
    if not axes:
        yield ()
        return
    first, *others = axes
    # Values of the first axis that go with the same values of the others are one grid.
    by_rest: dict[frozenset[tuple[str, ...]], list[str]] = {}
    for value in first:
        rest = frozenset(cell[1:] for cell in cells if cell[0] == value)
        if rest:
            by_rest.setdefault(rest, []).append(value)
    for rest, values in by_rest.items():
        for others_values in _products(set(rest), others):
            yield (tuple(values), *others_values)


@dataclass(frozen=True)
class Progress:
    """What a look has found.

    Attributes:
        n_seeds: of the cells that were added to.
        n_settled, n_questions: comparisons with the baseline or the best cell that are not open,
            and all of them.
        factors: of the cells.
        cells: that stand in an open one, each by its levels in the order of `factors`.
        seconds: that one run takes.
    """

    n_seeds: int
    n_settled: int
    n_questions: int
    factors: tuple[str, ...] = ()
    cells: tuple[tuple[str, ...], ...] = ()
    seconds: float | None = None


def told(number: int, look: int, found: Progress, spent: float) -> Iterator[str]:
    """What a round has found, in lines for a person.

    Args:
        number: of the round, from 1.
        look: the seeds of its cells.
        found: by the report.
        spent: seconds of the command so far.
    """
    yield (
        f"round {number}, {look} seeds, {spent / 60:.1f} minutes so far: {found.n_settled} of "
        f"{found.n_questions} comparisons with the baseline or the best cell are settled"
    )
    if found.cells:
        names = [", ".join(cell) for cell in found.cells]
        more = f"; and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        yield f"  open: {'; '.join(names[:MOST_NAMED])}{more}"


def ending(auto: Auto, found: Progress, spent: float, n_runs: int) -> str:
    """Why no further round follows; empty where one does.

    Args:
        auto: how far seeds are added.
        found: at the look of the last round.
        spent: seconds of the command so far.
        n_runs: of the next round.
    """
    if not found.cells:
        return f"settled with {found.n_seeds} seeds"
    if found.n_seeds >= auto.looks[-1]:
        return f"{auto.looks[-1]} seeds are the most (`most={auto.looks[-1]}`); questions are open"
    if auto.budget is None:
        return ""
    wanted = n_runs * (found.seconds or 0.0)
    if spent + wanted <= auto.budget:
        return ""
    return (
        f"the budget is spent: {spent / 60:.1f} of {auto.budget / 60:.3g} minutes have gone, and "
        f"the next round of {n_runs} runs would take about {wanted / 60:.1f}; questions are open"
    )
