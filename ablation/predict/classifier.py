"""A finished run's network, rebuilt from its artifacts."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ablation.errors import ConfigError
from ablation.tracking.artifacts import brief

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from ablation.config import Config
    from ablation.network.transfer import Parts
    from ablation.pictures.decode import Pixels
    from ablation.training.novelty import Known


#: The artifacts that a run is rebuilt from.
CONFIG, CLASSES, WEIGHTS = "config.yaml", "classes.json", "weights.safetensors"


class PredictError(ConfigError):
    """A run or a picture that can't be read; its text says which and why."""


@dataclass
class Classifier:
    """A finished run's network as it was at its best epoch.

    Attributes:
        name: the run's.
        best_val_accuracy: the run's, 0..1.
        config: the run's; its data part makes the views.
        classes: their names, in the order of the network's outputs.
        parts: the network, on `place`.
        known: by what a picture is told that is far from the training ones; None where the run
            does not have it.
    """

    name: str
    best_val_accuracy: float
    config: "Config"
    classes: tuple[str, ...]
    parts: "Parts"
    place: "torch.device"
    known: "Known | None"

    def judge(
        self, pictures: "Sequence[Pixels]"
    ) -> "tuple[npt.NDArray[np.float32], npt.NDArray[np.float64] | None]":
        """Probabilities of the classes, and how far each picture is, see `Predictions`.

        Args:
            pictures: each of shape (height, width, 3).

        Returns:
            Shapes (n, n_classes) and (n,).
        """
        import torch

        from ablation.network import device
        from ablation.network.device import autocast
        from ablation.pictures import views

        centred = [views.centre_view(pixels, self.config.data) for pixels in pictures]
        batch = torch.stack(centred).contiguous(memory_format=torch.channels_last)
        batch = views.normalise(batch.to(self.place), self.config.model)
        precision = device.precision(self.config.precision, self.place)
        self.parts.eval()
        with torch.no_grad(), autocast(self.place, precision):
            # In two steps, the features between them in full precision: as in training.
            features = self.parts.above[:-1](self.parts.below(batch).float())
            logits = self.parts.above[-1](features).float()
        probabilities: npt.NDArray[np.float32] = logits.softmax(1).cpu().numpy()
        if self.known is None:
            return probabilities, None
        return probabilities, self.known.share_nearer(features.float().cpu().numpy())


def load(client: "MlflowClient", run: "Run") -> Classifier:
    """Rebuild a finished run's network from its artifacts.

    Raises:
        ConfigError: artifacts are missing or damaged, the model's own weights can't be had or are
            not those that the run started from.
    """
    import torch

    from ablation.network import device, model, transfer

    name = f"{run.info.run_id}: the run {run.info.run_name}"
    with tempfile.TemporaryDirectory() as folder:
        config, classes, state, known = _read_artifacts(client, run, name, Path(folder))
    place = device.choose("auto")
    is_rebuilt = config.transfer.trained != "all" and config.transfer.freeze_statistics
    network = model.build(
        config.model,
        len(classes),
        # Where all was trained, or may have moved, the artifact has all.
        pretrained=config.transfer.pretrained and is_rebuilt,
        seed=config.seed,
    )
    if is_rebuilt:
        start = model.digest(network.trunk.state_dict())
        wanted = run.data.tags.get("start_digest") or run.data.tags.get("weights_digest")
        if start != wanted:
            raise PredictError(
                f"{name} started from other weights ({wanted}) than {config.model.weights} has "
                f"here ({start})"
            )
    parts = transfer.apply(network.to(place), config.transfer)
    try:
        parts.above.load_state_dict(state)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise PredictError(
            f"{name}: {WEIGHTS} does not fit the network {config.model.name} ({reason})"
        ) from error
    torch.set_flush_denormal(True)
    accuracy = run.data.metrics["best_val_accuracy"]
    return Classifier(str(run.info.run_name), accuracy, config, classes, parts, place, known)


def _read_artifacts(
    client: "MlflowClient", run: "Run", name: str, folder: Path
) -> "tuple[Config, tuple[str, ...], dict[str, torch.Tensor], Known | None]":
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
    from omegaconf import OmegaConf
    from safetensors.torch import load_file

    from ablation import config as schema

    def fetch(artifact: str) -> Path:
        return files.fetch(*at, artifact, folder)

    try:
        # Over the schema: a run of an earlier version lacks what was added since.
        composed = OmegaConf.structured(schema.Config)
        # What views were resized with before it could be chosen.
        composed.data.interpolation = "bilinear"
        composed.merge_with(OmegaConf.load(fetch(CONFIG)))
        config = schema.resolve(composed)
        classes = tuple(json.loads(fetch(CLASSES).read_text()))
        known = novelty.Known.read(fetch(novelty.FILE)) if novelty.FILE in there else None
        return config, classes, load_file(fetch(WEIGHTS)), known
    except Exception as error:
        raise PredictError(f"{name}: its artifacts can't be read ({brief(error)})") from error
