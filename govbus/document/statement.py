"""The statement: the few lines of text that say which bytes were sent by whom to where; the thing that is signed.

Implements ``docs/specs/statement.md``. The grammar is strict, so that two readers never disagree: exactly these
lines, one space, LF, no leading zeros, base64url with zero spare bits. Nothing is ever re-encoded: what was sent is
kept beside what was read.
"""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass

from govbus.document import topics
from govbus.document.encoding import base64url, time_ms_from_text, time_text
from govbus.document.header_kind import DOCUMENT_HEADERS, LAYOUTS_MAX, HeaderKind, Layout, kind_of
from govbus.document.ids import Origin
from govbus.errors import MetadataError

STATEMENT_BYTES_MAX = 1024
INDEX_MAX = 2**63 - 1

_HASH = rb"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]"
_NUMBER = rb"0|[1-9][0-9]{0,18}"
GRAMMAR = re.compile(
    rb"govbus/statement/v1\n"
    rb"origin ([a-z0-9./-]{3,161})\n"
    rb"index (" + _NUMBER + rb")\n"
    rb"topic (govbus\.out\.[a-z0-9.-]{1,100})\n"
    rb"headers (" + _HASH + rb")\n"
    rb"schema ([0-9a-f]{64})\n"
    rb"length (" + _NUMBER + rb")\n"
    rb"value (" + _HASH + rb")\n"
    rb"time ([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z)\n",
)
"""Groups: origin, index, topic, headers, schema, length, value, time. What they must be besides, the parser checks."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One parsed statement. Hashes stay in their text form, because they are only ever compared."""

    origin: Origin
    index: int
    """Dense per origin, from 0."""
    topic: str
    """The outbox topic that the document was sent to."""
    headers: str
    """base64url SHA-256 over the signed headers."""
    schema: str
    """Hex SHA-256 of the writer schema's RFC 8785 JSON."""
    length: int
    """Of the Avro bytes without the frame."""
    value: str
    """base64url SHA-256 over salt and Avro bytes."""
    time_ms: int
    """When the spool assigned the index, milliseconds since 1970."""

    @classmethod
    def from_bytes(cls, octets: bytes) -> Statement:
        """Parse a statement.

        Raises:
            MetadataError: if the octets break the grammar, or the topic is not the origin's outbox.
        """
        if len(octets) > STATEMENT_BYTES_MAX:
            raise _malformed(f"at most {STATEMENT_BYTES_MAX} bytes are allowed, found {len(octets)}")
        match = GRAMMAR.fullmatch(octets)
        if match is None:
            raise _malformed("the lines do not follow the grammar of docs/specs/statement.md")
        origin_text, index, topic, headers, schema, length, value, time = match.groups()
        try:
            origin = _origin_cached(origin_text.decode("ascii"))
            time_ms = _time_ms(time)
        except MetadataError as err:
            raise _malformed(err.message) from err
        topic_text = topic.decode("ascii")
        if topic_text != topics.outbox(origin.agency):
            raise _malformed(f"topic must be the outbox of {origin.agency}, found {topic_text!r}", "topic")
        number = int(index)
        if number > INDEX_MAX:
            raise _malformed("index is over 2^63-1", "index")
        return cls(
            origin,
            number,
            topic_text,
            headers.decode("ascii"),
            schema.decode("ascii"),
            int(length),
            value.decode("ascii"),
            time_ms,
        )

    def to_bytes(self) -> bytes:
        """Return the statement's text; the inverse of `from_bytes`."""
        return (
            f"govbus/statement/v1\norigin {self.origin}\nindex {self.index}\ntopic {self.topic}\n"
            f"headers {self.headers}\nschema {self.schema}\nlength {self.length}\nvalue {self.value}\n"
            f"time {time_text(self.time_ms)}\n"
        ).encode("ascii")


@functools.lru_cache(maxsize=256)
def _time_ms(octets: bytes) -> int:
    """Documents that were put together have one time; errors as for `time_ms_from_text`, and not kept."""
    return time_ms_from_text(octets.decode("ascii"))


_origins: dict[str, Origin] = {}
_ORIGINS_MAX = 10_000


def _origin_cached(text: str) -> Origin:
    """Return the parsed origin; a bus has few of them and every document names one."""
    origin = _origins.get(text)
    if origin is None:
        origin = Origin.from_text(text)
        if len(_origins) >= _ORIGINS_MAX:
            _origins.clear()
        _origins[text] = origin
    return origin


def _malformed(detail: str, field: str = "gb-stmt") -> MetadataError:
    return MetadataError(f"statement: {detail}", rule="SEC-3", field=field)


def statement_hash(statement: bytes) -> bytes:
    """Return SHA-256(0x00 || statement), the name of a statement wherever one is needed."""
    return hashlib.sha256(b"\x00" + statement).digest()


def headers_hash(signed: dict[str, bytes], kind: HeaderKind | None = None) -> str:
    """Return the statement's ``headers`` line for the signed headers.

    Args:
        signed: every ``ce_*`` header and ``content-type``, name to value.
        kind: theirs, where the caller has it.

    Returns:
        base64url SHA-256 over ``name:base64url(value)`` LF for each, sorted by name.
    """
    return base64url(hashlib.sha256(header_lines(signed, kind)).digest())


def header_lines(signed: dict[str, bytes], kind: HeaderKind | None = None) -> bytes:
    """Return what the ``headers`` hash is over: ``name:base64url(value)`` LF for each header, sorted by name.

    Args:
        signed: every ``ce_*`` header and ``content-type``, name to value.
        kind: theirs, where the caller has it.
    """
    kind = kind or kind_of(signed)
    own = tuple([name for name in signed if name in DOCUMENT_HEADERS])
    layout = kind.layouts.get(own)
    if layout is None:
        if len(kind.layouts) >= LAYOUTS_MAX:
            kind.layouts.clear()
        layout = kind.layouts[own] = _layout(signed, own)
    lines = layout[0]
    for name, following in layout[1]:
        lines += _header_line(name, signed[name]) + following
    return lines


def _layout(signed: dict[str, bytes], own: tuple[str, ...]) -> Layout:
    """Return the lines before the first header of the document's own, and for each of those the lines that follow."""
    first = b""
    parts: list[tuple[str, bytes]] = []
    for name in sorted(signed):
        if name in own:
            parts.append((name, b""))
        elif parts:
            last, following = parts[-1]
            parts[-1] = last, following + _header_line(name, signed[name])
        else:
            first += _header_line(name, signed[name])
    return first, tuple(parts)


def _header_line(name: str, value: bytes) -> bytes:
    return f"{name}:{base64url(value)}\n".encode()


def value_hash(salt: bytes, avro: bytes) -> str:
    """Return the statement's ``value`` line: base64url SHA-256(salt || Avro bytes)."""
    return base64url(hashlib.sha256(salt + avro).digest())
