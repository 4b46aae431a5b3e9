"""Which cells of a grid are trained: all of them, some, or each axis's levels one at a time.

In every design but the full one the first level of each axis makes the centre, and every other
cell differs from the centre in one axis: a recipe of which each part is left out, or a plain run to
which each part is added. As many runs as levels, not as products; interactions are not seen.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ablation.config import DESIGNS
from ablation.errors import ConfigError, nearest
from ablation.study import overrides, rounds

#: The value on each axis that is compared.
Cell = tuple[str, ...]

#: What all but the full design are; their names say how they are meant.
FULL, *ONE_AT_A_TIME = DESIGNS


def asked_for(
    base: DictConfig, axes: Mapping[str, tuple[str, ...]]
) -> tuple[Mapping[str, tuple[str, ...]], ...]:
    """The full grids that a command's design and rules come to; `axes` alone where all is trained.

    Args:
        base: a composed config.
        axes: what is swept → its values, in order.

    Raises:
        ConfigError: the design or a rule does not fit what is swept.
    """
    return tuple(grids(axes, base.design, *_rules(base)))


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
) -> Iterator[Mapping[str, tuple[str, ...]]]:
    """A design as full grids without overlap, which is what Hydra sweeps; the centre in the first.

    Args:
        axes: what is swept → its values, in order.
        design: one of `DESIGNS`.
        skip: rules, each axis → a value or several; a cell that fits all of a rule is left out.
        zipped: groups of axes, whose first values go together, then their second ones, and so on.

    Raises:
        ConfigError: fewer than two axes vary, a recipe's part has more than two levels, or a rule
            names what is not swept, or leaves nothing.
    """
    whole = {axis: tuple(values) for axis, values in axes.items()}
    if design == FULL and not skip and not zipped:
        yield whole
        return
    compared = {axis: values for axis, values in whole.items() if axis != "seed"}
    if design == FULL:
        cells = set(itertools.product(*compared.values()))
    else:
        _refuse(compared, design)
        cells = _one_at_a_time(compared)
    cells = _together(cells, compared, zipped)
    cells = _without(cells, compared, skip)
    for grid in rounds.products(cells, compared):
        yield {axis: whole["seed"] if axis == "seed" else grid[axis] for axis in axes}


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
