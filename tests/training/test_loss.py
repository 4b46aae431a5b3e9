"""The losses, against torch's and against their definitions."""

import pytest
import torch
from torch.nn import functional as F

from ablation.errors import ConfigError
from ablation.study import grid
from ablation.training.loss import loss

LABELS = torch.tensor([0, 0, 0, 1, 2, 2])


def of(*words: str) -> torch.Tensor:
    """The value of a shipped loss on made-up logits."""
    torch.manual_seed(0)
    logits = torch.randn(6, 3)
    part = grid.expand(list(words), multirun=False).runs[0].config.loss
    return loss(part, LABELS, 3)(logits, LABELS)


def logits() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(6, 3)


def test_the_default_is_the_cross_entropy() -> None:
    assert torch.equal(of(), F.cross_entropy(logits(), LABELS))


def test_smoothing_is_torchs() -> None:
    wanted = F.cross_entropy(logits(), LABELS, label_smoothing=0.1)
    assert torch.equal(of("loss=smoothing"), wanted)


def test_class_weights_let_every_class_count_alike() -> None:
    counts = torch.tensor([3.0, 1.0, 2.0])
    wanted = F.cross_entropy(logits(), LABELS, weight=1 / counts)
    torch.testing.assert_close(of("loss=class_weights"), wanted)
    torch.testing.assert_close(of("loss=class_weights", "loss.power=0"), of())


def test_focal_loss_is_its_definition_and_at_gamma_0_the_cross_entropy() -> None:
    p = logits().softmax(1)[torch.arange(6), LABELS]
    torch.testing.assert_close(of("loss=focal"), (-((1 - p) ** 2) * p.log()).mean())
    torch.testing.assert_close(of("loss=focal", "loss.gamma=0"), of())


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"_target_": "torch.nn.functional.softmax"}, "loss._target_: .*softmax: TypeError"),
        ({"_target_": "torch.nn.L1Loss"}, "loss._target_: torch.nn.L1Loss: "),
        ({"_target_": "torch.nn.CrossEntropyLoss", "reduction": "none"}, r"returned \(2,\)"),
    ],
)
def test_what_is_no_loss_of_logits_and_labels_is_refused(
    part: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        loss(part, LABELS, 3)
