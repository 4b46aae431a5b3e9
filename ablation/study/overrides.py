"""The `key=value` words of a command, read with Hydra's grammar as the person meant them.

Hydra's grammar accepts ASCII only, reads `1e3` as a number where a name is meant, and wants quotes
around its special characters. A person who types a folder's name should not have to know.
"""

import itertools
import re
import shlex
from collections.abc import Iterator, Sequence

from hydra.errors import HydraException

from ablation.config import KNOWN, is_key
from ablation.errors import ConfigError, first_line
from ablation.study import hydra_insides, mistakes
from ablation.study.hydra_insides import Glob, Override, key_of, parse_override, text_of

#: Most values of one sweep, and most runs of one command.
MOST_RUNS = 100_000

#: Keys whose value is a text, even if it looks like a number.
_TEXTS = frozenset(key for key, item in KNOWN.items() if item.type in (str, str | None))
#: A level's name that Hydra reads without quotes.
_WORD = re.compile("[A-Za-z_][A-Za-z0-9_-]*")
#: Factors that every run has.
_FACTORS = frozenset(key.partition(".")[0] for key in KNOWN)


def read(words: Sequence[str]) -> list[Override]:
    """The overrides of a command; where a key is given several times, the last one counts.

    Raises:
        ConfigError: a word that can't be read, with what to type instead.
    """
    last: dict[str, str] = {}
    for word in words:
        key = _typed_key(word)
        last.pop(key, None)
        last[key] = word
    return [parse(readable(word)) for word in last.values()]


def repeated(words: Sequence[str]) -> Iterator[str]:
    """A sentence on each word that does not count because its key is given again later."""
    for at, word in enumerate(words):
        later = [other for other in words[at + 1 :] if _typed_key(other) == _typed_key(word)]
        if later and later[-1] != word:
            yield f"{word} is overridden by {later[-1]}, which comes later"


def _typed_key(word: str) -> str:
    return word.partition("=")[0].lstrip("+~")


def readable(word: str) -> str:
    """The word in a form that Hydra reads as it was meant.

    - A text that Hydra would read as a number, or can't read (letters beyond ASCII, `=`, `~`), is
      quoted: study=1e3, data.root=Gemälde.
    - A plus sign is added where Hydra wants one, and dropped where it does not: config.yaml lists
      no experiment, and the schema has no keys for baselines, which are named by factor.

    Raises:
        ConfigError: Hydra can't read it in that form either.
    """
    key, equals, value = word.partition("=")
    name = key.lstrip("+")
    if (not equals and not key.startswith("~")) or not name:
        raise ConfigError(f"{word}: not of the form key=value")
    if name == "experiment":
        key = "+experiment"
    elif name in _FACTORS or is_key(name):
        key = name
    elif name.startswith("report.baseline"):
        key = f"++{name}"
    if not value:
        return key + equals
    elements = split(value)
    if not all(elements):
        raise ConfigError(f"{word}: a value is missing beside a comma{_quote_it(key, value)}")
    text = ",".join(_element(key, element, value) for element in elements)
    factor = name.removeprefix("report.baseline.")
    if factor != name and "." in factor and len(elements) == 1:  # a swept key, not a group
        return f"++report.baseline={{{factor}:{text}}}"
    return f"{key}={text}"


def split(value: str) -> list[str]:
    """A value's elements: the parts between commas that are not inside quotes or brackets."""
    parts, depth, quote, is_escaped = [""], 0, "", False
    for letter in value:
        if is_escaped:
            pass
        elif quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"" and not parts[-1].strip():
            quote = letter
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
        elif letter == "," and depth == 0:
            parts.append("")
            continue
        is_escaped = letter == "\\" and not is_escaped
        parts[-1] += letter
    return parts


