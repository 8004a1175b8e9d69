"""Frames of polars and pyarrow: the results of pandas, given back in the library that came in."""

from __future__ import annotations

import datetime
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from nllearn import (
    AnchorHallucinationClassifier,
    CleanedClassifier,
    LabelCleaner,
    MixNNClassifier,
    find_label_issues,
    load,
)
from nllearn.datasets import make_asymmetric_noise, make_part_dependent_noise, make_symmetric_noise
from nllearn.exceptions import MissingExtraError
from nllearn.inspection import (
    Decision,
    LossMixtureDisplay,
    ThresholdDisplay,
    apply_decisions_to,
    export_issues,
    export_label_studio,
    write_review_page,
)
from nllearn.metrics import label_accuracy
from nllearn.model_selection import WeightedAccuracyScorer

pa = pytest.importorskip("pyarrow")
pytest.importorskip("narwhals")

N = 120
NAMES = np.array(["ant", "bee", "cat"])


class Library:
    """Frames and columns of one library, made from pandas and read back without the package."""

    def __init__(self, name):
        self.name, self.module = name, pytest.importorskip(name)

    def frame(self, table):
        columns = {name: _listed(column) for name, column in table.items()}
        return pa.table(columns) if self.name == "pyarrow" else self.module.DataFrame(columns)

    def column(self, values, name="label"):
        values = _listed(pd.Series(values))
        if self.name == "pyarrow":
            return pa.chunked_array([values[:7], values[7:]])
        return self.module.Series(name, values)

    def read(self, result):
        """A frame as pandas, a column as a list."""
        assert type(result).__module__.partition(".")[0] == self.name, type(result)
        if self.name == "pyarrow":
            return (
                pd.DataFrame(result.to_pydict())
                if hasattr(result, "schema")
                else (result.to_pylist())
            )
        return (
            pd.DataFrame(result.to_dict(as_series=False))
            if hasattr(result, "columns")
            else (result.to_list())
        )


def _listed(column):
    return [None if pd.api.types.is_scalar(v) and pd.isna(v) else v for v in column.tolist()]


@pytest.fixture(params=["polars", "pyarrow"])
def library(request):
    return Library(request.param)


@pytest.fixture(scope="module")
def table():
    """Numbers of three dtypes, and labels of which a fifth is wrong."""
    rng = np.random.default_rng(0)
    codes = np.arange(N) % 3
    means = np.array([[0, 0, 0], [4, 0, 3], [0, 4, -3]])
    values = means[codes] + rng.normal(size=(N, 3))
    X = pd.DataFrame({"a": values[:, 0], "b": values[:, 1], "c": np.round(10 * values[:, 2])})
    noisy = make_symmetric_noise(codes, noise_rate=0.2, random_state=0)
    return X.astype({"c": "int64"}), NAMES[noisy].astype(object), NAMES[codes]


def same(found, expected):
    """Compare tables of issues, whatever library they came from."""
    assert list(found.columns) == list(expected.columns)
    for name in expected.columns:
        column = expected[name]
        if column.dtype.kind == "f":
            np.testing.assert_allclose(found[name], column, atol=1e-6, err_msg=name)
        else:
            assert found[name].tolist() == column.tolist(), name


def test_a_cleaner_gives_back_what_came_in(library, table, tmp_path):
    X, y, _ = table
    rows, labels = library.frame(X), library.column(y)
    expected = LabelCleaner(random_state=0).fit(X, y)
    cleaner = LabelCleaner(random_state=0).fit(rows, labels)
    assert cleaner.feature_names_in_.tolist() == ["a", "b", "c"]
    assert cleaner.corrected_labels_.tolist() == expected.corrected_labels_.tolist()
    same(library.read(cleaner.label_issues()), expected.label_issues())
    same(library.read(cleaner.row_issues(threshold=0.9)), expected.row_issues(threshold=0.9))
    np.testing.assert_allclose(
        cleaner.score_labels(rows, labels), expected.score_labels(X, y), atol=1e-6
    )
    np.testing.assert_allclose(cleaner.label_proba(rows), expected.label_proba(X), atol=1e-6)
    cleaner.save(tmp_path / "cleaner.nll")
    same(library.read(load(tmp_path / "cleaner.nll").label_issues()), expected.label_issues())
    # The next fit is of pandas again.
    assert isinstance(cleaner.fit(X, y).label_issues(), pd.DataFrame)


