"""The model card of an exported network: what it is, what it was measured to do, how to use it.

After Mitchell et al. 2019, *Model Cards for Model Reporting*, as far as a run can know.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow.entities import Run

    from ablation.predict.classifier import Classifier

USE = """\
```python
import json
import numpy as np
import onnxruntime
from PIL import Image, ImageOps

settings = json.load(open("preprocessing.json"))
size, crop = settings["size"], settings["val_crop"]
# Upright, as its EXIF data say, and over the background where it is transparent.
picture = ImageOps.exif_transpose(Image.open("picture.jpg")).convert("RGBA")
whole = Image.new("RGBA", picture.size, (*settings["background"], 255))
picture = Image.alpha_composite(whole, picture).convert("RGB")
# The middle of the picture: its shorter side is resized so that a view is `val_crop` of it.
side = round(size / crop)
scale = side / min(picture.size)
method = Image.Resampling[settings["interpolation"].upper()]
picture = picture.resize([max(side, int(scale * length)) for length in picture.size], method)
left, top = (picture.width - size) // 2, (picture.height - size) // 2
view = picture.crop((left, top, left + size, top + size))
views = np.asarray(view, dtype=np.float32).transpose(2, 0, 1)[None]
(probabilities,) = onnxruntime.InferenceSession("network.onnx").run(None, {"views": views})
print(dict(zip(settings["classes"], probabilities[0])))
```
"""


def preprocessing(classifier: "Classifier") -> dict[str, Any]:
    """What a program has to know to make views, and to read the network's output."""
    data, model = classifier.config.data, classifier.config.model
    return {
        "classes": list(classifier.classes),
        "size": data.size,
        "val_crop": data.val_crop,
        "interpolation": data.interpolation,
        "background": list(data.background),
        "mean": list(model.mean or ()),
        "std": list(model.std or ()),
        "input": "views: float32, 0 to 255, (n, 3, size, size), not normalised",
        "output": "probabilities: float32, (n, number of classes)",
    }


def card(classifier: "Classifier", run: "Run", checked: Sequence[str]) -> str:
    """The model card, as Markdown.

    Args:
        classifier: of the run.
        run: in MLflow.
        checked: a sentence on each thing that was checked of the exported files.
    """
    config, metrics = classifier.config, run.data.metrics
    test = metrics.get("test_accuracy")
    measured = f"{metrics['best_val_accuracy']:.1%} of the validation pictures"
    measured += f", {test:.1%} of the test pictures" if test is not None else ""
    levels = ("transfer", "augment", "loss", "reg", "optimizer", "scheduler")
    params, tags = run.data.params, run.data.tags
    recipe = ", ".join(f"{name}={params[name]}" for name in levels if name in params)
    weights = config.model.weights if config.transfer.pretrained else "none"
    source = config.data.root or config.data.source
    network = f"{config.model.library}'s {config.model.name}"
    checks = "\n".join(f"- {sentence}" for sentence in checked)
    return f"""# {run.info.run_name}

{network}, trained to tell {len(classifier.classes)} classes apart: {", ".join(classifier.classes)}.

- **Right on** {measured}. The best of {config.epochs} epochs was chosen by the validation pictures,
  so the first number is a little too high, and more so where the best of many runs was exported.
- **Trained with** {recipe}; seed {config.seed}, {config.epochs} epochs, batches of
  {config.batch_size}; pre-trained weights: {weights}.
- **Pictures**: {source}, digest `{tags.get("data_digest", "unknown")}`.
- **Run**: `{run.info.run_id}` of the study {config.study}; command
  `{tags.get("command", "unknown")}`.

What it says of pictures that are none of its classes, or were taken in another way, means nothing.

## Files

- `network.onnx` and `network.pt2` (torch.export): from views to probabilities.
- `preprocessing.json`: the classes in the order of the output, and how a picture becomes a view.

{checks}

## Use

{USE}"""
