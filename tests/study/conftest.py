"""Config files that several tests of commands share."""

from pathlib import Path

import pytest


@pytest.fixture
def own_configs(tmp_path: Path) -> Path:
    """A person's own config files: a level, a factor and an experiment, in an awkward place."""
    folder = tmp_path / "größe =,[x] $a 📷"
    files = {
        "optimizer/langsam.yaml": "_target_: torch.optim.SGD\nlr: 1e-5\n",
        "crops/schwär.yaml": "# @package _global_\ndata: {crop_min: 0.1}\n",
        "crops/light.yaml": "# @package _global_\ndata: {crop_min: 0.5}\n",
        "experiment/mine.yaml": (
            "# @package _global_\ndefaults:\n  - override /optimizer: langsam\n"
            "study: größe\nhydra:\n  sweeper:\n    params:\n"
            "      crops: light,schwär\n      seed: 1,2\n"
        ),
        "experiment/broken.yaml": "# @package _global_\nstudy: [a\n",
        "experiment/astray.yaml": "study: a\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder
