"""Tests of the CSV adapter: what rows become, where it goes on, and what it refuses."""

from __future__ import annotations

import datetime as dt

import pytest

from govbus.adapters import csv_file
from govbus.adapters.csv_file import CsvFileAdapter
from govbus.adapters.csv_mapping import CsvMapping
from govbus.errors import ConfigError, SourceRejectedError, SourceUnavailableError

AT_MS = 1_795_466_700_123
MAPPING = """
name: people
record:
  constants: {title: A person, creator: {organization: tax.example}}
  fields: {record_id: rec_id, creator.name: clerk}
body:
  constants: {country: AU}
  fields:
    surname: surname
    note: {column: note, strip: false, empty_is_null: false}
    age: {column: age, kind: integer}
"""
HEADER = "rec_id, surname, age, note, clerk\n"
ROWS = ["r1, smith, 7, a ,Ann\n", 'r2,"O""Neil, Jr\nthe 2nd",,"","Bob"\n', "\n", " r3 ,,12,x,Cid\n"]


def _adapter(path, mapping=MAPPING, **options):
    return CsvFileAdapter(path, CsvMapping.from_yaml(mapping, "mapping.yaml"), lambda: AT_MS, **options)


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "people.csv"
    file.write_text(HEADER + "".join(ROWS), encoding="utf-8")
    return file


def _read(adapter, cursor=None):
    return list(adapter.read(cursor))


def test_rows_become_documents(path):
    """Columns, constants, nested fields, white space, empty cells, quotes and line ends inside a cell."""
    documents = [document for document, _ in _read(_adapter(path))]
    assert [
        {"country": "AU", "surname": "smith", "note": " a ", "age": 7},
        {"country": "AU", "surname": 'O"Neil, Jr\nthe 2nd', "note": "", "age": None},
        {"country": "AU", "surname": None, "note": "x", "age": 12},
    ] == [document.body for document in documents]
    assert [
        {
            "title": "A person",
            "creator": {"organization": "tax.example", "name": name},
            "record_id": record_id,
        }
        for record_id, name in (("r1", "Ann"), ("r2", "Bob"), ("r3", "Cid"))
    ] == [document.metadata for document in documents]
    assert {(None, AT_MS)} == {(document.subject, document.time_ms) for document in documents}
    ids = [document.document_id for document in documents]
    assert sorted(set(ids)) == ids


@pytest.mark.parametrize("stop", [0, 1, 2])
def test_goes_on_after_any_row(path, stop):
    """Reading on from a cursor yields what comes after it and nothing before, with the same cursors."""
    everything = _read(_adapter(path))
    rest = _read(_adapter(path), everything[stop][1])
    assert [(document.body, cursor) for document, cursor in everything[stop + 1 :]] == [
        (document.body, cursor) for document, cursor in rest
    ]


def test_goes_on_in_a_file_that_grew(path):
    """Rows that were added after the last run are read by the next one."""
    cursor = _read(_adapter(path))[-1][1]
    assert [] == _read(_adapter(path), cursor)
    with path.open("a") as file:
        file.write("r4,doe,1,,Dee\n")
    assert ["doe"] == [document.body["surname"] for document, _ in _read(_adapter(path), cursor)]


@pytest.mark.parametrize("tail", ["r4,do", 'r4,"doe\n', 'r4,"doe\nsecond'])
def test_row_that_is_still_being_written(path, tail):
    """In a growing file a last row that is not complete is left for the next time."""
    with path.open("a") as file:
        file.write(tail)
    pairs = _read(_adapter(path, is_growing=True))
    assert 3 == len(pairs)
    end = {'r4,"doe\n': '",1,,Dee\n', 'r4,"doe\nsecond': '",1,,Dee\n'}.get(tail, "e,1,,Dee\n")
    with path.open("a") as file:
        file.write(end)
    assert 1 == len(_read(_adapter(path, is_growing=True), pairs[-1][1]))


def test_last_row_without_a_line_end(path):
    """In a file that is complete the last row counts, line end or not."""
    with path.open("a") as file:
        file.write("r4,doe,1,,Dee")
    assert 4 == len(_read(_adapter(path)))


@pytest.mark.parametrize("rewrite", ["r1, smitH, 7, a ,Ann\n", "", "x\n" * 40])
def test_rewritten_file(path, rewrite):
    """A file whose last read row is another or gone is refused, with file and line and what to do."""
    cursor = _read(_adapter(path))[0][1]
    path.write_text(HEADER + rewrite, encoding="utf-8")
    with pytest.raises(
        SourceRejectedError, match=r"people.csv, line 2: expected row 1 .* was rewritten"
    ) as caught:
        _read(_adapter(path), cursor)
    assert "restore the file" in caught.value.remedy


@pytest.mark.parametrize("cursor", ["", "{}", "[1]", '{"row": 1}', "12"])
def test_foreign_cursor(path, cursor):
    """A cursor of another adapter is refused."""
    with pytest.raises(SourceRejectedError, match="not written by a CSV adapter"):
        _read(_adapter(path), cursor)


@pytest.mark.parametrize(
    ("row", "what"),
    [
        (b"r4,doe,1,x\n", "line 7: expected 5 cells, found 4"),
        (b"r4,doe,1,x,y,z\n", "line 7: expected 5 cells, found 6"),
        (b"r4,d\xffe,1,x,y\n", "line 7: expected utf-8, found other bytes"),
        (b"r4,doe,one,x,y\n", "line 7: column age: expected a whole number"),
        (b'r4,"doe,1,x,y\n', "line 7: not CSV: unexpected end of data"),
        (b'r4,"doe"s,1,x,y\n', "line 7: not CSV"),
    ],
)
def test_bad_row(path, row, what):
    """A row that cannot be read stops the adapter after the good ones, and never shows what is in it."""
    with path.open("ab") as file:
        file.write(row)
    found = []
    with pytest.raises(SourceRejectedError, match=what) as caught:
        found.extend(_adapter(path).read(None))
    message = str(caught.value)
    assert message.startswith(f"{path}, line 7: ")
    assert not any(cell in message.removeprefix(str(path)) for cell in ("doe", "one,", "'one'"))


