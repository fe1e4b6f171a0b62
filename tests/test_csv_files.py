"""Tables with a header: what is in them arrives as texts, and damage is an error."""

from pathlib import Path

import pytest

from mmsearch.datasets import csv_files
from mmsearch.errors import DataError


def read(path: Path, content: bytes) -> list[csv_files.Row]:
    path.write_bytes(content)
    return csv_files.read(path, columns=["a", "b"])


def test_rows_are_texts_by_column(tmp_path: Path) -> None:
    rows = read(tmp_path / "x.csv", 'a,b,c\n1,"x, ""y""\nz",é\n'.encode())
    assert rows == [{"a": "1", "b": 'x, "y"\nz', "c": "é"}]


def test_a_mark_at_the_start_and_the_line_ends_of_windows_are_no_content(tmp_path: Path) -> None:
    assert read(tmp_path / "x.csv", b"\xef\xbb\xbfa,b\r\n1,2\r\n") == [{"a": "1", "b": "2"}]


def test_a_tsv_is_split_at_tabs(tmp_path: Path) -> None:
    assert read(tmp_path / "x.tsv", b"a\tb\n1,5\t2\n") == [{"a": "1,5", "b": "2"}]


def test_empty_lines_are_no_rows(tmp_path: Path) -> None:
    assert len(read(tmp_path / "x.csv", b"a,b\n1,2\n\n3,4\n\n")) == 2


def test_a_text_may_be_as_long_as_a_book(tmp_path: Path) -> None:
    (row,) = read(tmp_path / "x.csv", b"a,b\n1," + b"x" * 500_000 + b"\n")
    assert len(row["b"]) == 500_000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", r"has no column 'a'\.", id="empty"),
        pytest.param(b"a,b\n", "has no rows below its header", id="no-rows"),
        pytest.param(b"A,b\n1,2\n", "has no column 'a'", id="column"),
        pytest.param(b"a,b,b\n1,2,3\n", "has two columns 'b'", id="twice"),
        pytest.param(b"a,b\n1,2\n1\n", "row 2 has 1 fields, the header has 2", id="short"),
        pytest.param(b"a,b\n1,2,3\n", "row 1 has 3 fields, the header has 2", id="long"),
        pytest.param(b'a,b\n1,"2\n3,4\n', r"cannot be read as a table \(Error", id="open-quote"),
        pytest.param(b"a,b\n1,\xff\n", "cannot be read as a table .*Unicode", id="no-utf-8"),
    ],
)
def test_a_damaged_table_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=rf"x\.csv: {message}"):
        read(tmp_path / "x.csv", content)


def test_all_columns_that_are_missing_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path / "x.csv", b"c\n1\n")
    assert len(caught.value.problems) == 2
