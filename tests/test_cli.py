"""The command line as a user meets it: tables in, tables out, clear errors, exit codes."""

import ast
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nllearn import __version__, cli
from nllearn.exceptions import NoisyLabelWarning

ROOT = Path(__file__).resolve().parents[1]
MAKE_ESTIMATOR = "nllearn._commands._clean._make_estimator"
NOISE_TYPES = ["symmetric", "pairflip", "asymmetric", "part-dependent", "classification"]
ADDED = ["corrected_label", "label_quality", "is_label_issue", "predicted_label", "predicted_proba"]


class NearestMeans:
    """A stand-in for cleaner and classifiers with the members that the command line uses."""

    def fit(self, X, y, trusted=None):
        self.seen_, self.trusted_ = X, trusted
        X = np.asarray(X)
        assert X.dtype == np.float32 or X.ndim > 2
        X = self.first_column(X)
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.means_ = np.array([X[codes == c].mean(axis=0) for c in range(len(self.classes_))])
        self.y_, self.codes_ = y, codes
        self.proba_ = self.predict_proba(X / 3)
        self.has_signal_, self.n_undecided_ = True, 0
        self.noise_rate_ = float(np.mean(self.proba_.argmax(axis=1) != codes))
        return self

    @staticmethod
    def first_column(X):
        return X.reshape(len(X), -1)[:, :1].astype(np.float64) * 3

    def predict_proba(self, X):
        X = self.first_column(X)
        distances = ((X[:, None, :] - self.means_) ** 2).sum(axis=2)
        weights = np.exp(distances.min(axis=1, keepdims=True) - distances)
        return weights / weights.sum(axis=1, keepdims=True)

    label_proba = predict_proba

    def label_issues(self, threshold=None):
        quality = self.proba_[np.arange(len(self.codes_)), self.codes_]
        predicted = self.classes_[self.proba_.argmax(axis=1)]
        flagged = predicted != self.y_
        if threshold is not None:
            flagged |= quality < threshold
        return pd.DataFrame(
            {
                "is_label_issue": flagged,
                "label_quality": quality.astype(np.float32),
                "given_label": self.y_,
                "corrected_label": predicted,
                "predicted_label": predicted,
                "predicted_proba": self.proba_.max(axis=1),
                "evidence": 0,
            }
        )


class Asked(list):
    """Settings of the stand-ins that were made, and the last of them."""


@pytest.fixture
def fake(monkeypatch):
    """Replace the estimators and record what the command line asks of them."""
    asked = Asked()

    def make(method, **options):
        asked.append({"method": method, **options})
        asked.made = NearestMeans()
        return asked.made

    monkeypatch.setattr(MAKE_ESTIMATOR, make)
    return asked


def frame_of(n=90, seed=0):
    """Three groups, and a label of which every ninth is wrong."""
    rng = np.random.default_rng(seed)
    group = np.arange(n) % 3
    given = np.where(np.arange(n) % 9 == 0, (group + 1) % 3, group)
    return pd.DataFrame(
        {
            "Nr": [f"{i:04d}" for i in range(n)],
            "größe": np.round(group * 5 + 0.3 * rng.normal(size=n), 3),
            "stadt": np.where(rng.random(n) < 0.1, "", rng.choice(["Köln", "東京"], n)),
            "aktiv": rng.random(n) < 0.5,
            "datum": pd.date_range("2021-01-01", periods=n).strftime("%Y-%m-%d"),
            "art": np.array(["rot", "grün", "blau"])[given],
        }
    )


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "in.csv"
    frame_of().to_csv(path, index=False)
    return path


def run(*words):
    return cli.main([str(word) for word in words])


def error_of(capsys, *words):
    """Run a command that must fail, and return its one line."""
    code = run(*words)
    out, err = capsys.readouterr()
    assert code == 2, (code, out, err)
    assert err.count("\n") == 1, err
    assert err.startswith("nllearn: error: ")
    return err


