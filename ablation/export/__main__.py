"""`python -m ablation.export RUN_ID`: a finished run's network as files for other programs.

Exit code: 0 the files were written and give what the run's network gives, 1 they could not be.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from ablation import process, targets
from ablation.errors import ConfigError, first_line
from ablation.predict.classifier import Classifier, rebuild
from ablation.predict.runs import best_run, finished_run

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

    from ablation.export.network import Exported

#: The largest difference of a probability between the exported network and the run's.
TOLERANCE = 1e-4
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
    _refuse_without_onnx()
    targets.look_in(Path.cwd())  # for a network of a person's own
    from ablation.export import card, network
    from ablation.tracking import store

    client = store.connect_existing(store.resolve_uri(arguments.tracking_uri), "--tracking-uri ")
    if arguments.run == "best":
        run = best_run(client, arguments.study)
    else:
        run = finished_run(client, arguments.run)
    classifier = rebuild(client, run)
    process.imports_done()
    out = arguments.out or Path(f"export-{run.info.run_name}")
    out.mkdir(parents=True, exist_ok=True)
    exported, views = network.of(classifier), network.example(classifier)
    _write(exported, views, out)
    checked = [
        _compared(exported, views, out, "made-up views"),
        *_validated(classifier, exported, out),
    ]
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


def _compared(exported: "Exported", views: "torch.Tensor", out: Path, what: str) -> str:
    """A sentence on how far both files are from the network on some views.

    Raises:
        ConfigError: further than rounding.
    """
    import torch

    with torch.no_grad():
        wanted = exported(views).numpy()
        of_torch = torch.export.load(out / TORCH).module()(views).numpy()
    found = {ONNX: _run_onnx(out, views.numpy()), TORCH: of_torch}
    far = {name: float(abs(values - wanted).max()) for name, values in found.items()}
    for name, distance in far.items():
        if not distance <= TOLERANCE:
            raise ConfigError(
                f"{out / name}: its probabilities differ from the run's network by {distance:.2g} "
                f"on {what}; it must not be used"
            )
    return (
        f"On {len(views):,} {what} the probabilities of {ONNX} (by onnxruntime) differ from the "
        f"network's by at most {far[ONNX]:.1g}, those of {TORCH} by {far[TORCH]:.1g}."
    )


def _validated(classifier: Classifier, exported: "Exported", out: Path) -> list[str]:
    """As `_compared`, on the run's validation pictures, where they are still to be had."""
    import torch

    from ablation.pictures import data, views

    try:
        val = data.load(classifier.config.data).val
    # The pictures may be on another machine, or have been changed.
    except Exception as error:
        return [f"Not checked on the validation pictures ({first_line(error)})."]
    batch = torch.cat([
        views.validation_views(val, range(first, min(first + 64, len(val))), classifier.config.data)
        for first in range(0, len(val), 64)
    ]).float()  # fmt: skip
    sentence = _compared(exported, batch.contiguous(), out, "validation pictures")
    is_right = _run_onnx(out, batch.numpy()).argmax(1) == val.labels
    return [sentence, f"{ONNX} is right on {int(is_right.sum())} of {len(val)} of them."]


def _run_onnx(out: Path, views: "npt.NDArray[np.float32]") -> "npt.NDArray[np.float32]":
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(str(out / ONNX), providers=["CPUExecutionProvider"])
    parts = [
        session.run(None, {"views": np.ascontiguousarray(views[first : first + 64])})[0]
        for first in range(0, len(views), 64)
    ]
    return np.concatenate(parts)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ablation.export",
        description="Write a finished run's network as ONNX and torch.export, with a model card.",
    )
    parser.add_argument(
        "run", metavar="RUN_ID", help="a run's id in MLflow, or best: the study's best run"
    )
    parser.add_argument(
        "--study", help="where best is looked for (default: the study of the newest finished run)"
    )
    parser.add_argument(
        "--tracking-uri",
        metavar="URI",
        help="the MLflow store (default: MLFLOW_TRACKING_URI, else sqlite:///mlflow.db here)",
    )
    parser.add_argument(
        "--out", metavar="FOLDER", type=Path, help="where to write (default: export-RUN here)"
    )
    return parser


if __name__ == "__main__":
    main()
