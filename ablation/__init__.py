"""Ablation studies of transfer learning, and which of their differences are real."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ablation.report.claims.all_pairs import compare
    from ablation.report.load import load

__all__ = ["compare", "load"]


def __getattr__(name: str) -> Any:
    """`compare` and `load`, when they are first asked for: a command must not wait for SciPy."""
    if name == "compare":
        from ablation.report.claims.all_pairs import compare

        return compare
    if name == "load":
        from ablation.report.load import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
