"""The examples of the gallery: all are whole pages, the quick ones run here.

`make docs` runs every one of them. `make long` runs every one as a test.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).resolve().parents[1] / "examples").glob("plot_*.py"))
# At most about ten seconds each on one thread; the others are marked slow.
QUICK = {
    "plot_cleaned_classifier",
    "plot_grid_search",
    "plot_mixed_table",
    "plot_review_page",
    "plot_worst_labels",
}


def cases():
    return [
        pytest.param(path, id=path.stem, marks=() if path.stem in QUICK else pytest.mark.slow)
        for path in EXAMPLES
    ]


@pytest.mark.parametrize("path", cases())
def test_example_runs(path, tmp_path):
    environment = {**os.environ, "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", str(path)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert not list(tmp_path.iterdir()), "an example leaves files behind"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_a_page_of_the_gallery(path):
    """It has a title, a text, a figure, and code that Python can read."""
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source, filename=str(path))
    compile(tree, str(path), "exec")
    title, line, text = (ast.get_docstring(tree) or "").partition("\n=")
    assert title and line, "the docstring begins with a title and a line of ="
    assert len(text.strip("=\n")) > 100, "the docstring tells what the example is about"
    assert "\n# %%\n" in source, "the example has sections"
    assert "plt.show()" in source, "the example shows a figure"
    assert "nllearn" in source


def test_there_are_examples():
    assert len(EXAMPLES) >= 10
    unknown = QUICK - {path.stem for path in EXAMPLES}
    assert not unknown, f"QUICK names examples that are not there: {unknown}"
