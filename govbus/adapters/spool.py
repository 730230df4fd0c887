"""The spool: an agency's durable outbox, which gives each document its index and forgets it after the broker's ack.

Every step is one transaction that is on disk when the call returns (SQLite, write-ahead log, full synchronisation):
`put` takes documents and moves the adapter's cursor, `seal` signs and keeps the signatures before anything is sent,
`mark_published` forgets. A process killed at any point therefore finds a consistent spool, and sends what it may have
sent before again as the same bytes.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from govbus.adapters.outgoing import EncodedDocument
from govbus.adapters.spool_database import connect, converted_errors, transaction
from govbus.adapters.spool_intake import ReadyDocument, ready_document, statements
from govbus.adapters.spool_seal import Seal, seal_headers, seals_of
from govbus.adapters.spool_segment import (
    REPEATED_ID_MAX,
    SEGMENT_DOCUMENTS_MAX,
    HeaderLayout,
    Segment,
    headers_from_lines,
    pack,
    signings_of,
    statements_of,
    unpack,
)
from govbus.adapters.spool_signing import Unsealed
from govbus.document import topics
from govbus.document.ids import Origin
from govbus.document.record import SALT, SALT_BYTES, STATEMENT, Headers
from govbus.document.statement import statement_hash
from govbus.errors import SpoolError, SpoolFullError
from govbus.signing.signer import Signers
from govbus.transport.base import OutRecord

READ_BYTES_MAX: Final = 16 * 1024 * 1024
"""Documents handed out at once are kept to about this size."""
_START_NEW: Final = "move the file aside once it is empty, and start a new one at its next index"


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """What the spool holds at most while the broker is away."""

    documents_max: int = 1_000_000
    size_bytes_max: int = 8 * 1024**3
    age_s_max: float = 7 * 86_400.0
    """A document that waits longer than this stops the spool from taking more: somebody has to look."""


class SpoolStats(NamedTuple):
    """How the spool stands."""

    documents: int
    """Waiting: taken, not yet published."""
    size_bytes: int
    oldest_age_s: float
    """Of the document that waits longest; 0 where none does."""
    next_index: int
    sealed_next: int
    """The first index that is not signed yet."""
    published_next: int
    """The first index that the broker has not acknowledged."""
    last_statement_hash: bytes | None


class Spool:
    """The documents of one origin on their way to the broker. Safe to call from several threads and processes."""

    def __init__(
        self, connection: sqlite3.Connection, path: Path, origin: Origin, limits: SpoolLimits
    ) -> None:
        """Use `open` instead."""
        self.path = path
        self.origin = origin
        self.limits = limits
        self._connection = connection
        self._lock = threading.Lock()
        self._repeated_ids: dict[bytes, int] = {}
        self._layouts: dict[int, HeaderLayout] = {0: HeaderLayout(())}
        self._topic = topics.outbox(origin.agency)
        self._key = str(origin).encode("ascii")

    @classmethod
    def open(
        cls,
        path: Path | str,
        origin: Origin,
        limits: SpoolLimits | None = None,
        *,
        next_index: int | None = None,
    ) -> Spool:
        """Open the spool of an origin, or create it.

        A new spool never chooses its first index by itself: an origin that has sent documents before and lost its
        spool must go on above its last index on the bus, or the router refuses what it sends (rule SEQ-1).

        Args:
            path: of the SQLite file, on a local disk.
            origin: whose documents it holds; one spool an origin.
            limits: bounds; None for the defaults.
            next_index: where a new spool starts: 0 for an origin that never sent, else one above its last index on
                the bus. An existing spool keeps its own, and refuses one above it, because then it is an old copy.

        Raises:
            SpoolError: if the file is missing and `next_index` not given, or it is no spool of this origin.
        """
        file = Path(path)
        return cls(connect(file, origin, next_index), file, origin, limits or SpoolLimits())

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        err: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Taking documents

    def put(
        self,
        documents: Sequence[EncodedDocument],
        *,
        at_ms: int,
        adapter: str | None = None,
        cursor: str | None = None,
    ) -> range:
        """Take documents and move the adapter's cursor, both or neither.

        Args:
            documents: in the order in which they are to be sent.
            at_ms: now, milliseconds since 1970; the statements' time.
            adapter: whose cursor moves.
            cursor: where it moves to; given exactly where `adapter` is.

        Returns:
            The indexes of the documents.

        Raises:
            SpoolFullError: at a bound; nothing was taken.
            MetadataError: if a document is over the wire's limits (LIM-1, LIM-2); nothing was taken.
            SpoolError: if the file cannot be written; nothing was taken.
        """
        if (adapter is None) != (cursor is None):
            raise SpoolError("adapter and cursor go together")
        with self._lock, converted_errors(self.path):
            with transaction(self._connection):
                ready = self._ready(documents)
                first = self._write_segments(ready, at_ms)
                if adapter is not None:
                    self._connection.execute(
                        "INSERT INTO cursor VALUES (?1, ?2) ON CONFLICT DO UPDATE SET cursor = ?2",
                        (adapter, cursor),
                    )
            return range(first, first + len(ready))

    def cursor(self, adapter: str) -> str | None:
        """Return where an adapter stands, None where it has put nothing yet."""
        row = self._row("SELECT cursor FROM cursor WHERE adapter = ?", (adapter,))
        return None if row is None else str(row[0])

    def _ready(self, documents: Sequence[EncodedDocument]) -> list[ReadyDocument]:
        salts = os.urandom(SALT_BYTES * len(documents))
        # Ids of repeated headers are believed for longer than this call only once they were read after a commit.
        ids = self._repeated_ids.copy()

        def repeated_id(lines: bytes) -> int:
            known = ids.get(lines)
            if known is None:
                known = ids[lines] = self._keep_repeated(lines)
            return known

        return [
            ready_document(document, salts[at : at + SALT_BYTES], repeated_id)
            for at, document in zip(range(0, len(salts), SALT_BYTES), documents, strict=True)
        ]

    def _keep_repeated(self, lines: bytes) -> int:
        """Return the number of repeated headers, which are kept once."""
        self._connection.execute("INSERT OR IGNORE INTO repeated_headers (lines) VALUES (?)", (lines,))
        row = self._connection.execute("SELECT id FROM repeated_headers WHERE lines = ?", (lines,)).fetchone()
        number = int(row[0])
        if number > REPEATED_ID_MAX:
            raise SpoolError(f"spool {self.path} has seen too many kinds of documents", remedy=_START_NEW)
        return number

    def _write_segments(self, ready: list[ReadyDocument], at_ms: int) -> int:
        """Write documents under the next indexes and return the first, or raise where a bound is reached."""
        first, published_next, put_bytes, published_bytes = self._connection.execute(
            "SELECT next_index, published_next, put_bytes, published_bytes FROM spool"
        ).fetchone()
        first = int(first)
        if not ready:
            return first
        texts = statements(ready, self.origin, first, at_ms=at_ms)
        rows: list[tuple[int | bytes, ...]] = []
        index = first
        for count, segment in pack([one.packed for one in ready], texts):
            put_bytes += segment.size_bytes
            rows.append((index, index + count, at_ms, put_bytes, *segment))
            index += count
        self._require_room(index - published_next, put_bytes - published_bytes, at_ms)
        self._connection.executemany("INSERT INTO segment VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        self._connection.execute(
            "UPDATE spool SET next_index = ?, put_bytes = ?, last_statement_hash = ?",
            (index, put_bytes, statement_hash(texts[-1])),
        )
        return first

    def _require_room(self, documents: int, size_bytes: int, at_ms: int) -> None:
        """Compare what would wait with the limits."""
        limits = self.limits
        if documents > limits.documents_max:
            raise self._full(f"{documents} documents would wait, at most {limits.documents_max} may")
        if size_bytes > limits.size_bytes_max:
            raise self._full(f"{size_bytes} bytes would wait, at most {limits.size_bytes_max} may")
        age_s = self._oldest_age_s(at_ms)
        if age_s > limits.age_s_max:
            raise self._full(
                f"a document waits for {age_s:.0f} s, at most {limits.age_s_max:.0f} s are allowed"
            )

    def _full(self, detail: str) -> SpoolFullError:
        return SpoolFullError(
            f"the spool of {self.origin} is full: {detail}; nothing was taken",
            remedy="see that its publisher runs and reaches the broker",
        )

    def _oldest_age_s(self, at_ms: int) -> float:
        row = self._connection.execute("SELECT time_ms FROM segment ORDER BY first_index LIMIT 1").fetchone()
        return 0.0 if row is None else max(0, at_ms - int(row[0])) / 1000

    # Signing

    def seal(self, signers: Signers, *, at_ms: int, batch_max: int = 64, documents_max: int = 1024) -> int:
        """Sign documents that are not signed yet, in index order, and keep the signatures.

        Called off the event loop. Nothing is held while the keys work, so documents can be put meanwhile.

        Args:
            signers: each signs everything: the agency's seal, a post-quantum twin; or a choice of them by the time of
                the statements, because that is when their certificates must be valid, with the officer who signs each
                document that asks for it.
            at_ms: now, milliseconds since 1970.
            batch_max: documents under one signature; 1 signs each statement by itself. A document that asks for one
                of the two (`SignatureMode`) is signed so.
            documents_max: how many to sign in this call.

        Returns:
            How many documents were signed.

        Raises:
            SpoolError: if there is no signer, or another process sealed the same documents meanwhile.
            ConfigError: if the first of them asks for a signature that no key can make.
            SignerUnavailableError: if no key can sign the first of them at the moment.
        """
        start, segments = self._unsealed(documents_max)
        seals = seals_of(signers, self.origin, start, segments, at_ms=at_ms, batch_max=batch_max)
        if not seals:
            return 0
        end = seals[-1].end_index
        with self._lock, converted_errors(self.path), transaction(self._connection):
            (sealed_next,) = self._connection.execute("SELECT sealed_next FROM spool").fetchone()
            if sealed_next != start:
                raise SpoolError(
                    f"another process sealed the documents of {self.origin} from index {start}",
                    remedy="run one publisher for each spool",
                )
            self._connection.executemany("INSERT INTO seal VALUES (?, ?, ?, ?, ?, ?)", seals)
            self._connection.execute("UPDATE spool SET sealed_next = ?", (end,))
        return end - start

    def _unsealed(self, documents_max: int) -> tuple[int, list[tuple[int, Unsealed]]]:
        """Return the first index that is not signed, and from there on times and documents of segments."""
        with self._lock, converted_errors(self.path):
            (start,) = self._connection.execute("SELECT sealed_next FROM spool").fetchone()
            rows = self._connection.execute(
                "SELECT first_index, time_ms, sizes, statements FROM segment"
                " WHERE end_index > ?1 AND first_index < ?2 AND first_index >= ?3 ORDER BY first_index",
                (start, start + documents_max, start - SEGMENT_DOCUMENTS_MAX),
            ).fetchall()
        segments: list[tuple[int, Unsealed]] = []
        for first, time_ms, sizes, texts in rows:
            some = Unsealed(list(statements_of(sizes, texts)), signings_of(sizes))
            segments.append((time_ms, some.cut(max(0, start - first), start + documents_max - first)))
        return start, segments

    # Publishing

    @property
    def published_next(self) -> int:
        """The first index that the broker has not acknowledged."""
        row = self._row("SELECT published_next FROM spool", ())
        return int(row[0]) if row is not None else 0

    def unpublished(self, documents_max: int, *, first_index: int | None = None) -> list[OutRecord]:
        """Return signed documents that the broker has not acknowledged, in index order without a gap.

        The same documents come as the same bytes until `mark_published`. Signed headers stand first, sorted by name,
        then the statement, the salt, the signatures, and in batch mode batch text and path.

        Args:
            documents_max: how many at most; about `READ_BYTES_MAX` bytes at most as well.
            first_index: where to begin, not below `published_next`; None begins there.

        Raises:
            SpoolError: if the documents from `first_index` on are gone already.
        """
        with self._lock, converted_errors(self.path):
            self._connection.execute("BEGIN")
            try:
                published_next, sealed_next = self._connection.execute(
                    "SELECT published_next, sealed_next FROM spool"
                ).fetchone()
                start = published_next if first_index is None else first_index
                end = min(sealed_next, start + documents_max)
                segments = self._segments_between(start, end)
                seals = self._connection.execute(
                    "SELECT * FROM seal WHERE end_index > ? AND first_index < ? ORDER BY first_index",
                    (start, end),
                ).fetchall()
                self._learn_layouts()
            finally:
                self._connection.execute("COMMIT")
        if start < published_next:
            raise SpoolError(f"documents of {self.origin} from index {start} on are published and gone")
        return self._records(segments, seal_headers(map(Seal._make, seals), start), start, end)

    def _segments_between(self, start: int, end: int) -> list[tuple[int, int, Segment]]:
        """Return segments with documents in [start, end), each with its first index and time."""
        found: list[tuple[int, int, Segment]] = []
        size_bytes = 0
        for first, time_ms, *blobs in self._connection.execute(
            "SELECT first_index, time_ms, sizes, statements, contents FROM segment"
            " WHERE first_index > ?1 AND end_index > ?2 AND first_index < ?3 ORDER BY first_index",
            (start - SEGMENT_DOCUMENTS_MAX, start, end),
        ):
            found.append((first, time_ms, Segment(*blobs)))
            size_bytes += sum(map(len, blobs))
            if size_bytes >= READ_BYTES_MAX:
                break
        return found

    def _learn_layouts(self) -> None:
        (count,) = self._connection.execute("SELECT count(*) FROM repeated_headers").fetchone()
        if count >= len(self._layouts):
            for number, lines in self._connection.execute("SELECT id, lines FROM repeated_headers"):
                self._layouts[number] = HeaderLayout(headers_from_lines(lines))
                self._repeated_ids[lines] = number

    def _records(
        self, segments: list[tuple[int, int, Segment]], seals: Iterator[Headers], start: int, end: int
    ) -> list[OutRecord]:
        records: list[OutRecord] = []
        topic, key, layouts = self._topic, self._key, self._layouts
        for first, time_ms, segment in segments:
            for index, document in enumerate(unpack(segment), first):
                if index < start:
                    continue
                if index >= end:
                    break
                headers = (
                    *layouts[document.repeated_id].signed_headers(document),
                    (STATEMENT, document.statement),
                    (SALT, document.salt),
                    *next(seals),
                )
                records.append(OutRecord(topic, None, key, document.value, headers, time_ms))
        return records

    def mark_published(self, upto_index: int) -> None:
        """Forget the documents up to and including an index, because the broker has acknowledged them.

        Raises:
            SpoolError: if some of them were never signed, so cannot have been sent.
        """
        with self._lock, converted_errors(self.path), transaction(self._connection):
            published_next, sealed_next = self._connection.execute(
                "SELECT published_next, sealed_next FROM spool"
            ).fetchone()
            if upto_index >= sealed_next:
                raise SpoolError(
                    f"index {upto_index} of {self.origin} is not signed, so it cannot be published"
                )
            after = max(upto_index + 1, published_next)
            row = self._connection.execute(
                "SELECT max(end_bytes) FROM segment WHERE first_index < ?1 AND end_index <= ?1", (after,)
            ).fetchone()
            self._connection.execute(
                "UPDATE spool SET published_next = ?, published_bytes = max(published_bytes, ?)",
                (after, row[0] or 0),
            )
            # The bound on first_index, the key, keeps SQLite from looking at everything that waits.
            for table in ("segment", "seal"):
                self._connection.execute(
                    f"DELETE FROM {table} WHERE first_index < ?1 AND end_index <= ?1",  # noqa: S608
                    (after,),
                )

    def stats(self, at_ms: int) -> SpoolStats:
        """Return how the spool stands at a time, milliseconds since 1970."""
        with self._lock, converted_errors(self.path):
            next_index, sealed, published, put_bytes, published_bytes, last = self._connection.execute(
                "SELECT next_index, sealed_next, published_next, put_bytes, published_bytes,"
                " last_statement_hash FROM spool"
            ).fetchone()
            age_s = self._oldest_age_s(at_ms) if next_index > published else 0.0
        return SpoolStats(
            next_index - published,
            put_bytes - published_bytes,
            age_s,
            next_index,
            sealed,
            published,
            last,
        )

    def _row(self, query: str, arguments: tuple[str, ...]) -> tuple[Any, ...] | None:
        with self._lock, converted_errors(self.path):
            row: tuple[Any, ...] | None = self._connection.execute(query, arguments).fetchone()
            return row
