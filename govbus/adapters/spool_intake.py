"""What the spool works out about a document before and when it gets its index: hashes, salt, statement."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from govbus.adapters.outgoing import OWN_HEADERS, EncodedDocument, header_lines
from govbus.adapters.spool_segment import PackedDocument, pack_document
from govbus.document import topics
from govbus.document.encoding import time_text
from govbus.document.ids import Origin
from govbus.document.record import FRAME_BYTES, HEADER_BYTES_MAX, VALUE_BYTES_MAX, frame
from govbus.document.statement import headers_hash, value_hash
from govbus.errors import MetadataError

SIGNED_HEADER_BYTES_MAX: Final = HEADER_BYTES_MAX // 2
"""For the signed headers, as lines; statement, signatures and path need the rest."""


class ReadyDocument(NamedTuple):
    """A document with everything that does not depend on its index."""

    packed: PackedDocument
    headers: str
    schema: str
    length: int
    value: str


def ready_document(
    document: EncodedDocument, salt: bytes, repeated_id: Callable[[bytes], int]
) -> ReadyDocument:
    """Check a document against the wire's limits and hash it.

    Args:
        document: as encoded.
        salt: 16 random bytes.
        repeated_id: returns the number under which the spool keeps repeated headers.

    Raises:
        MetadataError: if the value (LIM-2) or the headers (LIM-1) are too long.
    """
    document_id, signed, schema_id, schema_hash, avro, headers, repeated, extra, signing = document
    if len(avro) > VALUE_BYTES_MAX - FRAME_BYTES:
        raise _over_limit(document_id, "value", "LIM-2", len(avro), VALUE_BYTES_MAX - FRAME_BYTES)
    if not headers:
        headers = headers_hash(signed)
        extra = header_lines({name: signed[name] for name in signed if name not in OWN_HEADERS})
    identifier, subject = signed.get("ce_id"), signed.get("ce_subject")
    size_bytes = len(repeated) + len(extra) + len(identifier or b"") + len(subject or b"")
    if size_bytes > SIGNED_HEADER_BYTES_MAX:
        raise _over_limit(document_id, "headers", "LIM-1", size_bytes, SIGNED_HEADER_BYTES_MAX)
    packed = pack_document(
        repeated_id(repeated) if repeated else 0,
        salt,
        (identifier, signed.get("ce_time"), subject),
        extra,
        frame(schema_id, avro),
        signing,
    )
    return ReadyDocument(packed, headers, schema_hash, len(avro), value_hash(salt, avro))


def statements(
    ready: Iterable[ReadyDocument], origin: Origin, first_index: int, *, at_ms: int
) -> list[bytes]:
    """Return the statements of documents in index order, as `document.statement.Statement.to_bytes` writes them."""
    head = f"govbus/statement/v1\norigin {origin}\nindex "
    place = f"\ntopic {topics.outbox(origin.agency)}\nheaders "
    tail = f"\ntime {time_text(at_ms)}\n"
    return [
        f"{head}{index}{place}{headers}\nschema {schema}\nlength {length}\nvalue {value}{tail}".encode(
            "ascii"
        )
        for index, (_, headers, schema, length, value) in enumerate(ready, first_index)
    ]


def _over_limit(document_id: str, field: str, rule: str, found: int, most: int) -> MetadataError:
    return MetadataError(
        f"document {document_id}: at most {most} bytes of {field} are allowed, found {found}",
        rule=rule,
        field=field,
    )
