"""How many tests reach past the public names of the package: few, and no more than now."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent

# At most so many imports of private modules or names, and of private things that are patched.
MOST_IMPORTED, MOST_PATCHED = 15, 31

# Their strings are examples of imports.
NOT_READ = ("test_import_direction.py", "test_private_imports.py")
# Also in the text of a program that a test runs in another process.
PRIVATE_PATH = re.compile(r"\bnllearn(\.\w+)*\._[a-z]\w*")


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def private_imports(source: str) -> list[str]:
    """Private modules and names of the package that a source text imports, one entry each."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            found += [name for name in names if PRIVATE_PATH.match(name)]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "nllearn":
            module = node.module or ""
            if PRIVATE_PATH.match(module):
                found.append(module)
            found += [f"{module}.{name.name}" for name in node.names if is_private(name.name)]
    return found


def private_texts(source: str) -> list[str]:
    """Private paths of the package in the strings of a source text, as monkeypatch takes them."""
    return [
        found.group()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for found in PRIVATE_PATH.finditer(node.value)
    ]


def test_few_tests_reach_past_public_names():
    sources = {
        path.relative_to(TESTS).as_posix(): path.read_text("utf-8")
        for path in sorted(TESTS.rglob("*.py"))
        if path.name not in NOT_READ
    }
    imported = [f"{name}: {found}" for name in sources for found in private_imports(sources[name])]
    patched = [f"{name}: {found}" for name in sources for found in private_texts(sources[name])]
    assert len(imported) <= MOST_IMPORTED, "\n  ".join(["test public names instead of", *imported])
    assert len(patched) <= MOST_PATCHED, "\n  ".join(["patch public names instead of", *patched])


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from nllearn import LabelCleaner, __version__", []),
        ("from nllearn import _torch_state", ["nllearn._torch_state"]),
        (
            "from nllearn.images import (\n    image_size,\n    _decode,\n)",
            ["nllearn.images._decode"],
        ),
        ("def f():\n    from nllearn.a._b import c, _d", ["nllearn.a._b", "nllearn.a._b._d"]),
        ("import nllearn.training._net as net", ["nllearn.training._net"]),
        ("from sklearn.utils._tags import x", []),
    ],
)
def test_the_reader_of_private_imports(source, expected):
    assert private_imports(source) == expected
