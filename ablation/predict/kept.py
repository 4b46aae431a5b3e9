"""What a finished run keeps of its network, read from its artifacts."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablation.errors import first_line
from ablation.predict.errors import PredictError

if TYPE_CHECKING:
    import torch
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from ablation.config import Config
    from ablation.training.novelty import Known

#: The artifacts that a network is rebuilt from.
CONFIG, CLASSES, WEIGHTS = "config.yaml", "classes.json", "weights.safetensors"


@dataclass
class Kept:
    """What a run keeps of its network.

    Attributes:
        config: the run's.
        classes: their names, in the order of the network's outputs.
        state: the weights and buffers of what was trained, at the best epoch.
        known: what tells how far a picture is from the training pictures; None in runs of earlier
            versions.
    """

    config: "Config"
    classes: tuple[str, ...]
    state: "dict[str, torch.Tensor]"
    known: "Known | None"


def read_kept(client: "MlflowClient", run: "Run", name: str) -> Kept:
    """Read what a run keeps of its network.

    Args:
        client: of the store.
        run: a finished run.
        name: what the run is called in messages.

    Raises:
        PredictError: artifacts are missing or damaged.
    """
    from ablation.tracking.artifacts import ArtifactError, Artifacts
    from ablation.training import novelty

    files, at = Artifacts(client), (run.info.run_id, run.info.artifact_uri)
    try:
        there = files.names(*at)
    except ArtifactError as error:
        raise PredictError(f"{name}: its artifacts can't be read: {error}") from error
    if not there >= {CONFIG, CLASSES}:
        raise PredictError(
            f"{name} has no {' and '.join(sorted({CONFIG, CLASSES} - there))} among its artifacts "
            f"({files.folder(*at) or run.info.artifact_uri})"
        )
    if WEIGHTS not in there:
        raise PredictError(
            f"{name} kept no weights (save_weights=false); train it again with rerun=true "
            "save_weights=true"
        )
    try:
        with tempfile.TemporaryDirectory() as folder:
            wanted = {CONFIG, CLASSES, WEIGHTS, novelty.FILE} & there
            paths = {artifact: files.fetch(*at, artifact, Path(folder)) for artifact in wanted}
            return _parsed(paths)
    # Each format's reader fails in its own way.
    except Exception as error:
        raise PredictError(f"{name}: its artifacts can't be read ({first_line(error)})") from error


def _parsed(paths: dict[str, Path]) -> Kept:
    from omegaconf import OmegaConf
    from safetensors.torch import load_file

    from ablation import first_version
    from ablation.config import resolve, structured
    from ablation.training import novelty

    # Defaults for keys that a run of an earlier version lacks.
    composed = structured()
    # Before this key was added, all views were resized with it.
    composed.data.interpolation = "bilinear"
    values: Any = OmegaConf.to_container(OmegaConf.load(paths[CONFIG]))
    composed.merge_with(first_version.composed(values))
    return Kept(
        config=resolve(composed, for_training=False),
        classes=tuple(json.loads(paths[CLASSES].read_text())),
        state=load_file(paths[WEIGHTS]),
        known=novelty.Known.read(paths[novelty.FILE]) if novelty.FILE in paths else None,
    )