def _element(key: str, text: str, value: str) -> str:
    try:
        read = parse_override(f"{key}={text}").value()
    except HydraException as error:
        # With brackets or quotes it may be a list, a function or a part of one: no guess is made.
        if not _can_be_read(f"{key}=x") or any(sign in text for sign in "'\"[](){}"):
            raise _unreadable(key, value, error) from error
        return quoted(text.strip())
    if key not in _TEXTS:
        return text
    if isinstance(read, list | dict):
        raise _unreadable(key, value)
    is_number = isinstance(read, int | float) and str(read) != text.strip()
    return quoted(text.strip()) if is_number else text


def _can_be_read(word: str) -> bool:
    try:
        parse_override(word)
    except HydraException:
        return False
    return True


def _unreadable(key: str, text: str, error: HydraException | None = None) -> ConfigError:
    if not _can_be_read(f"{key}=x"):
        return ConfigError(f"{key}={text}: unknown key {key}; --help lists all")
    wrong_function = mistakes.of_a_function(error) if error else ""
    if wrong_function:
        return ConfigError(f"{key}={text}: {wrong_function}")
    return ConfigError(f"{key}={text}: cannot be read as a value{_quote_it(key, text)}")


def _quote_it(key: str, text: str) -> str:
    """Advice on how to type a text in a shell so that it is taken literally; "" for other keys."""
    if key not in _TEXTS:
        return ""
    word = shlex.quote(f"{key}={quoted(text)}")
    return f"; to have it taken literally, quote it: {word}"


def quoted(text: str) -> str:
    """A text as a value that Hydra and OmegaConf read as exactly this text."""
    without_references = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
    return hydra_insides.with_quotes(without_references)


def plain(value: str) -> str:
    """A value of a sweep as a person reads it: without the quotes that Hydra wants."""
    if value[:1] not in ("'", '"'):
        return value
    return re.sub(r"(\\*)\\\$\{", _unescaped, str(parse(f"key={value}").value()))


def _unescaped(match: re.Match[str]) -> str:
    return "\\" * (len(match[1]) // 2) + "${"


def parse(word: str) -> Override:
    """One override.

    Raises:
        ConfigError: it can't be read.
    """
    try:
        return parse_override(word)
    except HydraException as error:
        raise ConfigError(f"{word}: cannot be read as key=value") from error


def several(item: Override) -> str:
    """Tells what to type instead of an override of a single run that names several values."""
    key, value = key_of(item), text_of(item).partition("=")[2]
    advice = "add -m to train each of them"
    if key in _TEXTS:
        typed = ",".join(plain(element) for element in split(value))
        advice += _quote_it(key, typed)
    elif key in KNOWN and KNOWN[key].choices is None and KNOWN[key].type not in (int, float, bool):
        advice += f", or write a list in brackets, {key}=[{value}]"
    return f"{text_of(item)}: names several values; {advice}"


def values_of(item: Override, levels: Sequence[str]) -> tuple[str, ...]:
    """The values that an override sweeps, as they are given to Hydra; one where it sweeps nothing.

    Args:
        levels: of the config group, for a pattern to choose from.

    Raises:
        ConfigError: it names no value, a value twice, or more than `MOST_RUNS`.
    """
    if not item.is_sweep_override():
        return (str(item.get_value_element_as_str()),)
    pattern: object = item.value()
    if isinstance(pattern, Glob):
        values = tuple(pattern.filter(list(levels)))
        if not values:
            raise ConfigError(
                f"{text_of(item)}: no level is called so; choose from {', '.join(levels)}"
            )
        return tuple(name if _WORD.fullmatch(name) else quoted(name) for name in values)
    if not item.is_discrete_sweep():
        return (text_of(item).partition("=")[2],)
    try:
        values = tuple(itertools.islice(item.sweep_string_iterator(), MOST_RUNS + 1))
    except (ValueError, HydraException) as error:  # a range with a step of 0
        raise ConfigError(f"{text_of(item)}: {first_line(error)}") from error
    if not values:
        raise ConfigError(f"{text_of(item)}: names no value")
    if len(values) > MOST_RUNS:
        raise ConfigError(f"{text_of(item)}: names more than {MOST_RUNS:,} values")
    if len(set(values)) < len(values):
        raise ConfigError(f"{text_of(item)}: names a value twice")
    return values
