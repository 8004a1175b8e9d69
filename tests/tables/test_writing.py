"""A table is written whole or not at all, with its cells as they were."""

import os

import numpy as np
import pandas as pd
import pytest

from nllearn.tables import TableError, check_output, read_table, write_table

TEXT = (
    "id,größe,formula,k,when\n"
    '007,1.50,=1+1,NA,2020-01-01\n008,,"a, ""b""",日本,\n009,1e5,-x, y ,x\n'
)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text(TEXT, encoding="utf-8")
    return path


def added(n=3):
    return pd.DataFrame(
        {
            "corrected": ["a", "b", None][:n],
            "quality": np.array([0.25, np.nan, 1 / 3], dtype=np.float32)[:n],
            "flag": [True, False, True][:n],
        }
    )


def test_csv_cells_come_out_as_they_went_in(source, tmp_path):
    out = tmp_path / "out.csv"
    write_table(read_table(source), added(), out)
    lines = out.read_text(encoding="utf-8").splitlines()
    given = TEXT.splitlines()
    assert lines == [
        given[0] + ",corrected,quality,flag",
        given[1] + ",a,0.25,True",
        given[2] + ",b,,False",
        given[3] + ",,0.333333,True",
    ]


def test_replaced_columns(source, tmp_path):
    out = tmp_path / "out.csv"
    table = read_table(source)
    words = ["009", "007", "008"]
    new = pd.DataFrame({"id": words, "größe": [2.0, np.nan, 3.0], "new": [True, True, False]})
    write_table(table, new, out)
    again = read_table(out)
    assert again.cells["id"].tolist() == ["009", "007", "008"]
    assert again.cells["größe"].tolist() == ["2", "", "3"]
    assert again.cells["new"].tolist() == ["True", "True", "False"]
    assert again.names == [*table.names, "new"]


def test_semicolons_and_decimal_commas_stay(tmp_path):
    (tmp_path / "in.csv").write_text("a;k\n1,5;x\n2,5;y\n")
    table = read_table(tmp_path / "in.csv")
    write_table(table, pd.DataFrame({"q": [0.5, 0.75]}), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "a;k;q\n1,5;x;0,5\n2,5;y;0,75\n"
    write_table(table, pd.DataFrame({"q": [0.5, 0.75]}), tmp_path / "out.tsv")
    assert (tmp_path / "out.tsv").read_text().startswith("a\tk\tq\n1,5\tx\t0.5\n")


def test_parquet_has_types(source, tmp_path):
    write_table(read_table(source), added(), tmp_path / "out.parquet")
    frame = pd.read_parquet(tmp_path / "out.parquet")
    # Digits with zeros in front are codes.
    assert frame["id"].tolist() == ["007", "008", "009"]
    assert frame["flag"].dtype == bool
    assert frame["quality"].dtype == np.float32


def test_days_and_times_stay_such_in_excel(tmp_path):
    pytest.importorskip("openpyxl")
    days = pd.to_datetime(["2022-11-22", None, "2023-01-05"])
    frame = pd.DataFrame({"day": days, "at": days + pd.Timedelta(hours=3), "k": list("aba")})
    frame.to_excel(tmp_path / "in.xlsx", index=False)
    for one, two in (("in", "out"), ("out", "again")):
        table = read_table(tmp_path / f"{one}.xlsx", label="k")
        write_table(table, added(), tmp_path / f"{two}.xlsx")
        found = pd.read_excel(tmp_path / f"{two}.xlsx")
        for name in ("day", "at"):
            assert pd.to_datetime(found[name]).tolist() == frame[name].tolist()
            assert pd.api.types.is_datetime64_any_dtype(found[name])
        frame = frame.assign(**added())


def test_npz_round_trip(tmp_path):
    arrays = {
        "X": np.ones((3, 2), np.float16),
        "y": np.array(["a", "b", "a"]),
        "file": np.arange(3),
        "names": np.array(["a", "b"]),
    }
    source = tmp_path / "in.npz"
    pd_frame = read_npz_table(source, arrays)
    write_table(pd_frame, added(), tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz", allow_pickle=False) as stored:
        for name, array in arrays.items():
            np.testing.assert_array_equal(stored[name], array)
        assert stored["X"].dtype == np.float16
        assert stored["corrected"].tolist() == ["a", "b", ""]
        assert stored["flag"].dtype == bool
    write_table(pd_frame, added(), tmp_path / "out.csv")
    header = (tmp_path / "out.csv").read_text().splitlines()[0]
    assert header == "y,file,X_0,X_1,corrected,quality,flag"


def read_npz_table(path, arrays):
    import zipfile

    # numpy.savez cannot take an array named "file", other programs can write one.
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as entry:
                np.lib.format.write_array(entry, array)
    return read_table(path, label="y")


def test_check_output_refuses_before_the_work(source, tmp_path):
    existing = tmp_path / "there.csv"
    existing.write_text("mine")
    for path, message in {
        tmp_path / "out.xls": "end in '.xls'",
        tmp_path / "no" / "out.csv": "does not exist",
        source: "is the table itself",
        existing: "add --force",
    }.items():
        with pytest.raises(TableError, match=message):
            check_output(path, source)
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(TableError, match="is a folder"):
        check_output(tmp_path / "d.csv", source, force=True)
    with pytest.raises(TableError, match="is the table itself"):
        check_output(source, source, force=True)
    assert check_output(existing, source, force=True) == existing


def test_a_file_that_appears_meanwhile_is_kept(source, tmp_path):
    out = tmp_path / "out.csv"
    check_output(out, source)
    out.write_bytes(b"mine")
    with pytest.raises(TableError, match="add --force"):
        write_table(read_table(source), added(), out)
    assert out.read_bytes() == b"mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.csv", "out.csv"]


def test_parquet_that_cannot_be_written(tmp_path):
    arrays = {"y": np.arange(3), "z": np.ones(3) * 1j}
    table = read_npz_table(tmp_path / "in.npz", arrays)
    with pytest.raises(TableError, match=r"out\.parquet cannot hold this table"):
        write_table(table, added(), tmp_path / "out.parquet")
    assert [p.name for p in tmp_path.iterdir()] == ["in.npz"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_failed_write_leaves_the_old_file(source, tmp_path, monkeypatch, error):
    out = tmp_path / "out.csv"
    out.write_bytes(b"mine")
    table = read_table(source)

    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(os, "fsync", fail)
    expected = KeyboardInterrupt if error is KeyboardInterrupt else TableError
    with pytest.raises(expected):
        write_table(table, added(), out, force=True)
    assert out.read_bytes() == b"mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.csv", "out.csv"]


def test_force_replaces_the_file_behind_a_link(source, tmp_path):
    real, link = tmp_path / "real.csv", tmp_path / "link.csv"
    real.write_bytes(b"mine")
    link.symlink_to(real)
    write_table(read_table(source), added(), link, force=True)
    assert link.is_symlink()
    assert real.read_text(encoding="utf-8").startswith("id,")
