"""One HTML file from the template, the libraries and the data; nothing in the data can run."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from importlib.resources import files
from typing import Any

__all__ = ["embed_json", "render_page"]

_SCRIPTS = (
    "data.js",
    "decisions.js",
    "list.js",
    "grid.js",
    "card.js",
    "charts.js",
    "map.js",
    "audit.js",
    "audit_view.js",
    "main.js",
)
# Inside a script element these could end it, open a comment, or end a line of JavaScript.
_ESCAPES = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def embed_json(data: Any) -> str:
    """JSON that is safe inside a script element of an HTML page.

    Parameters
    ----------
    data : dict, list, str, number, bool or None

    Returns
    -------
    text : str
        Equal to the data when parsed; has no ``<``, ``>``, ``&``, U+2028 or U+2029.

    Raises
    ------
    ValueError
        If a number is not finite.

    Examples
    --------
    >>> from nllearn.inspection._page import embed_json
    >>> embed_json({"label": "</script>"})
    '{"label":"\\\\u003c/script\\\\u003e"}'
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # A lone surrogate, which broken text may hold, has no UTF-8.
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text.translate(_ESCAPES)


def render_page(data: Any, *, title: str) -> str:
    """Fill the template.

    Parameters
    ----------
    data : dict
        What the page shows.
    title : str

    Returns
    -------
    page : str
        A whole HTML document. Its policy allows these two scripts by their hashes, inline
        styles and pictures inside the page; it allows no connection.
    """
    folder = files("nllearn.inspection")
    page, vendor = folder / "page", folder / "vendor"

    def text_of(where: Any, name: str) -> str:
        return (where / name).read_text(encoding="utf-8")

    own = '"use strict";\n' + "\n".join(text_of(page, name) for name in _SCRIPTS)
    libraries = text_of(vendor, "front_end.min.js")
    parts = {
        "policy": "default-src 'none'; base-uri 'none'; form-action 'none'; "
        f"img-src data:; style-src 'unsafe-inline'; script-src {_hash(libraries)} {_hash(own)}",
        "title": html.escape(title),
        "style": text_of(vendor, "front_end.min.css") + text_of(page, "review.css"),
        "licences": html.escape(text_of(vendor, "LICENSES.txt")),
        "data": embed_json(data),
        "libraries": libraries,
        "script": own,
    }
    # Split once: a mark that occurs in the data is no mark.
    pieces = re.split(r"\{\{(\w+)\}\}", text_of(page, "review.html"))
    return "".join(parts[piece] if i % 2 else piece for i, piece in enumerate(pieces))


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
