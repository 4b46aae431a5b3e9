"""What can be asked of a Ray cluster."""

import pytest

from ablation.errors import ConfigError
from ablation.launchers.wishes import Wishes


@pytest.mark.parametrize(
    ("wishes", "answer"),
    [
        (Wishes(num_cpus=0), "hydra.launcher.num_cpus=0: "),
        (Wishes(num_gpus=1.5), "hydra.launcher.num_gpus=1.5: a part of a GPU"),
        (Wishes(num_gpus=-1), "hydra.launcher.num_gpus=-1: "),
        (Wishes(local_cpus=0), "hydra.launcher.local_cpus=0: "),
        (Wishes(local_gpus=-1), "hydra.launcher.local_gpus=-1: "),
        (Wishes(max_retries=-1), "hydra.launcher.max_retries=-1: "),
        (Wishes(address="auto", local_cpus=2), "address=auto joins a cluster as large as it is"),
    ],
)
def test_what_no_cluster_can_give_is_refused(wishes: Wishes, answer: str) -> None:
    with pytest.raises(ConfigError) as raised:
        wishes.check()
    assert answer in str(raised.value)


def test_what_one_can_give_is_not() -> None:
    Wishes().check()
    Wishes("h:6379", num_cpus=0.5, num_gpus=0.25).check()
    Wishes(num_gpus=2, local_cpus=1, local_gpus=0, max_retries=0).check()
