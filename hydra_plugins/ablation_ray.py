"""`hydra/launcher=ray`, as Hydra finds it: a plugin has to lie in the package `hydra_plugins`.

What it does is in `ablation/launchers/`. hydra-ray-launcher can't be installed beside joblib and
MLflow of today: it wants cloudpickle below 3.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, configure_log, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from ablation.launchers.wishes import Wishes


@dataclass
class RayConf(Wishes):
    """The keys of `hydra.launcher`."""

    _target_: str = "hydra_plugins.ablation_ray.RayLauncher"


class RayLauncher(Launcher):
    """Trains the runs of a sweep as tasks of a Ray cluster."""

    def __init__(self, **keys: Any) -> None:
        """
        Args:
            keys: those of `Wishes`.
        """
        self._wishes = Wishes(**keys)

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """What Hydra hands to each launcher before its runs."""
        self._context, self._task, self._config = hydra_context, task_function, config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Train these runs.

        Args:
            job_overrides: of each run.
            initial_job_idx: the number of the first one, from 0.

        Raises:
            ConfigError: the cluster can't be had, or no node of it can hold a run.
            LostError: a run was lost several times, or could not be started; the others have run.
            KeyboardInterrupt: a person stopped the runs.
        """
        from ablation.launchers import ray_runs

        setup_globals()
        hydras = self._config.hydra
        configure_log(hydras.hydra_logging, hydras.verbose)
        Path(hydras.sweep.dir).mkdir(parents=True, exist_ok=True)
        orders = {
            number: functools.partial(
                _run,
                Singleton.get_state(),
                self._context,
                self._task,
                self._config,
                list(overrides),
                number,
            )
            for number, overrides in enumerate(job_overrides, initial_job_idx)
        }
        return ray_runs.run(orders, self._wishes, str(self._config.device))


def _run(
    state: Mapping[Any, Any],
    context: HydraContext,
    task: TaskFunction,
    config: DictConfig,
    overrides: Sequence[str],
    number: int,
) -> JobReturn:
    """One run, in a process of the cluster."""
    setup_globals()
    Singleton.set_state(dict(state))
    composed = context.config_loader.load_sweep_config(config, list(overrides))
    with open_dict(composed):
        composed.hydra.job.id = f"{composed.hydra.job.name}_{number}"
        composed.hydra.job.num = number
    HydraConfig.instance().set_config(composed)
    return run_job(
        task_function=task,
        config=composed,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
        hydra_context=context,
    )


def _is_installed() -> bool:
    try:
        metadata.distribution("ray")
    except metadata.PackageNotFoundError:
        return False
    return True


# Without Ray the level does not exist, and the command says what to install.
if _is_installed():
    ConfigStore.instance().store(
        group="hydra/launcher", name="ray", node=RayConf, provider="ablation"
    )
