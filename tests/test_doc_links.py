"""The HTML representation of an estimator links to its page."""

import sys
from email.message import Message
from functools import partial
from pathlib import Path

import pytest
from sklearn.linear_model import LogisticRegression

from nllearn import (
    AnchorHallucinationClassifier,
    CleanedClassifier,
    LabelCleaner,
    MixNNClassifier,
)

ESTIMATORS = [
    AnchorHallucinationClassifier(),
    MixNNClassifier(),
    LabelCleaner(),
    CleanedClassifier(LogisticRegression()),
]
API = Path(__file__).resolve().parents[1] / "docs" / "api"


@pytest.fixture
def addresses(monkeypatch):
    """Set the addresses in the metadata of the package."""
    found = Message()
    # Once dask has imported it, the backport finds the packages in place of the standard library.
    for name in ("importlib.metadata", "importlib_metadata"):
        if name in sys.modules:
            kind = sys.modules[name].Distribution
            read = kind.metadata.fget
            monkeypatch.setattr(kind, "metadata", property(partial(_read, read, found)))
    return found


def _read(read, found, distribution):
    """The addresses that are set for the package, and what there is for others."""
    own = read(distribution)
    return found if own["Name"] == "nllearn" else own


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_the_representation_links_to_the_documentation(estimator, addresses):
    addresses["Project-URL"] = "Source, https://host/it"
    addresses["Project-URL"] = "Documentation, https://docs.host/it/"
    name = type(estimator).__name__
    page = f"https://docs.host/it/api/generated/nllearn.{name}.html"
    assert f'href="{page}"' in estimator._repr_html_()
    listed = "".join(path.read_text(encoding="utf-8") for path in API.glob("*.rst"))
    assert f"   {name}\n" in listed


def test_without_an_address_there_is_no_link(addresses):
    addresses["Project-URL"] = "Source, https://host/it"
    assert "href=" not in LabelCleaner()._repr_html_()


def test_a_class_of_ones_own_has_no_page(addresses):
    class Mine(LabelCleaner):
        pass

    addresses["Project-URL"] = "Documentation, https://docs.host/it"
    assert "docs.host" not in Mine()._repr_html_()
