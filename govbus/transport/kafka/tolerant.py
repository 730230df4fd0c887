"""A reader for record batches that the client cannot read.

The client decodes header names as UTF-8 while it iterates a batch and raises in the middle of it, on every try: one
odd record would stop a partition for ever. This reader takes such a batch apart itself (record batch format 2,
Kafka protocol guide and KIP-98) and keeps odd bytes as lone surrogates.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any, NamedTuple

from aiokafka.errors import CorruptRecordException, for_code
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.util import calc_crc32c

from govbus.document.record import Headers, Record
from govbus.transport.base import TopicPartition

FETCH_BYTES_MAX = 1024 * 1024
"""Of one answer; the broker sends a first batch that is larger nevertheless."""
FETCH_WAIT_MS = 100
UNPACKED_BYTES_MAX = 32 * 1024 * 1024
"""Of one compressed batch; a larger one is not taken apart."""
_CHECKED_FROM = 21
"""The check sum covers a batch from its attributes on."""
_OVERHEAD_BYTES = 12
"""Base offset and length: what stands in front of the bytes that the length counts."""
_CODEC_MASK = 0x07
_LOG_APPEND_TIME, _TRANSACTIONAL, _CONTROL = 0x08, 0x10, 0x20
_GZIP_WINDOW_BITS = 31
_LAYOUT = struct.Struct(">qiibIhiqqqhii")


class _BatchHeader(NamedTuple):
    """The fixed part of a record batch, in the order of its bytes."""

    base_offset: int
    length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    first_timestamp_ms: int
    max_timestamp_ms: int
    producer_id: int
    producer_epoch: int
    first_sequence: int
    record_count: int


async def read_tolerantly(
    client: Any, partition: TopicPartition, offset: int, *, is_read_committed: bool
) -> tuple[list[Record], int]:
    """Fetch one partition from an offset and read what came.

    Args:
        client: the consumer's connection to the cluster.
        partition: what to read.
        offset: from where.
        is_read_committed: whether to leave aborted records out.

    Returns:
        The records and the offset to go on from, as `read_batches`.

    Raises:
        KafkaError: if the broker answers with an error, or with bytes that fail their check sum.
    """
    request = FetchRequest(
        FETCH_WAIT_MS,
        1,
        FETCH_BYTES_MAX,
        int(is_read_committed),
        [(partition.topic, [(partition.partition, offset, FETCH_BYTES_MAX)])],
    )
    response = await client.send(client.cluster.leader_for_partition(partition), request)
    (_, error_code, _, *rest) = response.topics[0][1][0]
    if error_code:
        raise for_code(error_code)
    # The layout differs between versions of the answer: the batches are always last, the list of aborted
    # transactions is the only list.
    aborted = next((part for part in rest[:-1] if isinstance(part, list)), [])
    return read_batches(rest[-1], partition, offset, aborted if is_read_committed else [])


def read_batches(
    octets: bytes, partition: TopicPartition, offset: int, aborted: list[tuple[int, int]]
) -> tuple[list[Record], int]:
    """Take record batches apart.

    Args:
        octets: batches back to back; an incomplete last one is left for the next fetch.
        partition: where they are from.
        offset: records before it are left out.
        aborted: producer id and first offset of each aborted transaction.

    Returns:
        The records and the offset to go on from. A batch that cannot be taken apart is one record without key,
        value and headers at its first offset, so that the router refuses it instead of stopping.

    Raises:
        CorruptRecordException: if a batch fails its check sum, or is shorter than its own header: the broker checks
            that on the way in, so the bytes were damaged since, and nobody must take them for what was sent.
    """
    records: list[Record] = []
    waiting = sorted(aborted, key=lambda one: one[1], reverse=True)
    aborting: set[int] = set()
    position, place = offset, 0
    while place + _LAYOUT.size <= len(octets):
        header = _BatchHeader._make(_LAYOUT.unpack_from(octets, place))
        end = place + _OVERHEAD_BYTES + header.length
        if end < place + _LAYOUT.size:
            raise CorruptRecordException(f"length of the batch at {partition} offset {header.base_offset}")
        if end > len(octets):
            break
        if calc_crc32c(octets[place + _CHECKED_FROM : end]) != header.crc:
            raise CorruptRecordException(f"check sum of the batch at {partition} offset {header.base_offset}")
        while waiting and waiting[-1][1] <= header.base_offset:
            aborting.add(waiting.pop()[0])
        if header.attributes & _CONTROL:
            aborting.discard(header.producer_id)
        elif not (header.attributes & _TRANSACTIONAL and header.producer_id in aborting):
            body = octets[place + _LAYOUT.size : end]
            records += [one for one in _records_of(header, body, partition) if one.offset >= offset]
        position, place = max(position, header.base_offset + header.last_offset_delta + 1), end
    return records, position


def _records_of(header: _BatchHeader, body: bytes, partition: TopicPartition) -> list[Record]:
    try:
        buffer = _unpacked(header, body)
        records = []
        place = 0
        for _ in range(header.record_count):
            record, place = _read_record(buffer, place, header, partition)
            records.append(record)
    except (ValueError, IndexError, zlib.error):
        return [Record(*partition, header.base_offset, header.first_timestamp_ms, None, None, ())]
    return records


def _unpacked(header: _BatchHeader, body: bytes) -> bytes:
    match header.attributes & _CODEC_MASK:
        case 0:
            return body
        case 1:
            unpacking = zlib.decompressobj(_GZIP_WINDOW_BITS)
            unpacked = unpacking.decompress(body, UNPACKED_BYTES_MAX)
            if unpacking.unconsumed_tail or not unpacking.eof:
                raise ValueError("more than fits")
            return unpacked
        case codec:
            raise ValueError(f"compression codec {codec}")


def _read_record(
    buffer: bytes, place: int, header: _BatchHeader, partition: TopicPartition
) -> tuple[Record, int]:
    length, place = _varint(buffer, place)
    end = place + length
    place += 1  # attributes of a record are unused
    time_delta_ms, place = _varint(buffer, place)
    offset_delta, place = _varint(buffer, place)
    key, place = _octets(buffer, place)
    value, place = _octets(buffer, place)
    header_count, place = _varint(buffer, place)
    headers: list[tuple[str, bytes]] = []
    for _ in range(header_count):
        name, place = _octets(buffer, place)
        content, place = _octets(buffer, place)
        if name is None:
            raise ValueError("a header without a name")
        # A null header value stands for itself: the router refuses it (rule CE-6).
        headers.append((name.decode("utf-8", "surrogateescape"), content))  # type: ignore[arg-type]
    if place != end:
        raise ValueError("length of a record")
    return _record_of(partition, header, offset_delta, time_delta_ms, key, value, tuple(headers)), place


def _record_of(
    partition: TopicPartition,
    header: _BatchHeader,
    offset_delta: int,
    time_delta_ms: int,
    key: bytes | None,
    value: bytes | None,
    headers: Headers,
) -> Record:
    is_append_time = header.attributes & _LOG_APPEND_TIME
    time_ms = header.max_timestamp_ms if is_append_time else header.first_timestamp_ms + time_delta_ms
    return Record(*partition, header.base_offset + offset_delta, time_ms, key, value, headers)


def _octets(buffer: bytes, place: int) -> tuple[bytes | None, int]:
    length, place = _varint(buffer, place)
    if length < 0:
        return None, place
    if place + length > len(buffer):
        raise ValueError("octets beyond the batch")
    return buffer[place : place + length], place + length


def _varint(buffer: bytes, place: int) -> tuple[int, int]:
    """Read a zigzag number of at most 64 bits, as Protocol Buffers have it."""
    zigzag = 0
    for shift in range(0, 64, 7):
        octet = buffer[place]
        place += 1
        zigzag |= (octet & 0x7F) << shift
        if octet < 0x80:  # noqa: PLR2004  # the bit that says that more follows
            return (zigzag >> 1) ^ -(zigzag & 1), place
    raise ValueError("a number of more than 64 bits")
