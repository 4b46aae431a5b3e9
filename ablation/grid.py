"""From the command line to the runs that were asked for, each composed and checked by Hydra.

Everything is checked here before anything expensive is imported: an unknown level, a misspelt
key, a value of the wrong type or out of range. The answer is one message with the choices.
"""

import difflib
import itertools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException, ValidationError

from ablation import config as schema
from ablation.config import Config, ConfigError

#: Every key of the schema, dotted.
_KEYS = frozenset(schema.leaves(Config()))

#: Config groups that choose no level of a factor.
NOT_FACTORS = ("experiment",)


@dataclass(frozen=True)
class PlannedRun:
    """One run that was asked for."""

    overrides: tuple[str, ...]
    config: Config
    levels: Mapping[str, str]  # factor → level, of every config group
    varied: Mapping[str, str]  # axis → level or value, of what the command sweeps
    fingerprint: str


@dataclass(frozen=True)
class Grid:
    """The runs that a command asks for, in the order in which they are launched."""

    study: str
    axes: Mapping[str, tuple[str, ...]]  # what is swept → its levels or values
    runs: tuple[PlannedRun, ...]
    overrides: tuple[str, ...]  # what to hand to Hydra, sweeps included
    is_sweep: bool
    is_complete: bool  # False where an adaptive sweeper chooses the runs as it goes
    base: Config  # the config with nothing swept

    @property
    def configs(self) -> tuple[Config, ...]:
        """Those that are known before the start: every run's, else the base."""
        return tuple(run.config for run in self.runs) or (self.base,)


def expand(overrides: Sequence[str], *, multirun: bool, config_dir: Path | None = None) -> Grid:
    """Compose and check every run of a command.

    Args:
        overrides: the command's `key=value` arguments.
        multirun: whether lists are swept (-m).
        config_dir: a further folder of config files, searched after the project's own.

    Raises:
        ConfigError: with one message that names the key and the choices.
    """
    schema.register()
    extra = (f"hydra.searchpath=[file://{config_dir.resolve()}]",) if config_dir else ()
    parsed = _parse([*extra, *(_open(text) for text in overrides)])
    with initialize_config_dir(str(schema.folder()), version_base="1.3"):
        swept = {
            item.key_or_group: item for item in parsed if item.is_sweep_override() and multirun
        }
        _refuse_sweeps_without_multirun(parsed, multirun)
        fixed = tuple(_text(item) for item in parsed if item.key_or_group not in swept)
        base = _compose(fixed if multirun else tuple(_text(item) for item in parsed))
        named = {item.key_or_group for item in parsed}
        axes = _axes(base, swept, named) if multirun else {}
        study = _study_name(base, axes)
        factors = [axis for axis in axes if axis != "seed"]
        internal = (
            f"study={_quoted(study)}",
            f"axes=[{','.join(_quoted(axis) for axis in factors)}]",
        )
        fixed = (*(text for text in fixed if text.partition("=")[0] != "study"), *internal)
        if multirun:
            _check_report(base, axes)
        is_basic = base.hydra.sweeper._target_.endswith("BasicSweeper")
        runs = tuple(_runs(fixed, axes)) if is_basic or not multirun else ()
    sweeps = tuple(f"{axis}={','.join(values)}" for axis, values in axes.items())
    if is_basic and multirun:
        # The sweep of an experiment file is part of `axes` already, less what the command changes.
        sweeps = ("hydra.sweeper.params=null", *sweeps)
    return Grid(
        study=study,
        axes=axes,
        runs=runs,
        overrides=(*fixed, *sweeps),
        is_sweep=multirun,
        is_complete=is_basic or not multirun,
        base=runs[0].config if runs else schema.resolve(_compose(fixed)),
    )


def _parse(overrides: Sequence[str]) -> list[Override]:
    try:
        return list(OverridesParser.create().parse_overrides(overrides=list(overrides)))
    except OverrideParseException as error:
        raise ConfigError(
            f"{error.override}: cannot be read as key=value ({_first_line(error)}); "
            "quote a value that has special characters, as in 'data.root=\"a (b)\"'"
        ) from error


