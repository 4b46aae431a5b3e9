"""Launchers of Hydra that hand each run to a scheduler of jobs, as Slurm."""

from collections.abc import Sequence

from omegaconf import DictConfig

from ablation.study.hydra_insides import Override, key_of

_KEY = "hydra.launcher.max_num_timeout"
#: So often a run may go on in another job after its job has met its time limit. The launcher's own
#: number is 0, for programs that can't go on.
_MOST_TIMEOUTS = 20


def settings(base: DictConfig, given: Sequence[Override]) -> tuple[str, ...]:
    """Overrides that let a launcher put a job into the queue again, as far as they were not given.

    Args:
        base: a composed config, with Hydra's own part.
        given: the command's overrides.
    """
    has_limit = "max_num_timeout" in base.hydra.launcher
    if not has_limit or any(key_of(item) == _KEY for item in given):
        return ()
    return (f"{_KEY}={_MOST_TIMEOUTS}",)
