"""What a `_target_` names, told in one sentence where it is wrong."""

import sys
from pathlib import Path

import pytest

from ablation import targets
from ablation.errors import ConfigError


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with modules of a person's own, which is looked in."""
    (tmp_path / "own_good.py").write_text(
        "NUMBER = 3\n"
        "def of_weights(weights, strength, power=2): return strength\n"
        "def of_all(weights, **settings): return settings\n"
        "class Thing:\n    def __init__(self, size=1): self.size = size\n"
        "class Picky:\n    def __init__(self, size):\n"
        "        if size < 0: raise ValueError('size below 0')\n"
    )
    (tmp_path / "own_broken.py").write_text("import nothing_of_this_name\n")
    (tmp_path / "own_raises.py").write_text("raise OSError('no disk')\n")
    before = list(sys.path)
    sys.path.append(str(tmp_path))
    yield tmp_path
    sys.path[:] = before
    for name in [name for name in sys.modules if name.startswith("own_")]:
        del sys.modules[name]
    targets._found.cache_clear()


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("Adam", "write a module and a name in it"),
        ("torch.optim.", "write a module and a name in it"),
        ("nowhere.Thing", "there is no module nowhere"),
        ("torch.optim.Adm", r"torch.optim has no Adm \(did you mean Adam\?\)"),
        ("torch.optm.Adam", r"torch has no optm \(did you mean optim\?\)"),
        ("own_good.NUMBER", "is neither a class nor a function"),
        ("own_broken.Thing", "No module named 'nothing_of_this_name'"),
        ("own_raises.Thing", "OSError: no disk"),
    ],
)
def test_what_is_wrong_with_a_path_is_told(target: str, words: str, own: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        targets.found(target)


def test_arguments_are_those_after_the_given_ones(own: Path) -> None:
    assert targets.arguments("own_good.of_weights", 1) == {"strength": True, "power": False}
    assert targets.arguments("own_good.of_all", 1) is None
    assert targets.arguments("own_good.Thing", 0) == {"size": False}
    with pytest.raises(ConfigError, match="called with 2 arguments, and takes 1"):
        targets.arguments("own_good.Thing", 2)


def test_a_class_is_made_and_a_function_keeps_its_arguments(own: Path) -> None:
    assert targets.made("reg", {"_target_": "own_good.Thing", "size": 4}).size == 4
    of_weights = targets.made("reg", {"_target_": "own_good.of_weights", "strength": 0.5})
    assert of_weights({}) == 0.5
    with pytest.raises(
        ConfigError, match=r"reg\._target_: own_good\.Picky: ValueError: size below"
    ):
        targets.made("reg", {"_target_": "own_good.Picky", "size": -1})


def test_the_source_of_a_persons_own_module_is_told_apart_and_no_librarys(own: Path) -> None:
    before = targets.source_digest("own_good.Thing")
    assert len(before) == 16
    with (own / "own_good.py").open("a") as file:
        file.write("# changed\n")
    assert targets.source_digest("own_good.Thing") != before
    for target in ("torch.optim.Adam", "timm.optim.Lion", "sklearn.svm.SVC", "math.sqrt"):
        assert targets.source_digest(target) == ""


def test_folders_are_looked_in_last_and_by_other_processes_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONPATH", "/first")
    targets.look_in(tmp_path, tmp_path)
    assert sys.path[-1] == str(tmp_path)
    import os

    assert os.environ["PYTHONPATH"] == os.pathsep.join(["/first", str(tmp_path)])
