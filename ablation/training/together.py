"""Trains the heads of several runs on the views that they share, and keeps those of later runs.

What a run gets here is what it would get alone, to the last digit (see `linear`): which runs are
trained together, and which a command that was killed has trained before, makes no difference.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ablation.config import Config, chosen
from ablation.errors import ConfigError
from ablation.network.device import Compute
from ablation.network.preprocessing import filled
from ablation.network.transfer import Parts
from ablation.parts import SHIPPED
from ablation.study.diverged import DivergedError
from ablation.study.grid import AskedRun
from ablation.targets import TARGET
from ablation.training.evaluate import Evaluation, evaluate
from ablation.training.examples import Examples
from ablation.training.fit import Course, Epoch, Fit, batches_of, row_of
from ablation.training.linear import Heads
from ablation.training.trainer import Trainer

#: The most heads that are trained together: more of them save little.
MOST = 16
#: Numbers of all features that a run is given in its epochs. A training with more takes long enough
#: to be written to disk while it goes on, and the framework's share of its time is small.
MOST_NUMBERS = 1e8
#: The parts in which runs may differ whose heads are trained together.
OWN = ("optimizer", "reg", "scheduler")


@dataclass(frozen=True)
class Diverged:
    """A training that ended early: the epochs before, and what happened."""

    history: list[Epoch]
    error: DivergedError


#: Of a run: its training, or how far it came.
Result = Fit | Diverged


class Together:
    """The runs of a command that are to come, and the trainings of those that are done already."""

    def __init__(self, to_come: Sequence[AskedRun] = ()) -> None:
        """
        Args:
            to_come: runs that will be trained in this process one after the other.
        """
        self._to_come = list(to_come)
        self._configs: dict[str, Config] = {}
        self._done: dict[str, Result] = {}

    def fit(
        self,
        parts: Parts,
        examples: Examples,
        config: Config,
        compute: Compute,
        on_epoch: Callable[[Epoch], None],
    ) -> Fit | None:
        """Train a run's head along with those of runs to come, or return what was trained before.

        Args:
            parts: the network, cut where training starts; the best epoch's is loaded into it.
            examples: what the head is given, and the labels.
            config: of the run, with nothing left open.
            compute: the device and the arithmetic.
            on_epoch: called with each epoch's metrics.

        Returns:
            None where the run is to be trained alone.

        Raises:
            DivergedError: a number of this run's training is not finite.
        """
        found = self._done.pop(repr(config), None)
        for row in found.history if found else ():
            on_epoch(row)
        if found is None:
            configs = self._group(config) if _is_possible(parts, examples, config) else [config]
            self._done |= fit_together(parts, examples, configs, compute, on_epoch)
            found = self._done.pop(repr(config), None)
        if isinstance(found, Diverged):
            raise found.error
        if found is not None:
            parts.above.load_state_dict(found.state)
        return found

    def _group(self, config: Config) -> list[Config]:
        """A run's config, and those of runs to come that differ in the parts of `OWN` alone."""
        shared, found = _shared(config), [config]
        for asked in self._to_come if _is_shipped(config) else ():
            other = self._filled(asked)
            is_like = _shared(other) == shared and other != config and _is_shipped(other)
            if is_like and repr(other) not in self._done:
                found.append(other)
            if len(found) == MOST:
                break
        return found

    def _filled(self, asked: AskedRun) -> Config:
        if asked.fingerprint not in self._configs:
            self._configs[asked.fingerprint] = filled(asked.config)
        return self._configs[asked.fingerprint]

    def ended(self, asked: AskedRun) -> None:
        """A run is not to come any more."""
        self._to_come = [run for run in self._to_come if run.fingerprint != asked.fingerprint]
        self._done.pop(repr(self._configs.pop(asked.fingerprint, None)), None)


