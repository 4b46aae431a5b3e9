"""One training, from a config to a trained and tested network. It knows nothing of MLflow."""

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ablation import randomness
from ablation.config import Config, chosen
from ablation.network import model, transfer
from ablation.network.cpu.install import install
from ablation.network.device import Compute
from ablation.network.transfer import Parts
from ablation.pictures.data import Pictures
from ablation.study.diverged import DivergedError, not_finite
from ablation.training import novelty
from ablation.training.cache import Cache
from ablation.training.checkpoint import Checkpoint
from ablation.training.evaluate import evaluate, outputs
from ablation.training.examples import Examples, examples_of
from ablation.training.fit import Epoch, Fit, fit, refuse_batch_of_one
from ablation.training.together import Together

Filters = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Trained:
    """A finished training with everything that is stored of it.

    Attributes:
        fit: the training.
        test: probabilities of the test pictures, shape (n_test, n_classes), computed once with the
            best epoch's weights; None without a test set.
        known: what is needed to tell whether a picture is far from the training pictures; None
            where no weights are kept.
        checks: tags that show the integrity of the run.
        cost: how many parameters were trained, and where it is known the most memory held, in MB:
            on a GPU that of its tensors, else that of the process.
        filters: the first convolution's filters before training and at the best epoch, each of
            shape (n_filters, n_channels, height, width); None for a network without convolutions.
    """

    fit: Fit
    test: npt.NDArray[np.float32] | None
    known: novelty.Known | None
    checks: dict[str, str]
    cost: dict[str, float]
    filters: tuple[Filters, Filters] | None


def learn(
    config: Config,
    pictures: Pictures,
    cache: Cache,
    on_epoch: Callable[[Epoch], None],
    checkpoint: Checkpoint | None = None,
    together: Together | None = None,
) -> Trained:
    """Build the network, freeze, train and test it, and check that what is frozen did not change.

    Args:
        config: with nothing left open, see `preprocessing.filled`.
        pictures: of all splits.
        cache: what the runs of this process share in memory.
        on_epoch: called with each epoch's metrics.
        checkpoint: where a training that was cut off goes on.
        together: runs to come, which may be trained along with this one.

    Raises:
        ConfigError: the network can't be trained as the config asks.
        DivergedError: a number of the training or of the test is not finite.
    """
    compute = Compute.of(config)
    compute.forget_peak_memory()
    network = _build(config, len(pictures.classes)).to(compute.device)
    first_filters = _first_filters(network)
    parts = transfer.apply(network, config.transfer)
    frozen_before = parts.start_digest
    _refuse_batch_of_one(parts, config, len(pictures.train), compute)
    if compute.has_fast_training:
        install(parts.above, parts.below, chosen(config.data.size))
    examples = examples_of(parts, pictures, config, compute, cache)
    with randomness.seeded(randomness.TRAINING, config.seed):
        along = together and together.fit(parts, examples, config, compute, on_epoch)
        result = along or fit(parts, examples, config, compute, on_epoch, checkpoint)
    return Trained(
        fit=result,
        test=_tested(parts, examples, compute, result.best_epoch),
        known=known(parts, examples, result, compute, cache) if config.save_weights else None,
        checks={
            "start_digest": network.start_digest,
            "frozen_digest_before": frozen_before,
            "frozen_digest_after": _frozen_after(parts, config),
            **_measured(result, compute),
        },
        cost=_cost(parts, compute),
        filters=_pair(first_filters, _first_filters(network)),
    )


def _build(config: Config, n_classes: int) -> model.Network:
    """The network as it starts. Runs that change nothing of the trunk share one."""
    is_pretrained = config.transfer.pretrained
    return model.build(
        config.model,
        n_classes,
        pretrained=is_pretrained,
        seed=config.seed,
        is_shared=_shares_trunk(config),
    )


def _shares_trunk(config: Config) -> bool:
    transfer = config.transfer
    return transfer.pretrained and transfer.trained == "head" and transfer.freeze_statistics


def _frozen_after(parts: Parts, config: Config) -> str:
    """The digest of what is frozen, after the training."""
    if _shares_trunk(config) and model.is_unchanged(config.model, parts.below.state_dict()):
        return parts.start_digest  # To compare takes a fifth of the time of a digest.
    return parts.frozen_digest()


def _refuse_batch_of_one(parts: Parts, config: Config, n_pictures: int, compute: Compute) -> None:
    size = chosen(config.data.size)
    view = torch.zeros(1, 3, size, size, device=compute.device)
    # The check draws dropout. Seeded, it does not change what is drawn after it.
    with randomness.seeded(randomness.TRAINING, config.seed):
        refuse_batch_of_one(parts, view, n_pictures, config.batch_size)


def _tested(
    parts: Parts, examples: Examples, compute: Compute, epoch: int
) -> npt.NDArray[np.float32] | None:
    """The probabilities of the test pictures; None without a test set.

    Raises:
        DivergedError: a logit is not finite.
    """
    if examples.test_labels is None:
        return None
    found = evaluate(parts, examples.inputs.evaluation("test"), examples.test_labels, compute)
    wrong = not_finite({"largest logit of the test pictures": found.largest_logit})
    if wrong:
        raise DivergedError(epoch, wrong)
    probabilities: npt.NDArray[np.float32] = found.probabilities.cpu().numpy()
    return probabilities


def known(
    parts: Parts, examples: Examples, result: Fit, compute: Compute, cache: Cache
) -> novelty.Known:
    """What the best epoch's network makes of a sample of the training pictures.

    The pictures are seen as validation pictures are: whole, without augmentation.
    """
    indices = novelty.sample(examples.train_labels.cpu().numpy())
    views = examples.inputs.sample(indices)
    features: list[Tensor] = [part for part, _ in outputs(parts, views, compute)]
    training, validation = torch.cat(features).cpu().numpy(), result.features
    # Runs that leave the trunk as it is have the same.
    key = tuple(
        hashlib.sha256(np.ascontiguousarray(one).data).digest() for one in (training, validation)
    )
    make = functools.partial(novelty.known, training, validation)
    size = training.nbytes + validation.nbytes
    return cache.get(("known", training.shape, key), make, lambda found: size)


def _measured(result: Fit, compute: Compute) -> dict[str, str]:
    """Tags that say how the training was done."""
    return {
        **{f"applied_{name}": f"{value:.6g}" for name, value in result.applied.items()},
        "n_steps": str(result.n_steps),
        "device": str(compute.device),
        "threads": str(torch.get_num_threads()),
        "precision": str(compute.precision).removeprefix("torch."),
    }


def _cost(parts: Parts, compute: Compute) -> dict[str, float]:
    peak = compute.peak_memory_mb()
    return {
        "trained_parameters": float(sum(weight.numel() for weight in parts.trained())),
        **({} if peak is None else {"peak_memory_mb": peak}),
    }


def _first_filters(network: nn.Module) -> Filters | None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            return module.weight.detach().cpu().float().numpy().copy()
    return None


def _pair(before: Filters | None, after: Filters | None) -> tuple[Filters, Filters] | None:
    return None if before is None or after is None else (before, after)
