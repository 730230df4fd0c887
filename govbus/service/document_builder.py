"""Builds documents: whoever sends says only what nobody else knows, the rest is derived from the directory.

What the directory knows: the package's type, classification and topics, the data asset's language, restrictions,
rights and codes, the agreement's impact level and records schedule. What only the sender knows: which record it is,
what it is about, and the payload. Everything derived can be said otherwise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from govbus.adapters.outgoing import DocumentIds, DocumentTemplate, OutgoingDocument
from govbus.document.finding import Breach
from govbus.document.ids import Origin
from govbus.errors import MetadataError
from govbus.routing.directory.model import (
    Agreement,
    DataAsset,
    Directory,
    Package,
    Restriction,
    SecurityCategory,
    TrafficMode,
)
from govbus.routing.rules.attachments import attachment_finder
from govbus.schemas.json_form import from_json
from govbus.service.sending import DocumentText, document_template

PUBLIC: Final = "public"
DIGEST_ALGORITHM: Final = "sha-256"
_UNRESTRICTED: Final = {"status": "Unrestricted", "specific": []}
_TEMPLATE_ATTRIBUTES: Final = frozenset({"dataclassification", "datacategory", "accesslevel"})
"""Attributes that the package says for all its documents, and a document may say otherwise."""


class IncompleteDocumentError(MetadataError):
    """A document that lacks what only its sender can say."""

    def __init__(self, missing: tuple[Breach, ...]) -> None:
        """Name what is missing.

        Args:
            missing: for each field the rule that asks for it and what is expected; at least one.
        """
        told = "; ".join(f"{one.field}: {one.detail}" for one in missing)
        super().__init__(
            f"the document lacks what only its sender can say: {told}",
            rule=missing[0].rule,
            field=missing[0].field,
        )
        self.missing = missing


class BuiltDocument(NamedTuple):
    """A document, and the constants that it is encoded with."""

    document: OutgoingDocument
    template: DocumentTemplate


@dataclass(frozen=True, slots=True)
class _Need:
    """A field of the record metadata that may have to be given."""

    rule: str
    expected: str


_NEEDS: Final = {
    "record_id": _Need("REC-1", "expected an identifier, unique among your records, such as B-2026-004711"),
    "description": _Need("REC-4", "expected what the record is about, in 1 to 10,000 characters"),
    "language": _Need("LNG-1", "expected a BCP 47 tag such as en, because the data asset has not just one"),
    "access_restriction": _Need(
        "REC-3", 'expected {"status": …, "specific": […]}, because the data asset says none'
    ),
    "use_restriction": _Need(
        "REC-3", 'expected {"status": …, "specific": […]}, because the data asset says none'
    ),
    "rights": _Need(
        "DCAT-3", "expected terms of access, because the document is not public and the asset says none"
    ),
    "records_schedule": _Need("REC-2", "expected the records schedule, because the agreement names none"),
    "topics": _Need("DRM-5", "expected at least one topic, because neither package nor data asset has one"),
    "data_asset": _Need("DRM-6", "expected the id of the data asset that the record is from"),
}
"""By field of ``govbus.core.RecordMetadata``."""


class DocumentBuilder:
    """Builds the documents that one origin sends under one agreement."""

    def __init__(
        self,
        directory: Directory,
        origin: Origin,
        agreement: Agreement,
        ce_type: str | None = None,
        *,
        ids: DocumentIds | None = None,
    ) -> None:
        """Look up what all documents share.

        Args:
            directory: the version in force.
            origin: the sending outbox.
            agreement: of which the origin's agency is the supplier.
            ce_type: type of the documents; the package's only one unless given.
            ids: makes ids of documents.

        Raises:
            ConfigError: if the package is missing, or the type is not one of its types, or is not clear.
        """
        self._directory = directory
        self._agreement = agreement
        self._ids = DocumentIds() if ids is None else ids
        self.template = document_template(directory, origin, agreement, ce_type)
        """Constants of documents that say nothing else."""
        package = directory.package(agreement.package.text)
        assert package is not None  # noqa: S101  # document_template has found it
        self._package = package

    def build(self, text: DocumentText, *, at_ms: int, document_id: str | None = None) -> BuiltDocument:
        """Return a document with everything filled in that can be derived.

        Args:
            text: what the sender says, its values as in JSON (`govbus.schemas.json_form`) or as Avro has them. An
                attribute that is an empty text is left out, even where one would be derived.
            at_ms: when the document is made, milliseconds since 1970.
            document_id: UUIDv7; made unless given.

        Raises:
            IncompleteDocumentError: naming everything that only the sender can say and did not.
            SchemaError: if a value does not fit its schema; its field is the place (rule AVR-1).
        """
        template = self._template_of(text.attributes)
        asset = self._asset_of(text.record)
        attributes = self._attributes_of(text.attributes, asset)
        derived = dict(self._derived(text.record, asset, template.access_level, attributes))
        given = {name: value for name, value in text.record.items() if value is not None}
        record = {**derived, **given}
        missing = self._missing(record, template.access_level)
        if missing:
            raise IncompleteDocumentError(missing)
        value = from_json(template.schema.codec.definition, {"record": record, "body": text.body})
        if not value["record"].get("digests"):
            value["record"]["digests"] = _digests(template, value)
        document = OutgoingDocument(
            document_id or self._ids.new(at_ms),
            text.subject,
            at_ms,
            value["record"],
            value["body"],
            attributes,
        )
        return BuiltDocument(document, template)

    def _template_of(self, attributes: Mapping[str, str]) -> DocumentTemplate:
        """Return the constants, with what the document says otherwise."""
        template = self.template
        if not _TEMPLATE_ATTRIBUTES & attributes.keys():
            return template
        return replace(
            template,
            classification=attributes.get("dataclassification") or template.classification,
            category=attributes.get("datacategory") or template.category,
            access_level=attributes.get("accesslevel") or template.access_level,
        )

    def _asset_of(self, record: Mapping[str, Any]) -> DataAsset | None:
        """Return the data asset that the record names, or else the one that it must be from."""
        named = record.get("data_asset")
        if named is not None:
            return self._directory.asset(str(named))
        asset = self._directory.asset(self._package.data_asset)
        supplier = self._agreement.supplier
        if asset is not None and asset.publisher == supplier:
            return asset
        own = [
            one
            for one in self._directory.assets.values()
            if one.publisher == supplier and set(one.topics) & set(self._package.topics)
        ]
        return own[0] if len(own) == 1 else None

    def _attributes_of(self, given: Mapping[str, str], asset: DataAsset | None) -> dict[str, str]:
        """Return attributes besides those of the template: the asset's marking and the mark of tests included."""
        derived: dict[str, str] = {}
        if self._agreement.mode is TrafficMode.TEST:
            derived["testmode"] = "true"
        if asset is not None and asset.cui is not None:
            derived["cuibanner"] = asset.cui.banner
        merged = {**derived, **given}
        return {name: text for name, text in merged.items() if text and name not in _TEMPLATE_ATTRIBUTES}

    def _derived(
        self,
        given: Mapping[str, Any],
        asset: DataAsset | None,
        access_level: str,
        attributes: Mapping[str, str],
    ) -> Iterator[tuple[str, Any]]:
        """Yield fields of the record metadata and what the directory says of them."""
        supplier = self._directory.agency(self._agreement.supplier.text)
        name = self._agreement.supplier.text if supplier is None else supplier.name
        yield "title", given.get("record_id")
        yield "creator", {"name": name, "organization": self._agreement.supplier.text}
        yield "publisher", self._agreement.supplier.text
        yield "sc", _triple(self._agreement.impact, is_public=access_level == PUBLIC)
        yield "topics", _topics(self._package, asset)
        if self._agreement.records_schedule is None:
            yield "records_schedule", None
        if attributes.get("cuibanner"):
            yield "designation", {"controlled_by": name}
        if asset is None:
            return
        yield "data_asset", asset.id
        yield "publisher", asset.publisher.text
        if len(asset.languages) == 1:
            yield "language", asset.languages[0]
        for field in ("access_restriction", "use_restriction"):
            yield field, _restriction(getattr(asset, field), is_public=access_level == PUBLIC)
        yield "rights", asset.rights
        yield "bureau_code", list(asset.bureau_codes)
        yield "program_code", list(asset.program_codes)

    def _missing(self, record: Mapping[str, Any], access_level: str) -> tuple[Breach, ...]:
        optional = set()
        if access_level == PUBLIC:
            optional.add("rights")
        if self._agreement.records_schedule is not None:
            optional.add("records_schedule")
        return tuple(
            Breach(need.rule, f"record.{field}", need.expected)
            for field, need in _NEEDS.items()
            if record.get(field) in (None, "", []) and field not in optional
        )


