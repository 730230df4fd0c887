"""Kafka record batches built byte by byte, so that they may hold what no client would send.

Format: record batch version 2 (Kafka protocol guide, KIP-98), check sum CRC-32C (RFC 3720, appendix B.4).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

TRANSACTIONAL = 0x10
CONTROL = 0x20
LOG_APPEND_TIME = 0x08
_AFTER_LENGTH_BYTES = 9
"""Leader epoch, magic and check sum: counted by the length, not covered by the check sum."""


class RawRecord(NamedTuple):
    """One record as bytes; header names and values may be anything, or null."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[bytes | None, bytes | None], ...] = ()


def record_batch(
    records: Sequence[RawRecord],
    *,
    base_offset: int = 0,
    timestamp_ms: int = 0,
    attributes: int = 0,
    producer_id: int = -1,
    body: bytes | None = None,
) -> bytes:
    """Return a record batch with a right check sum.

    Args:
        records: what is in it.
        base_offset: offset of the first record; a broker replaces it.
        timestamp_ms: of every record.
        attributes: compression codec, `LOG_APPEND_TIME`, `TRANSACTIONAL`, `CONTROL`.
        producer_id: -1 for none.
        body: the records' bytes, where they are not what `records_bytes` makes of them.
    """
    octets = records_bytes(records) if body is None else body
    count = len(records)
    checked = (
        struct.pack(
            ">hiqqqhii",
            attributes,
            count - 1,
            timestamp_ms,
            timestamp_ms,
            producer_id,
            -1 if producer_id < 0 else 0,
            -1 if producer_id < 0 else 0,
            count,
        )
        + octets
    )
    length = _AFTER_LENGTH_BYTES + len(checked)
    return struct.pack(">qiibI", base_offset, length, -1, 2, crc32c(checked)) + checked


def records_bytes(records: Sequence[RawRecord]) -> bytes:
    """Return the bytes of records back to back, before compression."""
    return b"".join(_record(place, record) for place, record in enumerate(records))


def crc32c(octets: bytes) -> int:
    """Return the CRC-32C check sum."""
    crc = 0xFFFFFFFF
    for octet in octets:
        crc = _CRC_TABLE[(crc ^ octet) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def _crc_table() -> list[int]:
    table = []
    for number in range(256):
        crc = number
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return table


_CRC_TABLE = _crc_table()


def _record(offset_delta: int, record: RawRecord) -> bytes:
    headers = b"".join(_octets(name) + _octets(value) for name, value in record.headers)
    body = (
        b"\x00"
        + _varint(0)
        + _varint(offset_delta)
        + _octets(record.key)
        + _octets(record.value)
        + _varint(len(record.headers))
        + headers
    )
    return _varint(len(body)) + body


def _octets(octets: bytes | None) -> bytes:
    return _varint(-1) if octets is None else _varint(len(octets)) + octets


def _varint(number: int) -> bytes:
    zigzag = (number << 1) ^ (number >> 63)
    written = bytearray()
    while zigzag > 0x7F:  # noqa: PLR2004  # seven bits an octet
        written.append(0x80 | (zigzag & 0x7F))
        zigzag >>= 7
    written.append(zigzag)
    return bytes(written)
