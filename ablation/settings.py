"""How a key of the config is declared: its default, its range, whether it can change a result."""

import functools
import math
import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, TypedDict, Unpack

from omegaconf import MISSING


class Limits(TypedDict, total=False):
    """A range of numbers: `least` and `most` are inside it, `above` and `below` are not."""

    least: float
    most: float
    above: float
    below: float


def setting(
    default: Any = MISSING,
    *,
    choices: tuple[str, ...] | None = None,
    result: bool = True,
    later: bool = False,
    **limits: Unpack[Limits],
) -> Any:
    """A key of the config with the values that it may take.

    Args:
        default: its value where no file gives one.
        choices: the only words it takes.
        result: False for what cannot change a run's result; it is left out of the fingerprint.
        later: True for a key that an earlier version lacked, whose default is what it did; at its
            default it is left out of the fingerprint, so that finished studies stay finished.
        limits: the range of a number, or of each number of a list.
    """
    metadata = {"choices": choices, "limits": limits, "result": result}
    metadata |= {"later": later, "default": default}
    if isinstance(default, list | dict):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Key:
    """One key of the schema.

    Attributes:
        path: its names from the top: ("optimizer", "lr").
        type: of its value: float, int | None, list[str], …
        choices: the only words that it takes; None where it takes any.
        limits: the range of a number.
        result: whether it can change a run's result, and so is part of the run's identity.
        later: whether an earlier version lacked it.
        default: its value where no file gives one.
    """

    path: tuple[str, ...]
    type: Any
    choices: tuple[str, ...] | None
    limits: Limits
    result: bool
    later: bool = False
    default: Any = None

    @property
    def name(self) -> str:
        """Dotted: optimizer.lr."""
        return ".".join(self.path)

    def of(self, config: Any) -> Any:
        """The key's value in a config."""
        return functools.reduce(getattr, self.path, config)

    def problems(self, value: Any) -> Iterator[str]:
        """What is wrong with a value, or with each of a list."""
        for part in value if isinstance(value, list) else [value]:
            if part is not None:
                yield from self._out_of_range(part)

    def _out_of_range(self, value: Any) -> Iterator[str]:
        if self.choices and value not in self.choices:
            yield f"{self.name}={value}: choose from {', '.join(self.choices)}"
        words = {"least": "at least", "most": "at most", "above": "above", "below": "below"}
        holds = {
            "least": operator.ge,
            "most": operator.le,
            "above": operator.gt,
            "below": operator.lt,
        }
        limits: Mapping[str, Any] = {**self.limits}
        # A NaN fails every comparison, so it is refused wherever there is a range.
        is_inside = all(holds[kind](value, limit) for kind, limit in limits.items())
        if not is_inside or value == math.inf:
            wanted = " and ".join(f"{words[kind]} {limit:g}" for kind, limit in limits.items())
            finite = "finite and " if value == math.inf else ""
            yield f"{self.name}={value}: must be {finite}{wanted}"


def keys_of(kind: Any, above: tuple[str, ...] = ()) -> Iterator[Key]:
    """The keys of a part of the schema, in the order in which they stand there.

    Args:
        kind: a dataclass whose fields are settings, or dataclasses of settings.
        above: the names above it.
    """
    for item in fields(kind):
        path = (*above, item.name)
        if is_dataclass(item.type):
            yield from keys_of(item.type, path)
        elif item.metadata:
            yield Key(path, item.type, **item.metadata)