def test_rows_decide_the_library_and_labels_where_rows_are_no_frame(library, table):
    X, y, _ = table
    labels = library.column(y)
    cleaner = LabelCleaner(random_state=0).fit(X.to_numpy(), labels)
    library.read(cleaner.label_issues())
    cleaner.apply_decisions([Decision(3, "accept", y[3], "cat")], refit=True, X=X.to_numpy())
    library.read(cleaner.label_issues())
    named = X.set_axis([f"row {i}" for i in range(N)])
    issues = LabelCleaner(random_state=0).fit(named, labels).label_issues()
    assert issues.index.tolist() == named.index.tolist()
    library.read(LabelCleaner(random_state=0).fit(library.frame(X), pd.Series(y)).label_issues())


def test_weights_and_known_rows_are_columns(library, table):
    X, y, _ = table
    weight, trusted = np.where(np.arange(N) < 20, 0.0, 1.5), np.arange(N) >= 100
    expected = LabelCleaner(random_state=0).fit(X, y, sample_weight=weight, trusted=trusted)
    for cls in (LabelCleaner(random_state=0), CleanedClassifier(LogisticRegression())):
        beside = dict(sample_weight=library.column(weight), trusted=library.column(trusted))
        found = cls.fit(library.frame(X), library.column(y), **beside)
        np.testing.assert_allclose(found.label_quality_, expected.label_quality_, atol=1e-6)


@pytest.mark.parametrize("action", ["relabel", "drop"])
def test_fit_resample_keeps_library_and_dtypes(library, table, action):
    X, y, _ = table
    cleaner = LabelCleaner(action=action, random_state=0)
    kept, labels = cleaner.fit_resample(X, pd.Series(y, name="label"))
    rows = library.frame(X)
    found, given = cleaner.fit_resample(rows, library.column(y))
    pd.testing.assert_frame_equal(library.read(found), kept.reset_index(drop=True))
    assert found.schema == rows.schema
    assert library.read(given) == labels.tolist()
    alone, _ = cleaner.fit_resample(X.to_numpy(), library.column(y))
    assert isinstance(alone, np.ndarray)


def test_categories_of_polars_stay_categories(table):
    pl = pytest.importorskip("polars")
    X, y, _ = table
    for dtype in (pl.Enum(NAMES.tolist()), pl.Categorical):
        labels = pl.Series("kind", y, dtype=dtype)
        _, found = LabelCleaner(random_state=0).fit_resample(
            pl.DataFrame(X.to_dict("list")), labels
        )
        assert (found.dtype, found.name) == (labels.dtype, "kind")
        assert make_symmetric_noise(labels, noise_rate=0.5, random_state=0).dtype == labels.dtype


def test_rows_of_one_column_of_arrays(table):
    pl = pytest.importorskip("polars")
    X, y, _ = table
    vectors = pl.Series("vector", X.to_numpy(), dtype=pl.Array(pl.Float64, 3))
    cleaner = LabelCleaner(random_state=0).fit(vectors, y)
    expected = LabelCleaner(random_state=0).fit(X.to_numpy(), y)
    assert cleaner.corrected_labels_.tolist() == expected.corrected_labels_.tolist()
    assert isinstance(cleaner.label_issues(), pl.DataFrame)


GAPS = {
    "words": (NAMES.astype(object), None),
    "numbers beyond 2**53": (np.array([2**60, 2**60 + 1, 2**60 + 2], dtype=object), None),
    "numbers": (np.array([7, 8, 9], dtype=object), None),
}


