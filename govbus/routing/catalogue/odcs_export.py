"""An exchange agreement as an Open Data Contract (ODCS 3.1), with nothing of it left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from govbus.document import topics
from govbus.document.encoding import time_text
from govbus.document.ids import AgencyId
from govbus.routing.catalogue import odcs_fields as names
from govbus.routing.catalogue.odcs_columns import columns_of
from govbus.routing.catalogue.odcs_form import API_VERSION
from govbus.routing.catalogue.offers import newest_schema
from govbus.routing.directory.model import (
    Agreement,
    Contact,
    Delivery,
    Directory,
    Package,
    QueryPoint,
    RecordsSchedule,
    TopicReference,
)
from govbus.schemas.catalog import DocumentSchema
from govbus.signing.signature_policy import NO_POLICY, SignaturePolicy


def contract_of(directory: Directory, agreement: Agreement, *, broker: str | None = None) -> dict[str, Any]:
    """Return the contract; its version is that of the directory in which the agreement stands.

    Args:
        directory: with the package and its schemas.
        agreement: one of the directory's.
        broker: ``host:port`` of the Kafka broker; None leaves servers out, because the directory names none.
    """
    package = directory.packages[agreement.package.text]
    contract: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": agreement.id,
        "name": agreement.name,
        "version": str(directory.version),
        "status": agreement.status.value,
        "tenant": directory.bus.text,
        "description": _description(agreement),
        "schema": [_schema_object(directory, agreement, package)],
        "team": {"name": directory.name, "members": _members(agreement)},
        "slaProperties": _service_levels(agreement),
        "customProperties": _custom(_agreement_values(agreement)),
    }
    if broker is not None:
        contract["servers"] = [
            {"server": directory.bus.text, "type": "kafka", "host": broker, "format": "avro"}
        ]
    return contract


def _description(agreement: Agreement) -> dict[str, Any]:
    description: dict[str, Any] = {"purpose": agreement.purpose, "usage": agreement.description}
    if agreement.system_of_records is not None:
        notice = {"type": names.NOTICE, "url": agreement.system_of_records}
        description["authoritativeDefinitions"] = [notice]
    return description


def _members(agreement: Agreement) -> list[dict[str, Any]]:
    """Return the parties, the supplier first, each with whom to ask there."""
    parties = [
        (names.SUPPLIER, agreement.supplier),
        *((names.CONSUMER, consumer) for consumer in agreement.consumers),
    ]
    return [
        {
            **_member(agreement.contacts.get(agency), agency),
            "role": role,
            "customProperties": _custom({names.AGENCY: agency.text}),
        }
        for role, agency in parties
    ]


def _member(contact: Contact | None, agency: AgencyId) -> dict[str, Any]:
    if contact is None:
        return {"username": agency.text}
    return {"username": contact.email, "name": contact.name}


def _service_levels(agreement: Agreement) -> list[dict[str, Any]]:
    levels: list[dict[str, Any]] = [
        {"property": names.VALID_FROM, "value": time_text(agreement.valid_from_ms)},
        {"property": names.VALID_TO, "value": time_text(agreement.valid_to_ms)},
    ]
    if agreement.frequency is not None:
        levels.append({"property": names.FREQUENCY, "value": agreement.frequency, "unit": names.ISO8601})
    schedule = agreement.records_schedule
    if schedule is not None and schedule.years is not None:
        levels.append({"property": names.RETENTION, "value": schedule.years, "unit": names.YEARS})
    return levels


def _agreement_values(agreement: Agreement) -> dict[str, Any]:
    impact = agreement.impact
    return {
        "exchangePackage": agreement.package.text,
        "legalAuthority": agreement.legal_authority,
        "classification": agreement.classification,
        "impact": {"c": impact.c.name, "i": impact.i.name, "a": impact.a.name},
        "dataCategories": sorted(agreement.data_categories),
        "cui": {
            "categories": sorted(agreement.cui_categories),
            "dissemination": sorted(agreement.cui_dissemination),
        },
        "profiles": sorted(profile.value for profile in agreement.profiles),
        "mode": agreement.mode.value,
        "encryption": agreement.is_encryption_allowed,
        "frequencyTolerancePercent": agreement.frequency_tolerance_percent,
        "reviewDue": None if agreement.review_due_ms is None else time_text(agreement.review_due_ms),
        "recordsSchedule": _schedule(agreement.records_schedule),
        "signatures": _signatures(agreement.signatures),
    }


def _signatures(policy: SignaturePolicy) -> dict[str, str] | None:
    """Return which signatures documents must carry, None where it is the seal alone."""
    if policy == NO_POLICY:
        return None
    return {
        "officer": "required" if policy.is_officer_required else "optional",
        "twin": "required" if policy.is_twin_required else "optional",
        "mode": policy.mode.value,
    }


def _schedule(schedule: RecordsSchedule | None) -> dict[str, Any] | None:
    """Return a records schedule without its years, which stand among the service levels."""
    if schedule is None:
        return None
    fields = {
        "authority": schedule.authority,
        "retention_type": schedule.retention_type,
        "event_type": schedule.event_type,
        "final_disposition": schedule.final_disposition,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _custom(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"property": name, "value": value} for name, value in values.items() if value is not None]


def _schema_object(directory: Directory, agreement: Agreement, package: Package) -> dict[str, Any]:
    topic = (
        agreement.recipients[0]
        if agreement.delivery is Delivery.PUBLISH
        else topics.outbox(agreement.supplier)
    )
    found: dict[str, Any] = {
        "name": package.id.text,
        "physicalName": topic,
        "physicalType": "topic",
        "logicalType": "object",
        "businessName": package.name,
        "description": package.description,
    }
    schema = newest_schema(directory, package)
    payload = None if schema is None else payload_of(schema)
    if payload is not None:
        found["properties"] = columns_of(payload)
    values = _package_values(package)
    if schema is not None:
        values |= {names.SCHEMA_VERSION: schema.version, names.AVRO_SCHEMA: payload}
    return found | {"customProperties": _custom(values)}


def payload_of(schema: DocumentSchema) -> dict[str, Any] | None:
    """Return the steward's payload schema inside a document schema; None where the schema has another form."""
    fields = {field["name"]: field["type"] for field in schema.codec.definition.get("fields", ())}
    body = fields.get("body")
    return dict(body) if isinstance(body, Mapping) and body.get("type") == "record" else None


def _package_values(package: Package) -> dict[str, Any]:
    contact = package.steward_contact
    return {
        "dataAsset": package.data_asset,
        "documentTypes": list(package.types),
        "classification": package.classification,
        "dataCategory": package.data_category,
        "accessLevel": package.access_level,
        "frequency": package.frequency,
        "delivery": package.delivery.value,
        "topics": [_topic(one) for one in package.topics],
        "queryPoints": [_query_point(one) for one in package.query_points],
        "compatibility": package.compatibility.value,
        "signatures": _signatures(package.signatures),
        "steward": {
            "agency": package.steward.text,
            "contact": {"name": contact.name, "email": contact.email},
        },
    }


def _topic(reference: TopicReference) -> dict[str, str]:
    return {"taxonomy": reference.taxonomy, "topic": reference.topic}


def _query_point(point: QueryPoint) -> dict[str, Any]:
    return {
        "address": point.address,
        "languages": list(point.languages),
        "name": point.name,
        "description": point.description,
    }
