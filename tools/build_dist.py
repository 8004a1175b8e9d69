"""Build what is uploaded, and try it as a new user would: `make dist`.

Builds the source archive and the wheel from the last commit, checks their metadata and contents,
installs the wheel in an empty environment, and runs there the demonstration, a review page of a
CSV file and one test. Everything is written below `build/dist`; the two files end up in `dist`.
"""

from __future__ import annotations

import argparse
import configparser
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "build" / "dist"
# Tools of the build, in an environment of their own.
TOOLS = ("build", "twine", "readme_renderer[md]")
# One file of each kind that has been forgotten elsewhere: data of the page, types, tests.
IN_WHEEL = (
    "nllearn/py.typed",
    "nllearn/inspection/page/review.html",
    "nllearn/inspection/vendor/front_end.min.js",
    "nllearn/inspection/vendor/LICENSES.txt",
)
IN_SOURCE = (
    "LICENSE",
    "README.md",
    "CHANGELOG.md",
    "CITATION.cff",
    "Makefile",
    "tests/conftest.py",
)
TEST = "tests/test_metrics.py"
_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?://|#|mailto:)([^)\s]+)\)")


def absolute_links(text: str, base: str | None) -> str:
    """Make a README readable away from its repository.

    Parameters
    ----------
    text : str
        Markdown.
    base : str or None
        Address of the repository at the released commit, with ``/`` at its end. None leaves the
        words of a link without the link, and leaves out pictures.

    Returns
    -------
    text : str
        Without relative links outside of code.
    """

    def replaced(match: re.Match[str]) -> str:
        mark, words, target = match.groups()
        if base is None:
            return "" if mark else words
        kind = "raw" if mark else "blob"
        return f"{mark}[{words}]({base.format(kind=kind)}{target.removeprefix('./')})"

    parts = re.split(r"(^```.*?^```[^\n]*$)", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if i % 2 else _LINK.sub(replaced, part) for i, part in enumerate(parts))


def project_urls(setup_cfg: str, repository: str, documentation: str | None = None) -> str:
    """Add the addresses of the project to the metadata.

    Parameters
    ----------
    setup_cfg : str
        The file's text; has the section ``[metadata]``.
    repository : str
        Address of the repository, without ``/`` at its end.
    documentation : str, optional
        Address of the documentation. The HTML representation of the estimators links there.

    Returns
    -------
    setup_cfg : str
    """
    pages = {"Source": "", "Issues": "/issues", "Changelog": "/blob/HEAD/CHANGELOG.md"}
    addresses = {name: repository + path for name, path in pages.items()}
    if documentation is not None:
        addresses["Documentation"] = documentation
    lines = "".join(f"    {name} = {address}\n" for name, address in addresses.items())
    return setup_cfg.replace("[metadata]\n", f"[metadata]\nproject_urls =\n{lines}", 1)


def missing_files(names: list[str], wanted: tuple[str, ...]) -> list[str]:
    """Files that an archive lacks.

    Parameters
    ----------
    names : list of str
    wanted : tuple of str

    Returns
    -------
    missing : list of str
    """
    return [name for name in wanted if name not in names]


def run(*command: object, cwd: Path = ROOT, **variables: str) -> None:
    """Show a command, run it, and stop where it fails."""
    print("$", *command, flush=True)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | variables
    subprocess.run([str(word) for word in command], cwd=cwd, env=environment, check=True)


def environment(folder: Path, share: str | None = None) -> Path:
    """Make a virtual environment; its Python."""
    venv.create(folder, with_pip=True, clear=True)
    if share:
        site = next(folder.glob("lib/python*/site-packages"))
        (site / "shared.pth").write_text(f"{share}\n")
    return folder / "bin" / "python"


def source_copy(repository: str | None, documentation: str | None = None) -> Path:
    """The last commit, with a README for the package index."""
    copy = WORK / "source"
    copy.mkdir(parents=True)
    archive = WORK / "commit.tar"
    run("git", "archive", "-o", archive, "HEAD")
    with tarfile.open(archive) as packed:
        packed.extractall(copy, filter="data")
    revision = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()
    base = None if repository is None else f"{repository}/{{kind}}/{revision}/"
    readme, setup = copy / "README.md", copy / "setup.cfg"
    readme.write_text(absolute_links(readme.read_text(encoding="utf-8"), base), encoding="utf-8")
    if repository is not None:
        text = project_urls(setup.read_text(encoding="utf-8"), repository, documentation)
        setup.write_text(text, encoding="utf-8")
    return copy


def check_contents(archives: dict[str, Path]) -> None:
    """Stop where an archive lacks a file or has one too many."""
    wheel = zipfile.ZipFile(archives["whl"]).namelist()
    with tarfile.open(archives["gz"]) as packed:
        source = [name.partition("/")[2] for name in packed.getnames()]
    missing = missing_files(wheel, IN_WHEEL) + missing_files(source, IN_SOURCE)
    foreign = [name for name in wheel if not name.startswith(("nllearn/", "nllearn-"))]
    if missing or foreign:
        sys.exit(
            f"missing: {missing or 'nothing'}; in the wheel by mistake: {foreign or 'nothing'}"
        )
    print(f"contents: {len(wheel)} files in the wheel, {len(source)} in the source archive")


def try_wheel(wheel: Path, source: Path, share: str | None) -> None:
    """Install the wheel in an empty environment and use it there."""
    python = environment(WORK / "empty", share)
    pip = (python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    run(*pip, wheel)
    place = WORK / "elsewhere"
    place.mkdir()
    threads = {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    command = python.parent / "nllearn"
    run(command, "demo", "--epochs", "5", cwd=place, **threads)
    rows = "".join(f"{i % 7},{(i * i) % 11},{'ab'[i % 7 > 3]}\n" for i in range(120))
    (place / "rows.csv").write_text("first,second,kind\n" + rows)
    words = ("clean", "rows.csv", "--label", "kind", "-o", "out.csv", "--report", "page.html")
    run(command, *words, cwd=place, **threads)
    if (place / "page.html").stat().st_size < 100_000:
        sys.exit("the review page is too small to hold its libraries")
    config = configparser.ConfigParser()
    config.read(source / "setup.cfg", encoding="utf-8")
    wanted = re.findall(
        r"^(?:pytest|hypothesis)\b[^-\n]*$", config["options.extras_require"]["test"], re.M
    )
    run(*pip, *wanted)
    tests = place / "tests"
    tests.mkdir()
    for name in ("tests/conftest.py", TEST):
        shutil.copy(source / name, tests)
    run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests, cwd=place, **threads)


def main() -> None:
    """Build, check, try."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--repository",
        metavar="URL",
        help="address of the repository, for the links on the package index",
    )
    parser.add_argument("--documentation", metavar="URL", help="its address; needs --repository")
    parser.add_argument(
        "--share", metavar="FOLDER", help="packages not installed anew, such as torch, lie here"
    )
    args = parser.parse_args()
    repository = args.repository.rstrip("/") if args.repository else None
    shutil.rmtree(WORK, ignore_errors=True)
    copy = source_copy(repository, args.documentation)
    tools = environment(WORK / "tools")
    run(tools, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", *TOOLS)
    built = WORK / "built"
    run(tools, "-m", "build", "--outdir", built, copy)
    archives = {path.suffix[1:]: path for path in built.iterdir()}
    run(tools, "-m", "twine", "check", "--strict", *archives.values())
    check_contents(archives)
    try_wheel(archives["whl"], copy, args.share)
    out = ROOT / "dist"
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(built, out)
    for path in sorted(out.iterdir()):
        print(f"{path.relative_to(ROOT)}  {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
