"""Log entries read as an audit of evidence needs them, in a tenth of the codec's time.

Entries of one batch differ in offset, document id, statement and path only: everything after the statement is
compared with what the entry before held at that place, and equal bytes mean equal fields. Whatever is not of the
common shape goes to the codec, so that the answer is always the codec's (a property test compares them).
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from govbus.document.decision import LogEntry, SourcePosition
from govbus.document.encoding import TIME_MS_MAX
from govbus.document.finding import Outcome
from govbus.document.statement import GRAMMAR
from govbus.schemas.core import decode_log_entry

_ONE_OR_TWO: Final = rb"[\x80-\xff]?[\x00-\x7f]"
COMMON_START: Final = re.compile(
    rb"\x00\x00\x00\x00\x01"
    rb"([\x00\x02\x04\x06])"
    rb"([\x80-\xff]{0,7}[\x00-\x7f])"
    rb"(" + _ONE_OR_TWO + rb")(govbus\.out\.[a-z0-9.-]{1,100})"
    rb"(" + _ONE_OR_TWO + rb")"
    rb"([\x80-\xff]{0,8}[\x00-\x7f])"
    rb"\x02(" + _ONE_OR_TWO + rb")([\x20-\x7e]{1,200})"
    rb"\x02([\x80-\xff][\x00-\x7f])" + GRAMMAR.pattern
)
"""Frame and fields up to and with the statement. Groups: decision, time, length and text of the topic, partition,
offset, length and text of the document id, length of the statement, then the groups of the statement's grammar."""

_LENGTH_MAX: Final = 8192
_MASK: Final = 0x7F
_MORE: Final = 0x80


def _zigzag(number: int) -> bytes:
    octets = bytearray()
    number <<= 1
    while number > _MASK:
        octets.append(number & _MASK | _MORE)
        number >>= 7
    octets.append(number)
    return bytes(octets)


LENGTHS: Final = {_zigzag(number): number for number in range(_LENGTH_MAX)}
"""Shortest encodings of small numbers that are not negative."""
DECISIONS: Final = (Outcome.ACCEPTED, Outcome.REFUSED, Outcome.QUARANTINED, Outcome.DUPLICATE)
"""The router's, by their numbers in the schema, which must be the codec's (the property test compares)."""


class NotCommonError(Exception):
    """The bytes are not of the common shape: ask the codec."""


class Layout(NamedTuple):
    """Where the parts of a common entry stand."""

    offset_start: int
    """Start of the offset of the record that it is about."""
    statement_start: int
    statement_end: int
    first_signature: int
    path_start: int
    path_end: int


class Tail(NamedTuple):
    """What follows the statement of an entry."""

    signatures: tuple[bytes, ...]
    batch: bytes | None
    path: bytes
    record_hash: bytes | None
    directory_version: int
    receipt_first: int | None
    agreement: str | None
    revocations: int
    first_signature: int
    path_start: int
    path_end: int


def number_of(octets: bytes) -> int:
    """Return the number of an Avro long that is whole and alone in these octets."""
    number = shift = 0
    for octet in octets:
        number |= (octet & _MASK) << shift
        shift += 7
    return (number >> 1) ^ -(number & 1)


def time_ms_of(octets: bytes) -> int:
    """Return the time of an entry, milliseconds since 1970.

    Raises:
        NotCommonError: if it is before 1970 or after the year 9999.
    """
    time_ms = number_of(octets)
    if not 0 <= time_ms <= TIME_MS_MAX:
        raise NotCommonError
    return time_ms


class _Reader:
    """Reads numbers and octets from front to back; runs into `NotCommonError` at the end."""

    __slots__ = ("at", "octets")

    def __init__(self, octets: bytes, at: int) -> None:
        self.octets = octets
        self.at = at

    def length(self) -> int:
        """Return a number of 0 to 8,191, as lengths, counts and versions nearly always are."""
        at = self.at
        end = at + (1 if self.octets[at] <= _MASK else 2)
        number = LENGTHS.get(self.octets[at:end], -1)
        if number < 0:
            raise NotCommonError
        self.at = end
        return number

    def number(self) -> int:
        """Return any number."""
        start = at = self.at
        while self.octets[at] > _MASK:
            at += 1
        self.at = at + 1
        if at - start >= 9:  # noqa: PLR2004  # a long of ten bytes may not fit 64 bits: the codec knows
            raise NotCommonError
        return number_of(self.octets[start : self.at])

    def some(self) -> bool:
        """Return which branch of a union with null follows."""
        branch = self.octets[self.at]
        if branch not in {0, 2}:
            raise NotCommonError
        self.at += 1
        return branch == 2  # noqa: PLR2004  # zigzag of 1

    def take(self, count: int) -> bytes:
        """Return so many octets."""
        octets = self.octets[self.at : self.at + count]
        if len(octets) != count:
            raise NotCommonError
        self.at += count
        return octets

    def text(self) -> str:
        """Return a text that is plain ASCII."""
        octets = self.take(self.length())
        if not octets.isascii():
            raise NotCommonError
        return octets.decode("ascii")


