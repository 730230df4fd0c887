"""The bus as an AsyncAPI 3 document: topics as channels, what each agency sends and receives as operations.

Messages are documents as they stand on the topics: CloudEvents 1.0 attributes in headers (``ce_*``), the value in
the Confluent frame with its Avro schema, composed of the shared metadata and the payload.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from govbus.document import topics
from govbus.document.ids import AgencyId
from govbus.routing.catalogue.message_headers import document_headers, receipt_headers
from govbus.routing.directory.model import Agency, Agreement, Delivery, Directory, Package, TrafficMode
from govbus.schemas.bundled import definition
from govbus.schemas.catalog import DocumentSchema

ASYNCAPI_VERSION: Final = "3.1.0"
AVRO_FORMAT: Final = "application/vnd.apache.avro;version=1.9.0"
_BINDING: Final = "0.5.0"
_KEY = re.compile(r"[^A-Za-z0-9._-]")

_BUS_TOPICS: Final = (
    (topics.MESSAGE_LOG, "Every decision of the router, in the order in which it was taken.", "logEntry"),
    (topics.CHECKPOINTS, "Signed checkpoints of the message log's Merkle trees.", "checkpoint"),
    (topics.QUARANTINE, "Documents that are held for a person.", None),
    (
        topics.DIRECTORY,
        "The signed directory: its entries and the manifest of each version.",
        "directoryEntry",
    ),
)
_AUDITOR_READS: Final = (topics.MESSAGE_LOG, topics.CHECKPOINTS, topics.DIRECTORY)


def asyncapi_document(directory: Directory, *, broker: str | None = None) -> dict[str, Any]:
    """Return the description of the bus.

    Args:
        directory: agencies, packages, agreements and schemas.
        broker: ``host:port`` of the Kafka broker; None leaves servers out, because the directory names none.
    """
    return _Document(directory).write(broker)


class _Document:
    """Collects channels, operations and messages; each of them once."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._channels: dict[str, dict[str, Any]] = {}
        self._operations: dict[str, dict[str, Any]] = {}
        self._messages: dict[str, dict[str, Any]] = {}

    def write(self, broker: str | None) -> dict[str, Any]:
        directory = self._directory
        self._add_bus_messages()
        for _, package in sorted(directory.packages.items()):
            self._add_package(package)
        for _, agreement in sorted(directory.agreements.items()):
            self._add_agreement(agreement)
        for topic, description, message in _BUS_TOPICS:
            self._channel(topic, description, [message] if message else sorted(self._document_messages()))
        for topic in _AUDITOR_READS:
            self._operation("receive", "auditor", topic, "An auditor reads what the bus has recorded.")
        document: dict[str, Any] = {
            "asyncapi": ASYNCAPI_VERSION,
            "id": f"https://{directory.bus}/asyncapi",
            "info": {
                "title": directory.name,
                "version": str(directory.version),
                "description": f"Exchange of documents between government agencies, as version {directory.version} of "
                f"the directory by {directory.authority} permits it.",
            },
            "defaultContentType": "application/avro",
        }
        if broker is not None:
            document["servers"] = {"broker": {"host": broker, "protocol": "kafka", "title": directory.name}}
        return document | {
            "channels": self._channels,
            "operations": self._operations,
            "components": {"messages": self._messages},
        }

    def _document_messages(self) -> list[str]:
        return [name for name in self._messages if name not in _BUS_MESSAGES]

    def _add_bus_messages(self) -> None:
        for name, fields in _BUS_MESSAGES.items():
            self._messages[name] = {"name": name, **fields()}

    def _add_package(self, package: Package) -> None:
        agreements = [one for one in self._directory.agreements.values() if one.package == package.id]
        for schema in _schemas(self._directory, package):
            self._messages[_message_key(schema)] = _message(package, schema, agreements)

    def _add_agreement(self, agreement: Agreement) -> None:
        """Add the way of documents under an agreement: the supplier's outbox, and where they are delivered."""
        directory, package = self._directory, self._directory.packages[agreement.package.text]
        messages = [_message_key(schema) for schema in _schemas(directory, package)]
        outbox, receipts = topics.outbox(agreement.supplier), topics.inbox(agreement.supplier)
        self._channel(outbox, f"What {self._name(agreement.supplier)} sends; it alone writes here.", messages)
        self._operation(
            "send",
            agreement.supplier.text,
            outbox,
            f"{self._name(agreement.supplier)} sends documents under its agreements.",
            messages,
        )
        self._channel(receipts, _inbox_words(self._name(agreement.supplier)), ["receipt"])
        self._receive(agreement.supplier, receipts, ["receipt"])
        for topic, consumer in self._deliveries(agreement):
            words = (
                f"Documents of package {package.id}, one copy for all."
                if agreement.delivery is Delivery.PUBLISH
                else _inbox_words(self._name(consumer))
            )
            if agreement.mode is TrafficMode.TEST:
                words = f"Tests, which are not meant. {words}"
            self._channel(topic, words, messages)
            self._receive(consumer, topic, messages)

    def _deliveries(self, agreement: Agreement) -> Iterable[tuple[str, AgencyId]]:
        """Return each consumer of an agreement with the topic that it reads."""
        if agreement.delivery is Delivery.PUBLISH:
            return [(agreement.recipients[0], consumer) for consumer in agreement.consumers]
        return zip(agreement.recipients, agreement.consumers, strict=True)

    def _name(self, agency_id: AgencyId) -> str:
        agency: Agency | None = self._directory.agency(agency_id.text)
        return agency.name if agency is not None else agency_id.text

    def _receive(self, agency: AgencyId, topic: str, messages: list[str]) -> None:
        self._operation(
            "receive", agency.text, topic, f"{self._name(agency)} receives what it is entitled to.", messages
        )

    def _channel(self, topic: str, description: str, messages: Iterable[str]) -> None:
        channel = self._channels.setdefault(
            _key(topic),
            {
                "address": topic,
                "description": description,
                "messages": {},
                "bindings": {"kafka": {"topic": topic, "bindingVersion": _BINDING}},
            },
        )
        for name in messages:
            channel["messages"][name] = {"$ref": f"#/components/messages/{name}"}

    def _operation(
        self, action: str, party: str, topic: str, summary: str, messages: Iterable[str] = ()
    ) -> None:
        """Add an operation, or more messages to it; one without messages has all those of its channel."""
        operation = self._operations.setdefault(
            _key(f"{party}.{action}.{topic}"),
            {
                "action": action,
                "channel": {"$ref": f"#/channels/{_key(topic)}"},
                "summary": summary,
                "tags": [{"name": party}],
                "bindings": {"kafka": {"bindingVersion": _BINDING}},
            },
        )
        for name in messages:
            reference = {"$ref": f"#/channels/{_key(topic)}/messages/{name}"}
            if reference not in operation.setdefault("messages", []):
                operation["messages"].append(reference)


