"""Writes what becomes of pictures and folders that are easily read wrongly.

    python -m tests.cases results/cases

writes the table of results/cases/README.md. What a right reading gives is computed from the values
that are written, never by the reading that is tested.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ablation.errors import ConfigError
from ablation.pictures import data
from tests.cases.folders import FOLDERS, FolderCase, of_folder
from tests.cases.pictures import PICTURES, PictureCase, of_picture

HEAD = """\
# Pictures and folders that are easily read wrongly

What `data=imagefolder` does with each. The means are those of red, green and blue, 0 to 255, of the
picture as it is trained on. What is refused ends the command with exit code 1 before anything is
trained. `python -m tests.cases results/cases` writes this page; the tests compare it with what they
find, and the means with those of the values that were written.

"""


def outcomes() -> Iterator[tuple[str, str]]:
    """Each case's name, and what becomes of it."""
    for case in (*PICTURES, *FOLDERS):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "pictures"
            make = of_picture if isinstance(case, PictureCase) else of_folder
            try:
                pictures = data.load(make(case, root))  # type: ignore[operator]
            except ConfigError as error:
                said = " ".join(str(error).split()).replace(str(root), "pictures")
                yield case.name, f"refused: {said}"
                continue
            counts, *lines = pictures.lines()
            if isinstance(case, FolderCase):
                yield case.name, "; ".join([pictures.summary(), counts, *lines])
                continue
            mean = pictures.train.pixels(0).reshape(-1, 3).mean(0)
            lines = [line for line in lines if not line.startswith("warning")]
            yield case.name, "; ".join(["means " + ", ".join(f"{m:.0f}" for m in mean), *lines])


def table() -> str:
    rows = "\n".join(f"| {name} | {said.replace('|', '/')} |" for name, said in outcomes())
    return f"{HEAD}| case | outcome |\n|---|---|\n{rows}\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(table())


if __name__ == "__main__":
    main()
