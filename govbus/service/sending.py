"""Sends single documents: from values to the spool, to the broker, and back to the receipt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from govbus.adapters.outgoing import DocumentTemplate, OutgoingDocument
from govbus.adapters.spool import Spool
from govbus.document import topics
from govbus.document.decision import Receipt
from govbus.document.ids import AgencyId, Origin
from govbus.document.record import Record
from govbus.errors import ConfigError, MissingPartError, SchemaError, TransportError
from govbus.routing.directory.model import Agreement, AgreementStatus, Directory, Package
from govbus.routing.exchange_place import signature_policy
from govbus.schemas.catalog import DocumentSchema
from govbus.service.delivered import DeliveredReceipt, read_delivered
from govbus.service.publisher import PublisherParts, SpoolPublisher
from govbus.signing.signer import Signers
from govbus.signing.verifier import VerifiedSignatures
from govbus.transport.base import Subscriber, TopicPartition, Transport, partition_counts

POLL_TIMEOUT_S = 0.2
POLL_RECORDS_MAX = 1000
_MODEL_FIELDS = frozenset({"record", "body", "subject", "attributes"})


class DocumentText(NamedTuple):
    """A document as people write it in JSON."""

    record: Mapping[str, Any]
    body: Mapping[str, Any]
    subject: str | None
    attributes: Mapping[str, str]

    @classmethod
    def from_value(cls, value: Any, source: str) -> DocumentText:
        """Read a JSON value ``{"record": {…}, "body": {…}, "subject": "…", "attributes": {…}}``.

        Args:
            value: as parsed; ``subject`` and ``attributes`` may be left out.
            source: the file's name, for errors.

        Raises:
            ConfigError: naming the field and what was expected.
        """
        if not isinstance(value, dict):
            raise ConfigError(f"{source}: expected a JSON object with record and body")
        unknown = sorted(value.keys() - _MODEL_FIELDS)
        if unknown:
            raise ConfigError(
                f"{source}: expected record, body, subject and attributes, found {unknown[0]!r}"
            )
        for name in ("record", "body"):
            if not isinstance(value.get(name), dict):
                raise ConfigError(f"{source}: expected {name} as an object")
        subject, attributes = value.get("subject"), value.get("attributes", {})
        if subject is not None and not isinstance(subject, str):
            raise ConfigError(f"{source}: expected subject as a text")
        if not isinstance(attributes, dict) or not all(isinstance(one, str) for one in attributes.values()):
            raise ConfigError(f"{source}: expected attributes as an object of texts")
        return cls(value["record"], value["body"], subject, attributes)


def supplied_agreement(directory: Directory, agency: AgencyId, agreement_id: str | None) -> Agreement:
    """Return the agreement to send under: the one named, or the agency's only active one.

    Raises:
        ConfigError: if there is no such agreement, or the choice is not clear.
    """
    supplied = {
        agreement.id: agreement
        for agreement in directory.agreements_of(agency)
        if agreement.supplier == agency
    }
    choices = ", ".join(supplied) or "none"
    if agreement_id is not None:
        if agreement_id not in supplied:
            raise ConfigError(
                f"{agency} is not the supplier of an agreement {agreement_id}",
                remedy=f"its agreements are: {choices}",
            )
        return supplied[agreement_id]
    active = [one for one in supplied.values() if one.status is AgreementStatus.ACTIVE]
    if len(active) != 1:
        raise ConfigError(
            f"{agency} has {len(active)} active agreements to send under",
            remedy=f"name one with --agreement: {choices}",
        )
    return active[0]


def document_template(
    directory: Directory, origin: Origin, agreement: Agreement, ce_type: str | None = None
) -> DocumentTemplate:
    """Return the constants of documents under an agreement, with the newest schema of its package.

    Raises:
        ConfigError: if the package is missing, or the type is not one of its types, or is not clear.
    """
    package = directory.package(agreement.package.text)
    if package is None:
        raise ConfigError(f"package {agreement.package} of agreement {agreement.id} is not in the directory")
    return DocumentTemplate(
        origin=origin,
        ce_type=_type(package, ce_type),
        agreement_id=agreement.id,
        classification=package.classification,
        category=package.data_category,
        access_level=package.access_level,
        schema=_newest_schema(directory, package),
        signatures=signature_policy(package, agreement),
    )


def _type(package: Package, ce_type: str | None) -> str:
    if ce_type is None and len(package.types) == 1:
        return package.types[0]
    if ce_type not in package.types:
        raise ConfigError(
            f"package {package.id} has no documents of type {ce_type}"
            if ce_type
            else f"package {package.id} has documents of several types",
            remedy=f"name one with --type: {', '.join(package.types)}",
        )
    return ce_type


def _newest_schema(directory: Directory, package: Package) -> DocumentSchema:
    schemas = [directory.schemas.by_id(number) for number in package.schema_ids]
    known = [schema for schema in schemas if schema is not None]
    if not known:
        raise ConfigError(f"package {package.id} has no schema in the directory")
    return max(known, key=lambda schema: schema.version)


class ReceiptWatch:
    """Follows an agency's inbox from the moment it starts, for the bus's answers."""

    def __init__(self, transport: Transport, agency: AgencyId, directory: Directory) -> None:
        self._transport = transport
        self._topic = topics.inbox(agency)
        self._directory = directory
        self._verified = VerifiedSignatures()
        self._subscriber: Subscriber | None = None

    async def start(self) -> None:
        """Go to the end of the inbox; what is sent after this is answered after it.

        Raises:
            MissingPartError: if the agency has no inbox.
            TransportError: if the broker fails.
        """
        count = (await partition_counts(self._transport)).get(self._topic, 0)
        if not count:
            raise MissingPartError(
                f"there is no topic {self._topic}", remedy="the operator makes it with: govbus topics apply"
            )
        sources = [TopicPartition(self._topic, number) for number in range(count)]
        self._subscriber = self._transport.subscriber(assign=sources)
        await self._subscriber.start()
        for source, end in (await self._subscriber.end_offsets(sources)).items():
            await self._subscriber.seek(source, end)

    async def stop(self) -> None:
        """Leave the inbox."""
        if self._subscriber is not None:
            await self._subscriber.stop()
            self._subscriber = None

    async def receipt(self, origin: Origin, index: int, *, timeout_s: float) -> Receipt:
        """Wait for the receipt that covers a document; one that the bus did not sign does not count.

        Raises:
            TransportError: if the broker fails, or none came in time.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    for record in await self._poll():
                        receipt = self._receipt(record, str(origin), index)
                        if receipt is not None:
                            return receipt
        except TimeoutError as err:
            raise TransportError(
                f"no receipt for index {index} of {origin} in {timeout_s:.0f} s",
                remedy="it will come to the inbox once a router runs: govbus inbox follow",
            ) from err

    async def _poll(self) -> list[Record]:
        if self._subscriber is None:
            raise TransportError("the inbox is not being followed")
        polled = await self._subscriber.poll(timeout_s=POLL_TIMEOUT_S, records_max=POLL_RECORDS_MAX)
        return [record for records in polled.values() for record in records]

    def _receipt(self, record: Record, origin: str, index: int) -> Receipt | None:
        delivered = read_delivered(record, self._directory, self._verified)
        if not isinstance(delivered, DeliveredReceipt):
            return None
        receipt = delivered.receipt
        if receipt.origin != origin or receipt.index is None:
            return None
        return receipt if receipt.index <= index < receipt.index + receipt.count else None


