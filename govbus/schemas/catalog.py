"""The schemas of a bus, found by frame id, by hash and by URI."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from govbus.document.ids import AgencyId
from govbus.errors import SchemaError
from govbus.schemas.codec import AvroCodec
from govbus.schemas.fingerprints import canonical_form, fingerprint_of

DOCUMENT_SCHEMA_ID_MIN = 100
"""Smaller ids belong to the bus's own schemas (`govbus.schemas.core`)."""
DOCUMENT_SCHEMA_ID_MAX = 999_999_999
"""Larger ids, to the 2^31 - 1 that registries count to, are for what clients register themselves."""


def schema_uri(bus: AgencyId, subject: str, version: int) -> str:
    """Return the ``dataschema`` of a document schema: ``https://<bus id>/schemas/<subject>/<version>``."""
    return f"https://{bus}/schemas/{subject}/{version}"


@dataclass(frozen=True, slots=True)
class DocumentSchema:
    """One version of the schema of one package's documents."""

    id: int
    """As in the Confluent frame, from 100."""
    uri: str
    subject: str
    """The package id: all versions of one subject describe the same kind of document."""
    version: int
    """From 1."""
    codec: AvroCodec


class SchemaCatalog:
    """An immutable set of document schemas; every lookup is one dictionary access."""

    __slots__ = ("_by_fingerprint", "_by_hash", "_by_id", "_by_uri", "schemas")

    def __init__(self, schemas: Iterable[DocumentSchema] = ()) -> None:
        """Index the schemas.

        Raises:
            SchemaError: if an id is outside its range, or two schemas share id, URI or content.
        """
        self.schemas = tuple(schemas)
        self._by_id: dict[int, DocumentSchema] = {}
        self._by_hash: dict[str, DocumentSchema] = {}
        self._by_uri: dict[str, DocumentSchema] = {}
        self._by_fingerprint: dict[bytes, AvroCodec] | None = None
        for schema in self.schemas:
            if not DOCUMENT_SCHEMA_ID_MIN <= schema.id <= DOCUMENT_SCHEMA_ID_MAX:
                raise SchemaError(
                    f"schema {schema.uri}: expected an id from {DOCUMENT_SCHEMA_ID_MIN} to "
                    f"{DOCUMENT_SCHEMA_ID_MAX}, found {schema.id}"
                )
            for what, taken in (
                ("id", self._by_id.setdefault(schema.id, schema)),
                ("content", self._by_hash.setdefault(schema.codec.hash, schema)),
                ("URI", self._by_uri.setdefault(schema.uri, schema)),
            ):
                if taken is not schema:
                    raise SchemaError(f"schemas {taken.uri} and {schema.uri} have the same {what}")

    def by_id(self, schema_id: int) -> DocumentSchema | None:
        """Return the schema with this frame id, or None where none has it."""
        return self._by_id.get(schema_id)

    def by_hash(self, digest: str) -> DocumentSchema | None:
        """Return the schema with this hex hash, or None where none has it."""
        return self._by_hash.get(digest)

    def by_uri(self, uri: str) -> DocumentSchema | None:
        """Return the schema with this URI, or None where none has it."""
        return self._by_uri.get(uri)

    def by_fingerprint(self, octets: bytes) -> AvroCodec | None:
        """Return the codec of the schemas with this CRC-64-AVRO fingerprint, or None where none has it.

        Every document schema is known, and so is its payload schema by itself. The codec is that of the parsing
        canonical form, which is all that a fingerprint identifies: it reads no logical types.

        Args:
            octets: eight bytes as in single-object encoding, lowest first.
        """
        if self._by_fingerprint is None:
            self._by_fingerprint = {}
            for schema in self.schemas:
                for definition in (schema.codec.definition, *_payload_definitions(schema.codec.definition)):
                    canonical = canonical_form(definition)
                    self._by_fingerprint[fingerprint_of(canonical)] = AvroCodec(json.loads(canonical))
        return self._by_fingerprint.get(octets)


def _payload_definitions(document: Any) -> Iterator[Any]:
    """Yield the schema of the payload inside a document schema (`compose_document_schema`)."""
    if isinstance(document, Mapping) and document.get("type") == "record":
        for field in document["fields"]:
            if field["name"] == "body" and isinstance(field["type"], Mapping):
                yield field["type"]
