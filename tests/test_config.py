"""What a person who mistypes is told, and how soon."""

import subprocess
import sys
from pathlib import Path

import pytest

from ablation import config, grid
from ablation.config import ConfigError
from tests.conftest import command

MISTAKES = {
    "transfer=frozn": ["transfer=frozn", "did you mean frozen?", "full", "scratch"],
    "optimizer.lrr=1": ["optimizer.lrr=1", "did you mean optimizer.lr?", "optimizer.momentum"],
    "optimzer=sgd": ["optimzer=sgd", "did you mean optimizer?", "transfer"],
    "nonsense=1": ["nonsense=1", "unknown key", "epochs"],
    "+nonsense=1": ["nonsense", "unknown key", "epochs"],
    "optimizer.lr=-1": ["optimizer.lr=-1", "above 0"],
    "optimizer.lr=0": ["optimizer.lr=0", "above 0"],
    "optimizer.lr=nan": ["optimizer.lr=nan", "above 0"],
    "optimizer.lr=fast": ["optimizer.lr=fast", "must be a number"],
    "optimizer.momentum=1": ["optimizer.momentum=1", "below 1"],
    "epochs=0": ["epochs=0", "at least 1"],
    "epochs=1.5": ["epochs=1.5", "whole number"],
    "batch_size=0": ["batch_size=0", "at least 1"],
    "seed=-1": ["seed=-1", "at least 0"],
    "reg.l1=-1": ["reg.l1=-1", "at least 0"],
    "data.flip=maybe": ["data.flip=maybe", "true or false"],
    "data.crop_min=0": ["data.crop_min=0", "above 0"],
    "precision=half": ["precision=half", "float32", "bfloat16"],
    "device=gpu": ["device=gpu", "auto", "cuda"],
    "data=imagefolder": ["data.root", "train/"],
    "transfer=full,frozen": ["transfer=full,frozen", "-m"],
    "study=a/b": ["study=a/b", "folder"],
    "data.root=a(b": ["data.root=a(b", "quote"],
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_by_one_message_with_the_key_and_the_choices(mistake: str) -> None:
    with pytest.raises(ConfigError) as raised:
        grid.expand([mistake], multirun=False)
    for part in MISTAKES[mistake]:
        assert part in str(raised.value)
    assert "Traceback" not in str(raised.value)


@pytest.mark.parametrize(
    "sweep",
    ["transfer=full,frozn", "optimizer.lr=1e-3,-1", "optimizer.lr=1e-3,fast", "epochs=1,0"],
)
def test_a_mistake_in_any_cell_of_a_sweep_is_found_before_the_first_run(sweep: str) -> None:
    with pytest.raises(ConfigError, match=sweep.partition("=")[0]):
        grid.expand([sweep, "reg=l1,l2"], multirun=True)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("report.baseline.transfer=fll", "did you mean full"),
        ("report.baseline.reg=l1", "compares transfer"),
        ("report.nuisance=[optimizer.lrr]", "did you mean optimizer.lr"),
    ],
)
def test_what_the_report_cannot_find_is_told_before_the_runs(override: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        grid.expand(["transfer=full,frozen", override], multirun=True)


def test_the_command_decides_over_the_sweep_of_an_experiment() -> None:
    whole = grid.expand(["+experiment=seed_grid"], multirun=True)
    assert len(whole.runs) == 18
    less = ["+experiment=seed_grid", "transfer=frozen", "reg=l1,l2", "seed=range(3)"]
    asked = grid.expand(less, multirun=True)
    assert dict(asked.axes) == {
        "reg": ("l1", "l2"),
        "optimizer": ("sgd", "adam"),
        "seed": ("0", "1", "2"),
    }
    assert {run.levels["transfer"] for run in asked.runs} == {"frozen"}


def test_experiments_have_the_settings_of_their_documents() -> None:
    first = grid.expand(["+experiment=resnet50_sgd"], multirun=True).runs
    arms = [run.levels["transfer"] for run in first]
    assert arms == ["full", "frozen", "frozen_moving", "scratch"]
    config = first[2].config
    assert (config.optimizer.name, config.optimizer.lr, config.optimizer.momentum) == (
        "sgd",
        0.01,
        0,
    )
    assert (config.epochs, config.batch_size, config.reg.l2, config.reg.l1) == (20, 25, 1e-4, 0)
    assert not config.transfer.freeze_statistics
    second = grid.expand(["+experiment=resnet18_adam"], multirun=True).runs
    assert [tuple(run.varied.values()) for run in second] == [
        (transfer, reg) for transfer in ("frozen", "frozen_moving", "full") for reg in ("l2", "l1")
    ]
    config = second[3].config
    assert not config.transfer.freeze_statistics
    assert (config.optimizer.name, config.optimizer.lr) == ("adam", 1e-3)
    assert (config.epochs, config.batch_size, config.reg.l1, config.reg.l2) == (5, 4, 1e-3, 0)


def test_a_value_named_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="twice"):
        grid.expand(["seed=1,2,1"], multirun=True)


def test_the_command_says_a_mistake_without_a_traceback_and_exits_with_1(tmp_path: Path) -> None:
    said = command("transfer=frozn", cwd=tmp_path)
    assert said.code == 1
    assert said.err.startswith("error: transfer=frozn: unknown level")
    assert "Traceback" not in said.out + said.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("argument", ["--help", "transfer=frozn", "epochs=0"])
