"""Views are made as a network's weights expect them."""

import pytest

from ablation.config import Config
from ablation.network import preprocessing
from ablation.study import grid


def asked(*overrides: str) -> Config:
    return grid.expand(list(overrides), multirun=False).runs[0].config


@pytest.mark.parametrize(
    ("overrides", "mean", "size", "interpolation", "short"),
    [
        ([], 0.5, 224, "bicubic", 256),
        (["model.name=resnet18"], 0.485, 224, "bicubic", 236),
        (["model=resnet18"], 0.485, 224, "bilinear", 256),
        (["model=resnet50", "model.weights=IMAGENET1K_V2"], 0.485, 224, "bilinear", 232),
        (["model=resnet50", "model.weights=/x/resnet50-11ad3fa6.pth"], 0.485, 224, "bilinear", 232),
        (["model=resnet18", "model.name=inception_v3"], 0.485, 299, "bilinear", 342),
        (["model.name=tf_efficientnet_lite2"], 0.5, 260, "bicubic", 292),
        (["model.mean=[0.1,0.2,0.3]", "data.size=64"], 0.1, 64, "bicubic", 73),
    ],
)
def test_views_are_made_as_the_libraries_say_the_weights_want_them(
    overrides: list[str], mean: float, size: int, interpolation: str, short: int
) -> None:
    config = asked("data=imagefolder", "data.root=x", *overrides)
    assert config.model.mean is None or "model.mean" in str(overrides)
    filled = preprocessing.filled(config)
    assert filled.model.mean is not None
    assert filled.model.mean[0] == mean
    assert filled.data.val_crop is not None
    assert (filled.data.size, filled.data.interpolation) == (size, interpolation)
    assert round(size / filled.data.val_crop) == short


def test_the_first_lines_say_how_views_are_made_and_what_the_weights_expect() -> None:
    config = preprocessing.filled(asked("data=imagefolder", "data.root=x", "model=resnet18"))
    assert preprocessing.in_words(config) == (
        "resnet18: views of 224 px, bilinear, mean [0.485, 0.456, 0.406], "
        "std [0.229, 0.224, 0.225], as torchvision's resnet18.IMAGENET1K_V1 describes it"
    )
    odd = preprocessing.filled(asked("model=resnet18", "model.mean=[0.5,0.5,0.5]"))
    assert preprocessing.in_words(odd).endswith(
        "; its weights expect 224 px, mean [0.485, 0.456, 0.406], data.val_crop 0.875 "
        "(torchvision's resnet18.IMAGENET1K_V1)"
    )
