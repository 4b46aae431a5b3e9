"""Errors of Hydra and OmegaConf in one sentence that names the key and the choices.

The only module that relies on the wording of their messages; `tests/study/test_mistakes.py` says
which of them a new version has changed.
"""

import re
from collections.abc import Iterator, Sequence

import yaml
from hydra.errors import HydraException, MissingConfigException
from omegaconf.errors import (
    ConfigKeyError,
    GrammarParseError,
    InterpolationKeyError,
    InterpolationResolutionError,
    OmegaConfBaseException,
    UnsupportedInterpolationType,
    ValidationError,
)

from ablation.config import KNOWN
from ablation.errors import first_line, nearest

#: What Hydra raises when it composes a config from words that are wrong.
COMPOSITION = (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError, UnicodeError)

_REFERENCES = (
    GrammarParseError,
    InterpolationKeyError,
    InterpolationResolutionError,
    UnsupportedInterpolationType,
)

#: Launchers and sweepers that come with an extra or a package of their own, and what to install.
PLUGINS = {
    "hydra/launcher": {
        "joblib": "'ablation[joblib]'",
        "ray": "'ablation[ray]'",
        "submitit": "'ablation[slurm]'",
        "rq": "hydra-rq-launcher",
    },
    "hydra/sweeper": {"optuna": "'ablation[optuna]'"},
}

#: What their messages are recognised by.
NO_OVERRIDE = r"Could not override '([^']*)'"
WRONG_OVERRIDE = r"Error merging override (.+)"
WRONG_TYPE = r"could not be converted to (\w+)"
WRONG_BOOL = "is not a valid bool"
NOT_OPTIONAL = "is not Optional"
NOT_A_LIST = "is not a ListConfig"
NOT_ONE_KEY = "is not a subclass of"
WRONG_FUNCTION = r"while evaluating '.*?': (.*)"
YAML_PLACE = r'in "([^"]+)", line (\d+)'


def explain(error: BaseException, overrides: Sequence[str]) -> str:
    """A composition error in one sentence.

    Args:
        error: one of `COMPOSITION`.
        overrides: what was composed.
    """
    links = list(chain(error))
    for link in links:
        if isinstance(link, MissingConfigException):
            return _unknown_level(link)
        if isinstance(link, yaml.YAMLError | UnicodeError):
            return _unreadable_file(link, links)
        if isinstance(link, ValidationError):
            return _wrong_type(link, links, overrides)
        # References to other keys: a subclass of what an unknown key raises.
        if isinstance(link, _REFERENCES):
            return _wrong_reference(link, overrides)
    for link in links:
        if isinstance(link, ConfigKeyError | AttributeError) and getattr(link, "full_key", None):
            return unknown_key(str(link.full_key), overrides)  # type: ignore[union-attr]
    match = re.search(NO_OVERRIDE, str(error))
    if match:
        return unknown_key(match[1], overrides)
    if isinstance(error, ValueError):  # model=null, optimizer=nan
        no_words = [text for text in overrides if re.fullmatch(r"[\w/]+=(null|nan|[\d.+-]+)", text)]
        return f"{' '.join(no_words or overrides)}: a level is a word ({first_line(error)})"
    return first_line(error)


def of_a_function(error: HydraException) -> str:
    """What is wrong with a function of the grammar, as in range(1,2,3,4); "" for other errors."""
    match = re.search(WRONG_FUNCTION, str(error))
    return match[1] if match else ""


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, then what caused it, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _unknown_level(error: MissingConfigException) -> str:
    missing = str(error.missing_cfg_file)
    group, _, level = missing.rpartition("/")
    options = sorted(option for option in error.options or () if option != "schema")
    if not group:
        return first_line(error)
    known = PLUGINS.get(group, {})
    plugin = next((name for name in known if level == name or level.startswith(f"{name}_")), "")
    if plugin:
        return f"{group}={level}: not installed; pip install {known[plugin]}"
    choices = ", ".join([*options, *(name for name in known if name not in options)])
    return f"{group}={level}: unknown level{nearest(level, options)}; choose from {choices}"


def _unreadable_file(error: BaseException, links: Sequence[BaseException]) -> str:
    """A config file that is not valid YAML, with the line."""
    text = " ".join(str(link) for link in (error, *links))
    file = re.search(YAML_PLACE, text)
    where = f"{file[1]}, line {file[2]}" if file else "a config file"
    problem = getattr(error, "problem", None) or first_line(error)
    return f"{where}: cannot be read as YAML ({problem})"


def _wrong_type(
    link: ValidationError, links: Sequence[BaseException], overrides: Sequence[str]
) -> str:
    override = next((m[1] for e in links if (m := re.search(WRONG_OVERRIDE, str(e)))), None)
    words = {"Integer": "a whole number", "Float": "a number", "Boolean": "true or false"}
    wanted = re.search(WRONG_TYPE, str(link))
    key = link.full_key or "a key"
    given = override or next((text for text in overrides if text.startswith(f"{key}=")), key)
    if wanted:
        return f"{given}: must be {words.get(wanted[1], wanted[1])}"
    if NOT_OPTIONAL in str(link):
        return f"{given}: needs a value"
    if WRONG_BOOL in str(link):
        return f"{given}: must be true or false"
    if NOT_A_LIST in str(link):
        name, _, value = given.partition("=")
        return f"{given}: must be a list, {name}=[{value or 'a,b'}]"
    if NOT_ONE_KEY in str(link):
        options = [name for name in KNOWN if name.startswith(f"{key}.")]
        return f"{given}: not one key but several; choose from {', '.join(options)}"
    return f"{given}: {first_line(link)}"


def _wrong_reference(link: BaseException, overrides: Sequence[str]) -> str:
    """A reference `${…}` to something that does not exist."""
    given = next((text for text in overrides if "${" in text), None)
    if given is None:
        return first_line(link)
    return (
        f"{given}: {first_line(link)}; ${{key}} stands for another key's value, "
        "${oc.env:NAME} for a variable of the environment"
    )


def unknown_key(key: str, overrides: Sequence[str]) -> str:
    """A key that does not exist, with those that do."""
    known = list(KNOWN)
    groups = sorted({name.partition(".")[0] for name in known if "." in name})
    given = next((text for text in overrides if text.lstrip("+~").startswith(key)), key)
    if key.startswith("hydra"):
        return (
            f"{given}: Hydra has no such key; `--cfg hydra` prints those that it has, and "
            f"+{given} adds what a plugin takes besides"
        )
    if key == "experiment":
        return "experiment: its file does not start with the line `# @package _global_`"
    head, dot, _ = key.rpartition(".")
    choices = (
        [name for name in known if name.rpartition(".")[0] == head]
        if dot
        else [
            *groups,
            *(name for name in known if "." not in name and name != "axes"),
        ]
    )
    if not choices:
        choices = groups
    return f"{given}: unknown key{nearest(key, choices)}; choose from {', '.join(choices)}"
