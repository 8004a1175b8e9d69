"""Links from scikit-learn's HTML representation of an estimator to its documentation."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, metadata

__all__ = ["DocLinkMixin", "documentation_address"]


def documentation_address() -> str | None:
    """Where the documentation of the installed package is.

    Returns
    -------
    address : str or None
        The project's address called Documentation in the metadata, without ``/`` at its end;
        None where the package was built without one.
    """
    try:
        addresses = metadata("nllearn").get_all("Project-URL") or []
    except PackageNotFoundError:
        return None
    for entry in addresses:
        name, _, address = entry.partition(",")
        if name.strip().lower() == "documentation":
            return address.strip().rstrip("/")
    return None


class DocLinkMixin:
    """What scikit-learn asks of an estimator of another package.

    Without an address of the documentation the representation has no link.
    """

    _doc_link_module = "nllearn"

    @property
    def _doc_link_template(self) -> str:
        address = documentation_address()
        return f"{address}/api/generated/nllearn.{{estimator_name}}.html" if address else ""
