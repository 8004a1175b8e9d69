"""A folder has the same images whoever lists them."""

from __future__ import annotations

import unicodedata

import pytest

from nllearn.datasets import load_image_folder
from nllearn.images import existing_path, list_images


@pytest.mark.parametrize(
    "hidden",
    [
        "cat/._1.png",
        "cat/.ipynb_checkpoints/1-checkpoint.png",
        "cat/deep/.cache/a/2.png",
        "cat/.hidden.JPG",
        ".git/3.png",
        "dog/.AppleDouble/1.png",
    ],
)
def test_hidden_files_are_in_no_list(tmp_path, hidden):
    root = tmp_path / ".data"  # the folder that is named may be hidden itself
    shown = ["cat/1.png", "cat/deep/2.PNG", "dog/1.png"]
    for name in (*shown, hidden):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    assert [str(path.relative_to(root)) for path in list_images(root)] == shown
    assert list(load_image_folder(root).data) == list(map(str, list_images(root)))


def test_hidden_files_alone_are_no_images(tmp_path):
    (tmp_path / "._1.png").touch()
    with pytest.raises(ValueError, match="holds no image"):
        list_images(tmp_path)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_files_and_classes_in_another_unicode_form(tmp_path, form):
    other = {"NFC": "NFD", "NFD": "NFC"}[form]
    for name in ("é1", "é2", "ü3"):
        (tmp_path / f"{unicodedata.normalize(form, name)}.png").touch()
    rows = [("é1", "café", form), ("é2", "café", other), ("ü3", "thé", other)]
    lines = [f"{unicodedata.normalize(f, a)}.png,{unicodedata.normalize(f, b)}" for a, b, f in rows]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label", *lines]), encoding="utf-8")
    found = load_image_folder(tmp_path, labels=tmp_path / "labels.csv")
    assert found.target_names == ["café", "thé"] and found.target.tolist() == [0, 0, 1]
    assert sorted(found.data) == sorted(map(str, list_images(tmp_path)))
    missing = tmp_path / "none.png"
    assert existing_path(missing) == missing
