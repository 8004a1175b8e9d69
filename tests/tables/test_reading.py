"""Files become tables: values to work with, cells as they were written, clear errors."""

import io

import numpy as np
import pandas as pd
import pytest

from nllearn.tables import TableError, read_embeddings, read_table

TEXT = "id,größe,größe_cm,klasse,ok\n007,1.50,150,NA,TRUE\n008,,161,日本,FALSE\n"


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def test_csv_keeps_cells_and_finds_types(tmp_path):
    table = read_table(write(tmp_path / "t.csv", TEXT), label="klasse")
    assert table.cells["id"].tolist() == ["007", "008"]
    assert table.cells["größe"].tolist() == ["1.50", ""]
    assert table.cells["klasse"].tolist() == ["NA", "日本"]
    assert table.frame["id"].tolist() == [7, 8]
    assert table.frame["größe"].isna().tolist() == [False, True]
    assert table.frame["ok"].dtype == bool
    assert table.names == ["id", "größe", "größe_cm", "klasse", "ok"]


def test_rows_without_any_cell_at_the_end_are_none(tmp_path):
    path = write(tmp_path / "t.csv", "a;b;k\n1;2;x\n;;\n3;4;y\n;;\n;;\n")
    table = read_table(path, label="k")
    assert table.cells["k"].tolist() == ["x", "", "y"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_encodings(tmp_path, encoding):
    path = write(tmp_path / "t.csv", "größe,k\n1,ä\n2,b\n", encoding)
    name = "utf-8" if encoding == "utf-8-sig" else encoding
    table = read_table(path, label="k", encoding=name)
    assert table.names == ["größe", "k"]
    assert table.frame["k"].tolist() == ["ä", "b"]


def test_wrong_encoding_says_what_to_do(tmp_path):
    path = write(tmp_path / "t.csv", "größe,k\n1,ä\n", "cp1252")
    with pytest.raises(TableError, match=r"not utf-8 text.*--encoding"):
        read_table(path)
    with pytest.raises(TableError, match="'utf-9' is not an encoding"):
        read_table(path, encoding="utf-9")


@pytest.mark.parametrize(
    ("text", "separator", "decimal", "values"),
    [
        ("a;k\n1,5;x\n2;y\n", ";", ",", [1.5, 2.0]),
        ("a;k\n1.5;x\n2;y\n", ";", ".", [1.5, 2.0]),
        ("a\tk\n1.5\tx\n2\ty\n", "\t", ".", [1.5, 2.0]),
        # Columns of whole numbers have no mark, and none to count.
        ("a;n;m;k\n1,5;1;3;x\n2;2;5;y\n", ";", ",", [1.5, 2.0]),
        ('a,k\n"1",x;1\n2,y\n', ",", ".", [1, 2]),
    ],
)
def test_separators(tmp_path, text, separator, decimal, values):
    table = read_table(write(tmp_path / "t.csv", text), label="k")
    assert (table.reading.separator, table.common_decimal) == (separator, decimal)
    assert table.frame["a"].tolist() == values


def test_tsv_quotes_line_breaks_and_short_rows(tmp_path):
    table = read_table(write(tmp_path / "t.tsv", 'k\tnote\tn\nx\t"two\nlines, ""q"""\t1\ny\n'))
    assert table.cells["note"].tolist() == ['two\nlines, "q"', ""]
    assert table.n_rows == 2
    assert table.frame["n"].isna().tolist() == [False, True]


def test_an_index_column_without_a_name_stays(tmp_path):
    table = read_table(write(tmp_path / "t.csv", ",k\n0,x\n1,y\n"), label="k")
    assert table.names == ["", "k"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", "the file is empty"),
        ("t.csv", b"\n\n", "no columns"),
        ("t.csv", b"a,k\n", "a header but no rows"),
        ("t.csv", b"a,k\n1,x\n1,2,3\n", "not a regular table .*line 3"),
        ("t.csv", b"a,b,a\n1,2,3\n", "several columns have the name 'a'"),
        ("t.csv", b"a\0b,k\n1,2\n", "zero bytes"),
        ("t.csv", b'a,k\n"1,x\n', "not a regular table"),
        ("t.xls", b"PK", r"end in '.xls'.*use one of .csv, .tsv, .jsonl, .*.parquet, .xlsx, .npz"),
        ("t", b"a", "end in 'nothing'"),
        ("t.parquet", b"PAR1 no", "not a readable Parquet file"),
        ("t.npz", b"PK no", "not a readable NPZ file"),
        ("t.npz", b"no", "not a readable NPZ file"),
    ],
)
def test_bad_files(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TableError, match=message):
        read_table(tmp_path / name)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(TableError, match="no such file"):
        read_table(tmp_path / "none.csv")
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(TableError, match="folder"):
        read_table(tmp_path / "d.csv")


