"""Published label files: formats, the choice of labels, and rows that do not belong together."""

import json
import pickle

import numpy as np
import pandas as pd
import pytest
import torch

from nllearn.datasets import load_noise_file

CLEAN = np.array([6, 9, 9, 4, 1, 1])
NOISY = np.array([6, 1, 9, 4, 0, 1])


def write_csv(path):
    rows = "".join(f"{c},{n}\n" for c, n in zip(CLEAN, NOISY, strict=True))
    path.write_text(f"label,label_noisy\n{rows}")


def save_torch(path, clean, noisy, new_format=True):
    content = {"clean_label_train": clean, "noise_label_train": noisy}
    torch.save(content, path, _use_new_zipfile_serialization=new_format)


WITH_CLEAN = {
    "seal.csv": write_csv,
    "IDN_0.2_C10.pt": lambda path: save_torch(path, CLEAN, NOISY, new_format=False),
    "tensors.pth": lambda path: save_torch(path, torch.tensor(CLEAN), torch.tensor(NOISY)),
    "lists.pt": lambda path: save_torch(path, CLEAN.tolist(), list(NOISY)),
    "human.npz": lambda path: np.savez(path, clean_label=CLEAN, noisy_label=NOISY),
    "dict.json": lambda path: path.write_text(
        json.dumps({"label": CLEAN.tolist(), "label_noisy": NOISY.tolist()})
    ),
}
NOISY_ALONE = {
    "labels.npy": lambda path: np.save(path, NOISY.astype(np.uint8)),
    "floats.npy": lambda path: np.save(path, NOISY.astype(float)),
    "labels.npz": lambda path: np.savez(path, anything=NOISY),
    "labels.txt": lambda path: path.write_text("\n".join(map(str, NOISY)) + "\n"),
    "windows.txt": lambda path: path.write_bytes(
        b"\xef\xbb\xbf" + "\r\n".join(map(str, NOISY)).encode()
    ),
    "0.2_sym.json": lambda path: path.write_text(json.dumps(NOISY.tolist())),
    "column.csv": lambda path: path.write_text("mine\n" + "\n".join(map(str, NOISY))),
}


@pytest.mark.parametrize("name", [*WITH_CLEAN, *NOISY_ALONE])
@pytest.mark.parametrize("given", [None, CLEAN.tolist(), pd.Series(CLEAN, index=[*"abcdef"])])
def test_every_format_gives_labels_and_rate(tmp_path, name, given):
    path = tmp_path / name
    (WITH_CLEAN | NOISY_ALONE)[name](path)
    noise = load_noise_file(path, clean=given)
    assert noise.target.tolist() == NOISY.tolist()
    assert noise.target.dtype == np.int64
    if name in NOISY_ALONE and given is None:
        assert noise.noise_rate is None and noise.target_clean is None
    else:
        assert noise.noise_rate == pytest.approx(2 / 6)
        assert noise.target_clean.tolist() == CLEAN.tolist()


@pytest.mark.parametrize("name", WITH_CLEAN)
def test_rows_in_another_order_are_found(tmp_path, name):
    WITH_CLEAN[name](tmp_path / name)
    with pytest.raises(ValueError, match=r"in 2 of 6 rows, first in row 0: 6 .*another order"):
        load_noise_file(tmp_path / name, clean=[9, 6, 9, 4, 1, 1])
    with pytest.raises(ValueError, match=r"differ from clean in 1 of 6 rows") as error:
        load_noise_file(tmp_path / name, clean=[6, 9, 9, 4, 1, 0])
    assert "another order" not in str(error.value)


@pytest.mark.parametrize("name", [*WITH_CLEAN, *NOISY_ALONE])
def test_another_number_of_rows_is_told(tmp_path, name):
    (WITH_CLEAN | NOISY_ALONE)[name](tmp_path / name)
    with pytest.raises(ValueError, match="holds 6 labels, clean has 5"):
        load_noise_file(tmp_path / name, clean=CLEAN[:5])


