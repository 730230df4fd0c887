"""What an adapter yields, and how it becomes headers and Avro bytes that only lack their index and signature.

The constants of one agreement stand in a `DocumentTemplate`, so that the hot path touches only what differs from
document to document: id, time, subject and the value.
"""

from __future__ import annotations

import hashlib
import os
from binascii import b2a_base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from govbus.document.encoding import base64url, time_text
from govbus.document.ids import Origin
from govbus.document.record import CONTENT_TYPE
from govbus.errors import MetadataError
from govbus.schemas.catalog import DocumentSchema
from govbus.signing.signature_policy import NO_POLICY, SignaturePolicy

OWN_HEADERS: Final = ("ce_id", "ce_time", "ce_subject")
"""The headers that differ from document to document; the spool keeps each in its own field."""

_RANDOM_BITS: Final = 74
_RANDOM_MASK: Final = (1 << _RANDOM_BITS) - 1
_BLOCK_BYTES: Final = 4096
_STEP_BYTES: Final = 4
_SEED_BYTES: Final = 10
_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")


class OutgoingDocument(NamedTuple):
    """One document as an adapter yields it."""

    document_id: str
    """UUIDv7 text, unique at its source (`DocumentIds`)."""
    subject: str | None
    """Opaque key of what the document is about, without personal data; orders documents about the same thing."""
    time_ms: int
    """When the agency made the document, milliseconds since 1970."""
    metadata: Mapping[str, Any]
    """A value of ``govbus.core.RecordMetadata``."""
    body: Mapping[str, Any]
    """A value of the package's own schema."""
    attributes: Mapping[str, str] = {}
    """Further CloudEvents attributes by name without ``ce_``, such as ``correlationid``."""


class EncodedDocument(NamedTuple):
    """A document ready for the spool.

    Only the first five fields are needed. The others are what a template knows already; the spool works them out
    where they are empty, and believes them where they are not.
    """

    document_id: str
    signed: dict[str, bytes]
    """Every ``ce_*`` header and ``content-type``, name to value."""
    schema_id: int
    """Of the Confluent frame."""
    schema_hash: str
    """Hex SHA-256 of the writer schema's RFC 8785 JSON."""
    avro: bytes
    """Without the frame."""
    headers_hash: str = ""
    """The statement's ``headers`` line over `signed`."""
    repeated: bytes = b""
    """`header_lines` of the headers that every document of the template has."""
    extra: bytes = b""
    """`header_lines` of all others but `OWN_HEADERS`."""
    signing: int = 0
    """How it is to be signed: `SignaturePolicy.to_bits`; 0 for the seal alone, over statement or batch."""


def header_line(name: str, value: bytes) -> bytes:
    """Return ``name:base64url(value)`` LF, the form in which the statement's ``headers`` line covers a header."""
    return f"{name}:".encode() + b2a_base64(value, newline=False).translate(_URL_SAFE).rstrip(b"=") + b"\n"


def header_lines(signed: Mapping[str, bytes]) -> bytes:
    """Return the lines of all headers, sorted by name."""
    return b"".join([header_line(name, signed[name]) for name in sorted(signed)])


def document_id_new(at_ms: int, random: bytes) -> str:
    """Return a UUIDv7 (RFC 9562 section 5.7).

    Args:
        at_ms: milliseconds since 1970.
        random: 10 random bytes, of which 74 bits are used.
    """
    return _uuid7(at_ms, int.from_bytes(random, "big") & _RANDOM_MASK)


def _uuid7(at_ms: int, random: int) -> str:
    """Lay out 48 bits of time, version 7, 12 random bits, variant 10, 62 random bits."""
    digits = f"{at_ms << 80 | 7 << 76 | random >> 62 << 64 | 1 << 63 | random & 0x3FFF_FFFF_FFFF_FFFF:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


class DocumentIds:
    """Strictly increasing UUIDv7s (RFC 9562 section 6.2, method 2: a random step within one millisecond).

    Increasing ids let every index downstream append instead of search.
    """

    __slots__ = ("_block", "_last", "_random", "_time_ms", "_used")

    def __init__(self, random: Callable[[int], bytes] = os.urandom) -> None:
        """Start a sequence.

        Args:
            random: returns so many random bytes.
        """
        self._random = random
        self._block = b""
        self._used = 0
        self._time_ms = -1
        self._last = 0

    def new(self, at_ms: int) -> str:
        """Return the next id; its time is `at_ms`, or the last one's where the clock went back."""
        if at_ms > self._time_ms:
            self._time_ms = at_ms
            # The top bit stays free, so that the steps of one millisecond have room.
            self._last = self._draw(_SEED_BYTES) & (_RANDOM_MASK >> 1)
        else:
            self._last += self._draw(_STEP_BYTES) + 1
            if self._last > _RANDOM_MASK:
                self._time_ms += 1
                self._last = self._draw(_SEED_BYTES) & (_RANDOM_MASK >> 1)
        return _uuid7(self._time_ms, self._last)

    def _draw(self, size_bytes: int) -> int:
        if self._used + size_bytes > len(self._block):
            self._block = self._random(_BLOCK_BYTES)
            self._used = 0
        start = self._used
        self._used += size_bytes
        return int.from_bytes(self._block[start : self._used], "big")


