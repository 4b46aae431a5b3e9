"""Ablation studies of transfer learning, and which of their differences are real."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ablation.report.claims.all_pairs import compare

__all__ = ["compare"]


def __getattr__(name: str) -> Any:
    """`compare`, loaded when it is first asked for: a command must not wait for SciPy."""
    if name == "compare":
        from ablation.report.claims.all_pairs import compare

        return compare
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
