"""Reads a CSV file as documents, and notices when the file was rewritten under it.

The cursor holds where the last row stands and its hash, so going on costs one seek, and a file that is not the one
that was read before is refused instead of being half sent twice.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from govbus.adapters.csv_mapping import CsvMapping
from govbus.adapters.outgoing import DocumentIds, OutgoingDocument
from govbus.errors import SourceRejectedError, SourceUnavailableError

ROW_BYTES_MAX: Final = 1_048_576
_UTF8_MARK: Final = b"\xef\xbb\xbf"


class CsvCursor(NamedTuple):
    """Where the last row that was read stands."""

    row: int
    """Its number, from 1; the header has none."""
    line: int
    """The last line of it, from 1; a quoted cell may span several."""
    start: int
    """Bytes before it."""
    end: int
    """Bytes up to its end."""
    sha256: str
    """Hex, over its bytes as they are in the file."""

    def to_text(self) -> str:
        """Return JSON."""
        return json.dumps(self._asdict(), separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> CsvCursor:
        """Parse what `to_text` wrote.

        Raises:
            SourceRejectedError: if it is something else.
        """
        try:
            cursor = cls(**json.loads(text))
        except (ValueError, TypeError) as err:
            raise SourceRejectedError(
                "the cursor was not written by a CSV adapter", remedy="give the mapping another name"
            ) from err
        return cursor


@dataclass(slots=True)
class CsvFileAdapter:
    """The adapter (`govbus.adapters.base.Adapter`) of one CSV file with a header row."""

    path: Path
    mapping: CsvMapping
    clock: Callable[[], int]
    """Returns now, milliseconds since 1970: the documents' time."""
    is_growing: bool = False
    """Whether rows are still being added: a last row without a line end is then left for the next time."""
    _ids: DocumentIds = field(default_factory=DocumentIds, init=False, repr=False)

    @property
    def name(self) -> str:
        """The mapping's name."""
        return self.mapping.name

    def read(self, cursor: str | None) -> Iterator[tuple[OutgoingDocument, str]]:
        """Yield a document for each row after the cursor, with the cursor after it.

        Raises:
            SourceUnavailableError: if the file is not there.
            SourceRejectedError: naming file and line, if a row cannot be read, or the file is not the one before.
        """
        with self._opened() as file:
            rows = _RowReader(file, self)
            columns = rows.columns()
            if cursor is not None:
                rows.go_on(CsvCursor.from_text(cursor))
            yield from self._documents(rows, columns)

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        try:
            with self.path.open("rb") as file:
                yield file
        except PermissionError as err:
            raise SourceRejectedError(f"{self.path} may not be read by this user") from err
        except OSError as err:
            raise SourceUnavailableError(f"{self.path} cannot be read: {err.strerror}") from err

    def _documents(self, rows: _RowReader, columns: dict[str, int]) -> Iterator[tuple[OutgoingDocument, str]]:
        mapping, ids = self.mapping, self._ids
        build_record, build_body = mapping.record.builder(columns), mapping.body.builder(columns)
        subject_at = None if mapping.subject is None else columns[mapping.subject.column]
        for cells in rows.rows():
            if len(cells) != len(columns):
                raise rows.rejected(f"expected {len(columns)} cells, found {len(cells)}")
            try:
                metadata, body = build_record(cells), build_body(cells)
            except ValueError as err:
                raise rows.rejected(str(err)) from err
            subject = None if subject_at is None else cells[subject_at].strip()
            at_ms = self.clock()
            document = OutgoingDocument(ids.new(at_ms), subject or None, at_ms, metadata, body)
            yield document, rows.cursor().to_text()


class _RowReader:
    """Reads rows and keeps track of the bytes that they were made of."""

    def __init__(self, file: BinaryIO, adapter: CsvFileAdapter) -> None:
        self._file = file
        self._adapter = adapter
        self._row = 0
        self._line = 0
        self._start = self._end = 0
        self._lines: list[bytes] = []
        self._is_at_end = False

    def columns(self) -> dict[str, int]:
        """Read the header row and return the position of each column.

        Raises:
            SourceUnavailableError: if there is none yet.
            SourceRejectedError: if a column stands twice, or one of the mapping is not there.
        """
        header = next(self.rows(), None)
        if header is None:
            raise SourceUnavailableError(f"{self._adapter.path} has no header row yet")
        names = [name.strip() for name in header]
        columns = {name: position for position, name in enumerate(names)}
        if len(columns) != len(names):
            raise self.rejected("expected a header row in which no column stands twice")
        missing = sorted(self._adapter.mapping.columns - columns.keys())
        if missing:
            raise self.rejected(f"expected a header row with the columns {', '.join(missing)}")
        self._row = 0
        return columns

    def go_on(self, cursor: CsvCursor) -> None:
        """Move behind the last row that was read, once it is certain that it is still there."""
        self._file.seek(cursor.start)
        found = self._file.read(cursor.end - cursor.start)
        self._row, self._line, self._start, self._end = cursor.row, cursor.line, cursor.start, cursor.end
        if hashlib.sha256(found).hexdigest() != cursor.sha256:
            raise self.rejected(
                f"expected row {cursor.row} as it was read before, found other bytes: the file was rewritten",
                remedy="restore the file, or give the mapping another name to send the new one from its start",
            )

    def rows(self) -> Iterator[list[str]]:
        """Yield the cells of each row from where the file stands; empty lines are passed over."""
        mapping = self._adapter.mapping
        reader = csv.reader(self._texts(), delimiter=mapping.delimiter, quotechar=mapping.quote, strict=True)
        self._lines = []
        self._start = self._end
        while True:
            try:
                cells = next(reader, None)
            except csv.Error as err:
                if self._is_at_end and self._adapter.is_growing:
                    return  # the last row is not complete yet
                raise self.rejected(f"not CSV: {err}") from err
            if cells is None:
                return
            if cells:
                self._row += 1
                yield cells
                self._lines = []
                self._start = self._end

    def cursor(self) -> CsvCursor:
        """Return the cursor after the row that was yielded last."""
        digest = hashlib.sha256(b"".join(self._lines)).hexdigest()
        return CsvCursor(self._row, self._line, self._start, self._end, digest)

    def rejected(self, detail: str, *, remedy: str = "") -> SourceRejectedError:
        """Return an error that names file and line."""
        return SourceRejectedError(
            f"{self._adapter.path}, line {self._line}: {detail}",
            remedy=remedy or "mend the row and run the adapter again; rows before it are in the spool",
        )

    def _texts(self) -> Iterator[str]:
        """Yield decoded lines, and remember their bytes until the row is complete."""
        encoding = self._adapter.mapping.encoding
        while True:
            line = self._file.readline(ROW_BYTES_MAX + 1)
            if not line or (self._adapter.is_growing and not line.endswith(b"\n")):
                self._is_at_end = True
                return
            self._line += 1
            self._end += len(line)
            if self._end - self._start > ROW_BYTES_MAX:
                raise self.rejected(f"expected rows of at most {ROW_BYTES_MAX} bytes")
            self._lines.append(line)
            if self._line == 1 and line.startswith(_UTF8_MARK):
                line = line[len(_UTF8_MARK) :]
            try:
                yield line.decode(encoding)
            except UnicodeDecodeError as err:
                raise self.rejected(
                    f"expected {encoding}, found other bytes",
                    remedy="name the file's encoding in the mapping",
                ) from err
