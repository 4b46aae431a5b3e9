"""What a person who mistypes is told; which messages of Hydra and OmegaConf that relies on."""

import re
from pathlib import Path

import pytest
import yaml
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from ablation import config
from ablation.errors import ConfigError
from ablation.study import grid, mistakes, overrides
from ablation.study.hydra_insides import composed, config_files, parse_override
from tests.conftest import command

MISTAKES = {
    "transfer=frozn": ["transfer=frozn", "did you mean frozen?", "full", "scratch"],
    "optimizer.lrr=1": ["optimizer.lrr=1", "did you mean optimizer.lr?", "optimizer.betas"],
    "optimizer.momentum=0.9": ["optimizer.momentum=0.9", "Adam takes no momentum"],
    "optimzer=sgd": ["optimzer=sgd", "did you mean optimizer?", "transfer"],
    "nonsense=1": ["nonsense=1", "unknown key", "epochs"],
    "+nonsense=1": ["nonsense", "unknown key", "epochs"],
    "optimizer.lr=-1": ["optimizer.lr=-1", "above 0"],
    "optimizer.lr=0": ["optimizer.lr=0", "above 0"],
    "optimizer.lr=nan": ["optimizer.lr=nan", "above 0"],
    "optimizer.lr=fast": ["optimizer.lr=fast", "must be a number"],
    "optimizer.betas=[0.9,1]": ["optimizer.betas=1", "below 1"],
    "optimizer.betas=[0.9]": ["takes two numbers"],
    "optimizer.clip=0": ["optimizer.clip=0", "above 0"],
    "optimizer.decay=some": ["optimizer.decay=some", "all, matrices"],
    "optimizer._target_=torch.optim.Adm": ["torch.optim has no Adm (did you mean Adam?)"],
    "loss._target_=mine.Loss": ["there is no module mine", "beside it"],
    "loss._target_=null": ["every run has a loss"],
    "epochs=0": ["epochs=0", "at least 1"],
    "epochs=1.5": ["epochs=1.5", "whole number"],
    "batch_size=0": ["batch_size=0", "at least 1"],
    "seed=-1": ["seed=-1", "at least 0"],
    "reg.l1=1": ["reg.l1=1", "takes no settings"],
    "loss.label_smoothing=-1": ["loss.label_smoothing=-1", "at least 0"],
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
        "optimizer.betas=[0.9,0.99],2",
        "model.mean=[0.5,0.5,0.5],[a,b,c]",
    ],
)
def test_a_mistake_in_any_cell_of_a_sweep_is_found_before_the_first_run(sweep: str) -> None:
    with pytest.raises(ConfigError, match=sweep.partition("=")[0]):
        grid.expand([sweep, "reg=l1,l2"], multirun=True)


def test_the_command_says_a_mistake_without_a_traceback_and_exits_with_1(tmp_path: Path) -> None:
    said = command("transfer=frozn", cwd=tmp_path)
    assert said.code == 1
    assert said.err.startswith("error: transfer=frozn: unknown level")
    assert "Traceback" not in said.out + said.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["experiment=broken"], "broken.yaml, line 2: cannot be read as YAML"),
        (["experiment=astray"], "does not start with the line `# @package _global_`"),
        (["crops=lightt"], "crops=lightt: unknown level (did you mean light?)"),
        (["experiment=mine", "hydra.searchpath=[x]"], "give one of them"),
    ],
)
def test_a_mistake_in_a_persons_own_files_is_named(
    words: list[str], answer: str, own_configs: Path
) -> None:
    with pytest.raises(ConfigError, match=re.escape(answer)):
        grid.expand(words, multirun=True, config_dir=own_configs)


# --- The messages of Hydra and OmegaConf that are recognised by their words


def said(*words: str) -> str:
    """What Hydra and OmegaConf say of words that are wrong, the whole chain of errors."""
    config.register()
    with (
        config_files(config.folder()),
        pytest.raises((HydraException, OmegaConfBaseException, yaml.YAMLError)) as raised,
    ):
        composed(words)
    return "\n".join(str(link) for link in mistakes.chain(raised.value))


#: What is recognised, the words that provoke it, and what the message is expected to say.
MESSAGES = {
    "NO_OVERRIDE": (["nonsense=1"], "Could not override 'nonsense'."),
    "WRONG_OVERRIDE": (["epochs=1.5"], "Error merging override epochs=1.5"),
    "WRONG_TYPE": (["epochs=x"], "could not be converted to Integer"),
    "WRONG_BOOL": (["data.flip=maybe"], "is not a valid bool"),
    "NOT_OPTIONAL": (["seed=null"], "is not Optional"),
    "NOT_A_LIST": (["report.nuisance=a"], "is not a ListConfig"),
    "NOT_ONE_KEY": (["tracking=x"], "is not a subclass of"),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_the_wording_of_hydra_and_omegaconf_is_as_it_was(name: str) -> None:
    words, expected = MESSAGES[name]
    message = said(*words)
    changed = (
        f"Hydra or OmegaConf words its message on {' '.join(words)} in another way now. "
        f"mistakes.{name} must recognise: {message}"
    )
    assert expected in message, changed
    assert re.search(getattr(mistakes, name), message), changed


def test_the_wording_of_a_wrong_function_is_as_it_was() -> None:
    with pytest.raises(HydraException) as raised:
        parse_override("seed=range(1,2,3,4)")
    changed = f"mistakes.WRONG_FUNCTION must recognise Hydra's new message: {raised.value}"
    assert "while evaluating 'range(1,2,3,4)': too many positional" in str(raised.value), changed
    assert mistakes.of_a_function(raised.value).startswith("too many positional"), changed
    with pytest.raises(HydraException) as raised:
        parse_override("seed=a(b")
    assert mistakes.of_a_function(raised.value) == ""


def test_the_wording_of_a_broken_file_is_as_it_was(own_configs: Path) -> None:
    search = f"hydra.searchpath=[{overrides.quoted(f'file://{own_configs}')}]"
    message = said(search, "+experiment=broken")
    found = re.search(mistakes.YAML_PLACE, message)
    changed = f"mistakes.YAML_PLACE must recognise the file and the line in: {message}"
    assert found, changed
    assert (Path(found[1]).name, found[2]) == ("broken.yaml", "2"), changed
