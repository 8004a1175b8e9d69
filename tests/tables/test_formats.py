"""Files as people have them: separators, encodings, numbers and dates of every country."""

import argparse
import gzip
import json
import shlex
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nllearn.tables import (
    NumberFormat,
    Reading,
    TableError,
    as_dates,
    date_order,
    plan_columns,
    prepare_columns,
    read_labels,
    read_numbers,
    read_table,
    write_table,
)

ROWS = "1.25;2,5;x\n3.5;4,75;y\n"


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def column(tmp_path, cells, **reading):
    """Plan and numbers of one column beside a label."""
    frame = pd.DataFrame({"k": (["x", "y"] * len(cells))[: len(cells)], "v": cells})
    frame.to_csv(tmp_path / "t.csv", index=False)
    table = read_table(tmp_path / "t.csv", label="k", **reading)
    plan = plan_columns(table, "k")[1]
    used = prepare_columns(table.frame, [plan])
    return plan, used["v"].tolist() if plan.role == "number" else None


@pytest.mark.parametrize(
    "text",
    [
        "width, mm;b;k\n" + ROWS,
        "sep=;\na;b;k\n" + ROWS,
        "SEP=;\r\na;b;k\r\n" + ROWS.replace("\n", "\r\n"),
        '"sep=;"\n\na;b;k\n' + ROWS,
        "# export, of today\na;b;k\n" + ROWS,
        "#one\n# two; three\n\na;b;k\n" + ROWS,
        "#a;b;k\n" + ROWS,
        ("a;b;k\n" + ROWS).replace("\n", "\r"),
        ("a;b;k\n" + ROWS).replace(";", "|"),
        ("a;b;k\n" + ROWS).replace(";", "\t"),
        '"one, two";b;k\n' + ROWS,
        'a;"b;c,d,e";k\n' + ROWS,
        "sep=|\n" + ("a;b;k\n" + ROWS).replace(";", "|"),
    ],
)
@pytest.mark.parametrize("label", ["k", None])
def test_separators_are_found(tmp_path, text, label):
    table = read_table(write(tmp_path / "t.csv", text), label=label)
    assert table.frame.shape == (2, 3)
    assert table.frame.iloc[:, 0].tolist() == [1.25, 3.5]
    assert table.frame.iloc[:, 1].tolist() == [2.5, 4.75]
    assert table.cells.iloc[:, 1].tolist() == ["2,5", "4,75"]
    assert table.names[2] == "k"


def test_a_named_separator_rules(tmp_path):
    path = write(tmp_path / "t.csv", "a~b~k\n1~25~x\n3~4~y\n")
    with pytest.raises(TableError, match=r"no column 'k'.*--separator"):
        read_table(path, label="k")
    assert read_table(path, label="k", separator="~").frame["b"].tolist() == [25, 4]
    with pytest.raises(TableError, match=r"split at ','.*--separator"):
        read_table(write(tmp_path / "u.csv", "a,k\n1,x\n1,2,3\n"))
    for mark in ("", ";;", '"', "\n"):
        with pytest.raises(TableError, match=r"--separator: .* not one character"):
            Reading(separator=mark)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("asked", [None, "cp1252", "utf-8"])
