"""Asks a Kafka broker for its metadata over a plain socket, so that starting one needs no Kafka client.

A broker's port opens well before it can serve; it is ready when it answers a Metadata request with a live
broker and a controller. This module speaks just that request: Metadata, API key 3, version 1, request
header version 1 (Kafka protocol guide, "Metadata API"). Version 1 is the oldest in which an empty list
means "no topics", and the oldest that names the controller.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

METADATA_API_KEY = 3
METADATA_VERSION = 1
CORRELATION_ID = 1
ANSWER_SIZE_BYTES_MAX = 1 << 20
HOST_SIZE_BYTES_MAX = 1 << 10


@dataclass(frozen=True, slots=True)
class ClusterMetadata:
    """What a broker says about its cluster."""

    brokers: tuple[tuple[int, str, int], ...]
    """Node id, host and port of each live broker."""
    controller_id: int
    """Node id of the controller; -1 while there is none."""

    @property
    def is_ready(self) -> bool:
        """Whether clients can be served."""
        return bool(self.brokers) and self.controller_id >= 0


def metadata_request(client_id: str = "govbus-probe") -> bytes:
    """Returns a Metadata request for no topics, length prefix included."""
    client = client_id.encode()
    header = struct.pack(">hhih", METADATA_API_KEY, METADATA_VERSION, CORRELATION_ID, len(client)) + client
    body = struct.pack(">i", 0)
    return struct.pack(">i", len(header) + len(body)) + header + body


def parse_metadata_answer(answer: bytes) -> ClusterMetadata:
    """Reads a Metadata answer, version 1, without its length prefix.

    Raises:
        ValueError: The octets are not such an answer.
    """
    try:
        correlation_id, broker_count = struct.unpack_from(">ii", answer)
        if correlation_id != CORRELATION_ID:
            raise ValueError(f"expected correlation id {CORRELATION_ID}, found {correlation_id}")
        position = 8
        brokers = []
        for _ in range(broker_count):
            (node_id,) = struct.unpack_from(">i", answer, position)
            host, position = _read_text(answer, position + 4)
            (port,) = struct.unpack_from(">i", answer, position)
            _, position = _read_text(answer, position + 4)  # the rack, which may be null
            brokers.append((node_id, host, port))
        (controller_id,) = struct.unpack_from(">i", answer, position)
    except (struct.error, UnicodeDecodeError) as err:
        raise ValueError(f"expected a metadata answer, found {len(answer)} octets of something else") from err
    return ClusterMetadata(tuple(brokers), controller_id)


def _read_text(answer: bytes, position: int) -> tuple[str, int]:
    """Reads a nullable string; null becomes the empty text."""
    (size_bytes,) = struct.unpack_from(">h", answer, position)
    end = position + 2 + max(size_bytes, 0)
    if end > len(answer) or size_bytes > HOST_SIZE_BYTES_MAX:
        raise ValueError(f"expected a text of at most {HOST_SIZE_BYTES_MAX} octets, found {size_bytes}")
    return answer[position + 2 : end].decode(), end


def ask_metadata(host: str, port: int, *, timeout_s: float) -> ClusterMetadata:
    """Asks one broker.

    Raises:
        OSError: Nobody listens, or no answer came within ``timeout_s``.
        ValueError: Something answered that is not a Kafka broker.
    """
    with socket.create_connection((host, port), timeout=timeout_s) as connection:
        connection.sendall(metadata_request())
        (size_bytes,) = struct.unpack(">i", _read_exactly(connection, 4))
        if not 0 < size_bytes <= ANSWER_SIZE_BYTES_MAX:
            raise ValueError(
                f"expected an answer of at most {ANSWER_SIZE_BYTES_MAX} octets, found {size_bytes}"
            )
        return parse_metadata_answer(_read_exactly(connection, size_bytes))


def _read_exactly(connection: socket.socket, size_bytes: int) -> bytes:
    received = b""
    while len(received) < size_bytes:
        piece = connection.recv(size_bytes - len(received))
        if not piece:
            raise ConnectionResetError(f"the connection ended after {len(received)} of {size_bytes} octets")
        received += piece
    return received