def _key(text: str) -> str:
    """Return a text as a key that AsyncAPI and JSON pointers take: letters, digits, ``.``, ``_`` and ``-``."""
    return _KEY.sub("_", text)


def _inbox_words(name: str) -> str:
    return f"What {name} receives, documents and receipts; it alone reads here."


def _schemas(directory: Directory, package: Package) -> list[DocumentSchema]:
    found = [directory.schemas.by_id(number) for number in package.schema_ids]
    return sorted((one for one in found if one is not None), key=lambda one: one.version)


def _message_key(schema: DocumentSchema) -> str:
    return _key(f"{schema.subject}.v{schema.version}")


def _message(package: Package, schema: DocumentSchema, agreements: list[Agreement]) -> dict[str, Any]:
    return {
        "name": _message_key(schema),
        "title": f"{package.name}, version {schema.version}",
        "summary": package.description.partition("\n")[0],
        "contentType": "application/avro",
        "tags": [{"name": f"{one.taxonomy}/{one.topic}"} for one in package.topics],
        "headers": document_headers(package, schema, agreements),
        "payload": _avro(schema.codec.definition),
        "bindings": _MESSAGE_BINDINGS,
    }


def _avro(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"schemaFormat": AVRO_FORMAT, "schema": dict(schema)}


_MESSAGE_BINDINGS: Final = {
    "kafka": {
        "key": {"type": "string", "description": "ce_subject, or ce_id where there is none."},
        "schemaIdLocation": "payload",
        "schemaIdPayloadEncoding": "confluent",
        "bindingVersion": _BINDING,
    }
}


def _receipt() -> dict[str, Any]:
    return {
        "title": "Receipt",
        "summary": "What the bus decided about documents of this agency, signed.",
        "contentType": "application/avro",
        "headers": receipt_headers(),
        "payload": _avro(definition("core/receipt/v1")),
    }


def _log_entry() -> dict[str, Any]:
    return {
        "title": "Log entry",
        "summary": "One decision of the router: a leaf of a Merkle tree.",
        "contentType": "application/avro",
        "payload": _avro(definition("core/log_entry/v1")),
    }


def _checkpoint() -> dict[str, Any]:
    return {
        "title": "Checkpoint",
        "summary": "Root of a tree of the message log, as a signed note.",
        "contentType": "text/plain",
        "payload": {"type": "string"},
    }


def _directory_entry() -> dict[str, Any]:
    return {
        "title": "Directory entry",
        "summary": "An entry of the directory, or the manifest of one version, as canonical JSON.",
        "contentType": "application/json",
        "payload": {"type": "object"},
    }


_BUS_MESSAGES: Final = {
    "receipt": _receipt,
    "logEntry": _log_entry,
    "checkpoint": _checkpoint,
    "directoryEntry": _directory_entry,
}
