"""The pages say what is true: their code runs, their API reference is whole, they are built.

The site itself is built by `make docs-check`, where every warning is an error.
"""

from __future__ import annotations

import configparser
import importlib
import importlib.util
import inspect
import json
import os
import pkgutil
import re
import shlex
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import nllearn
from nllearn import cli

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
SECONDS_PER_PAGE = 180
# A block that cannot run names the reason behind this mark.
NOT_RUN = "no-run"

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"] + sorted(
    path
    for path in DOCS.rglob("*.md")
    if not {"_build", "auto_examples", "generated"} & set(path.relative_to(DOCS).parts)
)

# -- the code blocks of the pages


@dataclass(frozen=True)
class Block:
    """One fenced code block of a page."""

    language: str
    info: str  # what follows the language
    body: str
    line: int  # of its first line, from 1


def blocks_of(text: str) -> Iterator[Block]:
    """Yield the fenced blocks of a Markdown text, outer ones only.

    A fence may be indented, as in a list, and is closed by one that is at least as long.
    """
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        opened = re.match(r"^( *)(`{3,})\s*([\w+-]*)\s*(.*)$", lines[number])
        if opened is None:
            number += 1
            continue
        indent, fence, language, info = opened.groups()
        body = []
        first = number = number + 1
        while number < len(lines) and not re.fullmatch(rf" *`{{{len(fence)},}} *", lines[number]):
            body.append(lines[number].removeprefix(indent))
            number += 1
        number += 1
        yield Block(language, info.strip(), "\n".join(body) + "\n", first + 1)


def commands_of(block: Block) -> list[list[str]]:
    """Return the `nllearn` commands of a shell block, each as its words."""
    text = block.body.replace("\\\n", " ")
    commands = [shlex.split(line, comments=True) for line in text.splitlines()]
    return [words[1:] for words in commands if words[:1] == ["nllearn"]]


def has_code(path: Path) -> bool:
    blocks = blocks_of(path.read_text(encoding="utf-8"))
    return any(
        block.language == "python" or (block.language == "bash" and commands_of(block))
        for block in blocks
    )


def make_command_files() -> None:
    """Write the files that the commands of a page take for granted."""
    rows = [(f"where is my {thing}", "card") for thing in ("card", "new card", "old card")]
    rows += [(f"send {amount} to my bank", "transfer") for amount in ("money", "cash", "it all")]
    text = "".join(f"{review} {k},{topic}\n" for k in range(6) for review, topic in rows)
    Path("reviews.csv").write_text("review,topic\n" + text, encoding="utf-8")
    np.save("vectors.npy", np.random.default_rng(0).normal(size=(6 * len(rows), 4)))
    numbers = "".join(f"{k},{k % 7},{'ab'[k % 2]}\n" for k in range(40))
    Path("table.csv").write_text("x1,x2,y\n" + numbers, encoding="utf-8")
    make_decisions("card")


def make_decisions(label: str) -> None:
    """What the review page exports: the label of the first row is kept."""
    decision = {"row": 0, "decision": "reject", "given_label": label, "label": label}
    export = {"format": "nllearn-decisions", "version": 1, "decisions": [decision]}
    Path("decisions.json").write_text(json.dumps(export), encoding="utf-8")


MAKES_FILES = {
    "docs/howto/command_line.md": make_command_files,
    "docs/howto/mixed_tables.md": lambda: make_decisions("pro"),
}


@pytest.fixture
def time_limit():
    """End a page that hangs, where the system has an alarm."""

    def stop(*_):
        raise TimeoutError(f"the code of one page may take {SECONDS_PER_PAGE} s")

    if not hasattr(signal, "SIGALRM"):
        yield
        return
    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS_PER_PAGE)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, id=str(path.relative_to(ROOT))) for path in PAGES if has_code(path)],
)
def test_code_of_a_page_runs(path, tmp_path, monkeypatch, time_limit):
    """Python blocks and `nllearn` commands run from top to bottom, in one namespace."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    name = str(path.relative_to(ROOT))
    MAKES_FILES.get(name, lambda: None)()
    namespace = {"__name__": "page"}
    for block in blocks_of(path.read_text(encoding="utf-8")):
        if block.info.startswith(NOT_RUN):
            continue
        if block.language == "python":
            # Empty lines in front, so that a traceback names the line of the page.
            code = "\n" * (block.line - 1) + block.body
            exec(compile(code, name, "exec"), namespace)
        elif block.language == "bash":
            for words in commands_of(block):
                # A page may show two ways to the same file.
                again = "-o" in words and Path(words[words.index("-o") + 1]).exists()
                words = [*words, "--force"] if again and "--force" not in words else words
                command = f"{name}, line {block.line}: nllearn {shlex.join(words)}"
                assert cli.main(words) == 0, f"{command} failed"
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


def test_blocks_of_a_page():
    text = "````md\n```python\nx\n```\n````\n\n- item\n  ```bash no-run\n  ls\n  ```\n"
    found = [(block.language, block.info, block.body) for block in blocks_of(text)]
    assert found == [("md", "", "```python\nx\n```\n"), ("bash", "no-run", "ls\n")]


def test_commands_of_a_block():
    block = Block("bash", "", "make demo\nnllearn clean a.csv \\\n  --label 'my y'  # why\n", 1)
    assert commands_of(block) == [["clean", "a.csv", "--label", "my y"]]


# -- the API reference

# Every public name of these is in the reference; of the modules below, what a user may need.
MODULES_IN_PART = {
    "nllearn.training",
    "nllearn.images",
    "nllearn.tables",
    "nllearn.file_format",
    "nllearn.cli",
}


def reference_entries() -> list[str]:
    """Return the full names that the pages of the API reference list."""
    entries = []
    for path in sorted((DOCS / "api").glob("*.rst")):
        module, listing = "", False
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith(".. currentmodule:: "):
                module = line.removeprefix(".. currentmodule:: ").strip()
            elif line.startswith(".."):
                listing = line.startswith(".. autosummary::")
            elif listing and re.fullmatch(r"   \w+", line):
                entries.append(f"{module}.{line.strip()}")
    return entries


def named(path: str) -> object:
    """Return the object of a full name, None where there is none."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name, None)