@dataclass(frozen=True, slots=True)
class DocumentTemplate:
    """The constants of the documents that one origin sends under one agreement."""

    origin: Origin
    ce_type: str
    """Such as ``example.civil.person.v1``; one of the package's types."""
    agreement_id: str
    classification: str
    """``public``, ``internal``, ``confidential`` or ``restricted``."""
    category: str
    """``non-pii``, ``non-sensitive-pii``, ``sensitive-pii`` or ``phi``."""
    access_level: str
    """``public``, ``restricted public`` or ``non-public``."""
    schema: DocumentSchema
    signatures: SignaturePolicy = NO_POLICY
    """Which signatures the documents must carry."""
    _signing: int = field(init=False, repr=False)
    _constants: dict[str, bytes] = field(init=False, repr=False)
    _repeated: bytes = field(init=False, repr=False)
    _lines: tuple[bytes, bytes, bytes] = field(init=False, repr=False)
    """Of the constants that sort before ``ce_id``, between it and ``ce_subject``, after ``ce_time``."""
    _last_time: dict[int, tuple[bytes, bytes]] = field(init=False, repr=False, compare=False)
    """Text and header line of the last document's time: documents of one run often share it."""

    def __post_init__(self) -> None:
        """Lay out what never changes."""
        constants = {
            name: value.encode("utf-8")
            for name, value in (
                ("ce_specversion", "1.0"),
                ("ce_source", self.origin.source_uri),
                ("ce_type", self.ce_type),
                ("ce_dataschema", self.schema.uri),
                ("ce_agreementid", self.agreement_id),
                ("ce_dataclassification", self.classification),
                ("ce_datacategory", self.category),
                ("ce_accesslevel", self.access_level),
                (CONTENT_TYPE, "application/avro"),
            )
        }
        names = sorted(constants)
        first = [name for name in names if name < "ce_id"]
        second = [name for name in names if "ce_id" < name < "ce_subject"]
        third = [name for name in names if name > "ce_time"]
        if first + second + third != names:
            raise AssertionError("no constant sorts between ce_subject and ce_time")
        lines = tuple(
            header_lines({name: constants[name] for name in part}) for part in (first, second, third)
        )
        object.__setattr__(self, "_signing", self.signatures.to_bits())
        object.__setattr__(self, "_constants", constants)
        object.__setattr__(self, "_repeated", header_lines(constants))
        object.__setattr__(self, "_lines", lines)
        object.__setattr__(self, "_last_time", {})

    def encode(self, document: OutgoingDocument) -> EncodedDocument:
        """Return headers and Avro bytes of a document.

        Raises:
            SchemaError: if the value is not one of the schema (rule AVR-1).
            MetadataError: if a header value is not text, or an attribute stands in the template already (CE-2, CE-6).
        """
        schema = self.schema
        avro = schema.codec.encode({"record": document.metadata, "body": document.body})
        signed = self._constants.copy()
        try:
            signed["ce_id"] = document_id = document.document_id.encode("utf-8")
            signed["ce_time"], time_line = self._last_time.get(document.time_ms) or self._time(
                document.time_ms
            )
            first, second, third = self._lines
            id_line = header_line("ce_id", document_id)
            if document.subject is None:
                lines = b"".join((first, id_line, second, time_line, third))
            else:
                signed["ce_subject"] = subject = document.subject.encode("utf-8")
                lines = b"".join(
                    (first, id_line, second, header_line("ce_subject", subject), time_line, third)
                )
            extra = b""
            if document.attributes:
                extra = self._add(document.attributes, signed)
                lines = header_lines(signed)
        except UnicodeEncodeError as err:
            raise MetadataError("a header value is not text", rule="CE-6", field="headers") from err
        return EncodedDocument(
            document.document_id,
            signed,
            schema.id,
            schema.codec.hash,
            avro,
            base64url(hashlib.sha256(lines).digest()),
            self._repeated,
            extra,
            self._signing,
        )

    def _time(self, time_ms: int) -> tuple[bytes, bytes]:
        text = time_text(time_ms).encode("ascii")
        self._last_time.clear()
        known = self._last_time[time_ms] = text, header_line("ce_time", text)
        return known

    @staticmethod
    def _add(attributes: Mapping[str, str], signed: dict[str, bytes]) -> bytes:
        """Take further attributes in and return their lines."""
        added = {f"ce_{name}": value.encode("utf-8") for name, value in attributes.items()}
        for name in added:
            if name in signed or name in OWN_HEADERS:
                raise MetadataError(
                    "this attribute is set by the template or the document", rule="CE-2", field=name
                )
        signed.update(added)
        return header_lines(added)
