"""Imports go down: the table of levels, and what a plain import must not load."""

import ast
import importlib.util
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "nllearn"

# The first part of a module's name below nllearn, and its level.
# An import goes to a lower level or stays in its own folder, without exception.
LEVELS = {
    "exceptions": 0,
    "_atomic_write": 0,
    "_delimited": 0,
    "_doc_links": 0,
    "_frames": 1,
    "_progress": 0,
    "_nested_params": 0,
    "_torch_state": 1,
    "_validation": 1,
    "_labels": 2,
    "functional": 2,
    "networks": 2,
    "_views": 2,
    "images": 2,
    "metrics": 3,
    "neighbors": 3,
    "selectors": 3,
    "hallucinators": 3,
    "predictors": 3,
    "inspection": 3,
    "audit": 3,
    "training": 4,
    "label_model": 4,
    "file_format": 4,
    "_annotators": 5,
    "_base": 5,
    "presets": 5,
    "classifiers": 6,
    "cleaning": 6,
    "model_selection": 7,
    "persistence": 7,
    "_commands": 8,
    "_demo": 8,
    "cli": 9,
    "__main__": 10,
}

# The side rooms: the highest level that each may import, and who may import it.
SIDE_ROOMS = {
    "datasets": (4, {"_commands", "_demo"}),
    "tables": (4, {"_commands"}),
}

# Also an import downwards, but inside a function only, so that the first stays light.
INSIDE_A_FUNCTION = {
    ("_base", "inspection"),
    ("_base", "file_format"),
    ("classifiers", "inspection"),
    ("cleaning", "inspection"),
}

# Libraries that one file alone imports.
SOLE_IMPORTER = {"pynndescent": "neighbors/_descent.py"}


@dataclass(frozen=True)
class Import:
    """One imported module, with the line and whether it runs when the file is imported."""

    module: str
    names: tuple[str, ...]
    line: int
    at_import: bool


