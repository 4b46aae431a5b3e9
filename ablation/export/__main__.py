"""`python -m ablation.export RUN_ID`: a finished run's network as files for other programs.

Exit code: 0 the files were written and give what the run's network gives, 1 they could not be.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from ablation import process, targets
from ablation.errors import ConfigError, first_line
from ablation.predict import runs
from ablation.predict.classifier import Classifier, rebuild

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import numpy.typing as npt
    import torch
    from mlflow.entities import Run

    from ablation.export.network import Exported

    #: Views, shape (n, 3, size, size), and the probabilities of their classes.
    Batches = Iterator[tuple[torch.Tensor, npt.NDArray[np.float32]]]

#: The largest difference of a probability between the exported network and the run's.
TOLERANCE = 1e-4
#: Pictures that are compared at once.
BATCH = 64
#: The files.
ONNX, TORCH, SETTINGS, CARD = "network.onnx", "network.pt2", "preprocessing.json", "README.md"


def main() -> None:
    """The command; exits with the code above."""
    with process.command():
        export(_parser().parse_args())


def export(arguments: argparse.Namespace) -> None:
    """Find the run, rebuild its network, write and check the files.

    Raises:
        ConfigError: the run can't be used, or a file can't be written or gives something else.
    """
    runs.refuse_mistakes(arguments)
    _refuse_without_onnx()
    targets.look_in(Path.cwd())  # for a network of a person's own
    from ablation.export import card, network

    client, run = runs.named(arguments)
    classifier = rebuild(client, run)
    process.imports_done()
    out = arguments.out or Path(f"export-{run.info.run_name}")
    out.mkdir(parents=True, exist_ok=True)
    exported, views = network.of(classifier), network.example(classifier)
    _write(exported, views, out)
    made_up = [(views, exported(views).numpy())]
    checked = [_compared(iter(made_up), out, "made-up views"), _validated(classifier, run, out)]
    settings = json.dumps(card.preprocessing(classifier), indent=2, ensure_ascii=False)
    (out / SETTINGS).write_text(settings + "\n")
    (out / CARD).write_text(card.card(classifier, run, checked))
    for sentence in checked:
        print(sentence)
    print(f"{run.info.run_name}: {out}/ has {ONNX}, {TORCH}, {SETTINGS} and {CARD}")


def _refuse_without_onnx() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f'{first_line(error)}; `pip install "ablation[export]"` installs what writes ONNX'
        ) from error


def _write(exported: "Exported", views: "torch.Tensor", out: Path) -> None:
    import logging
    import warnings

    import torch

    for name in ("onnxscript", "torch.onnx"):
        logging.getLogger(name).setLevel(logging.ERROR)
    n = torch.export.Dim("n", min=1, max=4096)
    program = torch.export.export(exported, (views,), dynamic_shapes=({0: n},))
    torch.export.save(program, out / TORCH)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            program,
            (views,),
            out / ONNX,
            input_names=["views"],
            output_names=["probabilities"],
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def _compared(wanted: "Batches", out: Path, what: str) -> str:
    """A sentence on how far the probabilities of both files are from those that are wanted.

    Args:
        wanted: views, and the probabilities of the run's network, batch by batch.
        out: where the files are.
        what: the views are of.

    Raises:
        ConfigError: further than rounding, or not finite.
    """
    import onnxruntime
    import torch

    session = onnxruntime.InferenceSession(str(out / ONNX), providers=["CPUExecutionProvider"])
    program = torch.export.load(out / TORCH).module()
    far, n = {ONNX: 0.0, TORCH: 0.0}, 0
    for views, probabilities in wanted:
        with torch.no_grad():
            of_torch = program(views).numpy()
        found = {ONNX: session.run(None, {"views": views.numpy()})[0], TORCH: of_torch}
        n += len(views)
        for name, values in found.items():
            distance = float(abs(values - probabilities).max())
            if not distance <= TOLERANCE:
                raise ConfigError(
                    f"{out / name}: its probabilities differ from the run's network by "
                    f"{distance:.2g} on {what}; it must not be used"
                )
            far[name] = max(far[name], distance)
    return (
        f"On {n:,} {what} the probabilities of {ONNX} (by onnxruntime) differ from the "
        f"network's by at most {far[ONNX]:.1g}, those of {TORCH} by {far[TORCH]:.1g}."
    )


def _validated(classifier: Classifier, run: "Run", out: Path) -> str:
    """As `_compared`, on the run's validation pictures, where they are still to be had."""
    import torch

    from ablation.pictures import data, views

    try:
        pictures = data.load(classifier.config.data, seed=classifier.config.seed)
    # They may be on another machine.
    except Exception as error:
        return f"Not checked on the validation pictures ({first_line(error)})."
    if pictures.digest != run.data.tags.get("data_digest"):
        return "Not checked on the validation pictures: they are not those of the run any more."
    val = pictures.val

    def batches() -> "Batches":
        for first in range(0, len(val), BATCH):
            indices = range(first, min(first + BATCH, len(val)))
            # What prediction says of the pictures themselves: it makes its own views of them.
            probabilities, _ = classifier.judge([val.pixels(index) for index in indices])
            batch = views.validation_views(val, indices, classifier.config.data).float()
            yield batch.contiguous(memory_format=torch.contiguous_format), probabilities

    return _compared(batches(), out, "validation pictures")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ablation.export",
        description="Write a finished run's network as ONNX and torch.export, with a model card.",
    )
    runs.add_arguments(parser)
    parser.add_argument(
        "--out", metavar="FOLDER", type=Path, help="where to write (default: export-RUN here)"
    )
    return parser


if __name__ == "__main__":
    main()