def test_missing_label_column_names_close_matches(tmp_path):
    path = write(tmp_path / "t.csv", "text, Label,other\na,b,c\n")
    with pytest.raises(TableError, match=r"no column 'label'. Did you mean ' Label'\?.*'other'"):
        read_table(path, label="label")


def test_parquet_types_and_index(tmp_path):
    frame = pd.DataFrame(
        {
            "n": pd.array([1, None, 3], dtype="Int64"),
            "c": pd.Categorical(["a", "b", None]),
            "d": pd.to_datetime(["2020-01-01", None, "2021-05-05"]),
            "k": ["x", "y", "x"],
        },
        index=pd.Index([5, 6, 9], name="key"),
    )
    frame.to_parquet(tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet", label="k")
    assert table.cells is None
    assert table.names == ["key", "n", "c", "d", "k"]
    assert table.frame["key"].tolist() == [5, 6, 9]


def test_npz_arrays(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(6, 3)).astype(np.float16)
    np.savez(
        tmp_path / "t.npz",
        X=X,
        y=np.array(["a", "b"] * 3),
        age=np.arange(6).reshape(6, 1),
        raw=np.array([b"p", b"q"] * 3),
        names=np.array(["a", "b"]),
        images=np.zeros((6, 4, 4), np.uint8),
    )
    table = read_table(tmp_path / "t.npz", label="y")
    assert list(table.frame.columns) == ["y", "age", "raw"]
    assert table.frame["raw"].tolist() == ["p", "q"] * 3
    assert list(table.blocks) == ["X", "images"]
    assert list(table.extras) == ["names"]
    half = table.select(np.arange(6) % 2 == 0)
    assert half.n_rows == 3
    np.testing.assert_array_equal(half.blocks["X"], X[::2])


def test_npz_mistakes(tmp_path):
    np.savez(tmp_path / "a.npz", X=np.zeros((3, 2)), labels=np.zeros(3))
    with pytest.raises(TableError, match="no column 'y'"):
        read_table(tmp_path / "a.npz", label="y")
    with pytest.raises(TableError, match=r"'X' has shape \(3, 2\)"):
        read_table(tmp_path / "a.npz", label="X")
    np.savez(tmp_path / "b.npz", y=np.array(["a", None], dtype=object))
    with pytest.raises(TableError, match="'y' holds Python objects"):
        read_table(tmp_path / "b.npz", label="y")
    np.save(tmp_path / "c.npy", np.zeros(3))
    (tmp_path / "c.npy").rename(tmp_path / "c.npz")
    with pytest.raises(TableError, match="one array"):
        read_table(tmp_path / "c.npz", label="y")


def test_damaged_npz(tmp_path):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, X=np.random.default_rng(0).normal(size=(50, 20)), y=np.arange(50))
    data = bytearray(buffer.getvalue())
    data[200:260] = bytes(60)
    (tmp_path / "t.npz").write_bytes(bytes(data))
    with pytest.raises(TableError, match="not a readable NPZ file"):
        read_table(tmp_path / "t.npz", label="y")


def test_embeddings(tmp_path):
    E = np.arange(6, dtype=np.float64).reshape(3, 2)
    np.save(tmp_path / "e.npy", E)
    read = read_embeddings(tmp_path / "e.npy", 3)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, E)
    with pytest.raises(TableError, match="has 3 rows, the table has 4"):
        read_embeddings(tmp_path / "e.npy", 4)
    np.save(tmp_path / "flat.npy", np.zeros(3))
    with pytest.raises(TableError, match=r"shape \(3,\)"):
        read_embeddings(tmp_path / "flat.npy", 3)
    np.save(tmp_path / "objects.npy", np.array([[None]]), allow_pickle=True)
    with pytest.raises(TableError, match=r"not a readable \.npy"):
        read_embeddings(tmp_path / "objects.npy", 1)
    with pytest.raises(TableError, match=r"not an \.npy file"):
        read_embeddings(tmp_path / "e.csv", 3)


def test_a_column_of_hexadecimal_digits_is_read(tmp_path):
    """pandas before 3 crashes on cells that look like an exponent beyond 2**31."""
    tokens = [f"{i:04d}e2569614270{'f3' * (i % 2)}" for i in range(6)]
    text = "token,k\n" + "".join(f"{token},{'ab'[i % 2]}\n" for i, token in enumerate(tokens))
    table = read_table(write(tmp_path / "t.csv", text), label="k")
    assert table.cells["token"].tolist() == tokens
    assert table.frame["token"].tolist() == tokens
