"""BIDS tables: every line is a row and every cell a text, whatever stands in it."""

import random

import pytest

from privessel.files.tsv import read_tsv

HEAD = "participant_id\tsplit\tcomment\n"


def read(tmp_path, content):
    path = tmp_path / "participants.tsv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_tsv(path)


def complaint(tmp_path, content):
    with pytest.raises(ValueError, match="Remedy: ") as refused:
        read(tmp_path, content)
    return str(refused.value)


def test_a_quote_is_a_letter_and_swallows_no_line(tmp_path):
    _, rows = read(tmp_path, HEAD + '1\ttrain\t"left\n2\ttest\ta "b" c\n3\ttest\tsaid: "\n4\ttest\t\n')
    assert [row["participant_id"] for row in rows] == ["1", "2", "3", "4"]
    assert [row["comment"] for row in rows] == ['"left', 'a "b" c', 'said: "', ""]


def test_any_cells_come_back_as_they_were_written(tmp_path):
    rng = random.Random(0)
    letters = "ab\"',;0179.+-eE#\\{}~ü血\u2028\x0b "
    for _ in range(200):
        names = [f"c{number}" for number in range(rng.randint(1, 4))]
        cells = [
            ["x" + "".join(rng.choices(letters, k=rng.randint(0, 6))) + "x" for _ in names]
            for _ in range(rng.randint(0, 5))
        ]
        lines = ["\t".join(line) for line in [names, *cells]]
        mark = rng.choice(["\n", "\r\n", "\r"])
        start = rng.choice(["", "\ufeff"])
        columns, rows = read(tmp_path, start + mark.join(lines) + rng.choice(["", mark, 2 * mark]))
        assert columns == names
        assert [list(row.values()) for row in rows] == cells


@pytest.mark.parametrize(
    "word", ["NA", "nan", "n/a", "null", "None", "001", "1e5", "True", "1.0", "-inf", "0x1f"]
)
def test_a_word_stays_what_it_is(tmp_path, word):
    assert read(tmp_path, f"participant_id\tsplit\n{word}\t{word}\n")[1] == [
        {"participant_id": word, "split": word}
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no names of columns"),
        ("\nparticipant_id\tsplit\n", "no names of columns"),
        ("a\tb\ta\n", "the column a more than once"),
        ("a\tb\tb \n", "the column b more than once"),
        ("a\t\tb\n", "no name for column 2"),
        ("a\tb\t\n1\t2\t\n", "no name for column 3"),
        ("a\tb\n1\t2\n3\n", "line 3 has 1"),
        ("a\tb\n1\t2\t3\n", "line 2 has 3"),
        ('a\tb\n1\t"two\nlines"\n', "line 3 has 1"),
        ("a\tb\n" + "1\n" * 9, "line 6 has 1 and 4 more lines"),
        ("a\tb\n".encode("utf-16"), "UTF-16"),
        ("a\tb\n".encode("utf-16-le"), "UTF-16"),
        ("a\tb\n1\tM\u00fcnchen\n".encode("latin-1"), "UTF-8 (line 2)"),
        (b"PK\x03\x04", "a spreadsheet"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\xd0\xcf\x11\xe0", "spreadsheet"),
    ],
    ids=str,
)
def test_what_is_no_such_table_is_refused_with_the_line(tmp_path, content, words):
    assert words in complaint(tmp_path, content)


def test_lines_without_text_are_no_rows(tmp_path):
    assert len(read(tmp_path, "a\tb\n\n1\t2\n\t\n  \n3\t4\n\n")[1]) == 2
