"""The house: rooms that know only the rooms before them, small modules, short functions."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.conftest import ROOT

#: The rooms in the order of the data's way through them. A module may import from its own room and
#: from those above it in this list. CONTRIBUTING.md draws the same house.
ROOMS = (
    ("errors", "names", "compat"),
    ("settings", "targets", "first_version", "parts", "config"),
    ("randomness", "process", "locks"),
    ("study",),
    ("pictures",),
    ("network.cpu",),
    ("network",),
    ("figures",),
    ("tracking",),
    ("training",),
    ("predict",),
    ("export",),
    ("report.evidence",),
    ("report.claims",),
    ("report.pages",),
    ("report",),
    (
        "launch",
        "launchers",
        "result",
        "session",
        "checks",
        "progress",
        "standing",
        "watch",
        "study.__main__",
        "__main__",
    ),
)
MOST_LINES, MOST_LINES_OF_A_FUNCTION, MOST_PARAMETERS = 400, 60, 6


def modules() -> dict[str, Path]:
    """Every module below the package by its dotted name there; "" is the package."""
    package = ROOT / "ablation"
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


MODULES = modules()


def imports(path: Path) -> Iterator[str]:
    """The modules of this package that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        assert not (isinstance(node, ast.ImportFrom) and node.level), f"{path}: a relative import"
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            head, _, inside = name.partition(".")
            if head == "ablation":
                # What is imported is a module, or a name in one.
                yield inside if inside in MODULES else inside.rpartition(".")[0]


IMPORTS = {name: set(imports(path)) - {name, ""} for name, path in MODULES.items() if name}


def room_of(module: str) -> int:
    """The place of a module's room: of the deepest room that holds it."""
    holding = [
        (len(room), place)
        for place, rooms in enumerate(ROOMS)
        for room in rooms
        if module == room or module.startswith(f"{room}.")
    ]
    assert holding, f"ablation.{module} lies in no room: add it to ROOMS, or move it into one"
    return max(holding)[1]


def test_imports_point_to_the_same_room_or_to_one_before_it() -> None:
    upwards = [
        f"ablation.{name} imports ablation.{other}"
        for name, others in IMPORTS.items()
        for other in others
        if room_of(other) > room_of(name)
    ]
    assert upwards == []


def circles(graph: Mapping[str, set[str]]) -> Iterator[list[str]]:
    """Each circle of imports that a walk along them comes upon."""
    done: set[str] = set()

    def walk(name: str, way: list[str]) -> Iterator[list[str]]:
        if name in way:
            yield [*way[way.index(name) :], name]
        elif name not in done:
            for other in graph.get(name, ()):
                yield from walk(other, [*way, name])
            done.add(name)

    for name in graph:
        yield from walk(name, [])


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert [" → ".join(circle) for circle in circles(IMPORTS)] == []


def test_a_circle_would_be_found() -> None:
    found = list(circles({"a": {"b"}, "b": {"c"}, "c": {"b"}}))
    assert found == [["b", "c", "b"]]


@pytest.mark.parametrize("name", MODULES)
def test_modules_and_functions_are_short_and_take_few_parameters(name: str) -> None:
    text = MODULES[name].read_text()
    assert len(text.splitlines()) <= MOST_LINES
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        assert length <= MOST_LINES_OF_A_FUNCTION, f"{node.name} has {length} lines"
        every = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        own = [one.arg for one in every if one.arg not in ("self", "cls", "ctx")]
        assert len(own) <= MOST_PARAMETERS, f"{node.name} takes {', '.join(own)}"


def test_no_module_takes_private_names_from_another() -> None:
    taken = [
        f"ablation.{name}: {alias.name} of {node.module}"
        for name, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ablation")
        for alias in node.names
        if alias.name.startswith("_") and not alias.name.startswith("__")
    ]
    assert taken == []


def test_no_module_fills_a_global() -> None:
    """Constants and cached pure functions only: what changes has an owner, who hands it on."""
    kept = {"compat"}  # torch forgets the operators of a library that is collected
    filled = []
    for name, path in MODULES.items():
        tree = ast.parse(path.read_text())
        if name not in kept:
            filled += [f"{name}: global" for n in ast.walk(tree) if isinstance(n, ast.Global)]
            for node in tree.body:
                value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
                is_empty = (isinstance(value, ast.Dict) and not value.keys) or (
                    isinstance(value, ast.List | ast.Set) and not value.elts
                )
                if is_empty:
                    filled.append(f"{name}: line {node.lineno}")
    assert filled == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        name
        for name, path in MODULES.items()
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_tests_lie_where_what_they_test_lies() -> None:
    """tests/training/test_fit.py for ablation/training/fit.py; those at the top test the whole.

    `test_render_in_browser.py` tests render.py too.
    """
    astray = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        inside = path.relative_to(ROOT / "tests")
        folder = inside.parent
        if folder == Path() or not (ROOT / "ablation" / folder).is_dir():
            continue
        names = {p.stem.strip("_") for p in (ROOT / "ablation" / folder).glob("*.py")}
        tested = inside.stem.removeprefix("test_")
        # Of a room, report/ has tests of the whole: of its scale, of what can be trusted.
        if folder != Path("report") and tested.partition("_in_")[0] not in names:
            astray.append(str(inside))
    assert astray == []