@pytest.mark.parametrize("kind", GAPS)
def test_annotators_are_the_columns_of_a_frame(library, table, kind):
    X, y, true = table
    values, gap = GAPS[kind]
    rng = np.random.default_rng(1)
    cells = np.stack([values[np.searchsorted(NAMES, labels)] for labels in (y, true, y)], axis=1)
    cells[rng.random(cells.shape) < 0.3] = gap
    people = pd.DataFrame(cells, columns=["ada", "bob", "eve"], dtype=object)
    expected = LabelCleaner(random_state=0).fit(X, people)
    assert expected.classes_.tolist() == values.tolist()
    cleaner = LabelCleaner(random_state=0).fit(library.frame(X), library.frame(people))
    assert cleaner.classes_.tolist() == values.tolist()
    assert cleaner.annotators_.tolist() == ["ada", "bob", "eve"]
    issues = library.read(cleaner.label_issues())
    long = expected.label_issues()
    # These libraries have no index, so the number of the row is a column.
    assert issues["row"].tolist() == long.index.tolist()
    same(issues.drop(columns="row"), long)
    assert len(library.read(cleaner.row_issues())) == N


def test_predictions_are_read_by_the_names_of_their_columns(library, table):
    X, y, true = table
    probs = np.full((N, 3), 0.15)
    probs[np.arange(N), np.searchsorted(NAMES, true)] = 0.7
    probs += np.random.default_rng(0).uniform(-0.01, 0.01, (N, 1)) * [1, 0, -1]
    turned = pd.DataFrame(probs, columns=NAMES).iloc[:, [2, 0, 1]]
    found = find_label_issues(library.column(y), library.frame(turned))
    same(library.read(found), find_label_issues(y, turned))
    same(library.read(find_label_issues(library.column(y), probs)), find_label_issues(y, probs))
    cleaner = LabelCleaner(random_state=0).fit(None, y, pred_probs=library.frame(turned))
    quality = cleaner.score_labels(library.frame(turned), library.column(y))
    assert quality.shape == (N,)
    with pytest.raises(ValueError, match=r"'gnu'.*are no classes"):
        find_label_issues(y, library.frame(turned.rename(columns={"ant": "gnu"})))
    beside = LabelCleaner(random_state=0).fit(
        library.frame(X), y, pred_probs=library.frame(turned), classes=library.column(NAMES)
    )
    assert beside.classes_.tolist() == NAMES.tolist()


@pytest.mark.parametrize("cls", [MixNNClassifier, AnchorHallucinationClassifier])
def test_classifiers_fit_and_predict(library, table, cls, tmp_path):
    X, y, _ = table
    rows, labels = library.frame(X), library.column(y)
    settings = dict(max_epochs=3, random_state=0)
    expected = cls(**settings).fit(X, y)
    clf = cls(**settings).fit(rows, labels, trusted=library.column([False] * N))
    assert clf.feature_names_in_.tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(clf.predict_proba(rows), expected.predict_proba(X), atol=1e-5)
    assert clf.score(rows, labels) == expected.score(X, y)
    same(
        library.read(clf.label_issues())[["given_label"]], expected.label_issues()[["given_label"]]
    )
    clf.save(tmp_path / "clf.nll")
    library.read(load(tmp_path / "clf.nll").label_issues())
    people = pd.DataFrame({"ada": y, "bob": y}).mask(np.eye(N, 2, dtype=bool))
    assert "row" in library.read(cls(**settings).fit(rows, library.frame(people)).label_issues())


def test_paths_are_a_column(library, tmp_path):
    image = pytest.importorskip("PIL.Image")
    pytest.importorskip("torchvision")
    rng = np.random.default_rng(0)
    paths = [str(tmp_path / f"{i}.png") for i in range(12)]
    for path in paths:
        image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(path)
    y = ["x", "y"] * 6
    clf = MixNNClassifier(max_epochs=3, random_state=0)
    clf.fit(library.column(paths), library.column(y))
    assert clf.predict(library.column(paths[:3])).shape == (3,)


