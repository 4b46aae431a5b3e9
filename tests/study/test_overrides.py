"""The words of a command: what is typed is what is meant, or the answer says what to type."""

import random
import re
import shlex
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from ablation import config
from ablation.errors import ConfigError
from ablation.study import grid, overrides

#: What names of folders are made of, on all sorts of machines.
SIGNS = "aeä ß é=,%20'\"$[](){}:;#~&!?*@+-_./01nulTrue世界📷\u0301"


def texts(seed: int, number: int, signs: str) -> list[str]:
    draw = random.Random(seed)
    made = ["".join(draw.choices(signs, k=draw.randint(1, 9))).strip() for _ in range(number)]
    return [text for text in made if text]


@pytest.mark.parametrize("seed", range(2))
def test_a_quoted_text_comes_out_of_hydra_as_it_went_in(seed: int) -> None:
    odd = ["", "${oc.env:HOME}", "\\${a}", "a\\", '\\"']
    given = odd + texts(seed, 20, SIGNS + "\\\\${}\n\t")
    config.register()
    with initialize_config_dir(str(config.folder()), version_base="1.3"):
        for text in given:
            composed = compose("config", [f"results={overrides.quoted(text)}"])
            assert composed.results == text
            assert overrides.plain(overrides.quoted(text)) == text


@pytest.mark.parametrize("seed", range(2))
def test_a_folder_is_taken_as_typed_or_the_answer_has_the_word_that_is(seed: int) -> None:
    answers = []
    for text in texts(seed, 25, SIGNS):
        if text[0] in "'\"" or "${" in text or text.lower() == "null":
            continue  # what is quoted, a reference and nothing mean what they mean in Hydra
        try:
            asked = grid.expand(["data=imagefolder", f"data.root={text}"], multirun=False)
        except ConfigError as error:
            answers.append((text, str(error)))
        else:
            assert asked.base.data.root == text
    assert 0 < len(answers) < 20
    for text, answer in answers:
        hint = re.search(r"'data\.root=.*'", answer, re.DOTALL)
        assert hint, f"{text!r}: {answer}"
        asked = grid.expand(["data=imagefolder", *shlex.split(hint[0])], multirun=False)
        assert asked.base.data.root == text


@pytest.mark.parametrize(
    "name", ["größe", "größe 2", "1e3", "007", "1_000", "true", "nan", "हिन्दी", "ไทย", "a=b.c"]
)
def test_a_text_is_no_number_and_no_riddle(name: str) -> None:
    words = [f"study={name}"] if "=" not in name else [f"results={name}"]
    base = grid.expand(words, multirun=False).base
    assert name in (base.study, base.results)


def test_values_beyond_ascii_are_swept_each_for_itself() -> None:
    words = ["data=imagefolder", "data.root=dätä, bilder/größe"]
    asked = grid.expand(words, multirun=True)
    assert [run.config.data.root for run in asked.runs] == ["dätä", "bilder/größe"]
    assert [run.varied["data.root"] for run in asked.runs] == ["dätä", "bilder/größe"]


def test_an_accented_name_has_one_spelling() -> None:
    assert grid.expand(["study=gro\u0308ße"], multirun=False).study == "gr\u00f6ße"


@pytest.mark.parametrize(
    ("folder", "study"),
    [
        ("gro\u0308ße", "gr\u00f6ße"),
        ("a=b,c'd[1]", "a_b_c_d_1"),
        ("📷", "pictures"),
        ("-. x", "x"),
        ("x" * 250, "x" * 200),
        ("ä" * 125, "ä" * 100),
    ],
)
def test_a_study_has_a_name_that_a_folder_can_have(folder: str, study: str, tmp_path: Path) -> None:
    root = overrides.quoted(str(tmp_path / folder))
    asked = grid.expand(["data=imagefolder", f"data.root={root}"], multirun=False)
    assert asked.study == study
    (tmp_path / asked.study).mkdir()


@pytest.mark.parametrize(
    "name", ["", ".", "a/b", "-a", "a.", "a ", "a\nb", "📷", "a" * 201, "../a"]
)
def test_a_name_that_no_folder_should_have_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"a study's name becomes a folder's"):
        grid.expand([f"study={overrides.quoted(name)}"], multirun=False)


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("seed", "seed: not of the form key=value"),
        ("=1", "=1: not of the form key=value"),
        ("größe=1", "größe=1: unknown key größe"),
        ("reg=l1,", "reg=l1,: a value is missing beside a comma"),
        ("seed=1,,2", "seed=1,,2: a value is missing beside a comma"),
        ("seed=range(1,2,3,4)", "seed=range(1,2,3,4): too many positional arguments"),
        ("seed=rang(3)", "seed=rang(3): Unknown function 'rang'"),
        ("~reg", "~reg: no part of a run can be left out"),
        ("axes=[x]", "axes=[x]: the command fills it"),
        ("reg=[l1,l2]", "reg=[l1,l2]: one level at a time; -m reg=A,B"),
        ("model=null", "model=null: a level is a word"),
        ("report.nuisance=optimizer.lr", "must be a list, report.nuisance=[optimizer.lr]"),
        ("data.root=${HOME}", "${oc.env:NAME} for a variable"),
        ("hydra.job.chdir=true", "leave it at false"),
        ("hydra.nothere=1", "Hydra has no such key"),
        ("hydra/launcher=rq", "pip install hydra-rq-launcher"),
        ("tracking=x", "choose from tracking.uri"),
        ("data.root=my_pictures", "add data=imagefolder"),
        ("seed=1,2", "add -m to train each of them"),
        ("data.root=a,b", """to have it taken literally, quote it: 'data.root="a,b"'"""),
        ("seed=${oc.env:NOTHERE}", "Environment variable 'NOTHERE' not found"),
        ("seed=null", "seed=null: needs a value"),
        ("hydra.searchpath=[nothere]", "there is no folder nothere"),
    ],
)
def test_a_word_that_means_nothing_is_answered_in_one_sentence(word: str, answer: str) -> None:
    with pytest.raises(ConfigError) as raised:
        grid.expand([word], multirun=False)
    assert answer in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_last_word_of_a_key_counts_and_the_others_are_named() -> None:
    asked = grid.expand(["seed=1,2", "reg=l1", "+reg=l2", "seed=3"], multirun=True)
    assert [run.config.seed for run in asked.runs] == [3]
    assert [run.levels["reg"] for run in asked.runs] == ["l2"]
    assert asked.notes == (
        "seed=1,2 is overridden by seed=3, which comes later",
        "reg=l1 is overridden by +reg=l2, which comes later",
    )


def test_plus_signs_are_needed_nowhere_and_allowed_everywhere() -> None:
    plain = ["experiment=seed_grid", "seed=1,2", "report.baseline.transfer=full"]
    signed = ["+experiment=seed_grid", "++seed=1,2", "+report.baseline.transfer=full"]
    one, other = (grid.expand(words, multirun=True) for words in (plain, signed))
    assert [run.fingerprint for run in one.runs] == [run.fingerprint for run in other.runs]
    assert one.base.report.baseline == other.base.report.baseline == {"transfer": "full"}


def test_a_swept_key_can_have_a_baseline() -> None:
    words = ["optimizer.lr=1e-3,1e-2", "reg=l1,l2", "report.baseline.optimizer.lr=1e-2"]
    asked = grid.expand([*words, "report.baseline.reg=l2"], multirun=True)
    assert asked.base.report.baseline == {"optimizer.lr": "0.01", "reg": "l2"}