def test_a_byte_order_mark_names_the_encoding(tmp_path, encoding, asked):
    mark = "" if encoding in ("utf-16", "utf-32", "utf-8-sig") else "\ufeff"
    path = write(tmp_path / "t.tsv", mark + "größe\tk\n1\tä\n2\tb\n", encoding)
    table = read_table(path, label="k", encoding=asked)
    assert table.names == ["größe", "k"]
    assert table.frame["k"].tolist() == ["ä", "b"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_named(tmp_path, encoding):
    path = write(tmp_path / "t.csv", "size,k\n1,a\n2,b\n", encoding)
    for asked in (None, "cp1252", "latin-1"):
        with pytest.raises(TableError, match=f"--encoding {encoding}"):
            read_table(path, encoding=asked)
    assert read_table(path, label="k", encoding=encoding).names == ["size", "k"]
    # Letters beyond Latin are no UTF-8 either, and the hint is the same.
    path = write(tmp_path / "u.csv", "size,k\n1,\u00e4\u00df\n2,b\n", encoding)
    with pytest.raises(TableError, match=f"--encoding {encoding}"):
        read_table(path)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("words", ["город,класс\nмосква,да\n", "大小,类\n一丁,好\n"])
def test_utf_16_of_every_script_is_named(tmp_path, encoding, words):
    # Beyond Latin only separators and line breaks have a zero byte.
    path = write(tmp_path / "t.csv", words * 20, encoding)
    for asked in (None, "cp1252", "utf-8"):
        with pytest.raises(TableError, match=f"--encoding {encoding}"):
            read_table(path, encoding=asked)
    assert read_table(path, encoding=encoding).n_rows == 39


@pytest.mark.parametrize(
    ("data", "asked", "message"),
    [
        ("größe,k\n1,ä\n".encode("cp1252"), None, "example --encoding cp1252$"),
        ("größe,k\n1,ä\n".encode("cp1252"), "utf-16-le", "example --encoding cp1252$"),
        # A stray zero byte makes no UTF-16 of it.
        (b"gr\xf6\xdfe,k\n1,x\0y\n", None, "example --encoding cp1252$"),
        # What was tried is not named again.
        (b"a\x81,k\n1,2\n", "windows-1252", "not windows-1252 text; name the encoding$"),
        # Where a mark says what it is, no option helps.
        ("size,k\n1,a\n".encode("utf-16")[:-1], "cp1252", "mark of utf-16.*cut off or damaged"),
        (b"\xef\xbb\xbfgr\xf6sse,k\n1,a\n", None, "mark of utf-8.*cut off or damaged"),
    ],
)
def test_the_hint_on_an_encoding_follows_the_bytes(tmp_path, data, asked, message):
    (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(TableError, match=message):
        read_table(tmp_path / "t.csv", encoding=asked)


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1,5", "2,25", "3"], [1.5, 2.25, 3]),
        (["1.337,43", "12,5", "1.000.000"], [1337.43, 12.5, 1e6]),
        (["1,337.43", "12.5", "1,000,000"], [1337.43, 12.5, 1e6]),
        (["€ 12", "€ 13,50", "€ 1.200,00"], [12, 13.5, 1200]),
        (["$1,200.00", "$3.50", "-$7"], [1200, 3.5, -7]),
        (["39 %", "4,5 %", "100 %"], [39, 4.5, 100]),
        (["39%", "4.5%", "0"], [39, 4.5, 0]),
        (["12 EUR", "13,5 EUR", "1.000 EUR"], [12, 13.5, 1000]),
        (["1 337,43", "2\u202f000", "3\u00a0000,5"], [1337.43, 2000, 3000.5]),
        (["1'337.43", "2\u2019000", "3"], [1337.43, 2000, 3]),
        (["(1,200.50)", "300", "-4"], [-1200.5, 300, -4]),
        (["12,50-", "3", "4,25"], [-12.5, 3, 4.25]),
        (["\u22125.5", "3", "4.25"], [-5.5, 3, 4.25]),
        (["1,00,000", "12,34,567.5", "99"], [1e5, 1234567.5, 99]),
        (["5,678", "1,234", "9,999"], [5678, 1234, 9999]),
        (["1.234", "5.678", "9.999"], [1.234, 5.678, 9.999]),
        (["0,123", "0,456", "1,234"], [0.123, 0.456, 1.234]),
        (["1e3", "2.5e-1", "3"], [1000, 0.25, 3]),
        (["1,5", "", "3"], [1.5, np.nan, 3]),
    ],
)
def test_numbers_of_a_column(tmp_path, cells, values):
    plan, numbers = column(tmp_path, cells)
    assert plan.role == "number"
    np.testing.assert_allclose(numbers, values)


def test_every_column_has_its_own_marks(tmp_path):
    rng = np.random.default_rng(0)
    euro = rng.uniform(0, 5000, 60).round(2)
    frame = pd.DataFrame(
        {
            "k": ["x", "y"] * 30,
            "euro": [f"{v:,.2f}".translate(str.maketrans(",.", ".,")) for v in euro],
            "version": rng.choice(["1.2", "1.3"], 60),
            "dollar": [f"{v:,.2f}" for v in euro],
            # Alone this could be a fraction too: the column beside it says that it is none.
            "whole": [f"{v}.{v}" for v in rng.integers(100, 999, 60)],
        }
    )
    frame.drop(columns="dollar").to_csv(tmp_path / "t.csv", sep=";", index=False)
    table = read_table(tmp_path / "t.csv", label="k")
    np.testing.assert_allclose(table.frame["euro"], euro)
    assert set(table.frame["version"]) == {1.2, 1.3}
    assert (table.frame["whole"] > 100_000).all()
    frame[["k", "euro", "dollar"]].to_csv(tmp_path / "t.csv", index=False)
    table = read_table(tmp_path / "t.csv", label="k")
    np.testing.assert_allclose(table.frame["euro"], euro)
    np.testing.assert_allclose(table.frame["dollar"], euro)


