"""Tables of pictures: what their columns mean, how groups are divided, and what is refused."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ablation.config import DataConfig
from ablation.pictures import data
from ablation.pictures.errors import DataError
from tests.conftest import command, paint

COLOURS = {"ant": (150, 90, 80), "bee": (90, 90, 150)}


def painted(folder: Path, n: int = 24) -> pd.DataFrame:
    """Pictures in a folder, without an order of folders, and the table of them."""
    rows = []
    for at in range(n):
        label = list(COLOURS)[at % 2]
        path = folder / "raw" / f"{at:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        paint(path, COLOURS[label], at, (40, 30))
        rows.append({"path": f"raw/{path.name}", "label": label, "group": f"p{at // 4}"})
    return pd.DataFrame(rows)


def loaded(file: Path, **settings: object) -> data.Pictures:
    return data.load(DataConfig(source="table", root=str(file), **settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_a_table_says_which_picture_is_of_which_class_and_split(
    suffix: str, tmp_path: Path
) -> None:
    table = painted(tmp_path).drop(columns="group")
    table["split"] = np.where(np.arange(len(table)) < 16, "train", "Valid")
    file = tmp_path / f"labels{suffix}"
    if suffix == ".parquet":
        table.to_parquet(file)
    else:
        table.to_csv(file, index=False, sep="\t" if suffix == ".tsv" else ",")
    found = loaded(file)
    assert found.classes == ("ant", "bee")
    assert found.train.names == list(table.path[:16])
    assert found.val.names == list(table.path[16:])
    assert [found.classes[label] for label in found.val.labels] == list(table.label[16:])
    assert found.val.pixels(0).shape == (30, 40, 3)


def test_no_group_is_in_two_parts(tmp_path: Path) -> None:
    table = painted(tmp_path)
    table.to_csv(tmp_path / "labels.csv", index=False)
    group = dict(zip(table.path, table.group, strict=True))
    for seed in range(5):
        found = loaded(
            tmp_path / "labels.csv", split_seed=seed, val_fraction=0.34, test_fraction=0.17
        )
        parts = {name: {group[one] for one in split.names} for name, split in found.splits.items()}
        assert sum(map(len, parts.values())) == len(set(group.values())) == 6
        assert set.union(*parts.values()) == set(group.values())
        assert {len(part) for part in parts.values()} <= {1, 2, 3}


def test_columns_of_other_names_are_named(tmp_path: Path) -> None:
    table = painted(tmp_path).rename(columns={"path": "where", "label": "species"})
    table.to_csv(tmp_path / "t.csv", index=False)
    found = loaded(tmp_path / "t.csv", columns={"path": "where", "label": "species"})
    assert len(found.train) + len(found.val) == 24


def test_labels_are_read_as_they_are_written(tmp_path: Path) -> None:
    table = painted(tmp_path)
    table["label"] = np.where(table.label == "ant", "01", "NA")
    table.to_csv(tmp_path / "t.csv", index=False)
    assert loaded(tmp_path / "t.csv").classes == ("01", "NA")


def changed(table: pd.DataFrame, **columns: Sequence[object] | None) -> pd.DataFrame:
    for name, values in columns.items():
        table = table.drop(columns=name) if values is None else table.assign(**{name: values})
    return table


@pytest.mark.parametrize(
    ("columns", "settings", "told"),
    [
        ({"label": None}, {}, r"which column is the label\? data.columns.label=NAME says so"),
        ({"class": ["x"] * 24}, {}, "label and class may both be the label"),
        ({}, {"columns": {"label": "lable"}}, r"no such column \(did you mean label\?\)"),
        ({}, {"columns": {"labels": "label"}}, r"unknown key \(did you mean label\?\)"),
        (
            {"label": [""] * 2 + ["ant", "bee"] * 11},
            {},
            "2 rows without a value in the column label",
        ),
        ({"label": ["ant"] * 24}, {}, "needs two or more classes, has ant"),
        ({"split": ["train", "hold"] * 12}, {}, "the split 'hold' is none of train"),
        ({"split": ["val", "test"] * 12, "group": None}, {}, "no pictures to train on"),
        ({"split": ["train", "val"] * 12}, {}, "6 groups are in two splits"),
        ({"path": ["raw/00.png"] * 2 + [f"raw/{n:02}.png" for n in range(2, 24)]}, {}, "rows 1, 2"),
        ({"path": [f"raw/{n:02}.jpg" for n in range(24)]}, {}, "24 pictures can't be read"),
    ],
)
def test_a_mistake_in_a_table_is_named(
    columns: Mapping[str, Sequence[object] | None],
    settings: Mapping[str, object],
    told: str,
    tmp_path: Path,
) -> None:
    changed(painted(tmp_path), **columns).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match=told):
        loaded(tmp_path / "t.csv", **settings)


def test_pictures_that_cannot_be_read_are_left_out_where_that_is_wanted(tmp_path: Path) -> None:
    painted(tmp_path).to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "raw" / "03.png").write_text("no picture")
    with pytest.raises(DataError, match="1 picture can't be read"):
        loaded(tmp_path / "t.csv")
    found = loaded(tmp_path / "t.csv", on_bad="skip")
    assert len(found.train) + len(found.val) == 23
    assert any("1 picture is left out (data.on_bad=skip), such as raw/03.png" in line
               for line in found.warnings)  # fmt: skip


def test_a_study_of_a_table_is_named_after_it_and_shows_its_pictures(tmp_path: Path) -> None:
    painted(tmp_path).to_csv(tmp_path / "insects.csv", index=False)
    said = command(
        *("-m", "data=table", "data.root=insects.csv", "transfer=frozen,scratch", "epochs=1"),
        *("data.size=32", "seed=range(2)"),
        cwd=tmp_path,
    )
    assert said.code == 0, said.out + said.err
    assert (tmp_path / "results" / "insects-transfer" / "report.md").is_file()
