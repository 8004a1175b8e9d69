#!/usr/bin/env python3
"""Rebuild the front-end libraries that the review page carries.

Run ``python tools/vendor_front_end.py`` after a change of a version below. It needs node, npm
and a connection to the npm registry, and writes four files to ``nllearn/inspection/vendor/``:
the bundle, its style sheet, the licences of all parts, and the versions with the hashes of the
files. A test compares the hashes, so a file changed by hand is found.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
from pathlib import Path

VENDOR = Path(__file__).resolve().parents[1] / "nllearn" / "inspection" / "vendor"

# What ends in the page. echarts itself pins zrender and tslib.
PACKAGES = {"echarts": "6.1.0", "tabulator-tables": "6.5.3"}
BUNDLER = {"esbuild": "0.28.2"}
LICENSES = {
    "echarts": ("LICENSE", "NOTICE"),
    "zrender": ("LICENSE",),
    "tslib": ("LICENSE.txt",),
    "tabulator-tables": ("LICENSE",),
}

# Only the parts that the page uses: half the size of the libraries' own builds.
ENTRY = """
import * as echarts from "echarts/core";
import { BarChart, HeatmapChart, LineChart, ScatterChart } from "echarts/charts";
import {
  BrushComponent, GridComponent, LegendComponent, ToolboxComponent, TooltipComponent,
  VisualMapComponent,
} from "echarts/components";
import { CanvasRenderer } from "echarts/renderers";
import {
  FilterModule, FormatModule, InteractionModule, ResizeTableModule, SortModule, Tabulator,
} from "tabulator-tables";

echarts.use([
  BarChart, HeatmapChart, LineChart, ScatterChart, BrushComponent, GridComponent,
  LegendComponent, ToolboxComponent, TooltipComponent, VisualMapComponent, CanvasRenderer,
]);
Tabulator.registerModule([
  FilterModule, FormatModule, InteractionModule, ResizeTableModule, SortModule,
]);
export { Tabulator, echarts };
"""


def run(folder: Path, *command: str) -> None:
    """Run a command in the folder; its failure ends the script."""
    subprocess.run(command, cwd=folder, check=True)


def licences(modules: Path) -> str:
    """Name, version and licence text of every part."""
    parts = []
    for name, files in LICENSES.items():
        version = json.loads((modules / name / "package.json").read_text())["version"]
        parts.append(f"{name} {version}\n{'=' * 72}")
        parts += [(modules / name / file).read_text(encoding="utf-8").strip() for file in files]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Install the pinned packages into a temporary folder, bundle them, write the files."""
    VENDOR.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        package = {"private": True, "dependencies": PACKAGES | BUNDLER}
        (folder / "package.json").write_text(json.dumps(package))
        (folder / "entry.js").write_text(ENTRY)
        run(folder, "npm", "install", "--ignore-scripts", "--no-audit", "--no-fund")
        run(
            folder,
            *("npx", "esbuild", "entry.js", "--bundle", "--minify", "--format=iife"),
            *("--global-name=frontEnd", "--target=es2020", "--legal-comments=none"),
            *("--charset=ascii", f"--outfile={VENDOR / 'front_end.min.js'}"),
        )
        modules = folder / "node_modules"
        style = modules / "tabulator-tables" / "dist" / "css" / "tabulator_simple.min.css"
        # The map of the style sheet stays behind, so the line that points to it goes.
        text = style.read_text(encoding="utf-8").split("/*# sourceMappingURL")[0].strip()
        (VENDOR / "front_end.min.css").write_text(text + "\n", encoding="utf-8")
        (VENDOR / "LICENSES.txt").write_text(licences(modules), encoding="utf-8")
        versions = {
            part: json.loads((modules / part / "package.json").read_text())["version"]
            for part in [*LICENSES, *BUNDLER]
        }
    hashes = {
        file: hashlib.sha256((VENDOR / file).read_bytes()).hexdigest()
        for file in ("front_end.min.js", "front_end.min.css", "LICENSES.txt")
    }
    record = json.dumps({"packages": versions, "sha256": hashes}, indent=2)
    (VENDOR / "VERSIONS.json").write_text(record + "\n")
    for file in sorted(VENDOR.iterdir()):
        print(f"{file.stat().st_size:>9,} bytes  {file.name}")


if __name__ == "__main__":
    main()