def fit_together(
    parts: Parts,
    examples: Examples,
    configs: Sequence[Config],
    compute: Compute,
    on_epoch: Callable[[Epoch], None],
) -> dict[str, Result]:
    """Train one head for each of these runs, all on the same views.

    Args:
        parts: the network as each run starts; its head is not changed.
        examples: what the head is given, and the labels.
        configs: of the runs, with nothing left open; they differ in the parts of `OWN` alone.
        compute: the device and the arithmetic.
        on_epoch: called with each epoch's metrics of the first run.

    Returns:
        By a run's config, written out, its training, whose seconds are its share of those of all.
        A run is left out whose steps need a graph, or which can't be trained. Empty where none is
        left to be trained along with the first.

    Raises:
        ConfigError: the first run can't be trained.
    """
    trainers = list(_trainers(parts, examples, configs, compute)) if len(configs) > 1 else []
    if len(trainers) < 2 or trainers[0].config is not configs[0]:
        return {}
    heads = Heads([chosen(trainer.head) for trainer in trainers])
    courses = [Course(trainer) for trainer in trainers]
    ended: dict[int, DivergedError] = {}
    for epoch in range(1, configs[0].epochs + 1):
        start = time.perf_counter()
        rows = list(_epoch(heads, trainers, examples, epoch))
        seconds = (time.perf_counter() - start) / len(trainers)
        for at, (row, found) in enumerate(rows):
            if at in ended:
                continue
            try:
                courses[at].add({**row, "epoch_seconds": seconds}, found)
            except DivergedError as error:
                ended[at] = error
                continue
            if at == 0:
                on_epoch(courses[0].history[-1])
    results = [
        Diverged(course.history, ended[at]) if at in ended else course.finished()
        for at, course in enumerate(courses)
    ]
    named = zip(trainers, _sharing_features(results), strict=True)
    return {repr(trainer.config): result for trainer, result in named}


def _trainers(
    parts: Parts, examples: Examples, configs: Sequence[Config], compute: Compute
) -> Iterator[Trainer]:
    """Of each run a head of its own, about to be trained, where its steps need no graph."""
    for config in configs:
        own = replace(parts, above=deepcopy(parts.above))
        try:
            trainer = Trainer(own, examples.train_labels, config, compute)
        except ConfigError:
            if config is configs[0]:
                raise
            continue  # It fails by itself, when its turn has come.
        if trainer.head is not None:
            yield trainer


def _epoch(
    heads: Heads, trainers: Sequence[Trainer], examples: Examples, epoch: int
) -> Iterator[tuple[Epoch, Evaluation]]:
    """Train all heads for one epoch, and validate each."""
    first = trainers[0]
    n, pairs = batches_of(examples, first.config, first.compute, epoch)
    loss_sums, n_right = torch.zeros(len(trainers)), torch.zeros(len(trainers))
    for trainer in trainers:
        trainer.parts.train(epoch)
    for x, labels in pairs:
        losses, logits = heads.step(x, labels)
        for trainer in trainers:
            trainer.step(n)
        loss_sums += losses * len(labels)
        n_right += (logits.argmax(2) == labels).sum(1)
    validation: list[Tensor] = list(examples.inputs.evaluation("val"))
    n_pictures = len(examples.train_labels)
    for trainer, loss_sum, right in zip(trainers, loss_sums, n_right, strict=True):
        found = evaluate(trainer.evaluated, iter(validation), examples.val_labels, first.compute)
        yield row_of(trainer, epoch, (loss_sum, right), n_pictures, found), found


def _is_possible(parts: Parts, examples: Examples, config: Config) -> bool:
    """Whether a run has but a head to train, on few numbers and classes that are not mixed."""
    if len(parts.above) != 1 or examples.targets(1).ndim != 1:
        return False
    n_features = int(parts.above[0].in_features)  # type: ignore[arg-type]
    return len(examples.train_labels) * n_features * config.epochs <= MOST_NUMBERS


def _shared(config: Config) -> Mapping[str, Any]:
    """The settings that runs have in common whose heads are trained together."""
    return {name: value for name, value in vars(config).items() if name not in OWN}


def _is_shipped(config: Config) -> bool:
    """Whether its own parts are the framework's, which draw no random numbers in training."""
    targets = (getattr(config, name)[TARGET] for name in OWN)
    return all(target is None or target in SHIPPED for target in targets)


def _sharing_features(results: Sequence[Result]) -> Iterator[Result]:
    """The same results, which hold the same features once."""
    fits = [result for result in results if isinstance(result, Fit)]
    for result in results:
        if isinstance(result, Fit) and (result.features == fits[0].features).all():
            result.features = fits[0].features
        yield result