def test_clean_writes_the_whole_table_and_the_results(table, tmp_path, fake, capsys):
    out = tmp_path / "out.csv"
    assert run("clean", table, "--label", "art", "-o", out) == 0
    given, result = (pd.read_csv(p, dtype=str, keep_default_na=False) for p in (table, out))
    assert list(result.columns) == [*given.columns, *ADDED]
    pd.testing.assert_frame_equal(result[given.columns], given)
    wrong = np.arange(90) % 9 == 0
    assert (result["is_label_issue"] == np.where(wrong, "True", "False")).all()
    true = np.array(["rot", "grün", "blau"])[np.arange(90) % 3]
    assert (result["corrected_label"] == true).all()
    assert result["label_quality"].astype(float).between(0, 1).all()
    screen = capsys.readouterr().out
    for word in (
        "90 rows",
        "scaled",
        "left out",
        "one-hot",
        "estimated noise rate  11.1%",
        "look at  ",
    ):
        assert word in screen, screen
    assert "labels changed        10 (11.1%)" in screen
    assert "most often to" in screen
    settings = {"epochs": None, "budget": None, "seed": 0, "device": "auto", "verbose": 0}
    assert fake == [{"method": "cleaner", **settings}]
    assert fake.made.trusted_ is None


def test_clean_passes_the_options_on(table, tmp_path, fake, capsys):
    out = tmp_path / "out.csv"
    words = ("clean", table, "--label", "art", "-o", out, "--quiet", "--method", "mixnn")
    words += ("--epochs", 5, "--seed", 3, "--device", "cpu", "--threshold", "1.0")
    assert run(*words) == 0
    settings = {"epochs": 5, "budget": None, "seed": 3, "device": "cpu", "verbose": 0}
    assert fake == [{"method": "mixnn", **settings}]
    assert capsys.readouterr() == ("", "")
    assert pd.read_csv(out)["is_label_issue"].mean() > 0.9


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".parquet", ".npz"])
@pytest.mark.parametrize("kind", ["text", "integer", "boolean", "padded"])
def test_clean_every_format_and_label_type(tmp_path, fake, ending, kind):
    frame = frame_of()
    codes = frame["art"].map({"rot": 0, "grün": 1, "blau": 2}).to_numpy()
    frame["art"] = {
        "text": frame["art"],
        "integer": codes * 10 - 5,
        "boolean": codes == 0,
        "padded": pd.Series(codes).map("{:03d}".format),
    }[kind]
    source, out = tmp_path / f"in{ending}", tmp_path / f"out{ending}"
    if ending == ".parquet":
        frame.to_parquet(source)
    elif ending == ".npz":
        columns = {name: frame[name].to_numpy() for name in frame}
        np.savez(
            source, **{k: v.astype(str) if v.dtype == object else v for k, v in columns.items()}
        )
    else:
        frame.to_csv(source, index=False, sep="\t" if ending == ".tsv" else ",")
    assert run("clean", source, "--label", "art", "-o", out, "--quiet") == 0
    if ending == ".npz":
        with np.load(out) as stored:
            given, corrected = stored["art"], stored["corrected_label"]
            assert stored["label_quality"].dtype.kind == "f"
    else:
        text = {} if ending == ".parquet" else {"dtype": str, "sep": None, "engine": "python"}
        read = pd.read_parquet if ending == ".parquet" else pd.read_csv
        result = read(out, **text)
        given, corrected = result["art"].to_numpy(), result["corrected_label"].to_numpy()
    assert set(corrected) == set(given), "corrected labels are spelled like the given ones"
    if kind != "text" and ending == ".parquet" and kind != "padded":
        assert given.dtype == corrected.dtype
    assert 5 <= np.sum(given != corrected) <= 12


def test_text_embeddings_drop(tmp_path, fake, capsys):
    frame = frame_of().drop(columns="größe")
    rng = np.random.default_rng(0)
    words = {"rot": "card lost stolen", "grün": "exchange rate euro", "blau": "transfer failed"}
    true = np.array(["rot", "grün", "blau"])[np.arange(90) % 3]
    frame["nachricht"] = [" ".join(rng.permutation(words[k].split())) + " please" for k in true]
    source = tmp_path / "in.csv"
    frame.to_csv(source, index=False)
    np.save(tmp_path / "e.npy", rng.normal(size=(90, 4)))
    out = tmp_path / "out.parquet"
    words = ("clean", source, "--label", "art", "-o", out, "--text", "nachricht")
    words += (
        "--embeddings",
        tmp_path / "e.npy",
        "--id",
        "Nr",
        "--drop",
        "stadt",
        "--drop",
        "aktiv",
    )
    assert run(*words) == 0
    screen = capsys.readouterr().out
    assert "e.npy: 4 numbers per row" in screen
    assert screen.count("--drop") == 2
    result = pd.read_parquet(out)
    assert len(result) == 90
    assert "nachricht" in result


