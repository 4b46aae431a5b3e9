"""Which cells of a grid are trained: all of them, some, or each axis's levels one at a time.

The first level of each axis makes the centre, which every design has. Where one level is changed at
a time, every other cell differs from the centre in one axis: a recipe of which each part is left
out, or a plain run to which each part is added. As many runs as levels, not as products;
interactions are not seen. In a fraction half of the cells have each level of each axis, so that all
cells say something about every one of them; `fractions` says what it can't tell apart.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ablation.config import DESIGNS
from ablation.errors import ConfigError, nearest
from ablation.study import fractions, overrides, rounds

#: The value on each axis that is compared.
Cell = tuple[str, ...]

#: The first of the designs, and the last; all others change one factor at a time, and their names
#: say how they are meant.
FULL, *_, FRACTIONAL = DESIGNS


def asked_for(
    base: DictConfig, axes: Mapping[str, tuple[str, ...]]
) -> tuple[Mapping[str, tuple[str, ...]], ...]:
    """The full grids that a command's design and rules come to; `axes` alone where all is trained.

    Args:
        base: a composed config.
        axes: what is swept → its values, in order.

    Raises:
        ConfigError: the design or a rule does not fit what is swept, or there are too many runs.
    """
    if base.design == FULL:
        _refuse_many([axes])
    rules = *_rules(base), base.design_resolution, base.report.nuisance
    found = tuple(grids(axes, base.design, *rules))
    _refuse_many(found)
    return found


def _refuse_many(parts: Sequence[Mapping[str, Sequence[str]]]) -> None:
    most = overrides.MOST_RUNS
    if sum(math.prod(map(len, part.values())) for part in parts) > most:
        raise ConfigError(f"{', '.join(parts[0])}: more than {most:,} runs together")


def notes(
    design: str, parts: Sequence[Mapping[str, tuple[str, ...]]], searched: Sequence[str]
) -> Iterator[str]:
    """What a person should know of a design before the runs.

    Args:
        design: one of `DESIGNS`.
        parts: the full grids that it comes to.
        searched: axes that are searched in each cell, not compared.
    """
    if design != FRACTIONAL:
        return
    names = [axis for axis in parts[0] if axis != "seed" and axis.lstrip("+") not in searched]
    cells = [cell for part in parts for cell in itertools.product(*(part[axis] for axis in names))]
    found = fractions.fraction_of(cells, [axis.lstrip("+") for axis in names])
    if found is None or found.n_missing:
        raise AssertionError(f"not a fraction: {cells}")
    yield f"design={FRACTIONAL}: {fractions.told(found)}"


def _rules(base: DictConfig) -> tuple[list[dict[str, Any]], list[list[str]]]:
    """The cells that are left out, and the axes that go together.

    Raises:
        ConfigError: they are not written as they are read.
    """
    given: Any = OmegaConf.to_container(OmegaConf.masked_copy(base, ["skip", "zip"]), resolve=True)
    skip, zipped = given["skip"], given["zip"]
    if not all(isinstance(rule, dict) and rule for rule in skip):
        raise ConfigError("skip: takes rules such as 'skip=[{transfer:scratch,reg:l2sp}]'")
    if not all(isinstance(group, list) and len(group) > 1 for group in zipped):
        raise ConfigError("zip: takes groups of axes such as 'zip=[[model,optimizer.lr]]'")
    return skip, zipped


def grids(
    axes: Mapping[str, Sequence[str]],
    design: str,
    skip: Sequence[Mapping[str, Any]] = (),
    zipped: Sequence[Sequence[str]] = (),
    resolution: int | None = None,
    searched: Sequence[str] = (),
) -> Iterator[Mapping[str, tuple[str, ...]]]:
    """A design as full grids without overlap, which is what Hydra sweeps; the centre in the first.

    Args:
        axes: what is swept → its values, in order.
        design: one of `DESIGNS`.
        skip: rules, each axis → a value or several; a cell that fits all of a rule is left out.
        zipped: groups of axes, whose first values go together, then their second ones, and so on.
        resolution: that a fraction has at least; None for the usual one.
        searched: axes of which each cell of a fraction has all values, since they are not compared.

    Raises:
        ConfigError: too few axes vary, a part has more than two levels, or a rule names what is
            not swept, leaves nothing, or leaves out cells of a fraction.
    """
    whole = {axis: tuple(values) for axis, values in axes.items()}
    if design == FULL and not skip and not zipped:
        yield whole
        return
    crossed = {"seed", *(searched if design == FRACTIONAL else ())}
    compared = {axis: values for axis, values in whole.items() if axis.lstrip("+") not in crossed}
    designed = _cells(compared, design, resolution)
    cells = _together(designed, compared, zipped)
    cells = _without(cells, compared, skip)
    if design == FRACTIONAL and len(cells) < len(designed):
        raise ConfigError(
            f"design={design}: skip and zip would leave {len(cells)} of its {len(designed)} cells, "
            "which would no longer be balanced; leave them out, or design=full"
        )
    for grid in rounds.products(cells, compared):
        yield {axis: grid.get(axis, whole[axis]) for axis in axes}


def _cells(
    compared: Mapping[str, tuple[str, ...]], design: str, resolution: int | None
) -> set[Cell]:
    if design == FULL:
        return set(itertools.product(*compared.values()))
    _refuse(compared, design)
    if design != FRACTIONAL:
        return _one_at_a_time(compared)
    signs = fractions.signs(len(compared), resolution)
    return set(fractions.levels(signs, list(compared.values())))


def _one_at_a_time(compared: Mapping[str, tuple[str, ...]]) -> set[Cell]:
    centre = tuple(values[0] for values in compared.values())
    cells = {centre}
    for at, values in enumerate(compared.values()):
        cells |= {(*centre[:at], value, *centre[at + 1 :]) for value in values}
    return cells


def _together(
    cells: set[Cell], compared: Mapping[str, tuple[str, ...]], zipped: Sequence[Sequence[str]]
) -> set[Cell]:
    names = [axis.lstrip("+") for axis in compared]
    for group in zipped:
        _refuse_unknown(group, names, f"zip=[[{','.join(group)}]]")
        places = [names.index(axis) for axis in group]
        values = [list(compared.values())[at] for at in places]
        if len({len(one) for one in values}) > 1:
            counts = ", ".join(
                f"{axis} {len(one)}" for axis, one in zip(group, values, strict=True)
            )
            raise ConfigError(f"zip=[[{','.join(group)}]]: as many values of each; here {counts}")
        fitting = set(zip(*values, strict=True))
        cells = {cell for cell in cells if tuple(cell[at] for at in places) in fitting}
    return cells


def _without(
    cells: set[Cell], compared: Mapping[str, tuple[str, ...]], skip: Sequence[Mapping[str, Any]]
) -> set[Cell]:
    names = [axis.lstrip("+") for axis in compared]
    levels = dict(zip(names, compared.values(), strict=True))
    for rule in skip:
        said = f"skip=[{{{','.join(f'{axis}:{value}' for axis, value in rule.items())}}}]"
        _refuse_unknown(list(rule), names, said)
        wanted = {
            names.index(axis): {str(one) for one in (value if _is_list(value) else [value])}
            for axis, value in rule.items()
        }
        for at, values in wanted.items():
            unknown = sorted(values - set(map(overrides.plain, levels[names[at]])))
            if unknown:
                guess = nearest(unknown[0], list(levels[names[at]]))
                raise ConfigError(f"{said}: {names[at]} is not {unknown[0]} in any cell{guess}")
        cells = {
            cell
            for cell in cells
            if not all(overrides.plain(cell[at]) in values for at, values in wanted.items())
        }
    if not cells:
        raise ConfigError("skip: leaves no cell")
    return cells


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _refuse_unknown(axes: Sequence[str], names: Sequence[str], said: str) -> None:
    for axis in axes:
        if axis not in names:
            raise ConfigError(
                f"{said}: {axis} is not compared{nearest(axis, names)}; this command compares "
                + (", ".join(names) or "nothing")
            )


def _refuse(compared: Mapping[str, Sequence[str]], design: str) -> None:
    if design == FRACTIONAL:
        _refuse_fraction(compared)
        return
    if len(compared) < 2:
        raise ConfigError(f"design={design}: takes two factors or more; -m A=x,y B=u,v")
    if design == "one_at_a_time":
        return
    for axis, values in compared.items():
        if len(values) != 2:
            first, second = ("with", "without") if design == "leave_one_out" else ("plain", "added")
            raise ConfigError(
                f"design={design}: {axis} has {len(values)} levels; each part has two, "
                f"{axis}={first.upper()},{second.upper()} (design=one_at_a_time takes any number)"
            )


def _refuse_fraction(compared: Mapping[str, Sequence[str]]) -> None:
    for axis, values in compared.items():
        if len(values) != 2:
            name = axis.lstrip("+")
            raise ConfigError(
                f"design={FRACTIONAL}: {name} has {len(values)} levels; each factor has two, "
                f"{name}=FIRST,SECOND (what is searched, not compared, may have any number: "
                f"'report.nuisance=[{name}]')"
            )
    if len(compared) < fractions.LEAST:
        raise ConfigError(
            f"design={FRACTIONAL}: takes three factors or more with two levels each; "
            "-m A=x,y B=u,v C=s,t"
        )
    if len(compared) > fractions.MOST_FACTORS:
        raise ConfigError(
            f"design={FRACTIONAL}: takes {fractions.MOST_FACTORS} factors at most; "
            f"here are {len(compared)}"
        )
