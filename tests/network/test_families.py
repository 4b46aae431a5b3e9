"""Two networks of each common family: what a transfer mode trains, and that nothing else moves."""

from pathlib import Path

import pytest

from tests.network import families

#: Small ones; the others are among the slow tests.
QUICK = ("convnext_atto", "vit_tiny_patch16_224", "mobilenet_v3_small", "regnetx_002")


@pytest.mark.parametrize(
    ("library", "name"),
    [
        pytest.param(library, name, marks=() if name in QUICK else pytest.mark.slow, id=name)
        for library, name in families.NETWORKS
    ],
)
def test_a_network_is_trained_in_part_and_what_is_frozen_stays(library: str, name: str) -> None:
    row = families.tried(library, name)
    assert row.n_stages >= 5
    assert row.trained["full"] == row.trained["scratch"] == row.n_tensors
    assert row.trained["frozen"] == 2  # the head's
    assert 4 <= row.trained["partial"] < row.n_tensors
    assert row.moved == row.trained
    assert row.fold_error < 1e-4
    page = (Path(families.PAGE)).read_text()
    assert families.as_line(row) in page