def test_text_labels_stay_as_they_are(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("label,label_noisy\nNA,NA\nNone,NA\n1,1\n")
    noise = load_noise_file(path, clean=pd.Series(["NA", "None", "1"]))
    assert noise.target.tolist() == ["NA", "NA", "1"]
    assert noise.noise_rate == pytest.approx(1 / 3)


def test_the_key_chooses_among_several_sets(tmp_path):
    path = tmp_path / "CIFAR-10_human.pt"
    content = {"clean_label": CLEAN, "aggre_label": CLEAN, "worse_label": NOISY}
    torch.save(content, path)
    assert load_noise_file(path, key="aggre_label").noise_rate == 0
    assert load_noise_file(path, key="worse_label").noise_rate == pytest.approx(2 / 6)
    with pytest.raises(ValueError, match=r"clean_label, aggre_label, worse_label; name the noisy"):
        load_noise_file(path)
    with pytest.raises(ValueError, match=r"key='worst'; .* has clean_label, aggre_label"):
        load_noise_file(path, key="worst")
    np.savez(tmp_path / "pack.npz", train_clean=CLEAN, seal20=NOISY, human_worst=CLEAN)
    assert load_noise_file(tmp_path / "pack.npz", key="seal20").noise_rate == pytest.approx(2 / 6)


def test_clean_labels_of_another_kind_are_not_compared(tmp_path):
    path = tmp_path / "CIFAR-100_human.pt"
    torch.save({"clean_label": CLEAN, "noisy_label": NOISY, "noisy_coarse_label": NOISY}, path)
    assert load_noise_file(path).noise_rate == pytest.approx(2 / 6)
    assert load_noise_file(path, key="noisy_coarse_label").noise_rate is None
    coarse = NOISY.copy()
    coarse[0] = 3
    found = load_noise_file(path, key="noisy_coarse_label", clean=coarse)
    assert found.noise_rate == pytest.approx(1 / 6)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "no table of comma-separated values"),
        ("a.csv", b"label,label_noisy\n1,\n", "label in row 0 is empty"),
        ("a.csv", b"label,label_noisy\n", r"shape \(0,\)"),
        ("a.csv", b"a,b\n1,2\n", "has a, b; name the noisy labels"),
        ("a.txt", b"", r"shape \(0,\)"),
        ("a.txt", b"1\n\n2\n", "label in row 1 is empty"),
        ("a.json", b"[1, 2", "no JSON"),
        ("a.json", b"[1, null]", "are object; they must be integers or text"),
        ("a.json", b'[1, "a"]', r"integers or text"),
        ("a.json", b"[1, 2.5]", "are float64"),
        ("a.json", b"[true, false]", "are bool"),
        ("a.json", b"[[1], [2]]", r"shape \(2, 1\)"),
        ("a.json", b"7", r"shape \(\)"),
        ("a.json", b"{}", "has nothing"),
        ("a.npz", b"nothing", "cannot be read"),
        ("a.npy", b"", "cannot be read"),
        ("a.npy", pickle.dumps({"a": 1}), "cannot be read"),
        ("a.pt", b"nothing", "cannot be read"),
        ("a.xlsx", b"", r"ends in '\.xlsx'; known are \.csv"),
    ],
)
def test_files_that_hold_no_labels(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        load_noise_file(path)
    assert name in str(error.value)


def test_a_mixture_of_text_and_numbers_is_not_made_text(tmp_path):
    (tmp_path / "a.json").write_text('{"label_noisy": ["a", "b"], "label": [1, 2]}')
    with pytest.raises(ValueError, match=r"the noisy labels are <U1, the clean ones int64"):
        load_noise_file(tmp_path / "a.json")
    np.save(tmp_path / "a.npy", np.array(["a", "b"]))
    with pytest.raises(ValueError, match="clean: the labels are object"):
        load_noise_file(tmp_path / "a.npy", clean=np.array(["a", 1], dtype=object))


def test_clean_and_noisy_labels_of_different_length_in_one_file(tmp_path):
    np.savez(tmp_path / "a.npz", label=CLEAN[:4], label_noisy=NOISY)
    with pytest.raises(ValueError, match="6 noisy labels and 4 clean ones"):
        load_noise_file(tmp_path / "a.npz")


def test_pickled_arrays_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.array({"clean_label": CLEAN}, dtype=object))
    with pytest.raises(ValueError, match=r"a\.npy cannot be read"):
        load_noise_file(tmp_path / "a.npy")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"none\.csv does not exist"):
        load_noise_file(tmp_path / "none.csv")
