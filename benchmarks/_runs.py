"""Raw results, one JSON line per run: a killed benchmark goes on where it stopped."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent
RESULTS = ROOT / "results"
DOCS = ROOT.parent / "docs" / "benchmarks"


def machine(commit: str | None = None) -> dict[str, Any]:
    """Commit, hardware and versions of a result; a copy without git is told its commit."""
    import sklearn
    import torch

    def git(*words: str) -> str:
        try:
            call = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
        except FileNotFoundError:
            return ""
        return call.stdout.strip()

    cpu = ""
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "")
    return {
        "commit": commit or git("rev-parse", "--short", "HEAD") or "unknown",
        "package_changed": bool(git("status", "--porcelain", "--", "nllearn", ":(top)nllearn")),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "cpu": cpu,
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "scikit-learn": sklearn.__version__,
    }


class Runs:
    """Runs of one benchmark, appended to a file of JSON lines as they end.

    Parameters
    ----------
    name : str
        Of the file.
    folder : Path
        Of the file; made when the first run ends.
    commit : str or None
        Of the package; None asks git.
    """

    def __init__(self, name: str, folder: Path = RESULTS, commit: str | None = None):
        self.path = folder / f"{name}.jsonl"
        self.commit = commit
        self.rows = (
            [json.loads(line) for line in self.path.read_text().splitlines()]
            if self.path.exists()
            else []
        )

    def done(self, **key: Any) -> bool:
        """Whether a run with this key is there."""
        return any(all(row.get(k) == v for k, v in key.items()) for row in self.rows)

    def add(self, **row: Any) -> None:
        """Append a run and say so."""
        row = {**row, "machine": machine(self.commit)}
        self.rows.append(row)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        shown = {k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}
        shown.pop("machine")
        print(shown, flush=True)

    def machines(self) -> str:
        """The machines and commits of the runs, in a sentence."""
        seen = [row["machine"] for row in self.rows]

        def known(key: str, link: str = " or ") -> str:
            return link.join(sorted({str(each[key]) for each in seen}))

        return (
            f"{known('cores')} cores of {known('cpu')}, {known('torch_threads')} torch thread(s) "
            f"per run, Python {known('python')}, torch {known('torch')}, scikit-learn "
            f"{known('scikit-learn')}; commit {known('commit', ', ')}"
        )


def centre_and_error(values: Iterable[float | None]) -> tuple[float, float]:
    """Mean and its standard error, 0 for a single value; None is left out."""
    found = np.array([v for v in values if v is not None], dtype=float)
    if len(found) == 0:
        return np.nan, np.nan
    error = found.std(ddof=1) / np.sqrt(len(found)) if len(found) > 1 else 0.0
    return float(found.mean()), float(error)


def mean_and_error(values: Iterable[float | None], digits: int = 3) -> str:
    """Mean, with its standard error where there is more than one value."""
    found = [v for v in values if v is not None]
    if not found:
        return ""
    centre, error = centre_and_error(found)
    return f"{centre:.{digits}f}" + (f" ± {error:.{digits}f}" if len(found) > 1 else "")


def markdown_table(header: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])
