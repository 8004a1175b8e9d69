"""Download a file whole or not at all, and the folder where data sets are kept."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import ssl
import time
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from tqdm import tqdm

from nllearn import __version__

__all__ = ["download", "file_digest", "get_data_home"]

_ATTEMPTS = 4
# Seconds before the second attempt; each further pause is twice as long.
_PAUSE = 1.0
# Seconds without an answer after which a connection counts as broken.
_TIMEOUT = 30.0
_BLOCK = 2**20
# Answers of a server that may be different in a moment.
_PASSING_STATUS = (408, 429, 500, 502, 503, 504)


def get_data_home(data_home: str | os.PathLike[str] | None = None) -> Path:
    """Folder where data sets are looked for and kept.

    Parameters
    ----------
    data_home : str, Path or None, default=None
        The folder. None takes the environment variable ``NLLEARN_DATA``, and if that is not set,
        ``~/.cache/nllearn``. A leading ``~`` is the home folder.

    Returns
    -------
    Path
        The folder. It is made when a file is first written to it, not here.

    Examples
    --------
    >>> from nllearn.datasets import get_data_home
    >>> get_data_home("somewhere").name
    'somewhere'
    """
    if data_home is None:
        data_home = os.environ.get("NLLEARN_DATA") or "~/.cache/nllearn"
    return Path(data_home).expanduser()


def download(
    url: str,
    path: str | os.PathLike[str],
    *,
    md5: str | None = None,
    sha256: str | None = None,
    progress: bool = True,
) -> Path:
    """Download a file, unless it is there already.

    What arrives is written to ``path + ".part"``, checked, and then renamed, so that `path` never
    holds half a file. A broken connection is taken up again where it ended. A part that an
    earlier call left is continued if a checksum is given, which then tells whether both halves
    belong together; else it is dropped.

    Parameters
    ----------
    url : str
        Address, http or https. Proxies are taken from the environment.
    path : str or Path
        The file to write. Folders above it are made.
    md5, sha256 : str or None, default=None
        Checksum in hexadecimal digits. None: not checked.
    progress : bool, default=True
        Whether to show a progress bar on stderr.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    ValueError
        If `url` is neither http nor https.
    OSError
        If the file cannot be downloaded after four attempts, or has another checksum. The message
        says where to put the file by hand. A file that fails the check is removed if it was
        downloaded, and left alone if it was there before.

    Examples
    --------
    >>> from nllearn.datasets._download import download
    >>> download("https://example.org/labels.csv", "labels.csv")  # doctest: +SKIP
    """
    path = Path(path)
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"url={url!r}; it must begin with http:// or https://")
    if path.exists():
        problem = _checksum_problem(path, md5, sha256)
        if problem:
            raise OSError(f"{path} is not the expected file: {problem}. Delete it and try again")
        return path

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    checked = md5 is not None or sha256 is not None
    if not checked:
        part.unlink(missing_ok=True)
    is_older = part.exists()
    _fetch(url, part, path, progress)
    problem = _checksum_problem(part, md5, sha256)
    if problem and is_older:
        # The older half may be at fault: once more, from the start.
        part.unlink()
        _fetch(url, part, path, progress)
        problem = _checksum_problem(part, md5, sha256)
    if problem:
        part.unlink()
        raise OSError(
            f"{url} gave another file than expected: {problem}. It was removed. "
            f"If you have the right file, put it at {path}"
        )
    os.replace(part, path)
    return path


def file_digest(path: str | os.PathLike[str], algorithm: str) -> str:
    """Checksum of a file.

    Parameters
    ----------
    path : str or Path
        The file.
    algorithm : {"md5", "sha256"}
        Which checksum.

    Returns
    -------
    str
        Hexadecimal digits.

    Examples
    --------
    >>> from nllearn.datasets._download import file_digest
    >>> file_digest("labels.csv", "md5")  # doctest: +SKIP
    'd41d8cd98f00b204e9800998ecf8427e'
    """
    # A check against damage, not against an attack; some builds forbid md5 otherwise.
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _checksum_problem(path: Path, md5: str | None, sha256: str | None) -> str | None:
    """Say which checksum differs, or None."""
    for algorithm, expected in (("md5", md5), ("sha256", sha256)):
        if expected is not None:
            found = file_digest(path, algorithm)
            if found != expected.lower():
                return f"its {algorithm} is {found}, not {expected.lower()}"
    return None


def _fetch(url: str, part: Path, path: Path, progress: bool) -> None:
    """Fill `part`, with further attempts where the connection breaks."""
    with tqdm(
        desc=path.name, unit="B", unit_scale=True, unit_divisor=1024, disable=not progress
    ) as bar:
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(_PAUSE * 2 ** (attempt - 1))
            try:
                _fetch_once(url, part, bar)
                return
            except HTTPError as error:
                reason = f"the server answered {error.code} {error.reason}"
                error.close()
                if error.code not in _PASSING_STATUS:
                    break
            except (
                URLError,
                http.client.HTTPException,
                ConnectionError,
                TimeoutError,
                ssl.SSLError,
            ) as error:
                reason = str(getattr(error, "reason", None) or error or type(error).__name__)
    raise OSError(f"cannot download {url}: {reason}. Download it by hand and put it at {path}")


def _fetch_once(url: str, part: Path, bar: tqdm) -> None:
    """Ask for what is missing of `part` and append it."""
    have = part.stat().st_size if part.exists() else 0
    # Without "identity" the length would be that of the compressed bytes.
    headers = {"User-Agent": f"nllearn/{__version__}", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        response = urlopen(Request(url, headers=headers), timeout=_TIMEOUT)
    except HTTPError as error:
        if error.code != 416 or not have:
            raise
        # Nothing lies behind what is there. It is whole, or no part of this file at all.
        size_there = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range", ""))
        error.close()
        if size_there and int(size_there[1]) == have:
            return
        part.unlink()
        raise ConnectionError("the part that was there is longer than the file") from None
    with response:
        start = _start_of(response)
        if start not in (0, have):
            raise ConnectionError(f"asked for the bytes from {have}, the server sent from {start}")
        length = response.headers.get("Content-Length")
        total = None if length is None else start + int(length)
        bar.total = total
        bar.n = start
        bar.refresh()
        with open(part, "ab" if start else "wb") as file:
            _copy(response, file, bar)
    size = part.stat().st_size
    if total is not None and size != total:
        raise ConnectionError(f"the connection ended after {size} of {total} bytes")


def _start_of(response: http.client.HTTPResponse) -> int:
    """Position of the first byte that comes: 0 where the server ignores the range."""
    if response.status != 206:
        return 0
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    if found is None:
        raise ConnectionError("the server sent a range without saying which")
    return int(found[1])


def _copy(response: http.client.HTTPResponse, file: IO[bytes], bar: tqdm) -> None:
    # read1 gives what is there, so that a broken connection loses nothing that arrived.
    while block := response.read1(_BLOCK):
        file.write(block)
        bar.update(len(block))
