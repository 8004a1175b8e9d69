"""Downloads from a server on this machine that breaks off, forgets ranges, or sends the wrong."""

import hashlib
import http.server
import io
import re
import threading

import numpy as np
import pytest
from tqdm import tqdm

from nllearn.datasets import _download, get_data_home

CONTENT = np.random.default_rng(0).integers(0, 256, 200_000, dtype=np.uint8).tobytes()
MD5 = hashlib.md5(CONTENT).hexdigest()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """A file at /data.bin, and a list of what goes wrong with the next answers."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.ranges = True
        self.shift = 0
        self.faults = []  # "cut" or a status, one per request
        self.asked = []  # the Range header of each request

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/data.bin"


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        server = self.server
        wanted = self.headers.get("Range")
        server.asked.append(wanted)
        fault = server.faults.pop(0) if server.faults else None
        if isinstance(fault, int):
            self.send_error(fault)
            return
        if self.path != "/data.bin":
            self.send_error(404)
            return
        start = 0
        if wanted and server.ranges:
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) + server.shift
            if start >= len(server.content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(server.content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
        body = server.content[start:]
        self.send_response(206 if start else 200)
        if start:
            last = len(server.content) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{len(server.content)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if fault == "cut":
            body = body[: len(body) // 2]
        try:
            self.wfile.write(body)
        except ConnectionError:
            pass
        self.close_connection = True


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(_download, "_PAUSE", 0.0)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_comes_whole_and_alone(server, tmp_path):
    path = tmp_path / "a" / "b" / "data.bin"
    assert _download.download(server.url, path, md5=MD5, sha256=SHA256, progress=False) == path
    assert path.read_bytes() == CONTENT
    assert names(path.parent) == ["data.bin"]
    assert server.asked == [None]


def test_an_empty_file_is_a_file(server, tmp_path):
    server.content = b""
    _download.download(server.url, tmp_path / "data.bin", progress=False)
    assert (tmp_path / "data.bin").read_bytes() == b""


def test_what_is_there_is_not_fetched_again(server, tmp_path):
    path = tmp_path / "data.bin"
    path.write_bytes(CONTENT)
    _download.download(server.url, path, md5=MD5.upper(), progress=False)
    _download.download(server.url, path, progress=False)
    assert server.asked == []


def test_another_file_under_the_name_is_told_and_kept(server, tmp_path):
    path = tmp_path / "data.bin"
    path.write_bytes(b"mine")
    with pytest.raises(OSError, match=rf"data\.bin is not the expected file.*not {MD5}.*Delete"):
        _download.download(server.url, path, md5=MD5, progress=False)
    assert path.read_bytes() == b"mine"
    assert server.asked == []


def test_a_broken_connection_is_taken_up_where_it_ended(server, tmp_path):
    server.faults = ["cut", "cut"]
    _download.download(server.url, tmp_path / "data.bin", md5=MD5, progress=False)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT
    half, quarter = len(CONTENT) // 2, len(CONTENT) // 4
    assert server.asked == [None, f"bytes={half}-", f"bytes={half + quarter}-"]


def test_without_ranges_it_starts_again(server, tmp_path):
    server.ranges = False
    server.faults = ["cut"]
    _download.download(server.url, tmp_path / "data.bin", md5=MD5, progress=False)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_a_server_that_sends_another_range_is_not_believed(server, tmp_path):
    server.faults = ["cut"]
    server.shift = 5
    with pytest.raises(OSError, match="asked for the bytes from"):
        _download.download(server.url, tmp_path / "data.bin", progress=False)
    assert names(tmp_path) == ["data.bin.part"]


def test_the_part_of_an_earlier_call_is_continued(server, tmp_path):
    (tmp_path / "data.bin.part").write_bytes(CONTENT[:1000])
    _download.download(server.url, tmp_path / "data.bin", sha256=SHA256, progress=False)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-"]
    assert names(tmp_path) == ["data.bin"]


def test_a_whole_part_of_an_earlier_call_is_taken(server, tmp_path):
    (tmp_path / "data.bin.part").write_bytes(CONTENT)
    _download.download(server.url, tmp_path / "data.bin", sha256=SHA256, progress=False)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("old", [b"other" * 100, b"x" * (len(CONTENT) + 9)], ids=["bad", "long"])
def test_the_part_of_another_file_is_dropped(server, tmp_path, old):
    (tmp_path / "data.bin.part").write_bytes(old)
    _download.download(server.url, tmp_path / "data.bin", md5=MD5, progress=False)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_without_a_checksum_an_earlier_part_is_not_trusted(server, tmp_path):
    (tmp_path / "data.bin.part").write_bytes(b"other")
    _download.download(server.url, tmp_path / "data.bin", progress=False)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT
    assert server.asked == [None]


@pytest.mark.parametrize("sums", [{"md5": "0" * 32}, {"md5": MD5, "sha256": "0" * 64}])
def test_a_wrong_checksum_leaves_nothing(server, tmp_path, sums):
    path = tmp_path / "data.bin"
    with pytest.raises(OSError, match=r"another file than expected.*put it at .*data\.bin"):
        _download.download(server.url, path, progress=False, **sums)
    assert names(tmp_path) == []


def test_a_busy_server_is_asked_again(server, tmp_path):
    server.faults = [503, 429]
    _download.download(server.url, tmp_path / "data.bin", md5=MD5, progress=False)
    assert len(server.asked) == 3


def test_it_gives_up_with_address_and_place(server, tmp_path):
    server.faults = ["cut"] * 4
    with pytest.raises(OSError, match=r"http://127.*connection ended after.*put it at .*data\.bin"):
        _download.download(server.url, tmp_path / "data.bin", md5=MD5, progress=False)
    assert len(server.asked) == 4
    assert names(tmp_path) == ["data.bin.part"]
    # The next call goes on from there.
    _download.download(server.url, tmp_path / "data.bin", md5=MD5, progress=False)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_a_missing_address_is_asked_once(server, tmp_path):
    url = server.url.replace("data", "other")
    with pytest.raises(OSError, match=r"other\.bin: the server answered 404"):
        _download.download(url, tmp_path / "data.bin", progress=False)
    assert len(server.asked) == 1
    assert names(tmp_path) == []


def test_a_server_that_is_not_there(server, tmp_path):
    url = server.url
    server.shutdown()
    server.server_close()
    with pytest.raises(OSError, match=r"cannot download http://127\.0\.0\.1.*refused"):
        _download.download(url, tmp_path / "data.bin", progress=False)


@pytest.mark.parametrize("url", ["file:///etc/hosts", "ftp://example.org/a", "data.bin"])
def test_other_addresses_are_refused(tmp_path, url):
    with pytest.raises(ValueError, match="http"):
        _download.download(url, tmp_path / "data.bin")


def test_pauses_grow(server, tmp_path, monkeypatch):
    pauses = []
    monkeypatch.setattr(_download, "_PAUSE", 1.0)
    monkeypatch.setattr(_download.time, "sleep", pauses.append)
    server.faults = [503] * 4
    with pytest.raises(OSError, match="answered 503"):
        _download.download(server.url, tmp_path / "data.bin", progress=False)
    assert pauses == [1.0, 2.0, 4.0]


def test_progress_is_shown_on_request(server, tmp_path, capsys, monkeypatch):
    _download.download(server.url, tmp_path / "quiet.bin", progress=False)
    assert capsys.readouterr().err == ""
    bars = []

    def bar(*args, **options):
        bars.append(tqdm(*args, file=io.StringIO(), **options))
        return bars[-1]

    monkeypatch.setattr(_download, "tqdm", bar)
    server.faults = ["cut"]
    _download.download(server.url, tmp_path / "shown.bin")
    assert (bars[0].n, bars[0].total) == (len(CONTENT), len(CONTENT))
    assert bars[0].desc == "shown.bin"


def test_the_folder_of_the_data(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.delenv("NLLEARN_DATA", raising=False)
    assert get_data_home() == tmp_path / ".cache" / "nllearn"
    assert get_data_home("~/sets") == tmp_path / "sets"
    monkeypatch.setenv("NLLEARN_DATA", "~/other")
    assert get_data_home() == tmp_path / "other"
    assert get_data_home(tmp_path / "given") == tmp_path / "given"
    assert names(tmp_path) == []
