"""Text tables as people save them: separators, encodings, hints, and all that is wrong told at once."""

import pandas as pd
import pytest

from ostinato.errors import DataError
from ostinato.io import delimited

ROWS = [["path", "artist", "n"], ["a.wav", "Björk", "1"], ["b.wav", "René", "2"]]


def text(separator: str, end: str = "\n", quote: str = "") -> str:
    return end.join(separator.join(f"{quote}{cell}{quote}" for cell in row) for row in ROWS) + end


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_any_separator_and_line_end_is_read(tmp_path, separator, end, quote):
    path = tmp_path / "t.csv"
    path.write_bytes(text(separator, end, quote).encode())
    table = delimited.read_table(path)
    assert [table.columns.tolist(), *table.to_numpy().tolist()] == ROWS
    assert table.attrs == {"separator": separator, "encoding": "utf-8"}


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("cp1252", "cp1252"),
        ("latin-1", "cp1252"),
    ],
)
def test_any_encoding_is_read(tmp_path, encoding, name):
    path = tmp_path / "t.csv"
    path.write_bytes(text(";").encode(encoding))
    table = delimited.read_table(path)
    assert [table.columns.tolist(), *table.to_numpy().tolist()] == ROWS
    assert table.attrs["encoding"] == name


def test_what_is_no_utf8_is_said_with_a_line_to_look_at(tmp_path, caplog):
    path = tmp_path / "t.csv"
    path.write_bytes(text(",").encode("cp1252"))
    delimited.read_table(path)
    assert "read as Windows-1252, such as a.wav,Björk,1" in caplog.text
    delimited.read_rows(path)
    assert len(caplog.records) == 1, "a table that is read again is not reported again"


@pytest.mark.parametrize("hint", ["sep=;", '"sep=;"', "SEP=;"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_a_first_line_that_names_the_separator_is_no_header(tmp_path, hint, bom):
    path = tmp_path / "t.csv"
    path.write_text(f"{bom}{hint}\r\n" + text(";"), encoding="utf-8", newline="")
    assert delimited.read_table(path).to_numpy().tolist() == ROWS[1:]


def test_a_separator_within_cells_is_not_taken_for_that_of_the_table(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("path;tags\na.wav;['slow', 'piano']\nb.wav;['loud', 'piano', 'x']\n")
    assert delimited.read_table(path).to_numpy().tolist()[0] == ["a.wav", "['slow', 'piano']"]
    path.write_text("path,tags\na.wav,slow; piano\nb.wav,loud\n")
    assert delimited.read_table(path).to_numpy().tolist()[0] == ["a.wav", "slow; piano"]
    path.write_text("path\na;b.wav\n")
    assert delimited.read_table(path).to_numpy().tolist() == [["a;b.wav"]]


def test_empty_lines_and_cells_and_short_rows_are_no_faults(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("path,artist,n\n\na.wav,  ,1\nb.wav\n,,\nc.wav,x,2,,\n")
    table = delimited.read_table(path)
    assert table.to_numpy().tolist() == [["a.wav", None, "1"], ["b.wav", None, None], ["c.wav", "x", "2"]]


def test_rows_that_are_too_long_are_told_at_once(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("path,artist\na.wav,x\n" + "".join(f"{i}.wav,Earth, Wind,Fire\n" for i in range(5)) + "b.wav,y\n")
    with pytest.raises(DataError, match=r"5 of 7 rows have more cells than the header's 2, such as row 3: .*row 4: "):
        delimited.read_table(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"PK\x03\x04rest", "a workbook of a spreadsheet; save it as CSV"),
        (b"a,a\n1,2\n", "has the column 'a' twice"),
        (b'a,b\n1,"x\n2,y\n3,z\n4,z\n5,z\n', "row 2: a quotation mark is opened but not closed"),
        (b"\xff\xfe\x00\xd8\x00", "cannot be read as a table in utf-16"),
        (None, "cannot be read"),
    ],
)
def test_what_is_no_table_is_named(tmp_path, content, reason):
    path = tmp_path / "t.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=rf"t\.csv: .*{reason}"):
        delimited.read_table(path)


def test_pandas_reads_the_same_of_a_plain_table(tmp_path):
    path = tmp_path / "t.csv"
    pd.DataFrame({"a": ["x, y", 'say "no"', "1\n2"], "b": ["1", "2", "3"]}).to_csv(path, index=False)
    assert delimited.read_table(path).equals(pd.read_csv(path, dtype=str).astype(object))
