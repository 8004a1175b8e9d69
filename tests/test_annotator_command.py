"""``nllearn clean`` with several annotators, and its exit code for checks of data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nllearn import cli
from nllearn.datasets import make_annotator_labels

WORDS = np.array(["ant", "bee", "cat"])


@pytest.fixture(scope="module")
def labelled():
    """Rows of numbers, true labels, and labels of three people with gaps."""
    rng = np.random.default_rng(0)
    y = np.arange(240) % 3
    X = rng.normal(size=(240, 4)) + 3 * rng.normal(size=(3, 4))[y]
    labels = make_annotator_labels(
        WORDS[y], quality=[0.9, 0.6, 0.5], labels_per_row=2, random_state=0
    )
    labels[0] = None
    frame = pd.DataFrame(X, columns=list("pqrs"))
    return frame, WORDS[y], pd.DataFrame(labels, columns=["eva", "bob", "kim"])


def run(*words):
    return cli.main([str(word) for word in words])


def test_one_column_per_annotator(labelled, tmp_path, capsys):
    frame, true, labels = labelled
    pd.concat([frame, labels], axis=1).to_csv(tmp_path / "in.csv", index=False)
    line = ("clean", tmp_path / "in.csv", "--label", "eva, bob,kim", "-o", tmp_path / "o.csv")
    assert run(*line, "--report", tmp_path / "page.html") == 0
    out = pd.read_csv(tmp_path / "o.csv")
    assert (out["corrected_label"] == true).mean() > 0.95
    assert out["label_quality"].isna().to_numpy().nonzero()[0].tolist() == [0]
    for name in labels:
        assert (out[f"quality of {name}"].isna() == labels[name].isna()).all()
        assert (out[name].fillna("") == labels[name].fillna("")).all()
    screen = capsys.readouterr().out
    assert "478 labels of 3 annotators" in screen
    assert "240 x 4" in screen, "no label is learnt from"
    best = screen.index("share of their labels that is right")
    assert screen.index("  eva  ", best) < screen.index("  bob  ", best)
    assert "rows without a label  1, filled" in screen
    assert "label by kim" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_long_table(labelled, tmp_path):
    frame, true, labels = labelled
    rows = []
    for i in range(1, 240):
        for who in labels:
            if labels.loc[i, who] is not None:
                rows.append(
                    {**frame.loc[i], "image": f"i{i}", "who": who, "said": labels.loc[i, who]}
                )
    long = pd.DataFrame(rows).sample(frac=1, random_state=0)
    long.to_csv(tmp_path / "in.csv", index=False)
    words = ("--item", "image", "--annotator", "who", "--label", "said")
    assert run("clean", tmp_path / "in.csv", *words, "-o", tmp_path / "o.csv", "--quiet") == 0
    out = pd.read_csv(tmp_path / "o.csv")
    assert out["image"].is_unique and len(out) == 239
    number = out["image"].str[1:].astype(int)
    assert (out["corrected_label"].to_numpy() == true[number]).mean() > 0.95
    assert (out["quality of eva"].notna().to_numpy() == labels["eva"].notna()[number]).all()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--label", "eva,bo"), "--label: the table has no column 'bo'. Did you mean 'bob'?"),
        (("--label", "eva,bob", "--method", "mixnn"), "--method mixnn takes one label per row"),
        (("--label", "eva,bob", "--trusted", "p"), "--trusted is for one label per row"),
        (("--label", "eva", "--item", "p"), "a long table needs --item COLUMN"),
        (("--label", "eva", "--item", "bob", "--annotator", "kim"), "a second time; keep one"),
    ],
)
def test_bad_options(words, told, labelled, tmp_path, capsys):
    frame, _, labels = labelled
    pd.concat([frame, labels], axis=1).to_csv(tmp_path / "in.csv", index=False)
    assert run("clean", tmp_path / "in.csv", *words, "-o", tmp_path / "o.csv") == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1
    assert not (tmp_path / "o.csv").exists()


def test_a_line_without_an_item_and_a_review_of_several_are_refused(labelled, tmp_path, capsys):
    frame, _, labels = labelled
    pd.concat([frame, labels], axis=1).to_csv(tmp_path / "in.csv", index=False)
    out, page = tmp_path / "o.csv", tmp_path / "p.html"
    line = ("clean", tmp_path / "in.csv", "--label", "eva,bob,kim", "-o", out, "--report", page)
    assert run(*line, "--audit", 10, "--quiet") == 0
    assert '"audit"' in page.read_text("utf-8")
    (tmp_path / "d.json").write_text('{"format":"nllearn-decisions","version":1,"decisions":[]}')
    review = ("--table", out, "--label", "eva", "-o", tmp_path / "f.csv")
    assert run("apply", tmp_path / "d.json", *review) == 2
    assert "labels of several annotators" in capsys.readouterr().err
    assert run("audit", out, "--label", "eva", "--sample", 5, "-o", tmp_path / "s.csv") == 2
    assert "labels of several annotators" in capsys.readouterr().err
    long = pd.DataFrame(
        {"x": range(60), "i": [f"i{i // 2}" for i in range(60)], "who": ["a", "b"] * 30}
    )
    long["k"] = list("uv") * 30
    long.loc[7, "i"] = ""
    long.to_csv(tmp_path / "long.csv", index=False)
    words = ("--label", "k", "--item", "i", "--annotator", "who", "-o", tmp_path / "n.csv")
    assert run("clean", tmp_path / "long.csv", *words) == 2
    assert "--item: row 7 of column 'i' is blank" in capsys.readouterr().err


@pytest.mark.parametrize("several", [False, True])
def test_the_exit_code_tells_of_too_much_noise(several, labelled, tmp_path, capsys):
    frame, true, labels = labelled
    noisy = true.copy()
    noisy[::5] = np.roll(true, 1)[::5]
    pd.concat([frame, labels, pd.Series(noisy, name="y")], axis=1).drop(
        columns=[] if several else list(labels)
    ).to_csv(tmp_path / "in.csv", index=False)
    label = ("--label", "eva,bob,kim", "--drop", "y") if several else ("--label", "y")
    line = ("clean", tmp_path / "in.csv", *label, "-o", tmp_path / "o.csv", "--force")
    assert run(*line, "--fail-above", "0.05") == 1
    assert (tmp_path / "o.csv").exists()
    assert "the noise rate is above 0.05, see --fail-above" in capsys.readouterr().out
    assert run(*line, "--fail-above", "0.9") == 0
    assert run(*line, "--fail-above", "9") == 2
