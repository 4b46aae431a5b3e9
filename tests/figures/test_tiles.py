"""Thumbnails in rows."""

import subprocess
import sys

import numpy as np

from ablation.figures.tiles import COLUMNS, LEAST_WIDTH, Tile, sheet

SQUARE = Tile(np.zeros((8, 8, 3), dtype=np.uint8), (("a", "black"),))


def test_each_group_starts_a_new_row_and_a_long_one_takes_several() -> None:
    one = sheet("title", "note", [("", [SQUARE])])
    two = sheet("title", "note", [("", [SQUARE] * (COLUMNS + 1))])
    groups = sheet("title", "note", [("", [SQUARE]), ("", [SQUARE])])
    assert one.height < two.height == groups.height
    assert one.width == LEAST_WIDTH < two.width


def test_they_need_no_torch() -> None:
    probe = "import sys, ablation.figures.tiles; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
