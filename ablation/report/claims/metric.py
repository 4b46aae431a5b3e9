"""What a report makes its claims about, and how its numbers are told."""

from collections.abc import Mapping
from dataclasses import dataclass

from ablation import targets

#: Chosen where the classes of the evaluated pictures differ in size by more than this factor.
MOST_UNEQUAL = 1.5


@dataclass(frozen=True)
class Metric:
    """A score of which every picture has its part: the mean over the pictures is the score.

    Attributes:
        key: as it is named in the config.
        label: as it is called in texts.
        is_share: whether it is told in percent, and differences in points.
        lower_is_better: as of a loss.
    """

    key: str
    label: str
    is_share: bool
    lower_is_better: bool

    @property
    def header(self) -> str:
        """Of a column: "accuracy, %", "log loss"."""
        return f"{self.label}, %" if self.is_share else self.label

    @property
    def unit(self) -> str:
        """Of a difference: "points", or the score's own, which has no name."""
        return "points" if self.is_share else ""

    @property
    def scale(self) -> float:
        """What a value is multiplied by where it is told."""
        return 100.0 if self.is_share else 1.0

    @property
    def decimals(self) -> int:
        """That a value is told with."""
        return 1 if self.is_share else 3

    def better(self, one: float, other: float) -> bool:
        """Whether the first value is better than the second."""
        return one < other if self.lower_is_better else one > other

    def rank(self, value: float) -> float:
        """Sorts values, the best first."""
        return value if self.lower_is_better else -value

    def amount(self, difference: float) -> str:
        """0.01 → "1 point", 0.025 → "2.5 points"; of a loss "0.01"."""
        number = f"{self.scale * difference:g}"
        if not self.is_share:
            return number
        return f"{number} {'point' if number == '1' else 'points'}"


ACCURACY = Metric("accuracy", "accuracy", is_share=True, lower_is_better=False)
METRICS: Mapping[str, Metric] = {
    metric.key: metric
    for metric in (
        ACCURACY,
        Metric("balanced_accuracy", "balanced accuracy", is_share=True, lower_is_better=False),
        Metric("log_loss", "log loss", is_share=False, lower_is_better=True),
        Metric("brier", "Brier score", is_share=False, lower_is_better=True),
        Metric("score", "score", is_share=False, lower_is_better=False),
    )
}


def metric_of(name: str) -> Metric:
    """The metric of a name of the config, or of a person's own function by its dotted path.

    Such a function has the larger values for the better predictions, unless it has an attribute
    `lower_is_better` that is true.

    Raises:
        ConfigError: there is no such function.
    """
    if name in METRICS:
        return METRICS[name]
    is_lower = bool(getattr(targets.found(name), "lower_is_better", False))
    label = name.rpartition(".")[2].replace("_", " ")
    return Metric(name, label, is_share=False, lower_is_better=is_lower)