def test_marks_that_the_user_names_rule(tmp_path):
    cells = ["5,678", "1,234", "9,999"]
    assert column(tmp_path, cells, decimal=",")[1] == [5.678, 1.234, 9.999]
    assert column(tmp_path, cells, thousands=",")[1] == [5678, 1234, 9999]
    assert column(tmp_path, ["5.678", "1.234"], thousands=".")[1] == [5678, 1234]
    with pytest.raises(TableError, match=r"--decimal and --thousands are both ','"):
        Reading(decimal=",", thousands=",")
    with pytest.raises(TableError, match="--decimal: ';' is not one of"):
        Reading(decimal=";")


@pytest.mark.parametrize(
    ("cells", "reading", "hint"),
    [
        ([f"{i},5" if i % 2 else f"{i}.25" for i in range(90)], {}, "--decimal . or --decimal ,"),
        ([f"{i},25" for i in range(90)], {"decimal": "."}, "--decimal ,"),
        ([f"{i}.25" for i in range(90)], {"decimal": ","}, "--decimal ."),
        ([f"10.0.{i}.7" for i in range(90)], {}, "--decimal or --thousands"),
        ([str(i + 0.5) for i in range(90)] + ["?", "none", "x", "see note"], {}, "--numeric v"),
    ],
)
def test_numbers_that_cannot_be_read_are_told(tmp_path, cells, reading, hint):
    plan, _ = column(tmp_path, cells, **reading)
    assert plan.role == "unread" and not plan.used
    assert hint in plan.reason and "too many" not in plan.reason


@pytest.mark.parametrize(
    "cells",
    [
        [f"R-{i:04d}" for i in range(60)],
        [f"555-{i:04d}" for i in range(60)],
        ["12:30", "08:15", "23:59"] * 20,
        ["$ 5", "€ 6", "£ 7"] * 20,
        ["39 %", "0.39", "12 %"] * 20,
    ],
)
def test_codes_times_and_mixed_units_are_no_numbers(tmp_path, cells):
    assert column(tmp_path, cells)[0].role != "number"


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.integers(-(10**12), 10**12).map(lambda n: n / 100), min_size=1, max_size=20),
    st.sampled_from([(".", ","), (",", "."), (".", " "), (",", " "), (".", "'"), (",", "'")]),
    st.sampled_from(["", "€ ", "USD "]),
)
def test_what_a_format_writes_it_reads(values, marks, unit):
    decimal, thousands = marks
    texts = [
        unit + f"{value:,.2f}".replace(",", "T").replace(".", decimal).replace("T", thousands)
        for value in values
    ]
    read = read_numbers(pd.Series(texts, dtype=object), NumberFormat(decimal, thousands))
    np.testing.assert_allclose(read, values)


@pytest.mark.parametrize(
    ("cells", "order", "days"),
    [
        (["25/03/2024", "04/05/2024"], "day", ["2024-03-25", "2024-05-04"]),
        (["03/25/2024", "04/05/2024"], "month", ["2024-03-25", "2024-04-05"]),
        (["04.05.2024", "06.07.2024"], "day", ["2024-05-04", "2024-07-06"]),
        (["25-3-24 12:30", "4-5-98 01:00"], "day", ["2024-03-25 12:30", "1998-05-04 01:00"]),
        (["2024-03-04", "2024-05-25"], None, ["2024-03-04", "2024-05-25"]),
        (["3 Mar 2024", "25 May 2024"], None, ["2024-03-03", "2024-05-25"]),
        (["25/03/2024", "2024-05-06"], "day", ["2024-03-25", "2024-05-06"]),
        (["25/03/2024", "03/26/2024", "04/05/2024"], "both", ["2024-03-25", "2024-03-26", None]),
    ],
)
def test_the_order_of_dates_is_that_of_the_column(cells, order, days):
    cells = pd.Series(cells, dtype=object)
    assert date_order(cells) == order
    expected = pd.to_datetime(pd.Series(days, dtype=object), utc=True, format="mixed")
    assert (
        as_dates(cells).tolist() == expected.tolist()
        or (as_dates(cells).isna() == expected.isna()).all()
    )
    assert (as_dates(cells).dropna().to_numpy() == expected.dropna().to_numpy()).all()


