"""Draw the pictures of studies from their raw results; no fits, and no page is written.

    python benchmarks/pictures.py harm imbalance

The documentation calls it when it is built, for the pictures that are missing or out of date.
"""

from __future__ import annotations

import importlib
import sys

from _runs import Runs


def main() -> None:
    """Draw those of every study that is named."""
    for study in sys.argv[1:]:
        importlib.import_module(study).render(Runs(study))


if __name__ == "__main__":
    main()
