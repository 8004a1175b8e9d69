"""Make Sphinx read the docstrings as they are meant.

Members that come from another library are left out: classes inherit `get_params`,
`set_fit_request` and the like from scikit-learn, which describes them itself, with references that
lead nowhere here. And a name that ends with an underscore is a name, not the link that
reStructuredText takes it for.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

_LITERAL = re.compile(r"(``.*?``|`.*?`)")
_ENDS_WITH_UNDERSCORE = re.compile(r"(?<=\w)_(?=[\s,.)\]:;'\"]|$)")


def escape_names(line: str) -> str:
    r"""Escape underscores at the end of names, outside of literals and doctests.

    Parameters
    ----------
    line : str
        One line of a docstring in numpydoc style.

    Returns
    -------
    line : str
        ``x : (n_features_in_,)`` becomes ``x : (n_features_in\_,)``. What stands before
        the colon of a section is left to numpydoc.
    """
    if line.lstrip().startswith((">>>", "...")):
        return line
    name, colon, rest = line.partition(" : ")
    if not colon:
        name, rest = "", line
    parts = _LITERAL.split(rest)
    parts[::2] = [_ENDS_WITH_UNDERSCORE.sub(r"\\_", part) for part in parts[::2]]
    return name + colon + "".join(parts)


def _escape(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    # A line with nothing but a name opens an entry of a section: numpydoc knows it.
    lines[:] = [line if re.fullmatch(r"\s*\w+", line) else escape_names(line) for line in lines]


def _skip_foreign(
    app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any
) -> bool | None:
    """Tell autodoc whether to leave a member out; None leaves the decision to it."""
    home = getattr(getattr(obj, "fget", obj), "__module__", None)
    if home is not None and home.split(".")[0] != "nllearn":
        return True
    return None


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect to Sphinx."""
    app.connect("autodoc-skip-member", _skip_foreign)
    app.connect("autodoc-process-docstring", _escape, priority=100)  # before numpydoc
    return {"parallel_read_safe": True, "parallel_write_safe": True}
