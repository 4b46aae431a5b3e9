"""Numbers and lists as short texts."""

from collections.abc import Iterable

import numpy as np

from ablation.report.claims.metric import Metric


def percent(fraction: float) -> str:
    """0.9542 → "95.4"; "–" for what is missing."""
    return f"{100 * fraction:.1f}" if np.isfinite(fraction) else "–"


def with_interval(mean: float, low: float, high: float) -> str:
    """(0.95, 0.92, 0.97) → "95.0 [92.0, 97.0]"."""
    return f"{percent(mean)} [{percent(low)}, {percent(high)}]"


def value(metric: Metric, number: float) -> str:
    """A score: 0.9542 → "95.4" if it is a share, else "0.954"; "–" for what is missing."""
    return f"{metric.scale * number:.{metric.decimals}f}" if np.isfinite(number) else "–"


def interval(metric: Metric, mean: float, low: float, high: float) -> str:
    """A score with its interval: "95.0 [92.0, 97.0]"."""
    return f"{value(metric, mean)} [{value(metric, low)}, {value(metric, high)}]"


def points(fraction: float, decimals: int = 1) -> str:
    """A difference in percentage points with its sign, and never "-0.0"."""
    rounded = round(100 * fraction, decimals)
    return f"{rounded:+.{decimals}f}" if rounded else f"{0:.{decimals}f}"


def duration(seconds: float) -> str:
    """7.41 → "7.4 s", 720 → "12 min"; "–" for what is missing."""
    if not np.isfinite(seconds):
        return "–"
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def p_value(value: float) -> str:
    """0.0312 → "0.031"; "< 0.001" for anything smaller."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def listed(names: Iterable[str], most: int) -> str:
    """(["a", "b", "c"], 2) → "a; b; and 1 more"."""
    every = list(names)
    more = f"; and {len(every) - most:,} more" if len(every) > most else ""
    return "; ".join(every[:most]) + more