def test_npz_label_defaults_to_y(tmp_path, fake):
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    X = np.eye(3)[y] * 4 + rng.normal(size=(60, 3))
    np.savez(tmp_path / "in.npz", X=X, y=y, class_names=np.array(["a", "b", "c"]))
    assert run("clean", tmp_path / "in.npz", "-o", tmp_path / "out.npz") == 0
    with np.load(tmp_path / "out.npz") as stored:
        assert set(stored.files) == {"X", "y", "class_names", *ADDED}
        np.testing.assert_array_equal(stored["X"], X)
        assert stored["corrected_label"].dtype == y.dtype


class TestMissingLabels:
    @pytest.fixture
    def gaps(self, tmp_path):
        frame = frame_of()
        frame.loc[[3, 7], "art"] = ""
        frame.loc[11, "art"] = "NA"
        frame.to_csv(tmp_path / "gaps.csv", index=False)
        return tmp_path / "gaps.csv"

    def test_error_by_default(self, gaps, tmp_path, fake, capsys):
        err = error_of(capsys, "clean", gaps, "--label", "art", "-o", tmp_path / "o.csv")
        for word in ("3 of 90 rows", "'art'", "'' x 2", "'NA' x 1", "--missing-labels drop"):
            assert word in err
        assert not (tmp_path / "o.csv").exists()
        assert fake == []

    def test_drop(self, gaps, tmp_path, fake, capsys):
        out = tmp_path / "o.csv"
        np.save(tmp_path / "e.npy", np.zeros((90, 2)))
        words = ("clean", gaps, "--label", "art", "-o", out, "--missing-labels", "drop")
        assert run(*words, "--embeddings", tmp_path / "e.npy") == 0
        result = pd.read_csv(out, dtype=str)
        assert result["Nr"].tolist() == [f"{i:04d}" for i in range(90) if i not in (3, 7, 11)]
        assert "rows without a label  3, left out" in capsys.readouterr().out

    def test_predict(self, gaps, tmp_path, fake):
        out = tmp_path / "o.csv"
        assert run("clean", gaps, "--label", "art", "-o", out, "--missing-labels", "predict") == 0
        result = pd.read_csv(out, dtype=str, keep_default_na=False)
        true = np.array(["rot", "grün", "blau"])[np.arange(90) % 3]
        assert (result["corrected_label"] == true).all()
        filled = result.iloc[[3, 7, 11]]
        assert filled["art"].tolist() == ["", "", "NA"]
        assert filled["label_quality"].tolist() == ["", "", ""]
        assert filled["is_label_issue"].tolist() == ["False"] * 3

    def test_words_can_be_classes(self, gaps, tmp_path, fake):
        frame = pd.read_csv(gaps, dtype=str, keep_default_na=False)
        frame.loc[frame["art"] == "", "art"] = "NA"
        frame.to_csv(gaps, index=False)
        out = tmp_path / "o.csv"
        assert run("clean", gaps, "--label", "art", "-o", out, "--keep-na-words", "--quiet") == 0
        assert len(pd.read_csv(out)) == 90


def test_an_existing_output_is_kept(table, tmp_path, fake, capsys):
    out = tmp_path / "out.csv"
    out.write_bytes(b"mine")
    assert "add --force" in error_of(capsys, "clean", table, "--label", "art", "-o", out)
    assert out.read_bytes() == b"mine"
    assert fake == [], "the refusal comes before the work"
    assert run("clean", table, "--label", "art", "-o", out, "--force") == 0
    assert out.read_bytes() != b"mine"


@pytest.mark.parametrize("problem", [KeyboardInterrupt, ValueError("X holds\n  nothing")])
def test_a_failed_fit_leaves_the_old_output(table, tmp_path, monkeypatch, capsys, problem):
    class Failing(NearestMeans):
        def fit(self, X, y, trusted=None):
            raise problem

    monkeypatch.setattr(MAKE_ESTIMATOR, lambda *args, **kwargs: Failing())
    out = tmp_path / "out.csv"
    out.write_bytes(b"mine")
    code = run("clean", table, "--label", "art", "-o", out, "--force", "--quiet")
    interrupted = problem is KeyboardInterrupt
    assert code == (130 if interrupted else 2)
    assert out.read_bytes() == b"mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.csv", "out.csv"]
    err = capsys.readouterr().err
    assert ("interrupted" if interrupted else "nllearn: error: X holds nothing\n") in err