@pytest.mark.parametrize("action", ["relabel", "drop", "weight"])
def test_the_own_classifier_gets_the_frame_itself(library, table, action):
    X, y, _ = table
    rows = library.frame(X)
    expected = CleanedClassifier(LogisticRegression(), action=action).fit(X, y)
    clf = CleanedClassifier(LogisticRegression(), action=action).fit(rows, library.column(y))
    np.testing.assert_allclose(clf.predict_proba(rows), expected.predict_proba(X), atol=1e-5)
    assert clf.feature_names_in_.tolist() == ["a", "b", "c"]
    library.read(clf.cleaner_.label_issues())


def test_searches_split_frames(library, table):
    X, y, _ = table
    rows, labels = library.frame(X), library.column(y)
    cleaner = LabelCleaner(random_state=0).fit(rows, labels)
    scorer = WeightedAccuracyScorer(rows, labels, cleaner.label_quality_)
    grid = {"estimator__C": [0.01, 1.0]}
    for scoring in (None, scorer):
        search = GridSearchCV(
            CleanedClassifier(LogisticRegression()),
            grid,
            cv=3,
            scoring=scoring,
            error_score="raise",
        )
        assert np.isfinite(search.fit(rows, labels).cv_results_["mean_test_score"]).all()


def test_groups_are_a_column_of_the_result(library, table):
    X, y, _ = table
    group = np.where(np.arange(N) < 50, "web", "clinic")
    expected = LabelCleaner(random_state=0).fit(X, y).noise_by(group)
    cleaner = LabelCleaner(random_state=0).fit(library.frame(X), y)
    found = library.read(cleaner.noise_by(group))
    assert found["group"].tolist() == expected.index.tolist()
    same(found.drop(columns="group"), expected)
    # Groups rule over the rows of fit, and their name is kept.
    assert isinstance(cleaner.noise_by(pd.Series(group)), pd.DataFrame)
    arrays = LabelCleaner(random_state=0).fit(X, y)
    for name in ("source", "noise_rate"):
        table = library.read(arrays.noise_by(library.column(group, name)))
        assert table.iloc[:, 0].tolist() == expected.index.tolist()


def test_review_audit_and_exports(library, table, tmp_path):
    X, y, _ = table
    pytest.importorskip("matplotlib")
    rows = library.frame(X)
    cleaner = LabelCleaner(random_state=0).fit(rows, library.column(y))
    twin = LabelCleaner(random_state=0).fit(X, y)
    issues, expected = cleaner.label_issues(), twin.label_issues()
    decisions = [Decision(3, "accept", y[3], "cat")]
    final, decided = apply_decisions_to(issues, decisions)
    assert final.tolist() == apply_decisions_to(expected, decisions)[0].tolist()
    assert decided.sum() == 1
    again = cleaner.apply_decisions(decisions, refit=True, X=rows)
    assert again[3] == "cat"
    library.read(cleaner.label_issues())
    for name, content in {"c": library.frame(X), "d": library.column(y)}.items():
        texts = [
            export_issues(table, tmp_path / f"{name}{i}.csv", content=shown).read_text()
            for i, (table, shown) in enumerate(
                [(issues, content), (expected, X if name == "c" else y)]
            )
        ]
        assert texts[0] == texts[1]
    tasks = export_label_studio(issues, tmp_path / "tasks.json", content=library.column(y))
    twins = export_label_studio(expected, tmp_path / "twins.json", content=y)
    assert tasks.read_text() == twins.read_text()
    page = write_review_page(tmp_path / "p.html", issues=issues, table=rows).read_text()
    assert '"a"' in page
    texts = library.column([f"text {i}" for i in range(N)])
    assert "text 1" in cleaner.report(tmp_path / "r.html", texts=texts, names=texts).read_text()
    cleaner.model_card(tmp_path / "card.md")
    ThresholdDisplay.from_estimator(cleaner)
    checked = twin.audit_sample(20, random_state=0)
    right = np.arange(20) % 3 > 0
    audits = [
        twin.audit(checked, right),
        twin.audit(library.column(checked), library.column(right)),
    ]
    assert audits[0].noise_rate == audits[1].noise_rate


