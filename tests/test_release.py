"""The files around a release: templates, workflow, and what the package index shows."""

import configparser
import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
yaml = pytest.importorskip("yaml")


@pytest.fixture(scope="module")
def dist():
    """The script behind `make dist`."""
    spec = importlib.util.spec_from_file_location("build_dist", ROOT / "tools" / "build_dist.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_links_of_the_readme_lead_somewhere_on_the_package_index(dist):
    text = (
        "See [the guide](docs/guide.md#top) and [PyPI](https://pypi.org), [here](#below).\n"
        "![A chart](./docs/chart.svg)\n```python\nx = f[a](b)\n```\n"
    )
    base = "https://host/me/it/{kind}/v1/"
    absolute = dist.absolute_links(text, base)
    assert "[the guide](https://host/me/it/blob/v1/docs/guide.md#top)" in absolute
    assert "![A chart](https://host/me/it/raw/v1/docs/chart.svg)" in absolute
    for kept in ("[PyPI](https://pypi.org)", "[here](#below)", "x = f[a](b)"):
        assert kept in absolute
    without = dist.absolute_links(text, None)
    assert without.startswith("See the guide and [PyPI](https://pypi.org), [here](#below).")
    assert "chart" not in without
    assert "x = f[a](b)" in without
    readme = dist.absolute_links((ROOT / "README.md").read_text(encoding="utf-8"), base)
    targets = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"^```.*?^```", "", readme, flags=re.M | re.S))
    assert targets
    assert [target for target in targets if not target.startswith(("https://", "#"))] == []


def test_addresses_are_added_to_the_metadata(dist):
    text = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    before, after = configparser.ConfigParser(), configparser.ConfigParser()
    before.read_string(text)
    after.read_string(dist.project_urls(text, "https://host/me/it"))
    assert "Source = https://host/me/it\n" in after["metadata"].pop("project_urls")
    before["metadata"].pop("project_urls", None)
    assert after == before
    after.read_string(dist.project_urls(text, "https://host/me/it", "https://docs.host/it"))
    assert "\nDocumentation = https://docs.host/it" in after["metadata"]["project_urls"]


def test_what_the_archives_must_hold_is_there(dist):
    for name in dist.IN_WHEEL + dist.IN_SOURCE + (dist.TEST,):
        assert (ROOT / name).is_file(), name
    assert dist.missing_files(["a", "b"], ("b", "c")) == ["c"]


def test_the_workflow_tests_what_setup_cfg_claims():
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"))
    jobs = workflow["jobs"]
    assert {"run": ".ci/run"} in jobs["test"]["steps"]
    command = jobs["versions"]["steps"][-1]["run"].splitlines()[0]
    listed = subprocess.run(
        ["sh", "-c", f'{command}; printf "[%s]" "$found"'],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    claimed = re.findall(r"Python :: (3\.\d+)$", config["metadata"]["classifiers"], re.M)
    assert yaml.safe_load(listed) == claimed != []


@pytest.mark.parametrize("name", ["bug.yml", "wish.yml"])
def test_issue_forms(name):
    form = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE" / name).read_text(encoding="utf-8"))
    assert form["name"] and form["description"]
    for part in form["body"]:
        assert part["type"] == "textarea" and part["attributes"]["label"]


@pytest.mark.parametrize(
    "name", ["RELEASING.md", "SECURITY.md", ".github/pull_request_template.md"]
)
def test_named_targets_exist(name):
    targets = re.findall(r"^([a-z][\w-]*):(?!=)", (ROOT / "Makefile").read_text(), re.M)
    named = set(re.findall(r"`make ([a-z]+)", (ROOT / name).read_text(encoding="utf-8")))
    assert named and named <= set(targets)
