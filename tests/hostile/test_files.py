"""Damaged images, checkpoints and label files: as they were, or one clear error."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nllearn.datasets import load_noise_file
from nllearn.exceptions import NoisyLabelWarning
from nllearn.images import decode_images
from nllearn.training import CheckpointFolder

CASES = int(40 * settings.default.max_examples / 50)
FORMATS = ("png", "jpg", "gif", "bmp", "tiff", "webp")
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "insert", "overwrite"]),
        st.floats(0, 1),
        st.integers(0, 255),
    ),
    min_size=1,
    max_size=4,
)


def damage(data, edits):
    """Bytes after some edits."""
    data = bytearray(data)
    for what, share, value in edits:
        at = int(share * len(data))
        if what == "flip" and data:
            data[min(at, len(data) - 1)] ^= 1 << value % 8
        elif what == "cut":
            del data[at:]
        elif what == "insert":
            data[at:at] = bytes([value]) * 5
        else:
            data[at : at + 4] = bytes([value]) * 4
    return bytes(data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder for all cases of this file."""
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def pictures(folder):
    """Bytes of one picture in every format."""
    pixels = np.random.default_rng(0).integers(0, 255, (12, 9, 3)).astype(np.uint8)
    content = {}
    for ending in FORMATS:
        Image.fromarray(pixels).save(folder / f"whole.{ending}")
        content[ending] = (folder / f"whole.{ending}").read_bytes()
    return content


@pytest.mark.parametrize("ending", FORMATS)
@settings(max_examples=CASES)
@given(edits=EDITS)
def test_images(ending, edits, pictures, folder, end_of):
    path = folder / f"damaged.{ending}"
    path.write_bytes(damage(pictures[ending], edits))
    found, error = end_of(lambda: decode_images([path], size=8))
    if error is None:
        assert found.shape[0] == 1 and found.shape[2:] == (8, 8) and found.dtype == np.uint8
    else:
        assert "damaged" in str(error)


def test_an_image_that_would_unpack_to_gigabytes_is_refused(folder, pictures, end_of):
    # The header of the PNG says 60,000 x 60,000 pixels.
    content = bytearray(pictures["png"])
    content[16:24] = (60_000).to_bytes(4, "big") * 2
    import zlib

    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    (folder / "bomb.png").write_bytes(content)
    _, error = end_of(lambda: decode_images([folder / "bomb.png"]))
    assert error is not None and "bomb.png" in str(error)


STATE = {"parts": {"X": "a"}, "seed": 3, "net": {"weight": torch.arange(600.0)}, "history": "[]"}


@pytest.mark.parametrize("n_whole", [0, 1])
@settings(max_examples=2 * CASES)
@given(edits=EDITS)
def test_checkpoints(n_whole, edits, tmp_path_factory):
    """The newest is damaged: the one before is taken, and without one the folder is refused."""
    place = tmp_path_factory.getbasetemp() / f"checkpoints {n_whole}"
    checkpoints = CheckpointFolder(place)
    for old in place.iterdir():
        old.unlink()
    for epoch in range(n_whole + 1):
        checkpoints.save(epoch + 1, {**STATE, "epoch": epoch + 1})
    newest = max(place.iterdir())
    content = newest.read_bytes()
    newest.write_bytes(damage(content, edits))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            state = checkpoints.newest()
        except ValueError as error:
            assert n_whole == 0 and "every checkpoint" in str(error)
            return
    whole = newest.read_bytes() == content
    assert [type(w.message) for w in caught] == [NoisyLabelWarning] * (not whole)
    assert state["epoch"] == (n_whole + 1 if whole else n_whole)
    assert torch.equal(state["net"]["weight"], STATE["net"]["weight"])


class Harm:
    """Opens a file for writing when it is unpickled."""

    def __reduce__(self):
        return open, ("harm", "w")


def test_a_checkpoint_that_is_a_pickle_is_not_run(tmp_path, monkeypatch):
    """Also when its checksum is right: only tensors and plain values are read."""
    import hashlib
    import io

    monkeypatch.chdir(tmp_path)
    CheckpointFolder(tmp_path / "whole").save(1, {})
    (whole,) = (tmp_path / "whole").glob("*.ckpt")
    first_line = whole.read_bytes().split(b"\n")[0] + b"\n"
    buffer = io.BytesIO()
    torch.save({"net": Harm()}, buffer)
    body = buffer.getvalue()
    for name, content in {
        "forged": first_line + hashlib.sha256(body).digest() + body,
        "plain": pickle.dumps(Harm()),
    }.items():
        place = tmp_path / name
        place.mkdir()
        (place / "epoch_000001.ckpt").write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NoisyLabelWarning)
            with pytest.raises((ValueError, pickle.UnpicklingError)):
                CheckpointFolder(place).newest()
    assert not (tmp_path / "harm").exists()


def noise_file(ending):
    """Bytes of a file of labels."""
    import io

    labels = np.array([6, 9, 9, 4, 1, 1])
    buffer = io.BytesIO()
    if ending == "csv":
        return pd.DataFrame({"label": labels, "label_noisy": labels}).to_csv(index=False).encode()
    if ending == "json":
        return b'{"label": [6, 9, 9, 4], "label_noisy": [6, 1, 9, 4]}'
    if ending == "txt":
        return b"\n".join(str(label).encode() for label in labels)
    if ending == "npy":
        np.save(buffer, labels)
    elif ending == "npz":
        np.savez(buffer, label=labels, label_noisy=labels)
    else:
        torch.save({"clean_label_train": labels, "noise_label_train": labels}, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("ending", ["csv", "json", "txt", "npy", "npz", "pt"])
@settings(max_examples=CASES)
@given(edits=EDITS)
def test_label_files(ending, edits, folder, end_of):
    path = folder / f"labels.{ending}"
    path.write_bytes(damage(noise_file(ending), edits))
    found, error = end_of(lambda: load_noise_file(path))
    if error is None:
        assert found.target.ndim == 1 and found.target.dtype.kind in "iU"
    else:
        assert "labels" in str(error)
