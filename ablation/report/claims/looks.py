"""How often a study is looked at while seeds are still added to it."""

from collections.abc import Sequence

from ablation.study.ledger import Plan

#: The axis on which a plan has its seeds.
SEED = "seed"


def planned_looks(plans: Sequence[Plan]) -> tuple[int, ...]:
    """The numbers of seeds at which `seed=auto` looks; none where all seeds are fixed."""
    return max((plan.looks for plan in plans), key=len, default=())


def looks_by_hand(plans: Sequence[Plan]) -> list[int]:
    """The numbers of seeds at which reports of fixed seeds were written, increasing.

    Args:
        plans: of the study's commands, each of which ended with a report, the oldest first.
    """
    seeds: set[str] = set()
    found = []
    for plan in plans:
        seeds.update(plan.axes.get(SEED, ()))
        if not plan.looks and len(seeds) >= 2 and len(seeds) not in found:
            found.append(len(seeds))
    return found
