"""The network of a finished run, rebuilt from what the run keeps."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ablation.predict.errors import PredictError
from ablation.predict.kept import WEIGHTS, Kept, read_kept

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


@dataclass
class Classifier:
    """A finished run's network as it was at its best epoch.

    Attributes:
        name: the run's.
        best_val_accuracy: the run's, 0..1.
        config: the run's; its data part says how views are made.
        classes: their names, in the order of the network's outputs.
        parts: the network, on `device`.
        device: where to compute.
        known: what tells how far a picture is from the training pictures; None where the run does
            not keep it.
    """

    name: str
    best_val_accuracy: float
    config: "Config"
    classes: tuple[str, ...]
    parts: "Parts"
    device: "torch.device"
    known: "Known | None"

    def judge(
        self, pictures: "Sequence[Pixels]"
    ) -> "tuple[npt.NDArray[np.float32], npt.NDArray[np.float64] | None]":
        """Classify pictures.

        Args:
            pictures: each of shape (height, width, 3).

        Returns:
            The probabilities of the classes, shape (n, n_classes). And the share of the run's
            validation pictures that lie nearer to its training pictures, shape (n,), 0..1; None
            where the run does not keep what tells it.
        """
        import torch

        from ablation.network.device import autocast, precision
        from ablation.pictures import views

        centred = [views.centre_view(pixels, self.config.data) for pixels in pictures]
        batch = torch.stack(centred).contiguous(memory_format=torch.channels_last)
        batch = views.normalise(batch.to(self.device), self.config.model)
        self.parts.eval()
        with torch.no_grad(), autocast(self.device, precision(self.config.precision, self.device)):
            # The frozen part's features are kept in full precision, as in training.
            features = self.parts.above[:-1](self.parts.below(batch).float())
            logits = self.parts.above[-1](features).float()
        probabilities: npt.NDArray[np.float32] = logits.softmax(1).cpu().numpy()
        if self.known is None:
            return probabilities, None
        return probabilities, self.known.share_nearer(features.float().cpu().numpy())


def rebuild(client: "MlflowClient", run: "Run") -> Classifier:
    """Rebuild the network of a finished run.

    Args:
        client: of the store.
        run: a finished run, see `runs`.

    Raises:
        ConfigError: artifacts are missing or damaged, the model's pre-trained weights can't be had
            or differ from those that the run started from.
    """
    import torch

    from ablation.network import device

    name = f"{run.info.run_id}: the run {run.info.run_name}"
    kept = read_kept(client, run, name)
    place = device.choose("auto")
    parts = _rebuilt(kept, run, name, place)
    try:
        parts.above.load_state_dict(_named_as_today(kept.state, parts.above.state_dict()))
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise PredictError(
            f"{name}: {WEIGHTS} does not fit the network {kept.config.model.name} ({reason})"
        ) from error
    torch.set_flush_denormal(True)
    return Classifier(
        name=str(run.info.run_name),
        best_val_accuracy=run.data.metrics["best_val_accuracy"],
        config=kept.config,
        classes=kept.classes,
        parts=parts,
        device=place,
        known=kept.known,
    )


def _rebuilt(kept: Kept, run: "Run", name: str, place: "torch.device") -> "Parts":
    """The network as the run started; its frozen part is the one that the run had.

    Raises:
        ConfigError: the frozen part can't be had, or is another one.
    """
    from ablation.network import model, transfer

    config = kept.config
    # Where everything was trained, or could change, the run keeps everything.
    is_frozen = config.transfer.trained != "all" and config.transfer.freeze_statistics
    network = model.build(
        config.model,
        len(kept.classes),
        pretrained=config.transfer.pretrained and is_frozen,
        seed=config.seed,
    )
    if is_frozen:
        start = network.start_digest
        wanted = run.data.tags.get("start_digest") or run.data.tags.get("weights_digest")
        # As an earlier version named the tensors.
        first = model.weights_digest(config.model) if config.transfer.pretrained else start
        if wanted not in (start, first):
            raise PredictError(
                f"{name} started from other weights ({wanted}) than {config.model.weights} has "
                f"here ({start})"
            )
    return transfer.apply(network.to(place), config.transfer)


def _named_as_today(
    state: "Mapping[str, torch.Tensor]", names: Iterable[str]
) -> "dict[str, torch.Tensor]":
    """Weights under today's names: an earlier version cut some networks into other stages.

    There a tensor's name lacks the name of the stage that its layer is part of today.
    """
    found = dict(state)
    for name in names:
        shorter = name
        while shorter and shorter not in state:
            shorter = shorter.partition(".")[2]
        if shorter and shorter != name and name not in state:
            found[name] = found.pop(shorter)
    return found
