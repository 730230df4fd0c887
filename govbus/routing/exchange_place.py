"""Where in the exchange a document stands: its schema, its agreement and its package, found once for each kind.

Everything here depends on the headers that documents of one kind share, on frame and statement, and on the version of
the directory; so what was found for one document holds for all like it, and is kept with the directory.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from govbus.document.ids import Origin
from govbus.document.record import CONTENT_TYPE, Envelope
from govbus.document.statement import Statement
from govbus.errors import DocumentError, MetadataError
from govbus.routing.directory.model import Agreement, AgreementStatus, Directory, Package
from govbus.routing.entry_bounds import RECIPIENTS_BYTES_MAX, recipients_bytes
from govbus.schemas.catalog import DocumentSchema
from govbus.signing.signature_policy import NO_POLICY, SignaturePolicy

CONTENT_TYPES: Final = frozenset({b"application/avro"})
PLACES_MAX: Final = 4096
"""Places remembered for one version of the directory."""


class ExchangePlace(NamedTuple):
    """Where in the exchange a document stands."""

    origin: Origin
    """Of the statement."""
    agreement: Agreement
    """That the document names, for this package, schema and sender."""
    package: Package
    schema: DocumentSchema
    """That the value is written with."""


def find_place(
    frame_id: int, envelope: Envelope, statement: Statement, directory: Directory
) -> ExchangePlace:
    """Return where a document stands.

    Args:
        frame_id: schema id of the value's frame.
        envelope: with every required attribute.
        statement: of the document.
        directory: the version in force.

    Raises:
        MetadataError: if an attribute is not as pinned (CE-1, CE-5, ID-1), or the agreement is not for this document
            (DRM-1, DRM-2).
        DocumentError: if frame, dataschema and statement do not name one registered schema (AVR-4), or no log entry
            has room for the recipients (INT-1).
    """
    key = envelope.kind, frame_id, statement.origin, statement.schema
    place: ExchangePlace | None = directory.places.get(key)
    if place is None:
        _check_attributes(envelope, statement)
        schema = _schema(frame_id, envelope, statement, directory)
        agreement, package = _agreement(envelope, statement, schema, directory)
        _require_room(agreement)
        place = ExchangePlace(statement.origin, agreement, package, schema)
        if envelope.kind.is_remembered:
            if len(directory.places) >= PLACES_MAX:
                directory.places.clear()
            directory.places[key] = place
    return place


def _require_room(agreement: Agreement) -> None:
    """A directory that is registered today cannot have such an agreement; one of before may."""
    if recipients_bytes(agreement.recipients) > RECIPIENTS_BYTES_MAX:
        raise DocumentError(
            f"agreement {agreement.id} has more recipients than a log entry can name; publish the package instead",
            rule="INT-1",
            field="ce_agreementid",
        )


def signature_policy(package: Package, agreement: Agreement) -> SignaturePolicy:
    """Return which signatures a document must carry: what its package asks for, and its agreement besides.

    No directory has a pair of them that excludes each other.
    """
    if agreement.signatures is NO_POLICY:
        return package.signatures
    return package.signatures.joined(agreement.signatures)


def require_in_force(agreement: Agreement, at_ms: int) -> None:
    """Check that an agreement is active and within its validity at a time (rule DRM-1).

    Raises:
        MetadataError: if it is not.
    """
    if agreement.status is not AgreementStatus.ACTIVE:
        raise _unfit(f"agreement {agreement.id} is {agreement.status}")
    if not agreement.valid_from_ms <= at_ms <= agreement.valid_to_ms:
        raise _unfit(f"agreement {agreement.id} is outside its validity")


def _check_attributes(envelope: Envelope, statement: Statement) -> None:
    signed = envelope.signed
    if signed["ce_specversion"] != b"1.0":
        raise MetadataError("expected 1.0", rule="CE-1", field="ce_specversion")
    if signed.get(CONTENT_TYPE) not in CONTENT_TYPES:
        raise MetadataError("expected application/avro", rule="CE-5", field=CONTENT_TYPE)
    expected = statement.origin.source_uri
    if signed["ce_source"] != expected.encode("ascii"):
        raise MetadataError(f"expected {expected}", rule="ID-1", field="ce_source")


_ABSOLUTE_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s#]+")


def _schema(frame_id: int, envelope: Envelope, statement: Statement, directory: Directory) -> DocumentSchema:
    """Return the one schema that frame, dataschema and statement name."""
    uri = envelope.attribute("dataschema")
    schema = directory.schemas.by_id(frame_id)
    if schema is None:
        raise DocumentError(f"schema id {frame_id} is not registered", rule="AVR-4", field="value")
    if uri != schema.uri:
        if _ABSOLUTE_URI.fullmatch(uri) is None:
            raise MetadataError("expected an absolute URI", rule="CE-5", field="ce_dataschema")
        if directory.schemas.by_uri(uri) is None:
            raise MetadataError("this schema is not registered", rule="CE-5", field="ce_dataschema")
        raise MetadataError(f"the frame's schema is {schema.uri}", rule="AVR-4", field="ce_dataschema")
    if statement.schema != schema.codec.hash:
        raise DocumentError(
            f"the statement names another schema than {schema.uri}", rule="AVR-4", field="schema"
        )
    return schema


def _agreement(
    envelope: Envelope, statement: Statement, schema: DocumentSchema, directory: Directory
) -> tuple[Agreement, Package]:
    """Return the agreement that the document names, for this sender and schema, and its package."""
    agreement = directory.agreement(envelope.attribute("agreementid"))
    if agreement is None:
        raise _unfit("this agreement is not registered")
    if agreement.supplier != statement.origin.agency:
        raise MetadataError(
            f"agreement {agreement.id} has {agreement.supplier} as supplier, not {statement.origin.agency}",
            rule="DRM-2",
            field="ce_agreementid",
        )
    package = directory.package(agreement.package.text)
    if package is None or schema.id not in package.schema_ids:
        raise _unfit(f"agreement {agreement.id} is for package {agreement.package}, not for this schema")
    if envelope.attribute("type") not in package.types:
        raise MetadataError(
            f"package {agreement.package} has no documents of this type", rule="DRM-1", field="ce_type"
        )
    return agreement, package


def _unfit(detail: str) -> MetadataError:
    return MetadataError(detail, rule="DRM-1", field="ce_agreementid")