def _triple(impact: SecurityCategory, *, is_public: bool) -> dict[str, str]:
    """Return the highest category that the parties agreed on: a document that says nothing is treated with care."""
    c = "NA" if is_public else impact.c.name
    return {"c": "LOW" if c == "NA" and not is_public else c, "i": impact.i.name, "a": impact.a.name}


def _topics(package: Package, asset: DataAsset | None) -> list[dict[str, str]]:
    references = package.topics or (asset.topics if asset is not None else ())
    return [{"taxonomy": one.taxonomy, "topic": one.topic} for one in references]


def _restriction(restriction: Restriction | None, *, is_public: bool) -> dict[str, Any] | None:
    if restriction is None:
        return dict(_UNRESTRICTED) if is_public else None
    return {"status": restriction.status, "specific": list(restriction.specific)}


def _digests(template: DocumentTemplate, value: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the digest of every attachment in the payload (rule REC-6)."""
    codec = template.schema.codec
    # Decoded again, so that fields that were left out stand there with their defaults.
    whole = codec.decode(codec.encode(value))
    return [
        {
            "attachment": one["name"],
            "alg": DIGEST_ALGORITHM,
            "hex": hashlib.sha256(one["content"]).hexdigest(),
        }
        for one in attachment_finder(codec)(whole)
    ]
