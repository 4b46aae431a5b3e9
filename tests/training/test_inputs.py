"""A network is fed the views that were asked for, wherever they are made."""

import numpy as np
import torch

from ablation.config import Config, DataConfig, ModelConfig
from ablation.pictures import data
from ablation.training.cache import Cache
from ablation.training.inputs import Views
from tests.pictures.made_up import MakeFolder


def test_resident_pictures_give_the_batches_that_were_asked_for(make_folder: MakeFolder) -> None:
    root = str(make_folder({"train": 6, "val": 2}))
    views = {"size": 32, "val_crop": 0.875, "interpolation": "bilinear"}
    settings = DataConfig(source="folder", root=root, **views)
    network = ModelConfig("none", "none", "", mean=[0.5] * 3, std=[0.25] * 3)
    config = Config(data=settings, model=network, seed=0)
    pictures = data.load(settings)
    batches = [np.array([3, 1, 7]), np.array([0])]
    made = []
    for are_resident in (False, True):
        fed = Views(pictures, config, torch.device("cpu"), Cache(1e9), are_resident)
        made.append(list(fed.training(2, batches)))
    for wanted, got in zip(*made, strict=True):
        assert torch.allclose(got, wanted, atol=2.1 / 255 / 0.25)