def test_an_interrupt_that_the_fit_swallows_still_ends_the_command(table, tmp_path, monkeypatch):
    class Swallowing(NearestMeans):
        def fit(self, X, y):
            try:  # what skorch does with Ctrl-C
                os.kill(os.getpid(), signal.SIGINT)
                signal.pause()
            except KeyboardInterrupt:
                pass
            return super().fit(X, y)

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(MAKE_ESTIMATOR, lambda *args, **kwargs: Swallowing())
    out = tmp_path / "out.csv"
    assert run("clean", table, "--label", "art", "-o", out, "--quiet") == 130
    assert not out.exists()
    assert signal.getsignal(signal.SIGINT) is before


def test_without_signal_the_last_line_says_that_nothing_was_changed(tmp_path, capsys):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(120, 4)), columns=list("abcd"))
    frame["art"] = rng.choice(["rot", "blau"], 120)
    frame.to_csv(tmp_path / "in.csv", index=False)
    words = ("clean", tmp_path / "in.csv", "--label", "art", "-o", tmp_path / "out.csv")
    assert run(*words) == 0
    out, err = capsys.readouterr()
    last = out.splitlines()[-1]
    assert last.startswith("no label was changed: the features tell nothing about the labels")
    assert "labels changed        0 (0.0%)" in out and err.count("\n") == 1
    cleaned = pd.read_csv(tmp_path / "out.csv")
    assert (cleaned["corrected_label"] == cleaned["art"]).all()
    assert not cleaned["is_label_issue"].any()
    assert run(*words, "--force", "--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_undecided_rows_are_one_line(table, tmp_path, monkeypatch, capsys):
    class Undecided(NearestMeans):
        def fit(self, X, y):
            super().fit(X, y).n_undecided_ = 7
            return self

    words = ("clean", table, "--label", "art", "-o", tmp_path / "out.csv", "--force")
    for make, expected in ((NearestMeans, 0), (Undecided, 1)):
        monkeypatch.setattr(MAKE_ESTIMATOR, lambda *a, make=make, **k: make())
        assert run(*words) == 0
        lines = capsys.readouterr().out.splitlines()
        assert sum(line.startswith("undecided ") for line in lines) == expected
        assert "no label was changed" not in lines[-1]
        named = [line for line in lines if "undecided             7 rows" in line]
        assert len(named) == expected and all("--trusted" in line for line in named)


def test_a_warning_is_one_line(table, tmp_path, monkeypatch, capsys):
    class Warning_(NearestMeans):
        def fit(self, X, y):
            warnings.warn("look at\nthe data", NoisyLabelWarning, stacklevel=1)
            warnings.warn("for developers", FutureWarning, stacklevel=1)
            return super().fit(X, y)

    monkeypatch.setattr(MAKE_ESTIMATOR, lambda *args, **kwargs: Warning_())
    words = ("clean", table, "--label", "art", "-o", tmp_path / "out.csv", "--force")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert run(*words) == 0
        assert capsys.readouterr().err == "nllearn: warning: look at the data\n"
        assert run(*words, "--quiet") == 0
        assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["clean", "none.csv", "--label", "art", "-o", "o.csv"], "none.csv: no such file"),
        (["clean", "in.csv", "-o", "o.csv"], "name the label column with --label.*'größe'"),
        (["clean", "in.csv", "--label", "Art", "-o", "o.csv"], "Did you mean 'art'"),
        (["clean", "in.csv", "--label", "art", "-o", "o.xls"], "end in '.xls'"),
        (["clean", "in.csv", "--label", "art"], "required: -o/--output .*clean --help"),
        (["clean", "in.csv", "--label", "größe", "-o", "o.csv"], "fractions"),
        (["clean", "in.csv", "--label", "Nr", "-o", "o.csv"], "90 different values"),
        (["clean", "in.csv", "--label", "art", "-o", "o.csv", "--epochs", "2"], "at least 3"),
        (
            ["clean", "in.csv", "--label", "art", "-o", "o.csv", "--epochs", "9"],
            "--epochs has no effect with --method cleaner.*use --method ah or mixnn",
        ),
        (
            ["clean", "in.csv", "--label", "art", "-o", "o.csv", "--budget", "9"]
            + ["--method", "ah"],
            "--budget has no effect with --method ah",
        ),
        *(
            (
                ["clean", "in.csv", "--label", "art", "-o", "o.csv", "--budget", budget],
                f"--budget: '{budget}' is neither a whole number of at least 1 nor a share",
            )
            for budget in ("0", "1.5", "0.0", "nan", "few")
        ),
        (["clean", "in.csv", "--label", "art", "-o", "o.csv", "--method", "x"], "'cleaner', 'ah'"),
        (
            ["clean", "in.csv", "--label", "art", "-o", "o.csv", "--trusted", "Aktiv"],
            "--trusted: the table has no column 'Aktiv'. Did you mean 'aktiv'",
        ),
        (
            ["clean", "in.csv", "--label", "art", "-o", "o.csv", "--trusted", "datum"],
            "--trusted: row 0 of column 'datum' holds '2021-01-01'; use true or false",
        ),
        (["clean", "in.csv", "--label", "art", "-o", "o.csv", "--threshold", "nan"], "at most 1"),
        (["clean", "in.csv", "--label", "art", "-o", "o.csv", "--seed", "-1"], "whole number"),
        (["clean", "in.csv", "--label", "art", "-o", "o.csv", "--text", "x"], "no column 'x'"),
        (["clean", "in.csv", "--label", "art", "-o", "o.csv", "--embeddings", "e.npy"], "89 rows"),
        (["noise", "in.csv", "--label", "art", "-o", "o.csv", "--rate", "40"], "at most 1"),
        (["noise", "in.csv", "--label", "art", "-o", "o.csv"], "required: --rate"),
        (
            ["noise", "in.csv", "--label", "art", "-o", "o.csv", "--rate", "0.2", "--flip", "a=b"],
            "--flip has no effect",
        ),
        (
            ["noise", "in.csv", "--label", "art", "-o", "o.csv", "--rate", "0", "--text", "stadt"],
            "--text has no effect with --type symmetric",
        ),
        (["polish"], "invalid choice: 'polish'"),
        ([], "required: COMMAND"),
    ],
)
def test_bad_input_is_one_clear_line(table, tmp_path, fake, capsys, monkeypatch, words, message):
    import re

    monkeypatch.chdir(tmp_path)
    np.save("e.npy", np.zeros((89, 2)))
    assert re.search(message, error_of(capsys, *words))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["e.npy", "in.csv"]
    assert fake == []


