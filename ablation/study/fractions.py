"""Regular fractions of grids of two levels each: their cells, and what they can't tell apart.

A full grid of k factors with two levels has 2^k cells. A regular fraction has 2^m of them, m < k: m
factors are crossed, and the level of each other one follows from a product of theirs, its
generator. All products of factors that are the same in every cell are the words of the defining
relation; the length of the shortest is the *resolution*. Two effects are *confounded* (aliases)
where their product is a word: then the cells can't tell them apart. Resolution III confounds main
effects with two-way interactions, IV these interactions with each other, V neither (Box, Hunter &
Hunter 2005, *Statistics for Experimenters*, ch. 6; Fries & Hunter 1980, *Technometrics* 22:601, for
the choice among fractions of one size).

Levels are counted as -1 (the first) and 1. A product is written as the bits of its factors, and the
product of two products is then their exclusive or, since every square is 1.
"""

import itertools
import math
import string
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ablation.errors import ConfigError

#: A main effect (one factor) or an interaction of two.
Effect = tuple[str, ...]
Bits = NDArray[np.uint32]

#: Resolutions: below III main effects are confounded with each other; IV is taken if none is named.
LEAST, USUAL = 3, 4
#: pyDOE3 names the crossed factors by letters.
MOST_FACTORS = len(string.ascii_lowercase)
#: Up to so many words all choices of generators are compared; beyond, one is chosen after another.
_MOST_WORDS = 2**24
#: Groups of confounded effects that are named in a line.
MOST_NAMED = 4
_NUMERALS = ("", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X")


@dataclass(frozen=True)
class Fraction:
    """A regular fraction that cells are, or of which they are the most.

    Attributes:
        factors: that have two levels in it, three at least.
        n_cells: of the whole fraction, a power of 2.
        n_missing: of these, how many are not there; fewer than half.
        resolution: 3 or more.
        chains: the main effects and two-way interactions, those together that can't be told apart;
            in the order of the factors.
    """

    factors: tuple[str, ...]
    n_cells: int
    n_missing: int
    resolution: int
    chains: tuple[tuple[Effect, ...], ...]

    @property
    def confounded(self) -> tuple[tuple[Effect, ...], ...]:
        """The chains of several effects."""
        return tuple(chain for chain in self.chains if len(chain) > 1)

    def aliases(self, effect: Effect) -> tuple[Effect, ...]:
        """The other main effects and two-way interactions that an effect is confounded with.

        Args:
            effect: one of those in `chains`.
        """
        chain = next(chain for chain in self.chains if effect in chain)
        return tuple(other for other in chain if other != effect)

    @property
    def size(self) -> str:
        """As it is said: "8 of 16 cells, resolution IV"."""
        n_full = 2 ** len(self.factors)
        return f"{self.n_cells:,} of {n_full:,} cells, resolution {numeral(self.resolution)}"


def numeral(resolution: int) -> str:
    """A resolution as it is written: 4 → "IV"."""
    return _NUMERALS[resolution] if resolution < len(_NUMERALS) else str(resolution)


def effect_name(effect: Effect) -> str:
    """An effect as it is written: "transfer × reg"."""
    return " × ".join(effect)


def told(fraction: Fraction) -> str:
    """What a fraction can't tell apart, in a line for a person."""
    names = [
        f"{effect_name(chain[0])} is confounded with {', '.join(map(effect_name, chain[1:]))}"
        for chain in fraction.confounded
    ]
    if not names:
        return f"{fraction.size}; no main effect or two-way interaction is confounded with another"
    n_more = len(names) - MOST_NAMED
    more = f"; and {n_more} more such groups, which the report names" if n_more > 0 else ""
    return f"{fraction.size}; {'; '.join(names[:MOST_NAMED])}{more}"


# --- Which fraction cells are


def fraction_of(cells: Collection[Sequence[str]], factors: Sequence[str]) -> Fraction | None:
    """The regular fraction that cells are, told from the cells alone.

    Args:
        cells: each by its levels in the order of `factors`.
        factors: their names. Those with one level in all cells do not count.

    Returns:
        None where the cells are a full grid or no fraction: a factor has more than two levels,
        fewer than three vary, half of the cells or more are missing, or the resolution is below
        III, so that main effects could not be told apart.
    """
    levels = [sorted({cell[at] for cell in cells}) for at in range(len(factors))]
    varied = [at for at, here in enumerate(levels) if len(here) > 1]
    if len(varied) < LEAST or any(len(levels[at]) > 2 for at in varied):
        return None
    points = {
        sum((cell[at] == levels[at][1]) << bit for bit, at in enumerate(varied)) for cell in cells
    }
    basis = _basis(points)
    n_cells = 2 ** len(basis)
    if len(basis) == len(varied) or 2 * len(points) <= n_cells:
        return None
    syndromes = [_syndrome(1 << bit, basis) for bit in range(len(varied))]
    length = _shortest_word(syndromes)
    if length < LEAST:
        return None
    names = tuple(factors[at] for at in varied)
    chains = _chains(dict(zip(names, syndromes, strict=True)))
    return Fraction(names, n_cells, n_cells - len(points), length, chains)


def _basis(points: Iterable[int]) -> list[int]:
    """Independent products of factors that are changed between cells; Gaussian elimination."""
    first, *others = points
    basis: list[int] = []
    for point in others:
        rest = point ^ first
        for known in basis:
            rest = min(rest, rest ^ known)
        if rest:
            basis.append(rest)
    return basis


def _syndrome(product: int, basis: Sequence[int]) -> int:
    """Along which changes between cells a product changes its sign; none for a word."""
    return sum(((product & change).bit_count() % 2) << bit for bit, change in enumerate(basis))


def _shortest_word(syndromes: Sequence[int]) -> int:
    """The least number of factors whose product is the same in all cells.

    Args:
        syndromes: of each factor; fewer of them are independent than there are.
    """
    for length in range(1, len(syndromes) + 1):
        for chosen in itertools.combinations(syndromes, length):
            rest = 0
            for syndrome in chosen:
                rest ^= syndrome
            if not rest:
                return length
    raise AssertionError("a full grid has no word")


def _chains(syndromes: Mapping[str, int]) -> tuple[tuple[Effect, ...], ...]:
    chains: dict[int, list[Effect]] = {}
    for factor, syndrome in syndromes.items():
        chains.setdefault(syndrome, []).append((factor,))
    for (one, of_one), (other, of_other) in itertools.combinations(syndromes.items(), 2):
        chains.setdefault(of_one ^ of_other, []).append((one, other))
    return tuple(map(tuple, chains.values()))


# --- Which fraction is chosen


def signs(n_factors: int, least: int | None = None) -> NDArray[np.int8]:
    """The smallest regular fraction of a resolution, with fewest short words among those.

    The signs of its generators are those with which the cell of all first levels is in it. Of
    resolution V and 15 factors or more there may be a smaller one, as not all are looked at.

    Args:
        n_factors: 3 to `MOST_FACTORS`.
        least: the resolution that it has at least; None takes IV, or III where only that is
            smaller than the full grid.

    Returns:
        -1 (first level) or 1 of shape (n_cells, n_factors), the cell of first levels first.

    Raises:
        ConfigError: none of that resolution is smaller than the full grid.
    """
    wanted = max(least or USUAL, LEAST)
    found = _smallest(n_factors, wanted)
    if found is None and least is None:
        found = _smallest(n_factors, LEAST)
    if found is None:
        n_full = 2**n_factors
        raise ConfigError(
            f"design_resolution={wanted}: of {n_factors} factors only all {n_full:,} cells have "
            f"it; half of them have resolution {numeral(n_factors)}"
        )
    return _expanded(*found)


def _smallest(n_factors: int, least: int) -> tuple[int, tuple[int, ...]] | None:
    """The number of crossed factors and the generators of the others."""
    for n_crossed in range(n_factors.bit_length(), n_factors):
        generators = _generators(n_crossed, n_factors - n_crossed, least)
        if generators is not None:
            return n_crossed, generators
    return None


def _expanded(n_crossed: int, generators: Sequence[int]) -> NDArray[np.int8]:
    # Loads all of scipy.stats, which a command without a fraction does not need.
    import pyDOE3

    letters = string.ascii_lowercase[:n_crossed]
    words = []
    for generator in generators:
        word = "".join(letter for bit, letter in enumerate(letters) if generator >> bit & 1)
        # Of first levels, -1 each, an even number has the product 1.
        words.append(word if len(word) % 2 else f"-{word}")
    return np.asarray(pyDOE3.fracfact(" ".join([*letters, *words])), dtype=np.int8)


def _generators(n_crossed: int, n_others: int, least: int) -> tuple[int, ...] | None:
    """The generators with fewest words of `least` letters, then of one more, and so on.

    pyDOE3's own choices are not used: `fracfact_by_res` does not look at the products of its
    generators, so that 16 factors in 32 cells "of resolution 4" have 3, and `fracfact_opt` takes
    15 s for 8 factors in 32 cells, and is not offered for more than 20.
    """
    products = [product for product in range(1, 2**n_crossed) if product.bit_count() >= least - 1]
    if len(products) < n_others:
        return None
    if math.comb(len(products), n_others) << n_others <= _MOST_WORDS:
        chosen = np.array(list(itertools.combinations(products, n_others)), dtype=np.uint32)
        best = _best(_lengths(chosen), least, n_crossed + n_others)
        return None if best is None else tuple(map(int, chosen[best]))
    # Words of odd products have an even length: up to 2^(m - 1) factors, none is below 4.
    odd = [product for product in products if product.bit_count() % 2]
    found = _one_after_another(products, n_crossed, n_others, least)
    return found or _one_after_another(odd, n_crossed, n_others, least)


def _lengths(generators: Bits) -> NDArray[np.uint8]:
    """The lengths of all words, of shape (n, 2^p - 1), from p generators each, of shape (n, p)."""
    products = np.zeros((len(generators), 1), dtype=np.uint32)
    n_generators = np.zeros(1, dtype=np.uint8)
    for column in generators.T:
        products = np.concatenate([products, products ^ column[:, None]], axis=1)
        n_generators = np.concatenate([n_generators, n_generators + np.uint8(1)])
    return (np.bitwise_count(products) + n_generators)[:, 1:]


def _best(lengths: NDArray[np.uint8], least: int, most: int) -> int | None:
    """The row with fewest short words; None where each has a word shorter than `least`."""
    fitting = np.flatnonzero(lengths.min(axis=1) >= least)
    if not fitting.size:
        return None
    counts = [np.count_nonzero(lengths[fitting] == n, axis=1) for n in range(least, most + 1)]
    return int(fitting[np.lexsort(counts[::-1])[0]])


def _one_after_another(
    products: Sequence[int], n_crossed: int, n_others: int, least: int
) -> tuple[int, ...] | None:
    """As `_generators`, each the best one beside those before it."""
    chosen: list[int] = []
    words, n_letters = np.zeros(1, dtype=np.uint32), np.zeros(1, dtype=np.uint8)
    for _ in range(n_others):
        ranked = []
        for product in products:
            lengths = np.bitwise_count(words ^ np.uint32(product)) + n_letters + np.uint8(1)
            counts = np.bincount(lengths, minlength=n_crossed + n_others + 1)
            if not counts[:least].any():
                ranked.append((tuple(counts[least:]), product))
        if not ranked:
            return None
        chosen.append(min(ranked)[1])
        words = np.concatenate([words, words ^ np.uint32(chosen[-1])])
        n_letters = np.concatenate([n_letters, n_letters + np.uint8(1)])
    return tuple(chosen)


def levels(chosen: NDArray[np.int8], axes: Sequence[Sequence[str]]) -> Iterator[tuple[str, ...]]:
    """The cells of a fraction by their levels.

    Args:
        chosen: -1 or 1, of shape (n_cells, n_axes).
        axes: of each, its first and its second level.
    """
    for row in chosen:
        yield tuple(axis[int(sign > 0)] for axis, sign in zip(axes, row, strict=True))
