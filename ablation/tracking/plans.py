"""The plans of a study's commands, kept as tags of its experiment."""

import hashlib
import json
from collections import defaultdict
from typing import TYPE_CHECKING

from ablation.study.ledger import Plan
from ablation.tracking import runlog

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

#: Fingerprints are stored one after another, each of this length.
FINGERPRINT_DIGITS = 16


def save_plan(client: "MlflowClient", experiment_id: str, plan: Plan) -> None:
    """Save the plan as tags of the study's experiment; the same plan is saved once.

    Args:
        client: of the store.
        experiment_id: of the study.
        plan: of one command.
    """
    fingerprints = "".join(plan.fingerprints)
    identity = json.dumps([dict(plan.axes), fingerprints])
    name = f"plan.{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
    head = json.dumps({"command": plan.command, "axes": dict(plan.axes), "looks": list(plan.looks)})
    for index, part in enumerate(runlog.chunks(head)):
        client.set_experiment_tag(experiment_id, f"{name}.axes.{index:04}", part)
    for index, part in enumerate(runlog.chunks(fingerprints)):
        client.set_experiment_tag(experiment_id, f"{name}.runs.{index:04}", part)


def forget(client: "MlflowClient", experiment: "Experiment", name: str) -> None:
    """Remove a plan from a study.

    Args:
        client: of the store.
        experiment: of the study.
        name: the plan's id, see `by_id`.
    """
    for key in experiment.tags:
        if key.startswith(f"plan.{name}."):
            client.delete_experiment_tag(experiment.experiment_id, key)


def plans(experiment: "Experiment") -> list[Plan]:
    """The plans that were saved with an experiment, one for each command."""
    return list(by_id(experiment).values())


def by_id(experiment: "Experiment") -> dict[str, Plan]:
    """The plans that were saved with an experiment by their ids."""
    parts: dict[str, dict[str, str]] = defaultdict(lambda: {"axes": "", "runs": ""})
    for key, value in sorted(experiment.tags.items()):
        if key.startswith("plan."):
            _, name, kind, _ = key.split(".")
            parts[name][kind] += value
    found = {}
    for name, part in parts.items():
        head = json.loads(part["axes"])
        prints = part["runs"]
        fingerprints = [
            prints[first : first + FINGERPRINT_DIGITS]
            for first in range(0, len(prints), FINGERPRINT_DIGITS)
        ]
        looks = tuple(head.get("looks", ()))  # An earlier version had none.
        found[name] = Plan(head["command"], head["axes"], fingerprints, looks)
    return found
