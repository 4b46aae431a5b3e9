"""What a person who mistypes is told, and how soon."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ablation import config
from ablation.errors import ConfigError
from ablation.study import grid, sweeps
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
    [
        "transfer=full,frozn",
        "optimizer.lr=1e-3,-1",
        "optimizer.lr=1e-3,fast",
        "epochs=1,0",
        "seed=1,2.5",
        "seed=1,1.0",
        "seed=1,null",
        "data.flip=true,maybe",
        "reg.penalties=[l1],l2",
        "model.mean=[0.5,0.5,0.5],[a,b,c]",
    ],
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


@pytest.mark.parametrize("sweep", ["seed=1,2,1", "seed=1,01", "data.flip=yes,true", "reg=l1,l1"])
def test_a_value_named_twice_is_refused(sweep: str) -> None:
    with pytest.raises(ConfigError, match=f"^{sweep}: names a value twice"):
        grid.expand([sweep], multirun=True)


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


@pytest.mark.parametrize(
    "key",
    [
        *(name for name, item in config.SCHEMA.items() if not item.result),
        "hydra/launcher",
        "hydra.sweep.dir",
        "experiment",
        "report.baseline.transfer",
    ],
)
def test_what_changes_no_result_is_not_swept(key: str) -> None:
    if key in sweeps.BY_CONTENT:
        words = ["data=imagefolder", "data.root=c", f"{key}=a,b"]
        asked = grid.expand(words, multirun=True)
        assert len({run.fingerprint for run in asked.runs}) == 2
        assert [run.varied for run in asked.runs] == [{key: "a"}, {key: "b"}]
    else:
        with pytest.raises(ConfigError, match=re.escape(key)):
            grid.expand(["transfer=full,frozen", f"{key}=a,b"], multirun=True)


def test_a_path_is_part_of_a_run_only_where_it_is_swept() -> None:
    plain = grid.expand([], multirun=False).runs[0]
    other = grid.expand(["model.weights=other.pth"], multirun=False).runs[0]
    assert other.fingerprint == plain.fingerprint


@pytest.mark.parametrize("word", ["experiment=seed_grid", "+experiment=tuned_grid"])
def test_an_experiment_of_several_runs_is_not_cut_down_to_one(word: str) -> None:
    with pytest.raises(ConfigError, match=r"of transfer, reg, optimizer.*; add -m"):
        grid.expand([word], multirun=False)
    words = [word, "transfer=full", "reg=l1", "optimizer=adam", "optimizer.lr=1e-3"]
    asked = grid.expand(words, multirun=False)
    assert len(asked.runs) == 1
    assert asked.runs[0].levels["transfer"] == "full"
    assert not asked.is_sweep


def test_what_an_experiment_sweeps_can_be_changed_in_its_own_words() -> None:
    words = ["experiment=seed_grid", "hydra.sweeper.params.reg='l1,l2'"]
    asked = grid.expand([*words, "~hydra.sweeper.params.optimizer"], multirun=True)
    assert dict(asked.axes) == {"transfer": ("full", "frozen", "scratch"), "reg": ("l1", "l2")}
    added = grid.expand(["hydra.sweeper.params={seed: '1,2'}"], multirun=True)
    assert dict(added.axes) == {"seed": ("1", "2")}
    none = grid.expand(["experiment=seed_grid", "hydra.sweeper.params=null"], multirun=True)
    assert len(none.runs) == 1


def test_hydras_own_word_for_a_sweep_is_a_sweep() -> None:
    assert len(grid.expand(["seed=1,2", "hydra.mode=MULTIRUN"], multirun=False).runs) == 2
    with pytest.raises(ConfigError, match=r"hydra\.mode=RUN and -m"):
        grid.expand(["seed=1,2", "hydra.mode=RUN"], multirun=True)


@pytest.mark.parametrize("multirun", [True, False])
@pytest.mark.parametrize("interval", ["interval(1e-4,1e-1)", "tag(log,interval(1e-4,1e-1))"])
def test_an_interval_needs_a_sweeper_that_chooses(interval: str, multirun: bool) -> None:
    with pytest.raises(ConfigError, match=r"optimizer.lr=A,B.*hydra/sweeper=optuna"):
        grid.expand([f"optimizer.lr={interval}"], multirun=multirun)


@pytest.mark.parametrize(
    ("sweep", "levels"),
    [
        ("transfer=glob(f*)", ("frozen", "frozen_moving", "full")),
        ("transfer=glob(*,exclude=*a*)", ("frozen", "frozen_moving", "full")),
        ("transfer=choice(full,frozen)", ("full", "frozen")),
        ("transfer=sort(scratch,full)", ("full", "scratch")),
    ],
)
def test_hydras_functions_name_levels(sweep: str, levels: tuple[str, ...]) -> None:
    asked = grid.expand([sweep], multirun=True)
    assert tuple(run.levels["transfer"] for run in asked.runs) == levels


@pytest.mark.parametrize(
    ("sweep", "answer"),
    [
        ("transfer=glob(x*)", "no level is called so; choose from frozen, "),
        ("seed=range(3,0)", "names no value"),
        ("seed=range(1000000000)", "names more than 100,000 values"),
    ],
)
def test_a_sweep_of_nothing_or_too_much_is_refused(sweep: str, answer: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(answer)):
        grid.expand([sweep], multirun=True)


def test_more_runs_than_can_be_trained_are_refused() -> None:
    with pytest.raises(ConfigError, match="more than 100,000 runs together"):
        grid.expand(["seed=range(1000)", "epochs=range(1,1000)"], multirun=True)


def test_a_setting_that_no_run_uses_is_named() -> None:
    words = ["reg.l1=1e-4", "transfer.stages=2", "optimizer.momentum=0.5"]
    alone = grid.expand([*words, "reg=l2"], multirun=False)
    assert [note.partition(" ")[0] for note in alone.notes] == [
        "transfer.stages=2",
        "reg.l1=1e-4",
        "optimizer.momentum=0.5",
    ]
    (note,) = grid.expand(["report.difference=0.02"], multirun=False).notes
    assert "-m makes one" in note
    used = ["reg=l1,l2", "transfer=full,partial", "optimizer=adam,sgd", "report.difference=0.02"]
    assert not grid.expand([*words, *used], multirun=True).notes


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


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("optimizer.lr", ["1e-3", "1", "0.5"]),
        ("data.flip", ["yes", "no"]),
        ("model.mean", ["[0,0,0]", "[0.5,0.5,0.5]"]),
        ("precision", ["auto", "float32"]),
        ("seed", ["01", "2", "'3'"]),
    ],
)
def test_setting_a_value_gives_what_composing_it_gives(key: str, values: list[str]) -> None:
    swept = grid.expand([f"{key}={','.join(values)}", "reg=l1,l2"], multirun=True)
    alone = [
        grid.expand([f"{key}={value}", f"reg={reg}"], multirun=False).runs[0]
        for value in values
        for reg in ("l1", "l2")
    ]
    assert [run.fingerprint for run in swept.runs] == [run.fingerprint for run in alone]
    for run in swept.runs:
        # What a run is called is what its settings say.
        logged = config.leaves(run.config)[key]
        assert isinstance(logged, list) or run.varied[key] == str(logged)


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


@pytest.fixture
def own_configs(tmp_path: Path) -> Path:
    """A person's own config files: a level, a factor and an experiment, in an awkward place."""
    folder = tmp_path / "größe =,[x] $a 📷"
    files = {
        "optimizer/langsam.yaml": "name: sgd\nlr: 1e-5\n",
        "augment/schwär.yaml": "# @package _global_\ndata: {crop_min: 0.1}\n",
        "augment/light.yaml": "# @package _global_\ndata: {crop_min: 0.5}\n",
        "experiment/mine.yaml": (
            "# @package _global_\ndefaults:\n  - override /optimizer: langsam\n"
            "study: größe\nhydra:\n  sweeper:\n    params:\n"
            "      augment: light,schwär\n      seed: 1,2\n"
        ),
        "experiment/broken.yaml": "# @package _global_\nstudy: [a\n",
        "experiment/astray.yaml": "study: a\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("word", ["augment=schwär,light", "+augment=schwär,light"])
def test_a_factor_is_added_by_a_folder_alone(word: str, own_configs: Path) -> None:
    asked = grid.expand([word, "reg=l1,l2"], multirun=True, config_dir=own_configs)
    assert [(run.levels["augment"], run.config.data.crop_min) for run in asked.runs] == [
        ("schwär", 0.1),
        ("schwär", 0.1),
        ("light", 0.5),
        ("light", 0.5),
    ]
    assert asked.study == "digits-augment-reg"
    whole = grid.expand(["augment=glob(*)"], multirun=True, config_dir=own_configs)
    assert [run.varied for run in whole.runs] == [{"augment": "light"}, {"augment": "schwär"}]


def test_an_experiment_is_added_by_a_file_alone(own_configs: Path) -> None:
    asked = grid.expand(["+experiment=mine"], multirun=True, config_dir=own_configs)
    assert asked.study == "größe"
    assert [(run.levels["augment"], run.config.seed) for run in asked.runs] == [
        ("light", 1),
        ("light", 2),
        ("schwär", 1),
        ("schwär", 2),
    ]
    assert {run.config.optimizer.lr for run in asked.runs} == {1e-5}


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["experiment=broken"], "broken.yaml, line 2: cannot be read as YAML"),
        (["experiment=astray"], "does not start with the line `# @package _global_`"),
        (["augment=lightt"], "augment=lightt: unknown level (did you mean light?)"),
        (["experiment=mine", "hydra.searchpath=[x]"], "give one of them"),
    ],
)
def test_a_mistake_in_a_persons_own_files_is_named(
    words: list[str], answer: str, own_configs: Path
) -> None:
    with pytest.raises(ConfigError, match=re.escape(answer)):
        grid.expand(words, multirun=True, config_dir=own_configs)


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
