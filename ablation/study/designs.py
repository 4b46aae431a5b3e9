"""Which cells of a grid are trained: all of them, or each axis's levels one at a time.

In every design but the full one the first level of each axis makes the centre, and every other
cell differs from the centre in one axis: a recipe of which each part is left out, or a plain run to
which each part is added. As many runs as levels, not as products; interactions are not seen.
"""

from collections.abc import Iterator, Mapping, Sequence

from ablation.config import DESIGNS
from ablation.errors import ConfigError
from ablation.study import rounds

#: What all but the full design are; their names say how they are meant.
FULL, *ONE_AT_A_TIME = DESIGNS


def grids(
    axes: Mapping[str, Sequence[str]], design: str
) -> Iterator[Mapping[str, tuple[str, ...]]]:
    """A design as full grids without overlap, which is what Hydra sweeps; the centre in the first.

    Args:
        axes: what is swept → its values, in order.
        design: one of `DESIGNS`.

    Raises:
        ConfigError: fewer than two axes vary, or a recipe's part has more than two levels.
    """
    whole = {axis: tuple(values) for axis, values in axes.items()}
    if design == FULL:
        yield whole
        return
    compared = {axis: values for axis, values in whole.items() if axis != "seed"}
    _refuse(compared, design)
    centre = tuple(values[0] for values in compared.values())
    cells = {centre}
    for at, values in enumerate(compared.values()):
        cells |= {(*centre[:at], value, *centre[at + 1 :]) for value in values}
    for grid in rounds.products(cells, compared):
        yield {axis: whole["seed"] if axis == "seed" else grid[axis] for axis in axes}


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