def public_modules() -> list[str]:
    found = ["nllearn"]
    for info in pkgutil.walk_packages(nllearn.__path__, "nllearn."):
        if any(part.startswith("_") for part in info.name.split(".")):
            continue
        found.append(info.name)
    return [name for name in found if name not in MODULES_IN_PART]


@pytest.mark.parametrize("module", public_modules())
def test_every_public_name_is_in_the_reference(module):
    listed = {id(named(path)) for path in reference_entries()}
    home = importlib.import_module(module)
    missing = [
        name
        for name in getattr(home, "__all__", [])
        if not name.startswith("__")
        and (inspect.isclass(getattr(home, name)) or callable(getattr(home, name)))
        and id(getattr(home, name)) not in listed
    ]
    assert not missing, f"docs/api leaves out {missing} of {module}"


def test_the_reference_names_what_exists_once():
    entries = reference_entries()
    assert len(entries) > 90, "the pages of docs/api could not be read"
    twice = sorted({path for path in entries if entries.count(path) > 1})
    assert not twice, f"docs/api lists these twice: {twice}"
    for path in entries:
        assert callable(named(path)), f"docs/api lists {path}, which is not there"


def test_every_page_of_the_reference_is_in_its_table_of_contents():
    index = (DOCS / "api" / "index.rst").read_text(encoding="utf-8")
    listed = set(re.findall(r"^   (\w+)$", index, flags=re.MULTILINE))
    assert listed == {path.stem for path in (DOCS / "api").glob("*.rst")} - {"index"}


# -- the site


def load_extension(name: str):
    path = DOCS / "_ext" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"nllearn_docs_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_gallery_names_its_examples_in_order():
    order = load_extension("gallery_order").in_reading_order
    files = {path.name for path in (ROOT / "examples").glob("plot_*.py")}
    unnamed = sorted(name for name in files if order(name)[0] == order("not there")[0])
    assert not unnamed, f"docs/_ext/gallery_order.py leaves out {unnamed}"
    assert min(files, key=order) == "plot_first_fit.py"


def test_pictures_of_benchmarks_can_be_drawn_from_raw_results():
    pictures = load_extension("benchmark_pictures")
    found = pictures.studies(DOCS / "benchmarks")
    assert set(found) >= {"harm", "imbalance", "papers_schedule"}
    for study in found:
        missing = [path for path in pictures.sources_of(study) if not path.exists()]
        assert not missing, f"the pictures of {study} cannot be drawn without {missing}"


def test_pictures_are_drawn_when_they_are_missing_or_old(tmp_path):
    is_stale = load_extension("benchmark_pictures").is_stale
    one, other, source = (tmp_path / name for name in ("one.svg", "other.svg", "raw.jsonl"))
    for seconds, path in enumerate((source, one)):
        path.write_text("")
        os.utime(path, (seconds, seconds))
    assert is_stale([one, other], [source])
    other.write_text("")
    os.utime(other, (1, 1))
    assert not is_stale([one, other], [source])
    os.utime(source, (2, 2))
    assert is_stale([one, other], [source])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("x : array of shape (n_features_in_,)", r"x : array of shape (n_features_in\_,)"),
        ("classes_ : ndarray", "classes_ : ndarray"),
        ("After fit, classes_ is there; `noise_` and ``mixture_`` too.",)
        + (r"After fit, classes\_ is there; `noise_` and ``mixture_`` too.",),
        (">>> clf.classes_", ">>> clf.classes_"),
        (r".. math:: s_a = \lambda_p x_{i}", r".. math:: s_a = \lambda_p x_{i}"),
    ],
)
def test_names_with_an_underscore_are_no_links(line, expected):
    pytest.importorskip("sphinx", reason="Sphinx is in the extra docs")
    assert load_extension("docstrings").escape_names(line) == expected


def test_the_extra_holds_what_the_site_is_built_with():
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    extra = config["options.extras_require"]["docs"].replace("-", "_")
    source = (DOCS / "conf.py").read_text(encoding="utf-8")
    loaded = re.search(r"extensions = \[(.*?)\]", source, flags=re.DOTALL).group(1)
    foreign = {name.split(".")[0] for name in re.findall(r'"([\w.]+)"', loaded)}
    foreign -= {path.stem for path in (DOCS / "_ext").glob("*.py")}
    missing = [name for name in sorted(foreign) if name not in extra]
    assert not missing, f"setup.cfg's extra docs lacks {missing}"
