"""A record as the broker carries it, and the envelope read from its headers.

Implements ``docs/specs/document-record.md``: CloudEvents 1.0 Kafka binary mode headers (``ce_*``), govbus headers
(``gb-*``), and the Confluent frame in front of the Avro bytes.
"""

from __future__ import annotations

import hashlib
import re
import struct
from dataclasses import dataclass
from typing import NamedTuple

from govbus.document.header_kind import HeaderKind, kind_of
from govbus.errors import MetadataError

HEADER_COUNT_MAX = 64
HEADER_BYTES_MAX = 32_768
"""Names and values of all headers together; an ML-DSA-65 twin in text form takes 4.8 KiB."""
VALUE_BYTES_MAX = 900_000
"""Below Kafka's default limit of a megabyte for a record, headers included."""
SALT_BYTES = 16
PATH_HASHES_MAX = 32
SIGNATURES_MAX = 8
FRAME_BYTES = 5

STATEMENT = "gb-stmt"
SALT = "gb-salt"
SIGNATURE = "gb-sig"
BATCH = "gb-batch"
PATH = "gb-path"
ROUTE = "gb-route"
CONTENT_TYPE = "content-type"

Headers = tuple[tuple[str, bytes], ...]


class Record(NamedTuple):
    """One Kafka record, as read."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    """Header names that are not UTF-8 arrive with their odd bytes as lone surrogates (``surrogateescape``)."""


_ATTRIBUTE = re.compile(r"ce_[a-z0-9]{1,64}", re.ASCII)
_SINGLE = frozenset({STATEMENT, SALT, BATCH, PATH})


@dataclass(slots=True)
class Envelope:
    """What the headers of one document record say. Nothing in it is verified yet."""

    signed: dict[str, bytes]
    """Every ``ce_*`` header and ``content-type``: what the statement's ``headers`` line covers."""
    statement: bytes
    statement_hash: bytes
    """SHA-256(0x00 || statement)."""
    salt: bytes
    signatures: tuple[bytes, ...]
    batch: bytes | None
    path: bytes
    kind: HeaderKind
    """What documents like this one share in their signed headers."""

    @classmethod
    def from_headers(cls, headers: Headers) -> Envelope:
        """Read the headers of a document record.

        Raises:
            MetadataError: naming the rule (LIM-1 sizes, CE-2 names and repeats, SEC-3 govbus headers) and the header.
        """
        _check_sizes(headers)
        signed: dict[str, bytes] = {}
        single: dict[str, bytes] = {}
        signatures: list[bytes] = []
        for name, value in headers:
            if name[:3] == "ce_" or name == CONTENT_TYPE:
                if name in signed:
                    raise MetadataError("a header may stand only once", rule="CE-2", field=_shown(name))
                signed[name] = value
            elif name == SIGNATURE:
                signatures.append(value)
            elif name in _SINGLE:
                if name in single:
                    raise MetadataError("a header may stand only once", rule="SEC-3", field=name)
                single[name] = value
        _check_names(signed)
        return cls._of_parts(signed, single, signatures)

    @classmethod
    def _of_parts(
        cls,
        signed: dict[str, bytes],
        single: dict[str, bytes],
        signatures: list[bytes],
    ) -> Envelope:
        for name in (STATEMENT, SALT):
            if name not in single:
                raise MetadataError("a required header is missing", rule="SEC-3", field=name)
        if not 1 <= len(signatures) <= SIGNATURES_MAX:
            raise MetadataError(
                f"expected 1 to {SIGNATURES_MAX} signatures, found {len(signatures)}",
                rule="SEC-3",
                field=SIGNATURE,
            )
        salt = single[SALT]
        if len(salt) != SALT_BYTES:
            raise MetadataError(f"expected {SALT_BYTES} bytes, found {len(salt)}", rule="SEC-3", field=SALT)
        path = single.get(PATH, b"")
        if len(path) % 32 or len(path) > 32 * PATH_HASHES_MAX:
            raise MetadataError(
                f"expected at most {PATH_HASHES_MAX} hashes of 32 bytes, found {len(path)} bytes",
                rule="SEC-3",
                field=PATH,
            )
        statement = single[STATEMENT]
        return cls(
            signed,
            statement,
            hashlib.sha256(b"\x00" + statement).digest(),
            salt,
            tuple(signatures),
            single.get(BATCH),
            path,
            kind_of(signed),
        )

    def attribute(self, name: str) -> str:
        """Return a CloudEvents attribute as text, such as ``attribute("id")``; empty where it is absent.

        Raises:
            MetadataError: if the value is not UTF-8 (rule CE-6).
        """
        octets = self.signed.get("ce_" + name, b"")
        try:
            return octets.decode("utf-8")
        except UnicodeDecodeError as err:
            raise MetadataError("the value is not UTF-8", rule="CE-6", field="ce_" + name) from err


