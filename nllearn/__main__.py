"""Run the command line with ``python -m nllearn``."""

from __future__ import annotations

import sys

from nllearn.cli import main

if __name__ == "__main__":
    sys.exit(main())