def module_name(path):
    """Return the dotted name of a file of the package, and whether it is a folder's own."""
    parts = list(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    if parts[-1] == "__init__":
        return ".".join(parts[:-1]), True
    return ".".join(parts), False


def imports_of(source, name, *, is_package):
    """Return every import of a source text, with relative names made absolute."""
    found = []

    def visit(node, at_import):
        match node:
            case ast.Import():
                for alias in node.names:
                    found.append(Import(alias.name, (), node.lineno, at_import))
            case ast.ImportFrom():
                module = node.module or ""
                if node.level:
                    parts = name.split(".")
                    parts = parts[: len(parts) - node.level + is_package]
                    module = ".".join([*parts, module] if module else parts)
                names = tuple(alias.name for alias in node.names)
                found.append(Import(module, names, node.lineno, at_import))
            case ast.Call(func=ast.Name(id=func) | ast.Attribute(attr=func)) if (
                func in ("import_module", "__import__")
                and node.args
                and isinstance(node.args[0], ast.Constant)
                and isinstance(node.args[0].value, str)
            ):
                module = node.args[0].value
                if module.startswith("."):
                    module = importlib.util.resolve_name(
                        module, name if is_package else name.rpartition(".")[0]
                    )
                found.append(Import(module, (), node.lineno, at_import))
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                at_import = False
            case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
                for child in node.body:
                    visit(child, False)
                for child in node.orelse:
                    visit(child, at_import)
                return
        for child in ast.iter_child_nodes(node):
            visit(child, at_import)

    visit(ast.parse(source), True)
    return found


def rooms_of(imported):
    """Return the first parts below nllearn that an import reaches ('' is the root itself)."""
    parts = imported.module.split(".")
    if parts[0] != "nllearn":
        return set()
    if len(parts) > 1:
        return {parts[1]}
    if not imported.names:
        return {""}
    known = LEVELS.keys() | SIDE_ROOMS.keys()
    # `from nllearn import __version__` needs nothing but the root.
    dunder = {name for name in imported.names if name.startswith("__") and name.endswith("__")}
    return {name if name in known else "" for name in set(imported.names) - dunder}


def fault_of(room, target, *, at_import):
    """Return why `room` may not import `target`, or None."""
    if target == "":
        return "imports a public name from the root; import it from the module that owns it"
    if target == room:
        return None
    if target not in LEVELS and target not in SIDE_ROOMS:
        return f"imports nllearn.{target}, which has no level"
    pair = (room, target)
    if at_import and pair in INSIDE_A_FUNCTION:
        return f"imports nllearn.{target} at the top; do it inside the function that needs it"
    if target in SIDE_ROOMS:
        users = SIDE_ROOMS[target][1]
        if room in users:
            return None
        return f"imports the side room nllearn.{target}; only {', '.join(sorted(users))} may"
    if room in SIDE_ROOMS:
        highest = SIDE_ROOMS[room][0]
        if LEVELS[target] <= highest:
            return None
        return (
            f"imports nllearn.{target} (level {LEVELS[target]}); "
            f"a side room reaches level {highest} at most"
        )
    if LEVELS[target] < LEVELS[room]:
        return None
    return (
        f"(level {LEVELS[room]}) imports nllearn.{target} (level {LEVELS[target]}); "
        "an import goes to a lower level or stays in its own folder"
    )


SOURCES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_go_down(path):
    name, is_package = module_name(path)
    where = path.relative_to(PACKAGE).as_posix()
    room = name.split(".")[1] if "." in name else ""
    assert path.name not in ("utils.py", "helpers.py", "common.py"), (
        f"nllearn/{where}: name a file after what it does"
    )
    assert room == "" or room in LEVELS or room in SIDE_ROOMS, (
        f"nllearn/{where} has no level: put {room!r} into LEVELS or SIDE_ROOMS of this test"
    )
    faults = []
    for imported in imports_of(path.read_text(encoding="utf-8"), name, is_package=is_package):
        library = imported.module.split(".")[0]
        if library in SOLE_IMPORTER and where != SOLE_IMPORTER[library]:
            faults.append(
                f"line {imported.line}: imports {library}; "
                f"only nllearn/{SOLE_IMPORTER[library]} does"
            )
        if room == "":  # the root names every public object, and loads them lazily
            continue
        for target in sorted(rooms_of(imported)):
            fault = fault_of(room, target, at_import=imported.at_import)
            if fault is not None:
                faults.append(f"line {imported.line}: nllearn.{room} {fault}")
    assert not faults, f"nllearn/{where}\n  " + "\n  ".join(faults)


def files_that_import_each_other():
    """Return the files on a circle of imports, those inside of functions included."""
    known = {module_name(path)[0]: path for path in SOURCES}
    reached = {}
    for name, path in known.items():
        source, is_package = path.read_text(encoding="utf-8"), path.name == "__init__.py"
        targets = set()
        for imported in imports_of(source, name, is_package=is_package):
            inner = {f"{imported.module}.{part}" for part in imported.names}
            targets |= inner & known.keys() or {imported.module} & known.keys()
        reached[name] = targets - {name}
    changed = True
    while changed:
        changed = False
        for name, targets in reached.items():
            more = set().union(targets, *(reached[target] for target in targets))
            changed |= len(more) > len(targets)
            reached[name] = more
    return sorted(name for name, targets in reached.items() if name in targets)


def test_no_circle_of_files():
    assert files_that_import_each_other() == []


@pytest.mark.parametrize(
    ("source", "name", "is_package", "expected"),
    [
        ("import nllearn.training._net", "nllearn.metrics", False, {"training"}),
        ("from ..training import _net", "nllearn.selectors._base", False, {"training"}),
        ("from ..training import _net", "nllearn.selectors.a.b", False, {"selectors"}),
        ("from .training import _net", "nllearn", True, {"training"}),
        ("from . import _base", "nllearn.selectors", True, {"selectors"}),
        ("from .. import training, __version__", "nllearn.cleaning._x", False, {"training"}),
        ("def f():\n    from ..training import x", "nllearn.metrics._x", False, {"training"}),
        ("from nllearn import LabelCleaner", "nllearn.metrics", False, {""}),
        ("m = importlib.import_module('nllearn.cli')", "nllearn.metrics", False, {"cli"}),
        ("import numpy.linalg", "nllearn.metrics", False, set()),
    ],
)
def test_the_reader_of_imports(source, name, is_package, expected):
    found = imports_of(source, name, is_package=is_package)
    assert set().union(*(rooms_of(imported) for imported in found)) == expected


@pytest.mark.parametrize(
    ("room", "target", "allowed"),
    [
        ("training", "functional", True),
        ("functional", "training", False),
        ("selectors", "neighbors", False),
        ("selectors", "selectors", True),
        ("classifiers", "datasets", False),
        ("_commands", "datasets", True),
        ("datasets", "training", True),
        ("datasets", "classifiers", False),
        ("tables", "datasets", False),
        ("classifiers", "inspection", False),
        ("classifiers", "persistence", False),
        ("persistence", "cleaning", True),
        ("file_format", "classifiers", False),
        ("_base", "classifiers", False),
        ("functional", "unheard_of", False),
    ],
)
def test_the_table_of_levels(room, target, allowed):
    assert (fault_of(room, target, at_import=True) is None) == allowed


HEAVY = ("torchvision", "pynndescent", "matplotlib", "imblearn", "polars")


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [("nllearn", ("torch", "narwhals", *HEAVY)), ("nllearn.classifiers", HEAVY)],
)
def test_a_plain_import_stays_light(module, unwanted):
    folder = PACKAGE.parent.joinpath(*module.split("."))
    if not (folder / "__init__.py").exists():
        pytest.skip(f"{module} is not there yet")
    code = (
        f"import sys, {module}; "
        f"print(','.join(name for name in {unwanted!r} if name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"import {module} failed:\n{done.stderr}"
    loaded = done.stdout.strip()
    assert not loaded, f"import {module} also loads {loaded}; import it where it is used"