@pytest.mark.parametrize("words", [["true", "False"], ["YES", "no "], ["1", "0"], ["1", ""]])
@pytest.mark.parametrize("gaps", ["drop", "predict"])
def test_trusted_rows_are_read_from_a_column(tmp_path, fake, words, gaps):
    frame = frame_of()
    frame["checked"] = np.array(words)[1 - (np.arange(90) % 5 == 0)]
    frame.loc[[10, 12], "art"] = ""
    frame.to_csv(tmp_path / "in.csv", index=False)
    line = ("clean", tmp_path / "in.csv", "--label", "art", "-o", tmp_path / "o.csv", "--quiet")
    assert run(*line, "--missing-labels", gaps) == 0
    with_column = fake.made.seen_.shape[1]
    assert run(*line, "--missing-labels", gaps, "--trusted", "checked", "--force") == 0
    known = ~np.isin(np.arange(90), [10, 12])
    np.testing.assert_array_equal(fake.made.trusted_, (np.arange(90) % 5 == 0)[known])
    assert fake.made.seen_.shape[1] < with_column, "nothing is learnt from it"
    assert (
        run(*line, "--missing-labels", gaps, "--trusted", "checked", "--force", "--drop", "Nr") == 0
    )


def test_a_file_of_float32_is_mapped_when_it_is_all_there_is(tmp_path, fake, capsys):
    frame = frame_of()[["Nr", "art"]]
    frame.to_csv(tmp_path / "in.csv", index=False)
    vectors = np.random.default_rng(0).normal(size=(90, 5)).astype(np.float32)
    line = ("clean", tmp_path / "in.csv", "--label", "art", "-o", tmp_path / "o.csv", "--force")
    line += ("--embeddings", tmp_path / "e.npy")
    np.save(tmp_path / "e.npy", vectors)
    assert run(*line) == 0
    assert isinstance(fake.made.seen_, np.memmap)
    np.testing.assert_array_equal(fake.made.seen_, vectors)
    # A column beside them makes a table of both.
    assert run(*line, "--categorical", "Nr") == 0
    assert not isinstance(fake.made.seen_, np.memmap) and fake.made.seen_.shape[1] > 5
    np.testing.assert_array_equal(fake.made.seen_[:, -5:], vectors)
    np.save(tmp_path / "e.npy", vectors.astype(np.float16))
    assert run(*line) == 0
    assert fake.made.seen_.dtype == np.float32
    capsys.readouterr()
    vectors[70, 1] = np.nan
    np.save(tmp_path / "e.npy", vectors)
    assert "e.npy holds NaN or infinite values (first: row 70)" in error_of(capsys, *line)