def test_help_and_mistakes_load_neither_torch_nor_mlflow(argument: str, tmp_path: Path) -> None:
    probe = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('HEAVY', {'torch', 'mlflow', 'timm'} & set(sys.modules)))\n"
        f"sys.argv[1:] = ['{argument}']\n"
        "from ablation.__main__ import main\nmain()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "HEAVY set()" in done.stdout


def test_help_names_every_factor_and_level(tmp_path: Path) -> None:
    said = command("--help", cwd=tmp_path)
    assert said.code == 0
    for line in (
        "transfer: frozen, frozen_moving, full, partial, scratch",
        "reg: elastic, l1, l2, none",
        "optimizer: adam, adamw, sgd",
        "scheduler: constant, cosine, step",
        "data: digits, hymenoptera, imagefolder",
    ):
        assert line in said.out


def test_an_override_of_a_key_works_whichever_level_is_swept() -> None:
    asked = grid.expand(
        [
            "transfer=full,frozen,scratch",
            "reg=l1,l2",
            "reg.l1=1e-4",
            "optimizer=sgd,adam",
            "optimizer.lr=1e-3",
        ],
        multirun=True,
    )
    assert len(asked.runs) == 12
    assert {run.config.optimizer.lr for run in asked.runs} == {1e-3}
    strengths = {run.levels["reg"]: (run.config.reg.l1, run.config.reg.l2) for run in asked.runs}
    # L1 is set where the level has it; it does not leak into the L2 cells.
    assert strengths == {"l1": (1e-4, 0), "l2": (0, 1e-3)}


def test_the_grid_is_the_product_of_the_sweeps_in_their_order() -> None:
    asked = grid.expand(["transfer=full,frozen", "reg=l1,l2", "seed=range(2)"], multirun=True)
    assert [tuple(run.varied.values()) for run in asked.runs] == [
        (transfer, reg, seed)
        for transfer in ("full", "frozen")
        for reg in ("l1", "l2")
        for seed in ("0", "1")
    ]
    assert [run.config.seed for run in asked.runs] == [0, 1] * 4
    assert len({run.fingerprint for run in asked.runs}) == 8


def test_setting_a_value_gives_what_composing_it_gives() -> None:
    swept = grid.expand(["optimizer.lr=1e-3,1e-2", "reg=l1,l2"], multirun=True)
    for run in swept.runs:
        lr, reg = run.varied["optimizer.lr"], run.varied["reg"]
        alone = grid.expand([f"optimizer.lr={lr}", f"reg={reg}"], multirun=False).runs[0]
        assert alone.fingerprint == run.fingerprint


@pytest.mark.parametrize(
    "same", ["device=cpu", "tracking.uri=sqlite:///x.db", "study=other", "cache.features=false"]
)
def test_a_fingerprint_ignores_what_cannot_change_the_result(same: str) -> None:
    plain = grid.expand([], multirun=False).runs[0]
    assert grid.expand([same], multirun=False).runs[0].fingerprint == plain.fingerprint


@pytest.mark.parametrize(
    "other", ["seed=1", "epochs=6", "reg=l1", "optimizer.lr=1e-4", "data.size=32"]
)
def test_a_fingerprint_tells_apart_what_can_change_the_result(other: str) -> None:
    plain = grid.expand([], multirun=False).runs[0]
    assert grid.expand([other], multirun=False).runs[0].fingerprint != plain.fingerprint


def test_a_study_is_named_after_its_pictures_and_what_is_compared(tmp_path: Path) -> None:
    assert grid.expand(["reg=l1,l2", "seed=1,2"], multirun=True).study == "digits-reg"
    folder = grid.expand(
        ["data=imagefolder", f"data.root={tmp_path}/my_leaves", "optimizer.lr=1,2"], multirun=True
    )
    assert folder.study == "my_leaves-lr"
    assert grid.expand(["reg=l1,l2", "study=mine"], multirun=True).study == "mine"


def test_a_level_is_added_by_a_file_alone(tmp_path: Path) -> None:
    (tmp_path / "optimizer").mkdir()
    (tmp_path / "optimizer" / "slow.yaml").write_text("name: sgd\nlr: 1e-5\n")
    asked = grid.expand(["optimizer=slow,adam"], multirun=True, config_dir=tmp_path)
    assert [run.config.optimizer.lr for run in asked.runs] == [1e-5, 1e-3]


def test_every_level_of_a_factor_has_the_same_keys() -> None:
    import yaml

    for factor in ("data", "model", "transfer", "reg", "optimizer", "scheduler"):
        keys = {
            path.stem: set(yaml.safe_load(path.read_text()))
            for path in (config.folder() / factor).glob("*.yaml")
        }
        assert len({frozenset(names) for names in keys.values()}) == 1, keys


def test_every_key_of_a_config_file_has_its_reason() -> None:
    for path in config.folder().glob("*/*.yaml"):
        if path.parent.name == "experiment":
            continue
        for line in path.read_text().splitlines():
            assert line.startswith("#") or "  #" in line or not line.strip(), f"{path}: {line}"
