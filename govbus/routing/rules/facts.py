"""What a rule may look at when it judges a document.

Most of what a document says is the same in thousands of others: its headers but for id and time, its security
category, its topics. Rules on that part (`TemplateFacts`) are judged once and remembered; what is left for every
single document (`DocumentFacts`) is little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from govbus.document.finding import Breach
from govbus.document.header_kind import HeaderKind
from govbus.document.ids import Origin
from govbus.routing.directory.model import Agency, Agreement, DataAsset, Directory, Package
from govbus.routing.history import History
from govbus.routing.rules.rule import Profile
from govbus.schemas.catalog import DocumentSchema
from govbus.signing.signature_policy import ProvenSignature

TEMPLATE_FIELDS = (
    "creator",
    "publisher",
    "language",
    "sc",
    "access_restriction",
    "use_restriction",
    "rights",
    "rights_holder",
    "records_schedule",
    "topics",
    "data_asset",
    "bureau_code",
    "program_code",
    "designation",
)
"""Fields of ``govbus.core.RecordMetadata`` that documents of one kind share."""


@dataclass(frozen=True, slots=True)
class TemplateFacts:
    """What many documents share, under one version of the directory."""

    attributes: Mapping[str, str]
    """CloudEvents attributes by name without ``ce_``, but for `DOCUMENT_HEADERS`; and ``content-type``."""
    record: Mapping[str, Any]
    """The `TEMPLATE_FIELDS` of the record metadata."""
    origin: Origin
    agreement: Agreement
    package: Package
    schema: DocumentSchema
    directory: Directory
    time_ms: int
    """When the document was made: it is judged by the code lists in force at this time. To be used for nothing else,
    because documents of the same epoch of the lists share a verdict."""

    @property
    def profiles(self) -> frozenset[Profile]:
        """The profiles whose rules are switched on, besides ``core``."""
        return self.directory.profiles | self.agreement.profiles

    @property
    def asset(self) -> DataAsset | None:
        """The registered data asset that the document names, or None."""
        return self.directory.asset(self.record["data_asset"])

    @property
    def consumers(self) -> tuple[Agency, ...]:
        """The agencies that are to get the document; parties of an agreement are registered."""
        found = (self.directory.agency(consumer.text) for consumer in self.agreement.consumers)
        return tuple(agency for agency in found if agency is not None)

    def codes(self, list_id: str) -> Mapping[str, Mapping[str, Any]]:
        """Return the codes of a list in force when the document was made."""
        return self.directory.codes.codes(list_id, self.time_ms)


class ProvenDocument(NamedTuple):
    """A document whose signatures hold and whose value decodes."""

    signed: dict[str, bytes]
    """Every ``ce_*`` header and ``content-type``, UTF-8."""
    value: Mapping[str, Any]
    """``{"record": RecordMetadata, "body": payload}``."""
    avro: bytes
    signatures: tuple[ProvenSignature, ...]
    """Of the statement or its batch, each proven to hold."""
    kind: HeaderKind | None = None
    """Of the signed headers, where the caller has it."""


class DocumentFacts:
    """One document, proven to be the agency's own and decoded."""

    __slots__ = ("at_ms", "avro", "past", "signatures", "signed", "template", "time_ms", "value")

    def __init__(
        self,
        template: TemplateFacts,
        proven: ProvenDocument,
        *,
        time_ms: int,
        at_ms: int,
        past: History,
    ) -> None:
        self.template = template
        self.signed = proven.signed
        """Every ``ce_*`` header and ``content-type``, as bytes of UTF-8."""
        self.value = proven.value
        """``{"record": RecordMetadata, "body": payload}``."""
        self.avro = proven.avro
        """The value as bytes, without the frame."""
        self.signatures = proven.signatures
        """Of the statement or its batch, each proven to hold."""
        self.time_ms = time_ms
        """``ce_time``, milliseconds since 1970."""
        self.at_ms = at_ms
        """Time of the decision."""
        self.past = past
        """What was decided before about documents of the same origin (rule DRM-7)."""

    @property
    def record(self) -> Mapping[str, Any]:
        """The record metadata."""
        return self.value["record"]  # type: ignore[no-any-return]

    @property
    def body(self) -> Mapping[str, Any]:
        """The payload."""
        return self.value["body"]  # type: ignore[no-any-return]

    def attribute(self, name: str) -> str:
        """Return a CloudEvents attribute as text, such as ``attribute("id")``; empty where it is absent."""
        return self.signed.get("ce_" + name, b"").decode("utf-8")


DocumentCheck = Callable[[DocumentFacts], Iterable[Breach]]
"""Judges what differs from document to document."""