def test_images_need_a_classifier(tmp_path, fake, capsys):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "in.npz", X=rng.normal(size=(60, 8, 8, 3)), y=np.arange(60) % 3)
    line = ("clean", tmp_path / "in.npz", "-o", tmp_path / "out.npz")
    err = error_of(capsys, *line)
    assert "images of shape (8, 8, 3)" in err and "--method ah or mixnn" in err
    assert run(*line, "--method", "mixnn") == 0
    assert fake.made.seen_.shape == (60, 8, 8, 3)


def test_a_cleaned_table_is_cleaned_anew(table, tmp_path, fake, capsys):
    once, twice = tmp_path / "once.csv", tmp_path / "twice.csv"
    assert run("clean", table, "--label", "art", "-o", once) == 0
    width = fake.made.seen_.shape[1]
    assert run("clean", once, "--label", "art", "-o", twice) == 0
    screen = capsys.readouterr().out
    assert "cleaned before" in screen and "corrected_label, label_quality" in screen
    assert fake.made.seen_.shape[1] == width
    assert pd.read_csv(twice).columns.tolist() == pd.read_csv(once).columns.tolist()


def test_columns_of_the_user_are_never_replaced(table, tmp_path, fake, capsys):
    frame = pd.read_csv(table).assign(label_quality=1)
    frame.to_csv(tmp_path / "mine.csv", index=False)
    err = error_of(
        capsys, "clean", tmp_path / "mine.csv", "--label", "art", "-o", tmp_path / "o.csv"
    )
    assert "already has the column 'label_quality'" in err
    out = tmp_path / "once.csv"
    assert run("clean", table, "--label", "art", "-o", out) == 0
    capsys.readouterr()
    words = ("clean", out, "--label", "corrected_label", "-o", tmp_path / "o.csv")
    assert "'corrected_label', which would be overwritten" in error_of(capsys, *words)


@pytest.mark.parametrize("kind", NOISE_TYPES)
def test_noise_changes_labels_alone(table, tmp_path, capsys, kind):
    out = tmp_path / "out.csv"
    words = ("noise", table, "--label", "art", "--type", kind, "--rate", "0.4", "-o", out)
    assert run(*words, "--keep-true") == 0
    given, noisy = (pd.read_csv(p, dtype=str, keep_default_na=False) for p in (table, out))
    assert noisy["true_label"].equals(given["art"].rename("true_label"))
    others = [name for name in given if name != "art"]
    pd.testing.assert_frame_equal(noisy[others], given[others])
    changed = (noisy["art"] != given["art"]).sum()
    assert f"{changed} of 90 labels changed" in capsys.readouterr().out
    assert 20 <= changed <= 52
    first = out.read_bytes()
    assert run(*words, "--keep-true", "--force") == 0
    assert out.read_bytes() == first, "the same seed gives the same file"
    assert run(*words, "--force", "--seed", 1) == 0
    other = pd.read_csv(out)
    assert "true_label" not in other
    assert not other["art"].equals(noisy["art"])


def test_noise_keeps_gaps_and_spelling(tmp_path):
    lines = [f"{i},{word}" for i, word in enumerate(["01", "2", "", "NA", "01", "2"] * 10)]
    (tmp_path / "in.csv").write_text("n,k\n" + "\n".join(lines) + "\n")
    words = ("noise", tmp_path / "in.csv", "--label", "k", "--rate", "1", "--keep-true", "--quiet")
    assert run(*words, "-o", tmp_path / "out.csv", "--type", "pairflip") == 0
    result = pd.read_csv(tmp_path / "out.csv", dtype=str, keep_default_na=False)
    assert result["k"].tolist() == ["2", "01", "", "NA", "2", "01"] * 10
    assert result["true_label"].tolist()[:2] == ["01", "2"]


