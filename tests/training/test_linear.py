"""Steps of heads alone have autograd's digits, and so have the steps of several heads together."""

import pytest
import torch
from torch import Tensor, nn

from ablation.network.model import Head
from ablation.training import linear
from tests.training.small import COMPUTE, small, trained

SHAPES = [(n, f, c) for n in (1, 2, 7, 16, 32, 33) for f in (16, 100, 1280) for c in (2, 3, 10, 37)]
PLAIN = nn.CrossEntropyLoss()


def given(n: int, n_features: int, n_classes: int) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(n)
    features = torch.randn(n, n_features, generator=draw)
    return features, torch.randint(n_classes, (n,), generator=draw)


def gradients(head: Head) -> list[Tensor]:
    return [weight.grad.clone() for weight in head.parameters() if weight.grad is not None]


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize(("n", "n_features", "n_classes"), SHAPES)
def test_a_step_of_a_head_has_the_digits_of_autograd(
    n: int, n_features: int, n_classes: int, dropout: float
) -> None:
    head = Head(n_features, n_classes, dropout)
    features, labels = given(n, n_features, n_classes)
    torch.manual_seed(1)
    logits = head(features)
    loss = PLAIN(logits, labels)
    loss.backward()
    wanted = gradients(head)
    torch.manual_seed(1)
    found = linear.step(head, features, labels)
    assert torch.equal(found[0], loss.detach())
    assert torch.equal(found[1], logits.detach())
    assert len(wanted) == 2
    assert all(map(torch.equal, gradients(head), wanted))


@pytest.mark.parametrize("n_heads", [2, 5, 16])
@pytest.mark.parametrize(("n", "n_features", "n_classes"), SHAPES)
def test_heads_together_have_the_digits_that_each_has_alone(
    n: int, n_features: int, n_classes: int, n_heads: int
) -> None:
    alone = [Head(n_features, n_classes) for _ in range(n_heads)]
    features, labels = given(n, n_features, n_classes)
    wanted = [linear.step(head, features, labels) for head in alone]
    of_each = [gradients(head) for head in alone]
    losses, logits = linear.Heads(alone).step(features, labels)
    for at, head in enumerate(alone):
        assert torch.equal(losses[at], wanted[at][0])
        assert torch.equal(logits[at], wanted[at][1])
        assert all(map(torch.equal, gradients(head), of_each[at]))


def test_products_that_differ_in_a_digit_are_made_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def off(features: Tensor, weights: Tensor, biases: Tensor) -> Tensor:
        found = linear._logits_one_by_one(features, weights, biases)
        return torch.nextafter(found, found + 1)

    monkeypatch.setattr(linear, "_logits_at_once", off)
    linear.products.cache_clear()
    forward, _ = linear.products(3, 8, 32, 4, torch.get_num_threads())
    linear.products.cache_clear()
    assert forward is linear._logits_one_by_one


def test_whatever_is_more_than_a_plain_head_is_left_to_autograd() -> None:
    head = nn.Sequential(Head(4, 2))
    assert linear.lone_head(head, PLAIN, COMPUTE) is head[0]
    deeper = nn.Sequential(nn.Linear(4, 4), Head(4, 2))
    frozen = nn.Sequential(Head(4, 2))
    frozen[0].weight.requires_grad_(False)
    for above, loss in (
        (deeper, PLAIN),
        (frozen, PLAIN),
        (nn.Sequential(nn.Linear(4, 2)), PLAIN),
        (head, nn.CrossEntropyLoss(label_smoothing=0.1)),
        (head, nn.CrossEntropyLoss(weight=torch.ones(2))),
        (head, nn.CrossEntropyLoss(reduction="sum")),
        (head, nn.functional.cross_entropy),
    ):
        assert linear.lone_head(above, loss, COMPUTE) is None


def test_a_run_has_the_same_digits_with_autograd(monkeypatch: pytest.MonkeyPatch) -> None:
    config = small("transfer=frozen", "reg=elastic", "optimizer=adam")
    _, _, found, _ = trained(config)
    monkeypatch.setattr(linear, "lone_head", lambda above, loss, compute: None)
    _, _, wanted, _ = trained(config)
    assert found.probabilities.tolist() == wanted.probabilities.tolist()
    assert [row["train/loss"] for row in found.history] == [
        row["train/loss"] for row in wanted.history
    ]