def _check_sizes(headers: Headers) -> None:
    if len(headers) > HEADER_COUNT_MAX:
        raise MetadataError(
            f"at most {HEADER_COUNT_MAX} headers are allowed, found {len(headers)}",
            rule="LIM-1",
            field="headers",
        )
    size = 0
    for name, value in headers:
        if value is None:
            raise MetadataError("a header value may not be null", rule="CE-6", field=_shown(name))
        size += len(name) + len(value)
    if size > HEADER_BYTES_MAX:
        raise MetadataError(
            f"at most {HEADER_BYTES_MAX} bytes of headers are allowed, found {size}",
            rule="LIM-1",
            field="headers",
        )


def _shown(name: str) -> str:
    """Return a header's name as a finding can carry it: a stranger chose it, and it need not be UTF-8."""
    is_plain = name.isascii() and name.isprintable()
    return (name if is_plain else ascii(name))[:_SHOWN_CHARACTERS_MAX]


_SHOWN_CHARACTERS_MAX = 80
_NAMES_MAX = 1024
_good_names = {CONTENT_TYPE}
"""Names that were found to be good; a bus sees few different ones."""


def _check_names(signed: dict[str, bytes]) -> None:
    if signed.keys() <= _good_names:
        return
    for name in signed:
        if name != CONTENT_TYPE and _ATTRIBUTE.fullmatch(name) is None:
            raise MetadataError(
                "an attribute name must be a-z and 0-9 after ce_, at most 64 long",
                rule="CE-2",
                field=ascii(name)[:80],
            )
    if len(_good_names) < _NAMES_MAX:
        _good_names.update(signed)


def frame(schema_id: int, avro: bytes) -> bytes:
    """Return the Confluent framing of Avro bytes: 0x00, 4-byte big-endian schema id, Avro."""
    return struct.pack(">bI", 0, schema_id) + avro


def unframe(value: bytes | None) -> tuple[int, bytes]:
    """Return the schema id and the Avro bytes of a framed value.

    Raises:
        MetadataError: if the value is null (CE-6), over the limit (LIM-2), or not framed (AVR-4).
    """
    if value is None:
        raise MetadataError("a document may not have a null value", rule="CE-6", field="value")
    if len(value) > VALUE_BYTES_MAX:
        raise MetadataError(
            f"at most {VALUE_BYTES_MAX} bytes are allowed, found {len(value)}",
            rule="LIM-2",
            field="value",
        )
    if len(value) < FRAME_BYTES or value[0] != 0:
        raise MetadataError(
            "expected the Confluent frame: 0x00 and a 4-byte schema id",
            rule="AVR-4",
            field="value",
        )
    return int.from_bytes(value[1:5], "big"), value[5:]


def key_of(signed: dict[str, bytes]) -> bytes:
    """Return the Kafka key on the ``in`` and ``pub`` side: ``ce_subject`` if present, else ``ce_id``."""
    return signed["ce_subject"] if "ce_subject" in signed else signed["ce_id"]
