"""The noise rate of groups of rows, from an estimator and from the command line."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nllearn import LabelCleaner, MixNNClassifier, cli


@pytest.fixture(scope="module")
def sources():
    """Rows, given labels, sources with 0, 10 and 50 % wrong labels, and which are wrong."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 900)
    X = rng.normal(size=(900, 8)) + 3 * rng.normal(size=(4, 8))[y]
    source = np.array(["lab", "web", "shop"], dtype=object)[np.arange(900) % 3]
    rate = pd.Series(source).map({"lab": 0.0, "web": 0.5, "shop": 0.1}).to_numpy()
    wrong = rng.random(900) < rate
    noisy = np.where(wrong, (y + rng.integers(1, 4, 900)) % 4, y)
    return X, noisy, source, wrong


def test_rates_of_sources(sources):
    X, noisy, source, wrong = sources
    table = LabelCleaner(random_state=0).fit(X, noisy).noise_by(pd.Series(source, name="from"))
    assert list(table.index) == ["web", "shop", "lab"] and table.index.name == "from"
    assert list(table.columns) == ["n_rows", "noise_rate", "low", "high"]
    for name, row in table.iterrows():
        truth = wrong[source == name].mean()
        assert row["n_rows"] == 300
        assert row["low"] <= truth <= row["high"], name
        assert row["high"] - row["low"] < 0.12


def test_kinds_of_groups(sources):
    X, noisy, source, _ = sources
    cleaner = LabelCleaner(random_state=0).fit(X, noisy)
    expected = cleaner.noise_by(source)
    for groups in (source.tolist(), pd.Categorical(source), source.astype(str)):
        found = cleaner.noise_by(groups)
        assert [str(name) for name in found.index] == ["web", "shop", "lab"]
        np.testing.assert_array_equal(found.to_numpy(), expected.to_numpy())
    gaps = np.where(source == "web", None, source)
    found = cleaner.noise_by(gaps)
    assert pd.isna(found.index[0]) and found["n_rows"].sum() == 900
    wide = cleaner.noise_by(source, confidence=0.999)
    assert (wide["high"] > expected["high"]).all() and (wide["low"] <= expected["low"]).all()
    whole = cleaner.noise_by(np.zeros(900))
    assert whole["noise_rate"].iloc[0] == pytest.approx(cleaner.noise_rate_, abs=1e-6)


def test_classifiers_have_it(sources):
    X, noisy, source, _ = sources
    clf = MixNNClassifier(max_epochs=3, random_state=0).fit(X[:200], noisy[:200])
    assert clf.noise_by(source[:200]).index[0] == "web"


@pytest.mark.parametrize(
    ("groups", "confidence", "message"),
    [
        (np.zeros(899), 0.95, r"groups has shape \(899,\); expected one group per"),
        (np.zeros((900, 2)), 0.95, r"groups has shape \(900, 2\)"),
        (np.zeros(900), 95, "confidence=95 must be a number between 0 and 1"),
    ],
)
def test_bad_input_is_named(sources, groups, confidence, message):
    cleaner = LabelCleaner(random_state=0).fit(*sources[:2])
    with pytest.raises(ValueError, match=message):
        cleaner.noise_by(groups, confidence=confidence)


def test_the_command_prints_it(sources, tmp_path, capsys):
    X, noisy, source, _ = sources
    frame = pd.DataFrame(X).add_prefix("c").assign(label=noisy)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    frame.assign(source=source).to_csv(tmp_path / "shown.csv", index=False)
    words = ["clean", "rows.csv", "--label", "label", "-o", "out.csv", "--save", "model.nll"]
    files = {"rows.csv", "shown.csv", "out.csv", "model.nll", "page.html"}

    def run(words):
        return cli.main([str(tmp_path / word) if word in files else word for word in words])

    assert run([*words, "--quiet"]) == 0
    report = ["report", "model.nll", "--table", "shown.csv", "-o", "page.html", "--by"]
    assert run([*report, "nothing"]) == 2
    assert "no column 'nothing' to group by" in capsys.readouterr().err
    assert not (tmp_path / "page.html").exists()
    assert run([*report, "source"]) == 0
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("wrong labels by source:")
    assert [line.split()[:2] for line in lines[at + 2 : at + 5]] == [
        ["web", "300"],
        ["shop", "300"],
        ["lab", "300"],
    ]
    assert (tmp_path / "page.html").exists()