def read_tail(entry: bytes, start: int) -> Tail:
    """Read what follows the statement.

    Args:
        entry: as stored.
        start: where the statement ends.

    Raises:
        NotCommonError: if it is not of the common shape: one block an array, no findings, ASCII texts, nothing after.
    """
    reader = _Reader(entry, start)
    try:
        return _read_tail(reader, start)
    except IndexError as err:
        raise NotCommonError from err


def _read_tail(reader: _Reader, start: int) -> Tail:
    count = reader.length()
    first_signature = start
    signatures: list[bytes] = []
    for _ in range(count):
        length = reader.length()
        first_signature = reader.at if not signatures else first_signature
        signatures.append(reader.take(length))
    if count:
        _end_of_array(reader)
    batch = reader.take(reader.length()) if reader.some() else None
    path_bytes = reader.length()
    path_start = reader.at
    path = reader.take(path_bytes)
    path_end = reader.at
    record_hash = reader.take(32) if reader.some() else None
    directory_version = reader.number()
    _end_of_array(reader)  # findings: rare, and of many shapes
    recipients = reader.length()
    for _ in range(recipients):
        reader.text()
    if recipients:
        _end_of_array(reader)
    receipt_first = reader.number() if reader.some() else None
    agreement = reader.text() if reader.some() else None
    revocations = reader.number()
    if reader.some():  # an order to erase: rare
        raise NotCommonError
    if reader.at != len(reader.octets):
        raise NotCommonError
    return Tail(
        tuple(signatures),
        batch,
        path,
        record_hash,
        directory_version,
        receipt_first,
        agreement,
        revocations,
        first_signature,
        path_start,
        path_end,
    )


def read_batch(entry: bytes, start: int, end: int) -> tuple[bytes, bytes, int]:
    """Return the one signature, the batch text and the length of the path between a statement and its path.

    Args:
        entry: as stored.
        start: where the statement ends.
        end: where the path must begin.

    Raises:
        NotCommonError: if something else stands there.
    """
    reader = _Reader(entry, start)
    try:
        if reader.length() != 1:
            raise NotCommonError
        signature = reader.take(reader.length())
        _end_of_array(reader)
        if not reader.some():
            raise NotCommonError
        text = reader.take(reader.length())
        path_bytes = reader.length()
    except IndexError as err:
        raise NotCommonError from err
    if reader.at != end:
        raise NotCommonError
    return signature, text, path_bytes


def _end_of_array(reader: _Reader) -> None:
    if reader.octets[reader.at] != 0:
        raise NotCommonError
    reader.at += 1


class EntryFields(NamedTuple):
    """The fields of an entry that evidence is about."""

    decision: Outcome
    time_ms: int
    topic: str
    partition: int
    offset: int
    document_id: str | None
    statement: bytes | None
    signatures: tuple[bytes, ...]
    batch: bytes | None
    path: bytes
    record_hash: bytes | None
    directory_version: int
    receipt_first: int | None
    agreement: str | None
    revocations: int
    layout: Layout | None = None
    """None where the codec had to read it."""

    @property
    def source(self) -> SourcePosition:
        """Where the record stands that it is about."""
        return SourcePosition(self.topic, self.partition, self.offset)


def read_entry(entry: bytes) -> EntryFields:
    """Read one entry.

    Raises:
        RuleError: if it is no log entry, as `govbus.schemas.core.decode_log_entry` says.
    """
    try:
        return _read_common(entry)
    except NotCommonError:
        return fields_of(decode_log_entry(entry))


def _read_common(entry: bytes) -> EntryFields:
    match = COMMON_START.match(entry)
    if match is None:
        raise NotCommonError
    decision, time, topic_length, topic, partition, offset, id_length, document_id, length, *_ = (
        match.groups()
    )
    start = match.end(9)
    if (
        LENGTHS.get(topic_length) != len(topic)
        or LENGTHS.get(id_length) != len(document_id)
        or LENGTHS.get(length) != match.end() - start
        or partition not in LENGTHS
    ):
        raise NotCommonError
    tail = read_tail(entry, match.end())
    return EntryFields(
        DECISIONS[decision[0] >> 1],
        time_ms_of(time),
        topic.decode("ascii"),
        LENGTHS[partition],
        number_of(offset),
        document_id.decode("ascii"),
        entry[start : match.end()],
        tail.signatures,
        tail.batch,
        tail.path,
        tail.record_hash,
        tail.directory_version,
        tail.receipt_first,
        tail.agreement,
        tail.revocations,
        Layout(match.start(6), start, match.end(), tail.first_signature, tail.path_start, tail.path_end),
    )


def fields_of(entry: LogEntry) -> EntryFields:
    """Return the same of an entry that the codec read."""
    topic, partition, offset = entry.source
    return EntryFields(
        entry.decision,
        entry.time_ms,
        topic,
        partition,
        offset,
        entry.document_id,
        entry.statement,
        entry.signatures,
        entry.batch,
        entry.path,
        entry.record_hash,
        entry.directory_version,
        entry.receipt_first,
        entry.agreement,
        entry.revocations,
    )