@dataclass(frozen=True, slots=True)
class SenderParts:
    """What sending is made of."""

    spool: Spool
    signers: Signers
    transport: Transport
    template: DocumentTemplate
    clock_ms: Callable[[], int]
    publish_timeout_s: float = 30.0


async def send_document(parts: SenderParts, document: OutgoingDocument) -> int:
    """Put one document into the spool and see it to the broker; return its index.

    Raises:
        SchemaError: if the value does not fit the schema; nothing was taken.
        SpoolFullError: if the spool is full; nothing was taken.
        TransportError: if the broker cannot be reached; the document is safe in the spool.
    """
    try:
        encoded = parts.template.encode(document)
    except SchemaError as err:
        # Whoever sends sees his own words, so what the encoder found may be said here.
        reason = f"{err.message}: {err.__cause__}" if err.__cause__ is not None else err.message
        raise SchemaError(" ".join(reason.split()), rule=err.rule, field=err.field) from err
    now_ms = parts.clock_ms()
    index = (await asyncio.to_thread(parts.spool.put, [encoded], at_ms=now_ms))[0]
    publisher = SpoolPublisher(PublisherParts(parts.spool, parts.signers, parts.transport, parts.clock_ms))
    try:
        await publisher.publish_upto(index, timeout_s=parts.publish_timeout_s)
    except TransportError as err:
        raise TransportError(
            f"document {document.document_id} is safe in the spool under index {index}, not yet sent: {err.message}",
            remedy="it goes out with the next `govbus send` or `govbus adapter publish`",
        ) from err
    return index
