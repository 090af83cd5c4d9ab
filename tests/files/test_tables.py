"""Tables that the workflow has written: names stay text, whatever word they are, and numbers are numbers."""

import math

import pandas as pd
import pytest

from privessel.files.tables import TEXT_COLUMNS, as_text, read_table, write_rows

WORDS = [
    "NA",
    "nan",
    "NaN",
    "null",
    "None",
    "n/a",
    "N/A",
    "#N/A",
    "001",
    "1e5",
    "True",
    "inf",
    "0x1f",
    "<NA>",
]


@pytest.mark.parametrize("column", TEXT_COLUMNS)
@pytest.mark.parametrize("word", WORDS)
def test_a_name_stays_what_it_is_alone_and_among_others(tmp_path, column, word):
    for words in ([word], [word, "other"], [word, "7"]):
        path = tmp_path / "table.csv"
        pd.DataFrame({column: words, "dsc": 0.5}).to_csv(path, index=False)
        assert list(read_table(path)[column]) == words


def test_numbers_are_numbers_and_empty_cells_are_none(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("patient,dsc,eps,run,note\nNA,0.5,inf,1,\n,nan,,2,x\n001,NaN,1e-5,3,y\n")
    table = read_table(path)
    assert as_text(table["patient"]).tolist() == ["NA", "", "001"]
    assert table["dsc"].isna().tolist() == [False, True, True]
    assert table["eps"].tolist()[0] == math.inf
    assert table["eps"].tolist()[2] == 1e-5
    assert table["run"].tolist() == [1, 2, 3]
    assert table["note"].isna().tolist() == [True, False, False]


def test_a_table_without_rows_has_its_columns(tmp_path):
    (tmp_path / "table.csv").write_text("patient,dsc\n")
    assert list(read_table(tmp_path / "table.csv").columns) == ["patient", "dsc"]


def test_written_rows_are_read_again_whole_or_not_at_all(tmp_path):
    path = tmp_path / "table.csv"
    rows = [{"patient": "007", "dsc": 0.25}, {"patient": "a,b", "dsc": 1.0}]
    write_rows(path, rows, columns=["patient", "dsc"])
    assert read_table(path).to_dict("records") == rows
    assert b"\r" not in path.read_bytes()

    def broken():
        yield rows[0]
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_rows(path, broken(), columns=["patient", "dsc"])
    assert read_table(path).to_dict("records") == rows
