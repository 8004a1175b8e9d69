"""Draw the pictures of the benchmark pages from the raw results, before the site is built.

The pictures are not under version control. ``benchmarks/pictures.py`` draws those of a study
when one of them is missing, or older than the study's script or results.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def studies(pages: Path) -> dict[str, list[Path]]:
    """Pictures that the pages show, by study: the folder's name is the script's."""
    found: dict[str, list[Path]] = {}
    for page in sorted(pages.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        for study, name in re.findall(r"\]\((\w+)/(\w+\.svg)\)", text):
            found.setdefault(study, []).append(pages / study / name)
    return found


def is_stale(pictures: list[Path], sources: list[Path]) -> bool:
    """Whether a picture is missing, or older than what it is drawn from."""
    if not all(picture.exists() for picture in pictures):
        return True
    newest = max(source.stat().st_mtime for source in sources)
    return min(picture.stat().st_mtime for picture in pictures) < newest


def sources_of(study: str) -> list[Path]:
    """Script, shared drawing code and raw results of a study."""
    folder = ROOT / "benchmarks"
    return [
        folder / f"{study}.py",
        folder / "_studies.py",
        folder / "results" / f"{study}.jsonl",
    ]


def draw_pictures(app: Any) -> None:
    """Draw what is missing or out of date, in one process, which imports torch once."""
    stale = [
        study
        for study, pictures in studies(ROOT / "docs" / "benchmarks").items()
        if is_stale(pictures, sources_of(study))
    ]
    if stale:
        command = [sys.executable, ROOT / "benchmarks" / "pictures.py", *stale]
        environment = {**os.environ, "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}
        subprocess.run(command, env=environment, check=True)


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("builder-inited", draw_pictures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
