"""What a `_target_` names: a class or a function of any importable module, and its arguments."""

import functools
import hashlib
import importlib
import inspect
import os
import sys
import sysconfig
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hydra.utils import instantiate

from ablation.compat import import_torchvision
from ablation.errors import ConfigError, first_line, nearest

TARGET = "_target_"
#: Where targets are classes that need none of Hydra's checks.
KNOWN = ("ablation.", "torch.optim.", "torch.nn.")


def found(target: str) -> Callable[..., Any]:
    """The class or function of a dotted path.

    Raises:
        ConfigError: there is none; it says which part of the path is wrong.
    """
    return _found(target)


@functools.cache
def _found(target: str) -> Callable[..., Any]:
    parts = target.split(".")
    if len(parts) < 2 or not all(part.isidentifier() for part in parts):
        raise ConfigError(
            f"{TARGET}: {target}: write a module and a name in it, package.module.Name"
        )
    module, rest = _module(parts, target)
    for at, name in enumerate(rest):
        inside = ".".join(parts[: len(parts) - len(rest) + at])
        if not hasattr(module, name):
            guess = nearest(name, [one for one in dir(module) if not one.startswith("_")])
            raise ConfigError(f"{TARGET}: {target}: {inside} has no {name}{guess}")
        module = getattr(module, name)
    if not callable(module):
        raise ConfigError(f"{TARGET}: {target}: is neither a class nor a function")
    return module  # type: ignore[no-any-return]


def _module(parts: list[str], target: str) -> tuple[Any, list[str]]:
    """The longest part of a path that is a module, imported, and the names after it."""
    if parts[0] not in ("torch", "ablation", "builtins"):
        # It may import torchvision, as timm does, which fails in some installations.
        import_torchvision()
    for end in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:end])
        try:
            return importlib.import_module(name), parts[end:]
        except ModuleNotFoundError as error:
            # A module that imports another one which is missing is an error of its own.
            if not f"{name}.".startswith(f"{error.name}."):
                raise ConfigError(f"{TARGET}: {target}: {first_line(error)}") from error
        # Whatever a module raises while it is imported.
        except Exception as error:
            kind = type(error).__name__
            raise ConfigError(f"{TARGET}: {target}: {kind}: {first_line(error)}") from error
    raise ConfigError(
        f"{TARGET}: {target}: there is no module {parts[0]}; a module of your own lies in the "
        "folder of the command, or in the folder that --config-dir names, or beside it"
    )


def arguments(target: str, n_given: int) -> Mapping[str, bool] | None:
    """The arguments that a config may give to a target.

    Args:
        target: a dotted path.
        n_given: how many of its first arguments are given by the framework.

    Returns:
        Name → whether it must be given; None where the target takes any (`**kwargs`).

    Raises:
        ConfigError: there is no such target, or it takes fewer arguments than are given.
    """
    made = found(target)
    try:
        parameters = list(inspect.signature(made).parameters.values())
    except (TypeError, ValueError):  # one that is written in C
        return None
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    is_open = any(one.kind == inspect.Parameter.VAR_POSITIONAL for one in parameters)
    given = [one for one in parameters if one.kind in positional][:n_given]
    if len(given) < n_given and not is_open:
        raise ConfigError(
            f"{TARGET}: {target}: is called with {n_given} arguments, and takes {len(given)}"
        )
    if any(one.kind == inspect.Parameter.VAR_KEYWORD for one in parameters):
        return None
    rest = [one for one in parameters if one not in given]
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {one.name: one.default is one.empty for one in rest if one.kind in named}


def made(group: str, part: Mapping[str, Any], *given: Any) -> Any:
    """The object of a class with its arguments; of a function, the function with its arguments.

    Args:
        group: of the config, for messages.
        part: the target and its arguments.
        given: what stands before the arguments.

    Raises:
        ConfigError: there is no such target, or it refused its arguments.
    """
    target = str(part[TARGET])
    named = found(target)
    partial = {} if given or is_class(target) else {"_partial_": True}
    try:
        if not partial and target.startswith(KNOWN) and _is_plain(part):
            # Hydra would take as long as ten steps of a head.
            return named(*given, **{key: part[key] for key in part if key != TARGET})
        new = instantiate({**part, **partial}, *given, _convert_="all")
    # Whatever the target raises.
    except Exception as error:
        cause = error.__cause__ or error
        raise ConfigError(
            f"{group}.{TARGET}: {target}: {type(cause).__name__}: {first_line(cause)}"
        ) from error
    if partial:
        # Hydra's own would be checked again in each call, which takes as long as half a step.
        return functools.partial(new.func, *new.args, **new.keywords)
    return new


def _is_plain(part: Mapping[str, Any]) -> bool:
    """Whether all arguments are values as they are: no targets, none of Hydra's own keys."""
    names = [name for name in part if name.startswith("_") and name != TARGET]
    kinds = {type(value) for value in part.values()}
    return (
        not names
        and kinds <= {bool, int, float, str, type(None), list}
        and not any(isinstance(value, list) and "_target_" in str(value) for value in part.values())
    )


def is_class(target: str) -> bool:
    """Whether a target is a class, which is made once, or a function, which is called each time."""
    return inspect.isclass(found(target))


def source_digest(target: str) -> str:
    """Identifies the code of a person's own target: 16 hexadecimal digits, of its module's file.

    Returns:
        "" for what comes with an installed package, whose version is recorded elsewhere.
    """
    module = sys.modules.get(getattr(found(target), "__module__", "") or "")
    file = getattr(module, "__file__", None)
    if module is None or file is None or _is_installed(Path(file)):
        return ""
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16]


def _is_installed(file: Path) -> bool:
    paths = sysconfig.get_paths()
    folders = {
        Path(paths[name]).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")
    }
    own = Path(__file__).resolve().parent
    return any(folder in file.resolve().parents for folder in (*folders, own))


def look_in(*folders: Path) -> None:
    """Let modules of these folders be targets, here and in the processes that start from here.

    What is installed comes first: a file random.py in a person's folder must replace nothing.
    """
    wanted = [str(folder.resolve()) for folder in folders]
    sys.path += [folder for folder in wanted if folder not in sys.path]
    before = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(filter(None, [*before, *wanted])))