def test_row_without_end(path, monkeypatch):
    """A row longer than the bound is refused before it is read whole, quoted line ends or not."""
    monkeypatch.setattr(csv_file, "ROW_BYTES_MAX", 100)
    for tail in (b"x" * 200, b'"' + b"x\n" * 200):
        path.write_bytes(HEADER.encode() + tail)
        with pytest.raises(SourceRejectedError, match="expected rows of at most 100 bytes"):
            _read(_adapter(path))


@pytest.mark.parametrize(
    ("header", "what"),
    [
        ("rec_id,surname,age,clerk\n", "line 1: expected a header row with the columns note"),
        (
            "rec_id,surname,age,note,clerk,age\n",
            "line 1: expected a header row in which no column stands twice",
        ),
    ],
)
def test_bad_header(path, header, what):
    """Columns that the mapping needs and the file lacks are named."""
    path.write_text(header)
    with pytest.raises(SourceRejectedError, match=what):
        _read(_adapter(path))


def test_source_that_is_not_there(tmp_path, path):
    """A file that is missing or still empty may come: the error says to try again."""
    with pytest.raises(SourceUnavailableError, match="missing.csv cannot be read"):
        _read(_adapter(tmp_path / "missing.csv"))
    path.write_text("")
    with pytest.raises(SourceUnavailableError, match="no header row yet"):
        _read(_adapter(path))


def test_file_that_may_not_be_read(path, monkeypatch):
    """Missing permission needs a person."""

    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(SourceRejectedError, match="may not be read"):
        _read(_adapter(path))


def test_other_dialect(tmp_path):
    """Delimiter, quote, encoding and a byte order mark."""
    mapping = """
name: other
delimiter: ";"
quote: "'"
encoding: ENCODING
record: {fields: {record_id: id}}
body: {fields: {name: name}}
subject: {column: key, opaque: true}
"""
    text = "id;name;key\n1;'Müller; Söhne'; k1 \n2;x;\n"
    for encoding, mark in (("windows-1252", b""), ("utf-8", b"\xef\xbb\xbf")):
        path = tmp_path / encoding
        path.write_bytes(mark + text.encode(encoding))
        adapter = _adapter(path, mapping.replace("ENCODING", encoding))
        assert "other" == adapter.name
        documents = [document for document, _ in _read(adapter)]
        assert [("k1", {"name": "Müller; Söhne"}), (None, {"name": "x"})] == [
            (document.subject, document.body) for document in documents
        ]


@pytest.mark.parametrize(
    ("rule", "cell", "expected"),
    [
        ("{column: c, kind: number}", "1.5", 1.5),
        ("{column: c, kind: boolean}", "Yes", True),
        ("{column: c, kind: boolean}", "0", False),
        ("{column: c, kind: date}", "2026-02-28", dt.date(2026, 2, 28)),
        ('{column: c, kind: date, date_format: "%Y%m%d"}', "20260228", dt.date(2026, 2, 28)),
        ("{column: c, kind: integer}", "", None),
        ("{column: c, kind: number}", "1,5", "expected a number"),
        ("{column: c, kind: boolean}", "maybe", "expected a yes or no"),
        ("{column: c, kind: date}", "2026-02-30", "expected a date as %Y-%m-%d"),
    ],
)
def test_kinds(tmp_path, rule, cell, expected):
    """Cells become values of their kind, or the error says what was expected."""
    path = tmp_path / "kinds.csv"
    path.write_text(f'c\n"{cell}"\n')
    adapter = _adapter(path, f"{{name: k, record: {{}}, body: {{fields: {{f: {rule}}}}}}}")
    if isinstance(expected, str):
        with pytest.raises(SourceRejectedError, match=f"line 2: column c: {expected}"):
            _read(adapter)
    else:
        assert {"f": expected} == _read(adapter)[0][0].body


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (("name: people", "name: PEOPLE"), "mapping.yaml, name: string should match pattern"),
        (("name: people", "name: people\ndelimiter: ab"), "mapping.yaml, delimiter"),
        (
            ("name: people", "name: people\nencoding: utf-16"),
            "mapping.yaml, encoding: .*expected an encoding",
        ),
        (
            ("name: people", "name: people\nencoding: none-such"),
            "mapping.yaml, encoding: .*expected an encoding",
        ),
        (
            ("name: people", "name: people\nsubject: {column: rec_id}"),
            "mapping.yaml, subject.opaque: field required",
        ),
        (
            ("name: people", "name: people\nsubject: {column: rec_id, opaque: false}"),
            "mapping.yaml, subject.opaque",
        ),
        (("kind: integer", "kind: int"), "mapping.yaml, body.fields.age.kind"),
        (("kind: integer", "kinds: integer"), "mapping.yaml, body.fields.age.kinds: extra inputs"),
        (("name: people", "name: [people"), "mapping.yaml is not YAML"),
        ((MAPPING, "7"), "mapping.yaml, the whole file"),
    ],
)
def test_bad_mapping(change, what):
    """A mapping that cannot be used is refused with its place in the file."""
    with pytest.raises(ConfigError, match=what):
        CsvMapping.from_yaml(MAPPING.replace(*change), "mapping.yaml")
