"""What the README names, exists. Its code runs in test_docs.py."""

import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


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


def test_the_two_commands_are_named():
    assert {"make demo", "make test"} <= set(commands(README))


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
        for group in re.findall(r"(?:\.|nllearn)\[([\w,]+)\]", README)
        for extra in group.split(",")
    }
    named |= set(re.findall(r"^\| `(\w+)` \|", README, flags=re.MULTILINE))
    assert named <= extras, f"the README names extras that setup.cfg lacks: {named - extras}"


def test_links_to_files_exist():
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", README)
    missing = [target for target in targets if not (ROOT / target).exists()]
    assert not missing, f"the README links to files that are not there: {missing}"


def test_result_blocks_are_closed():
    opened = len(re.findall(r"^<!-- results: [\w-]+ -->$", README, flags=re.MULTILINE))
    closed = len(re.findall(r"^<!-- /results -->$", README, flags=re.MULTILINE))
    assert opened == closed, f"{opened} result blocks are opened and {closed} closed"
