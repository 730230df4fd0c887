"""Which schemas of a directory stand in the registry, under which ids and subjects.

Clients name a subject by one of three strategies of their serializers. A topic of the bus carries documents of many
packages, so its plain ``<topic>-value`` exists only where there is but one type: publication topics and the log.

- RecordName: ``govbus.package.civil.person.Document``, ``govbus.core.LogEntry``, ``govbus.core.Receipt``;
- TopicRecordName: the same behind ``<topic>-``, for each topic that an agreement lets such records into;
- TopicName: ``govbus.pub.<package>-value``, ``govbus.test.pub.<package>-value`` and ``govbus.log-value``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from govbus.document import topics
from govbus.document.ids import AgencyId
from govbus.routing.directory.model import Delivery, Directory, Package
from govbus.schemas import bundled
from govbus.schemas.catalog import DocumentSchema
from govbus.schemas.compatibility import Compatibility
from govbus.schemas.core import LOG_ENTRY_ID, RECEIPT_ID

RESERVED_PREFIX: Final = "govbus."
"""Every subject of the bus begins like this, and no subject of a client's."""
_CORE_VERSION: Final = 1


class PublishedSchema(NamedTuple):
    """One version of one subject, as the directory wants it."""

    subject: str
    version: int
    id: int
    definition: Any
    compatibility: Compatibility


def published_schemas(directory: Directory) -> list[PublishedSchema]:
    """Return everything that a version of the directory publishes, by subject and version."""
    found = {
        (one.subject, one.version): one for one in (*_core_schemas(directory), *_document_schemas(directory))
    }
    return [one for _, one in sorted(found.items())]


def record_name(definition: Mapping[str, Any]) -> str:
    """Return the full name of a record: its subject by the RecordName strategy."""
    name, namespace = str(definition["name"]), definition.get("namespace")
    return name if "." in name or not namespace else f"{namespace}.{name}"


def _core_schemas(directory: Directory) -> Iterator[PublishedSchema]:
    log_entry, receipt = bundled.definition("core/log_entry/v1"), bundled.definition("core/receipt/v1")
    places = [
        (
            LOG_ENTRY_ID,
            log_entry,
            [f"{topics.MESSAGE_LOG}-value", *_by_record(log_entry, [topics.MESSAGE_LOG])],
        ),
        (RECEIPT_ID, receipt, _by_record(receipt, _inboxes(directory))),
    ]
    for schema_id, definition, subjects in places:
        for subject in subjects:
            yield PublishedSchema(
                subject, _CORE_VERSION, schema_id, definition, Compatibility.FULL_TRANSITIVE
            )


def _inboxes(directory: Directory) -> list[str]:
    """Return where receipts arrive: those for test documents come to the same inboxes."""
    return [topics.inbox(AgencyId.from_text(agency)) for agency in directory.agencies]


def _document_schemas(directory: Directory) -> Iterator[PublishedSchema]:
    for schema in directory.schemas.schemas:
        package = directory.package(schema.subject)
        if package is not None:
            for subject in _document_subjects(directory, package, schema):
                yield PublishedSchema(
                    subject, schema.version, schema.id, schema.codec.definition, package.compatibility
                )


def _document_subjects(directory: Directory, package: Package, schema: DocumentSchema) -> set[str]:
    names: set[str] = set()
    for agreement in directory.agreements.values():
        if agreement.package == package.id:
            names |= {topics.outbox(agreement.supplier), *agreement.recipients}
    subjects = set(_by_record(schema.codec.definition, sorted(names)))
    if package.delivery is Delivery.PUBLISH:
        subjects |= {f"{topics.publication(package.id, is_test=is_test)}-value" for is_test in (False, True)}
    return subjects


def _by_record(definition: Mapping[str, Any], names: list[str]) -> list[str]:
    """Return the RecordName subject, and the TopicRecordName subject of each topic."""
    record = record_name(definition)
    return [record, *(f"{name}-{record}" for name in names)]