def _open(text: str) -> str:
    """Spare people the plus signs that Hydra wants for what is not in the defaults.

    An experiment is chosen besides the defaults; baselines are named by factor, so their keys are
    not in the schema.
    """
    if text.startswith("experiment="):
        return f"+{text}"
    return f"++{text}" if text.startswith("report.baseline.") else text


def _text(item: Override) -> str:
    assert item.input_line is not None
    return item.input_line


def _quoted(value: str) -> str:
    return value if re.fullmatch(r"[\w.@+-]+", value) else '"' + value.replace('"', '\\"') + '"'


def _refuse_sweeps_without_multirun(parsed: Sequence[Override], multirun: bool) -> None:
    for item in parsed:
        if item.is_sweep_override() and not multirun:
            raise ConfigError(
                f"{_text(item)}: names several values; add -m to run each of them, "
                "or write a list in brackets, key=[a,b]"
            )


def _axes(
    base: DictConfig, swept: Mapping[str, Override], named: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """What is swept: the experiment file's axes, then the command's.

    What the command names, it decides: another sweep of an axis, or one value in place of it.
    """
    from_file = base.hydra.sweeper.get("params") or {}
    items = {item.key_or_group: item for item in _parse([f"{k}={v}" for k, v in from_file.items()])}
    kept = {key: item for key, item in items.items() if key not in named or key in swept}
    return {key: _values(item) for key, item in {**kept, **swept}.items()}


def _values(item: Override) -> tuple[str, ...]:
    if not item.is_sweep_override():
        return (str(item.get_value_element_as_str()),)
    if item.is_discrete_sweep():
        values = tuple(item.sweep_string_iterator())
        if len(set(values)) < len(values):
            raise ConfigError(f"{_text(item)}: names a value twice")
        return values
    return (_text(item).partition("=")[2],)


def _check_report(base: DictConfig, axes: Mapping[str, tuple[str, ...]]) -> None:
    """Whether the report will find what it is asked for, told before the runs and not after."""
    compared = {axis.lstrip("+"): values for axis, values in axes.items()}
    for key in base.report.nuisance:
        if key not in _KEYS and key not in compared:
            raise ConfigError(
                f"report.nuisance=[{key}]: unknown key{_nearest(key, sorted(_KEYS))}; "
                f"this command sweeps {', '.join(compared)}"
            )
    for factor, level in base.report.baseline.items():
        if factor not in compared:
            raise ConfigError(
                f"report.baseline.{factor}={level}: this command compares {', '.join(compared)}"
            )
        if str(level) not in compared[factor]:
            raise ConfigError(
                f"report.baseline.{factor}={level}: unknown level"
                f"{_nearest(str(level), compared[factor])}; "
                f"choose from {', '.join(compared[factor])}"
            )


def _runs(fixed: tuple[str, ...], axes: Mapping[str, tuple[str, ...]]) -> Iterator[PlannedRun]:
    """Every combination, the last axis fastest; only levels are composed anew, values are set."""
    composed: dict[tuple[str, ...], DictConfig] = {}
    # Each value is read once, not once a run.
    read = {
        (axis, value): _parse([f"{axis}={value}"])[0].value()
        for axis, values in axes.items()
        if _is_value(axis)
        for value in values
    }
    for values in itertools.product(*axes.values()):
        varied = dict(zip(axes, values, strict=True))
        swept = {axis: f"{axis}={value}" for axis, value in varied.items()}
        chosen = tuple(text for axis, text in swept.items() if not _is_value(axis))
        if chosen not in composed:
            # The first values are composed in full, so that an unknown key is found.
            composed[chosen] = _compose((*fixed, *swept.values()))
        overrides = (*fixed, *swept.values())
        try:
            own = schema.visible(composed[chosen])
            for axis, value in varied.items():
                if _is_value(axis):
                    OmegaConf.update(own, axis, read[axis, value])
            config = schema.resolve(own)
        except OmegaConfBaseException as error:
            raise ConfigError(_explain(error, overrides)) from error
        yield PlannedRun(
            overrides,
            config,
            levels(composed[chosen].hydra.runtime.choices),
            {axis.lstrip("+"): value.strip("'\"") for axis, value in varied.items()},
            schema.fingerprint(config),
        )


def _is_value(axis: str) -> bool:
    """Whether an axis sets a key of the schema, and not a level."""
    return axis in _KEYS


def levels(choices: Mapping[str, Any]) -> dict[str, str]:
    """Each factor's level, from Hydra's record of the config groups that were chosen."""
    return {
        group: str(level)
        for group, level in choices.items()
        if not group.startswith("hydra/") and group not in NOT_FACTORS and level is not None
    }


def _study_name(base: DictConfig, axes: Mapping[str, tuple[str, ...]]) -> str:
    """The study that was named, else one after the pictures and what is compared."""
    if base.study is not None:
        return str(base.study)
    compared = [axis.lstrip("+").rpartition(".")[2] for axis in axes if axis != "seed"]
    if "data" in compared:
        return "-".join(compared)
    source = str(base.hydra.runtime.choices["data"])
    if base.data.source == "folder" and base.data.root:
        source = re.sub(r"[^\w.-]+", "_", Path(base.data.root).resolve().name).strip("._-")
    return "-".join([source or "pictures", *compared])


def _compose(overrides: Sequence[str]) -> DictConfig:
    try:
        return compose("config", list(overrides), return_hydra_config=True)
    except MissingConfigException as error:
        raise ConfigError(_unknown_level(error, overrides)) from error
    except (ConfigCompositionException, OmegaConfBaseException, HydraException) as error:
        raise ConfigError(_explain(error, overrides)) from error
    except ValueError as error:  # a level that is no word: model=null, optimizer=nan
        raise ConfigError(f"{' '.join(overrides)}: {_first_line(error)}") from error


def _unknown_level(error: MissingConfigException, overrides: Sequence[str]) -> str:
    missing = str(error.missing_cfg_file)
    group, _, level = missing.rpartition("/")
    options = sorted(option for option in error.options or () if option != "schema")
    if not group:
        return _first_line(error)
    return f"{group}={level}: unknown level{_nearest(level, options)}; choose from " + ", ".join(
        options
    )


def _explain(error: BaseException, overrides: Sequence[str]) -> str:
    """A composition error in one line that names the key, the value and the choices."""
    chain = list(_chain(error))
    for link in chain:
        if isinstance(link, ValidationError):
            return _wrong_type(link, chain, overrides)
    for link in chain:
        if isinstance(link, ConfigKeyError | AttributeError) and getattr(link, "full_key", None):
            return _unknown_key(str(link.full_key), overrides)  # type: ignore[union-attr]
    match = re.search(r"Could not override '([^']+)'", str(error))
    if match:
        return _unknown_key(match[1], overrides)
    return _first_line(error)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _wrong_type(
    link: ValidationError, chain: Sequence[BaseException], overrides: Sequence[str]
) -> str:
    override = next(
        (m[1] for e in chain if (m := re.search(r"Error merging override (.+)", str(e)))), None
    )
    words = {"Integer": "a whole number", "Float": "a number", "Boolean": "true or false"}
    wanted = re.search(r"could not be converted to (\w+)", str(link))
    key = link.full_key or "a key"
    given = override or next((text for text in overrides if text.startswith(f"{key}=")), key)
    if wanted:
        return f"{given}: must be {words.get(wanted[1], wanted[1])}"
    if "is not a valid bool" in str(link):
        return f"{given}: must be true or false"
    return f"{given}: {_first_line(link)}"


def _unknown_key(key: str, overrides: Sequence[str]) -> str:
    known = list(schema.leaves(Config()))
    groups = sorted({name.partition(".")[0] for name in known if "." in name})
    given = next((text for text in overrides if text.lstrip("+~").startswith(key)), key)
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
    return f"{given}: unknown key{_nearest(key, choices)}; choose from {', '.join(choices)}"


def _nearest(word: str, options: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, options, 1)
    return f" (did you mean {close[0]}?)" if close else ""


def _first_line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
