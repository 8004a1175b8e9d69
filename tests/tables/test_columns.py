"""Every column gets a role and a reason, and used columns become finite numbers."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import pandas as pdst

from nllearn.tables import (
    Table,
    TableError,
    build_transformer,
    feature_matrix,
    plan_columns,
    plan_text,
    prepare_columns,
    read_labels,
    read_table,
)

N = 200


def table_of(frame, **blocks):
    return Table(path="memory", frame=pd.DataFrame(frame), blocks=blocks)


@pytest.fixture
def mixed(tmp_path):
    """A table as people have them, read from CSV."""
    rng = np.random.default_rng(0)
    kinds = ["x", "y", "z"]
    label = rng.choice(kinds, N)
    words = "the a card payment lost my where is transfer stolen please help urgent bank".split()
    frame = pd.DataFrame(
        {
            "Unnamed: 0": np.arange(N),
            "customer_id": rng.permutation(N) + 1000,
            "row": np.arange(N) * 3,
            "price": rng.normal(size=N).round(3),
            "gappy": np.where(rng.random(N) < 0.2, np.nan, rng.normal(size=N).round(3)),
            "questionable": np.where(rng.random(N) < 0.05, "?", rng.integers(0, 99, N).astype(str)),
            "member": rng.random(N) < 0.5,
            "member_gaps": rng.choice(["True", "False", ""], N),
            "città": rng.choice(["Roma", "Milano", "東京", ""], N),
            "paid": rng.integers(0, 5, N),
            "shop_id": rng.integers(0, 6, N),
            "account_id": rng.integers(0, 120, N),
            "token": [f"{v:016x}" for v in rng.integers(0, 2**60, N)],
            "many": [f"v{v}" for v in rng.integers(0, 180, N)],
            "some": [f"s{v}" for v in rng.integers(0, 80, N)],
            "message": [" ".join(rng.choice(words, 8)) for _ in range(N)],
            "opened": pd.date_range("2020-01-01", periods=N).strftime("%d.%m.%Y"),
            "constant": "same",
            "empty": "",
            "label": label,
            "label_code": [kinds.index(v) for v in label],
        }
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    return read_table(tmp_path / "t.csv", label="label")


EXPECTED = {
    "Unnamed: 0": "id",
    "customer_id": "id",
    "row": "id",
    "price": "number",
    "gappy": "number",
    "questionable": "number",
    "member": "category",
    "member_gaps": "category",
    "città": "category",
    "paid": "number",
    "shop_id": "category",
    "account_id": "id",
    "token": "id",
    "many": "unused",
    "some": "category",
    "message": "text",
    "opened": "date",
    "constant": "constant",
    "empty": "empty",
    "label": "label",
    "label_code": "copy",
}


def test_roles_of_a_mixed_table(mixed):
    plans = plan_columns(mixed, "label")
    assert {plan.name: plan.role for plan in plans} == EXPECTED
    reasons = {plan.name: plan.reason for plan in plans}
    assert "gaps filled with the median" in reasons["gappy"]
    assert "'?' counted as a gap" in reasons["questionable"]
    assert "as a value of its own" in reasons["città"]
    assert "others pooled" in reasons["some"]
    assert "too many for categories" in reasons["many"]
    assert "--drop message" in reasons["message"]


def test_matrix_of_a_mixed_table(mixed):
    plans = plan_columns(mixed, "label")
    X = feature_matrix(mixed, plans)
    assert X.dtype == np.float32
    assert X.shape[0] == N
    assert np.isfinite(X).all()
    np.testing.assert_array_equal(X, feature_matrix(mixed, plans))
    numbers = feature_matrix(mixed, [p for p in plans if p.role == "number"])
    # Four columns of numbers, of which two have gaps and so an indicator.
    assert numbers.shape[1] == 6
    np.testing.assert_allclose(numbers.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(numbers.std(axis=0), 1, atol=1e-4)


def test_options_override(mixed):
    plans = plan_columns(
        mixed,
        "label",
        text=["many"],
        categorical=["paid", "label_code"],
        numeric=["customer_id", "opened"],
        drop=["price", "message"],
    )
    roles = {plan.name: plan.role for plan in plans}
    assert roles["many"] == "text"
    assert roles["paid"] == roles["label_code"] == "category"
    assert roles["customer_id"] == roles["opened"] == "number"
    assert roles["price"] == roles["message"] == "dropped"
    days = prepare_columns(mixed.frame, [p for p in plans if p.name == "opened"])["opened"]
    assert days.nunique() == N
    assert np.isfinite(feature_matrix(mixed, plans)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text": ["mesage"]}, "--text: the table has no column 'mesage'. Did you mean 'message'"),
        ({"drop": ["label"]}, "--drop: 'label' is the label column"),
        ({"text": ["city"], "drop": ["price"]}, "no column 'city'"),
        ({"text": ["price"], "drop": ["price"]}, "named by --text and by --drop"),
        ({"numeric": ["message"]}, "no numbers; use --categorical or --text"),
        ({"text": ["empty"]}, "has no values at all"),
    ],
)
def test_wrong_options(mixed, options, message):
    with pytest.raises(TableError, match=message):
        plan_columns(mixed, "label", **options)


def test_typed_columns():
    rng = np.random.default_rng(0)
    frame = {
        "nullable": pd.array([1, None] * 20, dtype="Int64"),
        "boolean": pd.array([True, None] * 20, dtype="boolean"),
        "day": pd.date_range("2020-01-01", periods=40),
        "day_tz": pd.date_range("2020-01-01", periods=40, tz="Europe/Rome"),
        "wait": pd.to_timedelta(np.arange(40), unit="h"),
        "size": pd.Categorical(["S", "M", "L", None] * 10),
        "coded": pd.Categorical([3, 1, 2, 3] * 10),
        "vector": list(rng.normal(size=(40, 3))),
        "ragged": [[1], [1, 2]] * 20,
        "dicts": [{"a": 1}] * 40,
        "raw": [b"ab", b"cd"] * 20,
        "infinite": np.where(np.arange(40) == 3, np.inf, rng.normal(size=40)),
        "complex": np.ones(40) * 1j,
        "label": rng.integers(0, 2, 40),
    }
    table = table_of(frame)
    plans = plan_columns(table, "label")
    roles = {plan.name: plan.role for plan in plans}
    assert roles == {
        "nullable": "number",
        "boolean": "category",
        "day": "date",
        "day_tz": "date",
        "wait": "date",
        "size": "category",
        "coded": "category",
        "vector": "array",
        "ragged": "unused",
        "dicts": "unused",
        "raw": "category",
        "infinite": "number",
        "complex": "unused",
        "label": "label",
    }
    assert np.isfinite(feature_matrix(table, plans)).all()
    plans = plan_columns(table, "label", numeric=["day", "day_tz", "wait"])
    prepared = prepare_columns(table.frame, plans)
    np.testing.assert_allclose(np.diff(prepared["day"]), 1)
    np.testing.assert_allclose(np.diff(prepared["day_tz"]), 1)
    np.testing.assert_allclose(np.diff(prepared["wait"]), 3600)


def test_ids_stay_ids_where_rows_are_there_twice(tmp_path):
    rng = np.random.default_rng(0)
    numbers = [*range(1000, 1190), *range(1000, 1010)]
    frame = pd.DataFrame(
        {
            "nr": numbers,
            "Kunden-Nr": rng.permutation(numbers),
            "PLZ": [f"{n:05d}" for n in rng.choice([1067, 10115, 80331], 200)],
            "code": [f"{n:06d}" for n in numbers],
            "level": [f"{n:02d}" for n in rng.integers(10, 99, 200)],
            "kind": rng.choice(["a", "b"], 200),
        }
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    table = read_table(tmp_path / "t.csv", label="kind")
    roles = {plan.name: plan.role for plan in plan_columns(table, "kind")}
    assert roles == {
        "nr": "id",
        "Kunden-Nr": "id",
        "PLZ": "category",
        "code": "unused",
        "level": "number",
        "kind": "label",
    }
    asked = {plan.name: plan.role for plan in plan_columns(table, "kind", numeric=["code"])}
    assert asked["code"] == "number"
    # A blank cell is a gap, also beside codes.
    frame.loc[::7, "PLZ"] = ""
    frame.to_csv(tmp_path / "t.csv", index=False)
    plan = plan_columns(read_table(tmp_path / "t.csv", label="kind"), "kind")[2]
    assert (plan.name, plan.role) == ("PLZ", "category")
    assert "gap" in plan.reason or "3 values" in plan.reason


def test_a_word_among_percentages_is_a_gap(tmp_path):
    cells = [f"{n / 10:.1f} %" for n in range(100, 300)]
    frame = pd.DataFrame({"share": cells, "kind": ["a", "b"] * 100})
    for word, is_number in (("k.A.", True), ("0", True), ("0.39", False)):
        frame.loc[5, "share"] = word
        frame.to_csv(tmp_path / "t.csv", index=False)
        plan = plan_columns(read_table(tmp_path / "t.csv", label="kind"), "kind")[0]
        assert (plan.role == "number") == is_number


def test_true_labels_are_never_learned_from_unasked():
    rng = np.random.default_rng(0)
    frame = {"n": rng.normal(size=40), "true_label": [0, 1] * 20, "label": rng.integers(0, 2, 40)}
    plans = plan_columns(table_of(frame), "label")
    assert [plan.used for plan in plans] == [True, False, False]
    asked = plan_columns(table_of(frame), "label", categorical=["true_label"])
    assert asked[1].used


def test_unknown_categories_and_gaps_in_another_table():
    rng = np.random.default_rng(0)
    frame = {"c": rng.choice(["a", "b", None], 60), "n": np.r_[np.nan, rng.normal(size=59)]}
    plans = plan_columns(table_of({**frame, "label": [0, 1] * 30}), "label")
    transformer = build_transformer(plans).fit(prepare_columns(pd.DataFrame(frame), plans))
    other = pd.DataFrame({"c": ["zzz", "a", None, np.nan], "n": [np.nan, 0.0, 1.0, np.nan]})
    rows = transformer.transform(prepare_columns(other, plans))
    # Columns: number, its gap indicator, then a, b and the gap.
    np.testing.assert_array_equal(rows[:, 2:], [[0, 0, 0], [1, 0, 0], [0, 0, 1], [0, 0, 1]])
    assert (rows[[0, 3], 1] > rows[[1, 2], 1].max()).all()
    assert rows[0, 0] == rows[3, 0]


def test_numbers_given_as_categories_spell_the_same():
    plans = plan_columns(
        table_of({"c": [1.0, 2.0, np.nan] * 20, "label": [0, 1] * 30}), "label", categorical=["c"]
    )
    as_float = prepare_columns(pd.DataFrame({"c": [1.0, np.nan]}), plans)["c"].tolist()
    as_int = prepare_columns(pd.DataFrame({"c": [1]}), plans)["c"].tolist()
    assert as_float[0] == as_int[0] == "1"
    assert np.isnan(as_float[1])


def test_text_without_blanks_between_words_is_text():
    # Eleven characters of running Japanese, and file names that look as long.
    sentences = [f"カードの支払いが拒否され{i}" for i in range(60)]
    frame = {"text": sentences, "path": [f"/data/images/{i}.png" for i in range(60)]}
    plans = plan_columns(table_of({**frame, "label": [0, 1] * 30}), "label")
    assert [plan.role for plan in plans] == ["text", "id", "label"]


@pytest.mark.parametrize("texts", [["a"] * 3, ["", "!", "😀 😀"], ["one two three four"] * 12])
def test_short_texts_become_vectors(texts):
    table = table_of({"t": texts, "label": np.arange(len(texts)) % 2})
    X = feature_matrix(table, plan_columns(table, "label", text=["t"]))
    assert X.shape[0] == len(texts)
    assert np.isfinite(X).all()


def test_blocks_and_embeddings():
    rng = np.random.default_rng(0)
    frame = {"label": rng.integers(0, 2, 30)}
    blocks = {"X": rng.normal(size=(30, 4)), "names": np.full((30, 2), "a")}
    table = table_of(frame, **blocks)
    plans = plan_columns(table, "label")
    assert [plan.role for plan in plans] == ["label", "array", "unused"]
    E = rng.normal(size=(30, 5)).astype(np.float32)
    assert feature_matrix(table, plans, embeddings=E).shape == (30, 9)
    E[3, 2] = np.nan
    with pytest.raises(TableError, match=r"--embeddings: 1 of 30 rows .*first: row 3"):
        feature_matrix(table, plans, embeddings=E)
    with pytest.raises(TableError, match="only --drop applies"):
        plan_columns(table, "label", text=["X"])


def test_images_alone_are_images_and_never_joined():
    images = np.zeros((30, 8, 8), np.uint8)
    labels = np.arange(30) % 3
    table = table_of({"label": labels}, images=images)
    assert feature_matrix(table, plan_columns(table, "label")) is images
    table = table_of({"label": labels, "n": labels + np.linspace(0, 1, 30)}, images=images)
    plans = plan_columns(table, "label")
    assert {plan.name: plan.role for plan in plans}["images"] == "unused"
    assert feature_matrix(table, plans).shape == (30, 1)
    plans = plan_columns(table, "label", drop=["n"])
    assert feature_matrix(table, plans) is images


def test_nothing_to_learn_from():
    table = table_of({"label": ["a", "b"] * 20, "id": np.arange(40)})
    with pytest.raises(TableError, match=r"no column is left.*'id'.*--embeddings"):
        feature_matrix(table, plan_columns(table, "label"))


def test_screen_lines_join_neighbours_with_the_same_fate():
    rng = np.random.default_rng(0)
    frame = {f"x_{i}": rng.normal(size=50) for i in range(20)}
    lines = plan_text(plan_columns(table_of({**frame, "id": np.arange(50), "y": [0, 1] * 25}), "y"))
    assert len(lines) == 3
    assert lines[0].startswith("x_0 ... (20 columns)  number")
    assert "left out" in lines[1]
    assert "label" in lines[2]


def cells():
    return st.one_of(
        st.none(), st.floats(width=32), st.integers(-(10**6), 10**6), st.booleans(), st.text()
    )


@settings(max_examples=40, deadline=None)
@given(
    pdst.data_frames(
        [
            pdst.column("a", elements=cells(), dtype=object),
            pdst.column("b", elements=st.floats(width=32)),
            pdst.column("c", elements=st.sampled_from(["", "x", "1", "2020-01-01"]), dtype=object),
        ],
        index=pdst.range_indexes(min_size=4, max_size=40),
    )
)
def test_any_table_gives_finite_numbers_or_a_clear_error(frame):
    frame["label"] = np.arange(len(frame)) % 2
    table = Table(path="memory", frame=frame)
    plans = plan_columns(table, "label")
    assert [plan.name for plan in plans] == ["a", "b", "c", "label"]
    assert all(plan.reason for plan in plans)
    try:
        X = feature_matrix(table, plans)
    except TableError as error:
        assert "no column is left" in str(error) or "huge" in str(error)
    else:
        assert X.dtype == np.float32
        assert np.isfinite(X).all()


def label_column(tmp_path, cells, **options):
    path = tmp_path / "labels.csv"
    path.write_text("k,n\n" + "".join(f"{cell},{i}\n" for i, cell in enumerate(cells)))
    return read_labels(read_table(path), "k", **options)


def test_labels_of_all_kinds(tmp_path):
    whole = label_column(tmp_path, ["1", "2", "", "1", "10"])
    assert whole.given.tolist() == [1, 2, 1, 10]
    assert whole.given.dtype.kind == "i"
    truth = label_column(tmp_path, ["True", "False", "", "True"])
    assert truth.given.dtype == bool
    assert truth.missing.tolist() == [False, False, True, False]
    text = label_column(tmp_path, ["ä b", "😀", "ä b", "😀"])
    assert text.given.tolist() == ["ä b", "😀", "ä b", "😀"]
    gaps = label_column(tmp_path, ["1", "", "2", "1", "NA", "  "])
    assert gaps.missing.sum() == 3
    assert gaps.missing_words == {"": 1, "NA": 1, "  ": 1}


@pytest.mark.parametrize(
    "words",
    [
        ["007", "7", "8"],
        ["01234", "1234", "56"],
        ["1e3", "1000", "2000"],
        ["1", "1.0", "2"],
        ["+7", "7", "-0", "0"],
        ["TRUE", "FALSE"],
        ["True", "1"],
        ["9007199254740992", "9007199254740993", "9007199254740994"],
        ["9223372036854775808", "9223372036854775809"],
        ["0x10", "16"],
    ],
)
@pytest.mark.parametrize("gap", ["", "NA"])
def test_a_class_is_written_as_it_was_read(tmp_path, words, gap):
    cells = [*words * 3, gap]
    labels = label_column(tmp_path, cells)
    assert list(map(str, labels.given)) == words * 3
    assert labels.missing.tolist() == [False] * 3 * len(words) + [True]


@pytest.mark.parametrize(
    "words",
    [
        ["caf\u00e9", "cafe\u0301"],
        ["\uff21\uff22", "AB"],
        ["new york", "new\u00a0york"],
        ["zero\u200bwidth", "zerowidth"],
        ["Stra\u00dfe", "STRASSE"],
        ["007", "7"],
        ["1e3", "1000"],
        ["1", "1.0"],
    ],
)
def test_look_alike_classes_of_every_kind_are_told(tmp_path, words):
    (note,) = label_column(tmp_path, [*words, "dog"] * 3).notes
    assert f"{words[0]!r}, {words[1]!r} differ only" in note and "dog" not in note


@pytest.mark.parametrize("words", [["9007199254740992", "9007199254740993"], ["a1", "a2"]])
def test_labels_that_differ_are_no_look_alikes(tmp_path, words):
    assert label_column(tmp_path, words * 3).notes == ()


def test_na_words_can_be_classes(tmp_path):
    cells = ["None", "x", "NA", "None", "", "NA"]
    assert label_column(tmp_path, ["x", "y", *cells, "y"]).missing.sum() == 5
    kept = label_column(tmp_path, cells, keep_na_words=True)
    assert kept.missing.sum() == 1
    assert kept.given.tolist() == ["None", "x", "NA", "None", "NA"]


def test_look_alike_classes_are_told(tmp_path):
    labels = label_column(tmp_path, ["cat", "Cat ", "dog", "cat", "dog", "Cat "])
    assert len(labels.notes) == 1
    assert "'cat', 'Cat '" in labels.notes[0]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["a"] * 5, "only one class"),
        ([""] * 5, "every row of column 'k' is without a label"),
        (["1.5", "2.5", "1.5"], "fractions"),
        ([f"u{i}" for i in range(20)], "20 different values in 20 rows"),
    ],
)
def test_label_columns_that_are_none(tmp_path, cells, message):
    with pytest.raises(TableError, match=message):
        label_column(tmp_path, cells)


def test_typed_label_columns():
    table = table_of(
        {
            "category": pd.Categorical(["a", None, "b", "a"]),
            "nullable": pd.array([1, None, 2, 1], dtype="Int64"),
            "day": pd.date_range("2020-01-01", periods=4),
            "mixture": ["a", 1, "a", 1],
        }
    )
    assert read_labels(table, "category").given.tolist() == ["a", "b", "a"]
    assert read_labels(table, "nullable").given.tolist() == [1, 2, 1]
    with pytest.raises(TableError, match="datetime64"):
        read_labels(table, "day")
    with pytest.raises(TableError, match="mixes text and numbers"):
        read_labels(table, "mixture")