def test_asymmetric_flips_are_named(table, tmp_path, capsys):
    words = ("noise", table, "--label", "art", "--type", "asymmetric", "--rate", "1")
    out = tmp_path / "out.csv"
    assert run(*words, "--flip", "rot=grün", "-o", out) == 0
    art = pd.read_csv(table)["art"].replace("rot", "grün")
    assert pd.read_csv(out)["art"].equals(art)
    capsys.readouterr()
    err = error_of(capsys, *words, "--flip", "rot=gelb", "-o", out, "--force")
    assert "'gelb' is not a class; the classes are" in err
    assert "not FROM=TO" in error_of(capsys, *words, "--flip", "rot", "-o", out, "--force")


def test_demo(capsys):
    assert run("demo", "--epochs", 4) == 0
    out, err = capsys.readouterr()
    assert err == ""
    rows = [line.split() for line in out.splitlines() if "->" in line]
    assert [row[0] for row in rows] == ["plain", "LabelCleaner,", "MixNN", "Anchor"]
    assert float(rows[1][-2]) > 0.9, "the cleaner does not depend on the epochs"
    assert float(rows[1][-5]) > float(rows[0][-5])
    assert all(float(row[-5]) > 0.5 for row in rows), "test accuracy"
    assert rows[0][-4] == rows[0][-2], "a plain network leaves the labels as they are"
    assert run("demo", "--epochs", 4, "--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_version_and_help(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out == f"nllearn {__version__}\n"
    for words in (["--help"], ["clean", "--help"], ["noise", "--help"], ["demo", "--help"]):
        assert run(*words) == 0
        assert "usage: nllearn" in capsys.readouterr().out


def python(*words, **kwargs):
    return subprocess.run(
        [sys.executable, *map(str, words)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        **kwargs,
    )


HEAVY = ("numba", "numpy", "pandas", "pynndescent", "scipy", "sklearn", "skorch", "torch", "tqdm")


def loaded_by(code):
    """Heavy packages that a new process has loaded after some code."""
    done = python("-c", f"import sys; {code}; print([m for m in {HEAVY} if m in sys.modules])")
    assert done.returncode == 0, done.stderr
    return ast.literal_eval(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "code",
    [
        "import nllearn; assert 'LabelCleaner' in dir(nllearn)",
        "from nllearn import __version__, presets",
        "import nllearn.cli; nllearn.cli.main(['--help'])",
        "import nllearn.cli; nllearn.cli.main(['clean', '--help'])",
    ],
)
def test_import_and_help_load_no_library(code):
    assert loaded_by(code) == []


def test_cleaning_loads_only_what_it_uses():
    code = (
        "import numpy as np; from nllearn import LabelCleaner; X = np.eye(20); "
        "LabelCleaner(random_state=0).fit(np.tile(X, (3, 1)), np.arange(60) % 2)"
    )
    assert not {"numba", "pynndescent", "skorch"} & set(loaded_by(code))


def test_reading_a_table_loads_no_torch():
    done = python("-c", "import sys; import nllearn.tables; print('torch' in sys.modules)")
    assert done.stdout == "False\n", done.stderr


def test_the_process_exits_with_the_code(table, tmp_path):
    done = python("-m", "nllearn", "clean", tmp_path / "none.csv", "--label", "a", "-o", "o.csv")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("nllearn: error: ")
    out = tmp_path / "out.csv"
    words = ("-m", "nllearn", "noise", table, "--label", "art", "--rate", "0.2", "-o", out)
    done = python(*words)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "größe" in done.stdout or "labels changed" in done.stdout


@pytest.mark.parametrize("method", ["cleaner", "mixnn", "ah"])
def test_clean_with_the_real_estimators(tmp_path, method):
    rng = np.random.default_rng(0)
    frame = frame_of(240)
    group = np.arange(240) % 3
    for i in range(4):
        frame[f"x_{i}"] = np.round(rng.normal(size=(3,))[group] * 3 + rng.normal(size=240), 3)
    frame.loc[5, "art"] = ""
    frame.to_csv(tmp_path / "in.csv", index=False)
    out = tmp_path / "out.csv"
    words = ("clean", tmp_path / "in.csv", "--label", "art", "-o", out, "--method", method)
    words += () if method == "cleaner" else ("--epochs", 10)
    assert run(*words, "--missing-labels", "predict", "--quiet") == 0
    result = pd.read_csv(out)
    true = np.array(["rot", "grün", "blau"])[group]
    before, after = (np.mean(result[c] == true) for c in ("art", "corrected_label"))
    assert after > before
    assert result["corrected_label"][5] == true[5]
    assert result["label_quality"].isna().sum() == 1


def test_the_options_of_the_cleaner(tmp_path, capsys):
    frame = frame_of(240)
    words, group = np.array(["rot", "grün", "blau"]), np.arange(240) % 3
    true = words[group]
    # Some of every class.
    frame["art"] = np.where(np.arange(240) % 10 == 0, words[(group + 1) % 3], true)
    wrong = np.flatnonzero(frame["art"] != true)
    frame["checked"] = np.where(np.arange(240) == wrong[0], "yes", "")
    rng = np.random.default_rng(0)
    for i in range(4):
        centres = 4 * rng.normal(size=3)
        frame[f"x_{i}"] = np.round(centres[np.arange(240) % 3] + rng.normal(size=240), 3)
    frame.to_csv(tmp_path / "in.csv", index=False)
    out = tmp_path / "out.csv"
    words = ("clean", tmp_path / "in.csv", "--label", "art", "-o", out, "--force")
    assert run(*words) == 0
    screen = capsys.readouterr()
    plain = pd.read_csv(out)
    n_issues = int(plain["is_label_issue"].sum())
    assert screen.err == "" and f"label issues          {n_issues} (" in screen.out
    assert 22 <= n_issues <= 25
    assert (plain["corrected_label"] == true).mean() > 0.98
    alone = plain["predicted_label"] == true
    assert alone[wrong].all(), "the prediction does not look at the given label"
    assert run(*words, "--trusted", "checked", "--quiet") == 0
    trusted = pd.read_csv(out)
    assert trusted["corrected_label"][wrong[0]] == frame["art"][wrong[0]]
    assert trusted["label_quality"][wrong[0]] == 1
    for budget, n in (("5", 5), ("0.05", 12)):
        assert run(*words, "--budget", budget, "--quiet") == 0
        few = pd.read_csv(out)
        assert few["is_label_issue"].sum() == n
        worst = few["label_quality"][few["is_label_issue"]].max()
        assert worst <= few["label_quality"][wrong].sort_values().iloc[n - 1] + 1e-6
        assert few["corrected_label"].equals(plain["corrected_label"])
    assert run(*words, "--threshold", "0.999", "--quiet") == 0
    more = pd.read_csv(out)
    assert (
        more["is_label_issue"] == ((more["label_quality"] < 0.999) | plain["is_label_issue"])
    ).all()


def test_a_bar_shows_the_stages_on_a_terminal(table, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    words = ("clean", table, "--label", "art", "-o", tmp_path / "out.csv", "--force")
    assert run(*words) == 0
    assert "noise" in capsys.readouterr().err
    assert run(*words, "--quiet") == 0
    assert capsys.readouterr().err == ""


def test_the_sheet_of_an_excel_file(tmp_path, capsys):
    pytest.importorskip("openpyxl")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(40, 2)), columns=["a", "b"])
    frame["k"] = np.where(frame["a"] > 0, "yes", "no")
    path, out = str(tmp_path / "t.xlsx"), str(tmp_path / "out.xlsx")
    with pd.ExcelWriter(path) as book:
        frame.to_excel(book, sheet_name="Data", index=False)
        frame[:20].to_excel(book, sheet_name="Data 2", index=False)
    assert cli.main(["clean", path, "--label", "k", "-o", out]) == 0
    said = capsys.readouterr()
    assert (
        "t.xlsx; the sheet 'Data' was read, name another with --sheet: 'Data 2'"
        in said.out + said.err
    )
    again = ["clean", path, "--label", "k", "--sheet", "Data 2", "-o", out, "--force"]
    model = str(tmp_path / "model")
    assert cli.main([*again, "--save", model]) == 0
    assert "the sheet" not in capsys.readouterr().out
    assert len(pd.read_excel(out)) == 20
    page = str(tmp_path / "page.html")
    assert cli.main(["report", model, "--table", path, "-o", page]) == 0
    assert cli.main(["clean", "t.csv", "--label", "k", "--sheet", "x", "-o", "o.csv"]) == 2
    assert "--sheet has no effect" in capsys.readouterr().err