def test_dates_of_both_orders_are_refused_as_numbers(tmp_path):
    cells = [f"{d:02d}/01/2024" for d in range(1, 29)] + [f"01/{d:02d}/2024" for d in range(1, 29)]
    frame = pd.DataFrame({"k": ["x", "y"] * 28, "v": cells})
    frame.to_csv(tmp_path / "t.csv", index=False)
    table = read_table(tmp_path / "t.csv", label="k")
    plan = plan_columns(table, "k")[1]
    assert plan.role == "date" and "give them one order" in plan.reason
    with pytest.raises(TableError, match="some dates with the day first and others"):
        plan_columns(table, "k", numeric=["v"])
    cells[28:] = cells[:28]
    frame.assign(v=cells).to_csv(tmp_path / "t.csv", index=False)
    plan = plan_columns(read_table(tmp_path / "t.csv", label="k"), "k")[1]
    assert "dates, day first" in plan.reason


def people():
    return pd.DataFrame(
        {
            "id": [1, None, 3, 4],
            "text": ["=1+1", "ä b", None, "c"],
            "price": ["1.337,43", "12,5", "3", "4,25"],
            "ok": [True, False, None, True],
            "n": [1.5, None, 2.0, 3.25],
            "k": ["x", "y", "x", "y"],
        }
    ).astype({"id": "Int64"})


def test_json_lines(tmp_path):
    path = tmp_path / "t.jsonl"
    rows = people().astype(object).to_dict("records")
    rows = [{k: None if pd.isna(v) else v for k, v in row.items()} for row in rows]
    rows[0]["id"] = 9007199254740993
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, pack in (("t.jsonl", bytes), ("t.jsonl.gz", gzip.compress)):
        (tmp_path / name).write_bytes(pack(path.read_bytes()))
        table = read_table(tmp_path / name, label="k")
        assert table.frame["id"].tolist()[:1] == [9007199254740993]
        assert table.frame["id"].isna().tolist() == [False, True, False, False]
        assert table.frame["n"].dtype == float and table.frame["ok"].dtype == "boolean"
        plan = {p.name: p for p in plan_columns(table, "k")}["price"]
        values = prepare_columns(table.frame, [plan])["price"]
        np.testing.assert_allclose(values, [1337.43, 12.5, 3, 4.25])
    (tmp_path / "a.jsonl").write_text('{"a": 1, "k": "x"}\n[1]\n')
    with pytest.raises(TableError, match="line 2 is a list"):
        read_table(tmp_path / "a.jsonl")
    (tmp_path / "a.jsonl").write_text('{"a": 1, "k": "x"}\n{"a"\n')
    with pytest.raises(TableError, match="line 2 is no JSON"):
        read_table(tmp_path / "a.jsonl")
    (tmp_path / "a.jsonl").write_text('{"k": "x"}\n\n{"a": 5, "k": "y"}\n')
    assert read_table(tmp_path / "a.jsonl", label="k").frame["a"].isna().tolist() == [True, False]


@pytest.mark.parametrize("ending", [".csv.gz", ".tsv.gz", ".CSV.GZ"])
def test_gzip(tmp_path, ending):
    text = "a,k\n1.5,x\n2.5,y\n"
    text = text.replace(",", "\t") if "tsv" in ending else text
    path = tmp_path / f"t{ending}"
    path.write_bytes(gzip.compress(text.encode()))
    assert read_table(path, label="k").frame["a"].tolist() == [1.5, 2.5]
    path.write_bytes(gzip.compress(text.encode())[:-9])
    with pytest.raises(TableError, match="not a readable gzip file"):
        read_table(path)
    path.write_bytes(text.encode())
    with pytest.raises(TableError, match="not a readable gzip file"):
        read_table(path)


