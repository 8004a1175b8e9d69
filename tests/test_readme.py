"""What the README names, exists. Its code runs in test_docs.py."""

import configparser
import contextlib
import io
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
INSTALLATION = (ROOT / "docs" / "installation.md").read_text(encoding="utf-8")
NUMBER = r"\d+(?:\.\d+)?"


def blocks(text, *languages):
    """Return the fenced code blocks of a markdown text in one of the languages."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    return [body for language, body in fenced if language in languages]


def commands(text):
    """Return the lines of the shell blocks and the inline code, without comments."""
    lines = [line for body in blocks(text, "bash", "sh", "console") for line in body.splitlines()]
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    lines += re.findall(r"`([^`\n]+)`", prose)
    return [line.partition(" #")[0].removeprefix("$ ").strip() for line in lines]


def make_targets():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z][\w-]*):(?!=)", makefile, flags=re.MULTILINE))


def nllearn_commands():
    """Return the words after `nllearn` of each command line in the README."""
    found = []
    for command in commands(README):
        words = command.split()
        if len(words) > 1 and words[0].rpartition("/")[2] == "nllearn":
            found.append(words[1:])
    return found


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "nllearn", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "text"), [("README.md", README), ("CONTRIBUTING.md", CONTRIBUTING)]
)
def test_make_targets_exist(name, text):
    named = {word for line in commands(text) for word in re.findall(r"\bmake ([a-z][\w-]*)", line)}
    unknown = sorted(named - make_targets())
    assert not unknown, f"{name} names targets that the Makefile lacks: {unknown}"


def test_the_commands_to_install_show_and_check_are_named():
    assert {'pip install ".[report]"', "make demo", "make test"} <= set(commands(README))


def test_the_code_prints_what_is_written_below_it(tmp_path, monkeypatch):
    """Numbers may differ by one in a hundred: another processor rounds in another way."""
    pytest.importorskip("PIL", reason="the pictures of the page need the extra report")
    fenced = re.findall(r"^```(\w*)\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    shown = [
        (code, out) for (a, code), (b, out) in pairwise(fenced) if (a, b) == ("python", "text")
    ]
    assert len(shown) == 1, "the README shows one block of code with its output"
    monkeypatch.chdir(tmp_path)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(shown[0][0], "README.md", "exec"), {"__name__": "page"})
    lines, expected = printed.getvalue().split(), shown[0][1].split()
    assert [re.sub(NUMBER, "#", word) for word in lines] == [
        re.sub(NUMBER, "#", word) for word in expected
    ]
    numbers = [
        [float(number) for number in re.findall(NUMBER, text)]
        for text in (printed.getvalue(), shown[0][1])
    ]
    assert numbers[0] == pytest.approx(numbers[1], rel=0.01, abs=0.011)
    assert (tmp_path / "review.html").stat().st_size > 100_000


def test_the_first_screen_is_short():
    """A sentence, the install line, the code and its output, before the first picture."""
    before_picture = README.partition("\n![")[0].splitlines()
    assert len(before_picture) <= 36
    code = blocks(README, "python")[0].splitlines()
    assert len([line for line in code if line and not line.startswith(("from ", "import "))]) <= 6


@pytest.mark.parametrize(
    "words", [pytest.param(words, id=" ".join(words)) for words in nllearn_commands()]
)
def test_nllearn_commands_exist(words):
    subcommand = [] if words[0].startswith("-") else words[:1]
    done = run(*subcommand, "--help")
    assert done.returncode == 0, f"nllearn {' '.join(subcommand)} --help failed:\n{done.stderr}"
    options = [word.partition("=")[0] for word in words if word.startswith("--")]
    unknown = [option for option in options if option not in done.stdout]
    assert not unknown, f"`nllearn {' '.join(words)}`: the help does not know {unknown}"


def test_extras_exist():
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = set(config["options.extras_require"])
    named = {
        extra
        for group in re.findall(r"(?:\.|nllearn)\[([\w,]+)\]", README + INSTALLATION)
        for extra in group.split(",")
    }
    listed = set(re.findall(r"^\| `(\w+)` \|", INSTALLATION, flags=re.MULTILINE))
    assert named <= extras, f"these extras are named and setup.cfg lacks them: {named - extras}"
    assert listed == extras, f"docs/installation.md lists other extras: {listed ^ extras}"


def test_links_to_files_exist():
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", README)
    missing = [target for target in targets if not (ROOT / target).exists()]
    assert not missing, f"the README links to files that are not there: {missing}"


def test_result_blocks_are_closed():
    opened = len(re.findall(r"^<!-- results: [\w-]+ -->$", README, flags=re.MULTILINE))
    closed = len(re.findall(r"^<!-- /results -->$", README, flags=re.MULTILINE))
    assert opened == closed, f"{opened} result blocks are opened and {closed} closed"