def test_plots_of_a_classifier(library, table):
    X, y, _ = table
    pytest.importorskip("matplotlib")
    clf = MixNNClassifier(max_epochs=3, random_state=0).fit(library.frame(X), library.column(y))
    LossMixtureDisplay.from_estimator(clf)


def test_noise_is_made_in_the_library_of_the_labels(library, table):
    X, y, _ = table
    labels = library.column(y)
    found = make_symmetric_noise(labels, noise_rate=0.4, random_state=0)
    assert library.read(found) == make_symmetric_noise(y, noise_rate=0.4, random_state=0).tolist()
    numbers = library.column(np.arange(N) % 10)
    asymmetric = make_asymmetric_noise(numbers, noise_rate=1.0, mapping="cifar10", random_state=0)
    assert library.read(asymmetric)[9] == 1
    parts = make_part_dependent_noise(library.frame(X), labels, noise_rate=0.4, random_state=0)
    assert len(library.read(parts)) == N
    assert label_accuracy(labels, found) == label_accuracy(y, np.array(library.read(found)))


def test_what_cannot_be_read_is_refused_as_in_pandas(library, table):
    X, y, _ = table
    days = [datetime.date(2024, 1, 1)] * N
    for more, message in {
        "text": (y, r"columns \['more'\] of X hold text"),
        "days": (days, "X holds datetime64.*convert dates"),
        "times": ([datetime.datetime(2024, 1, 1)] * N, "X holds datetime64.*convert dates"),
        "whole numbers with a gap": ([None, *range(N - 1)], "NaN"),
        "numbers with a gap": ([None, *map(float, range(N - 1))], "NaN"),
    }.values():
        frame = library.frame(X.assign(more=pd.Series(more, dtype=object)))
        for estimator in (LabelCleaner(), MixNNClassifier(max_epochs=3)):
            with pytest.raises(ValueError, match=message):
                estimator.fit(frame, y)
    with pytest.raises(ValueError, match=r"missing label.*first in row 2"):
        LabelCleaner().fit(library.frame(X), library.column([*y[:2], None, *y[3:]]))
    with pytest.raises(ValueError, match="groups has shape"):
        LabelCleaner(random_state=0).fit(X, y).noise_by(library.frame(X))


def test_a_lazy_frame_asks_to_be_collected(table):
    pl = pytest.importorskip("polars")
    X, y, _ = table
    with pytest.raises(TypeError, match=r"LazyFrame.*pass frame\.collect\(\)"):
        LabelCleaner().fit(pl.DataFrame(X.to_dict("list")).lazy(), y)


def test_the_extra_is_named_where_narwhals_is_missing(library, table, monkeypatch):
    X, y, _ = table
    rows, labels = library.frame(X), library.column(y)
    cleaner = LabelCleaner(random_state=0).fit(rows, labels)
    monkeypatch.setitem(sys.modules, "narwhals.stable.v2", None)
    for call in (
        lambda: LabelCleaner().fit(rows, y),
        lambda: LabelCleaner().fit(X, labels),
        lambda: cleaner.label_proba(rows),
        cleaner.label_issues,
    ):
        with pytest.raises(MissingExtraError, match=r"pip install 'nllearn\[polars\]'"):
            call()


WITHOUT_LIBRARY = """
import sys
sys.modules[sys.argv[2]] = None  # as if it were not installed
from nllearn import load
from nllearn.exceptions import MissingExtraError
cleaner = load(sys.argv[1])
assert cleaner.score_labels([[0.0, 0.0, 0.0]], ["ant"]).shape == (1,)
try:
    cleaner.label_issues()
except MissingExtraError as error:
    print(error)
"""


def test_a_file_opens_where_its_library_is_missing(library, table, tmp_path):
    X, y, _ = table
    LabelCleaner(random_state=0).fit(library.frame(X), y).save(tmp_path / "cleaner.nll")
    words = [sys.executable, "-c", WITHOUT_LIBRARY, str(tmp_path / "cleaner.nll"), library.name]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    extra = {"polars": "polars", "pyarrow": "table"}[library.name]
    assert f"of {library.name}" in done.stdout and f"'nllearn[{extra}]'" in done.stdout