def test_a_sheet_by_name(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    pytest.importorskip("openpyxl.chart")
    path = tmp_path / "t.xlsx"
    with pd.ExcelWriter(path) as book:
        pd.DataFrame({"about": ["made by hand"]}).to_excel(book, sheet_name="Notes", index=False)
        pd.DataFrame({"x": [1.5, 2.0], "k": ["a", "b"]}).to_excel(
            book, sheet_name="Data 2", index=False
        )
        pd.DataFrame().to_excel(book, sheet_name="Empty")
    assert read_table(path).names == ["about"]
    table = read_table(path, label="k", sheet="Data 2")
    assert table.frame["x"].tolist() == [1.5, 2.0]
    assert (table.sheet, table.other_sheets) == ("Data 2", ("Notes", "Empty"))
    assert read_table(path, sheet=" data 2").sheet == "Data 2"
    with pytest.raises(TableError, match=r"no column 'k'.*'Notes' was read.*--sheet: 'Data 2'"):
        read_table(path, label="k")
    with pytest.raises(
        TableError, match=r"no sheet 'Data'; its sheets: 'Notes', 'Data 2', 'Empty'"
    ):
        read_table(path, sheet="Data")
    with pytest.raises(TableError, match=r"the sheet 'Empty' is empty; name another.*'Notes'"):
        read_table(path, sheet="Empty")
    book = openpyxl.load_workbook(path)
    book["Notes"].sheet_state = "hidden"
    book.save(tmp_path / "hidden.xlsx")
    assert read_table(tmp_path / "hidden.xlsx", label="k").sheet == "Data 2"
    book = openpyxl.Workbook()
    book.create_chartsheet("Chart").add_chart(openpyxl.chart.BarChart())
    del book["Sheet"]
    book.save(tmp_path / "chart.xlsx")
    with pytest.raises(TableError, match="no sheet with cells"):
        read_table(tmp_path / "chart.xlsx")
    # What is written keeps the name, so that a model's description of its table finds it.
    write_table(table, pd.DataFrame({"new": [0, 1]}), tmp_path / "out.xlsx")
    again = read_table(tmp_path / "out.xlsx", reading=table.reading)
    assert again.names == ["x", "k", "new"]


def test_xlsx(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append([])
    sheet.append(["id", "price", None, "when", "k"])
    for row in ([1, "12,5", None, pd.Timestamp("2024-03-04"), 7], [None, "3", None, None, 8]):
        sheet.append(row)
    book.save(tmp_path / "t.xlsx")
    table = read_table(tmp_path / "t.xlsx", label="k")
    assert table.names == ["id", "price", "when", "k"]
    assert table.frame["id"].dtype == "Int64" and table.frame["k"].tolist() == [7, 8]
    plan = plan_columns(table, "k", numeric=["price"])[1]
    assert prepare_columns(table.frame, [plan])["price"].tolist() == [12.5, 3]
    (tmp_path / "t.xlsx").write_bytes(b"PK no")
    with pytest.raises(TableError, match="not a readable XLSX"):
        read_table(tmp_path / "t.xlsx")


def test_the_description_survives_its_file(tmp_path):
    path = write(tmp_path / "t.csv", "a;k\n1,5;x\n2,5;y\n", "utf-16")
    reading = read_table(path, label="k", keep_na_words=True).reading
    again = Reading.from_dict(reading.to_dict())
    assert again == reading
    assert (again.encoding, again.separator) == ("utf-16", ";")
    assert again.numbers["a"] == NumberFormat(",")
    # What was found once is used again, though the second file alone would say otherwise.
    path = write(tmp_path / "u.csv", "a;k\n1,234;x\n2,345;y\n", "utf-16")
    assert read_table(path, reading=again).frame["a"].tolist() == [1.234, 2.345]


def test_blank_lines_are_gaps_in_a_table_of_one_column(tmp_path):
    path = write(tmp_path / "t.csv", "k\nx\n\ny\n\n\nx\n\n")
    table = read_table(path, label="k")
    assert table.cells["k"].tolist() == ["x", "", "y", "", "", "x"]
    path = write(tmp_path / "t.csv", '\nk\n\n"a\n\nb"\n""\n')
    assert read_table(path, label="k").cells["k"].tolist() == ["", "a\n\nb", ""]
    path = write(tmp_path / "t.csv", "a,k\n1,x\n\n2,y\n")
    assert read_table(path, label="k").n_rows == 2


@pytest.mark.parametrize(
    ("usual", "rare", "value"),
    [
        ("{},50 €", "1.176,48 €", 1176.48),
        ("{},50", "1 234 567,5", 1234567.5),
        ("{},50", "1\u202f234,5", 1234.5),
        ("{}.50", "1'176.48", 1176.48),
        ("${}.50", "$1,176.48", 1176.48),
        ("{},5", "(1.176,48)", -1176.48),
        ("{}", "12,5", 12.5),
    ],
)
def test_a_rare_way_to_write_a_number_is_seen(usual, rare, value, tmp_path):
    """One price in the thousands among thousands of smaller ones."""
    cells = [usual.format(number) for number in range(3000)]
    cells[1717] = rare
    plan, numbers = column(tmp_path, cells)
    assert plan.role == "number" and "gap" not in plan.reason
    assert numbers[1717] == value and not np.isnan(numbers).any()


@pytest.mark.parametrize("name", ["unit price", "what's new?", "Größe (m²)", "-minus", "$x `y`"])
def test_hints_name_columns_as_a_shell_needs_them(name, tmp_path):
    frame = pd.DataFrame({name: [f"A-{i}" for i in range(40)], "k": ["x", "y"] * 20})
    frame.to_csv(tmp_path / "t.csv", index=False)
    plan = plan_columns(read_table(tmp_path / "t.csv", label="k"), "k")[0]
    words = shlex.split(plan.reason.partition("(")[2].partition(" uses it")[0])
    parser = argparse.ArgumentParser()
    parser.add_argument("--categorical")
    assert parser.parse_args(words[2:]).categorical == name


@pytest.mark.parametrize(
    "title", ["Sales of May", "Sales;;", "Sales\n\nby region", "#of May\nSales"]
)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_title_above_the_header_is_left_aside(title, separator, tmp_path):
    text = title + "\n" + ("a;b;k\n" + ROWS.replace(",", ".")).replace(";", separator)
    table = read_table(write(tmp_path / "t.csv", text), label="k")
    assert table.names == ["a", "b", "k"] and table.frame["a"].tolist() == [1.25, 3.5]


def test_a_label_that_occurs_below_the_header_does_not_move_it(tmp_path):
    table = read_table(write(tmp_path / "t.csv", "a,k\n1,x\n2,k\n3,k\n"), label="k")
    assert table.names == ["a", "k"] and table.n_rows == 3
    with pytest.raises(TableError, match="no column 'x'"):
        read_table(write(tmp_path / "t.csv", "a,k\n1,y\n2,z\n"), label="x")


@pytest.mark.parametrize("unit", ["kg", "m²", "°C", "stars", "Std.", "Stück"])
def test_numbers_with_a_word_behind(unit, tmp_path):
    cells = [f"{i / 4:.2f} {unit}" for i in range(60)]
    plan, numbers = column(tmp_path, cells)
    assert plan.role == "number" and numbers == [i / 4 for i in range(60)]
    # Two units are not one scale.
    plan, numbers = column(tmp_path, [f"{i} {'kg' if i % 2 else 'g'}" for i in range(60)])
    assert plan.role != "number"


def test_measures_may_be_classes(tmp_path):
    frame = pd.DataFrame({"v": range(40), "k": ["0.5 l", "1.5 l"] * 20})
    frame.to_csv(tmp_path / "t.csv", index=False)
    labels = read_labels(read_table(tmp_path / "t.csv", label="k"), "k")
    assert set(labels.given) == {"0.5 l", "1.5 l"}


@pytest.mark.parametrize("odd", [{"a": 1}, [1, "x"], [[1, 2], [3, 4]], {"deep": {"er": []}}])
def test_json_lines_with_objects_are_read_and_left_out(odd, tmp_path):
    rows = [{"v": i, "odd": odd, "k": "xy"[i % 2]} for i in range(12)]
    text = "\n".join(json.dumps(row) for row in rows)
    table = read_table(write(tmp_path / "t.jsonl", text), label="k")
    roles = {plan.name: plan.role for plan in plan_columns(table, "k")}
    assert roles["k"] == "label" and roles["odd"] == "unused"


@pytest.mark.parametrize(
    ("name", "how"),
    [("a.txt", "rename"), ("a.json", "jsonl"), ("a.xls", "xlsx"), ("a.zip", "gzip")],
)
def test_files_of_other_names_are_told_what_to_do(name, how, tmp_path):
    with pytest.raises(TableError, match=how):
        read_table(write(tmp_path / name, "a,k\n1,x\n"), label="k")


@pytest.mark.parametrize("first", ["9" * 400, "-" + "9" * 309, "1e999", "0" * 300 + "1"])
def test_labels_beyond_the_largest_number_are_classes(first, tmp_path):
    frame = pd.DataFrame({"v": range(40), "k": [first, "7" * 400] * 20})
    frame.to_csv(tmp_path / "t.csv", index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        labels = read_labels(read_table(tmp_path / "t.csv", label="k"), "k")
    assert set(labels.given) == {first, "7" * 400}
