"""The form of an Open Data Contract (ODCS 3.1): what may stand where, told with the place of every mistake.

Written from the text of the standard, and proven against its official JSON Schema with formats on
(``tests/conformance/test_odcs.py``): both give the same verdict on examples and on copies with one thing changed.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any, Final

from govbus.routing.catalogue.odcs_quality import quality_form
from govbus.routing.catalogue.odcs_servers import server_flaws, server_form
from govbus.routing.catalogue.shapes import (
    ANYTHING,
    BOOLEAN,
    INTEGER,
    NUMBER,
    SCALAR,
    TEXT,
    Check,
    Flaw,
    checked,
    formatted,
    list_of,
    matching,
    one_of,
    record,
    within,
)

API_VERSION: Final = "v3.1.0"
API_VERSIONS: Final = (API_VERSION, "v3.0.2", "v3.0.1", "v3.0.0", "v2.2.2", "v2.2.1", "v2.2.0")
LOGICAL_TYPES: Final = (
    "string",
    "date",
    "timestamp",
    "time",
    "number",
    "integer",
    "object",
    "array",
    "boolean",
)

STABLE_ID: Final = matching(r"[A-Za-z0-9_-]+", "letters, digits, - and _")
TEXTS: Final = list_of(TEXT)
CUSTOM: Final = list_of(
    record(
        {"id": STABLE_ID, "property": TEXT, "value": ANYTHING, "description": TEXT},
        required=("property", "value"),
    )
)
DEFINITIONS: Final = list_of(
    record({"id": STABLE_ID, "url": TEXT, "type": TEXT, "description": TEXT}, required=("url", "type"))
)
ROLE_FIELDS: Final[dict[str, Check]] = {
    "id": STABLE_ID,
    "role": TEXT,
    "description": TEXT,
    "access": TEXT,
    "firstLevelApprovers": TEXT,
    "secondLevelApprovers": TEXT,
    "customProperties": CUSTOM,
}
ROLES: Final = list_of(record(ROLE_FIELDS, required=("role",)))

_PATH: Final = (
    r"[A-Za-z_][A-Za-z0-9_]*\.[A-Za-z_][A-Za-z0-9_]*"
    r"|(?:(?:https?:\/\/)?[A-Za-z0-9._\-\/]+\.yaml#)?\/?[A-Za-z_][A-Za-z0-9_]*\/[A-Za-z0-9_-]+"
    r"(?:\/[A-Za-z_][A-Za-z0-9_]*\/[A-Za-z0-9_-]+)*"
)
_REFERENCE: Final = matching(_PATH, "a reference such as orders.id or schema/orders/properties/id")


def _reference(value: Any, place: str) -> Iterator[Flaw]:
    if isinstance(value, list):
        yield from list_of(_REFERENCE, count_min=1)(value, place)
    else:
        yield from _REFERENCE(value, place)


_RELATION_FIELDS: Final[dict[str, Check]] = {
    "type": one_of("foreignKey"),
    "from": _reference,
    "to": _reference,
    "customProperties": CUSTOM,
}


def _object_relation(value: Any, place: str) -> Iterator[Flaw]:
    """Yield what is wrong with a relationship of a schema object: it names both ends, in one form."""
    yield from record(_RELATION_FIELDS, required=("from", "to"))(value, place)
    if isinstance(value, Mapping) and "from" in value and "to" in value:
        ends = (value["from"], value["to"])
        if not (all(isinstance(one, str) for one in ends) or all(isinstance(one, list) for one in ends)):
            yield Flaw(place, "expected from and to to be both one reference, or both a list")


_PROPERTY_RELATION: Final = record(
    {name: check for name, check in _RELATION_FIELDS.items() if name != "from"}, required=("to",)
)

_ELEMENT: Final[dict[str, Check]] = {
    "id": STABLE_ID,
    "name": TEXT,
    "physicalType": TEXT,
    "description": TEXT,
    "businessName": TEXT,
    "authoritativeDefinitions": DEFINITIONS,
    "tags": TEXTS,
    "customProperties": CUSTOM,
}
_COUNT: Final = within(INTEGER, at_least=0)
_STEP: Final = within(NUMBER, above=0)
_MOMENTS: Final[dict[str, Check]] = dict.fromkeys(
    ("format", "exclusiveMaximum", "maximum", "exclusiveMinimum", "minimum"), TEXT
)
_ZONED: Final = _MOMENTS | {"timezone": BOOLEAN, "defaultTimezone": TEXT}
_BOUNDS: Final[dict[str, Check]] = {"multipleOf": _STEP} | dict.fromkeys(
    ("maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"), NUMBER
)
_INTEGER_FORMATS: Final = ("i8", "i16", "i32", "i64", "i128", "u8", "u16", "u32", "u64", "u128")
_OPTIONS: Final[dict[str | None, Check]] = {
    "string": record({"minLength": _COUNT, "maxLength": _COUNT, "pattern": TEXT, "format": TEXT}),
    "date": record(_MOMENTS),
    "timestamp": record(_ZONED),
    "time": record(_ZONED),
    "integer": record(_BOUNDS | {"format": one_of(*_INTEGER_FORMATS)}),
    "number": record(_BOUNDS | {"format": one_of("f32", "f64")}),
    "object": record(
        {
            "maxProperties": _COUNT,
            "minProperties": _COUNT,
            "required": list_of(TEXT, count_min=1, is_unique=True),
        }
    ),
    "array": record({"maxItems": _COUNT, "minItems": _COUNT, "uniqueItems": BOOLEAN}),
    "boolean": record({}, is_open=True),
    None: record({}),
}
"""By logical type. Without one every condition of the official schema holds, so that no option at all may stand."""


def _property(value: Any, place: str, *, is_item: bool) -> Iterator[Flaw]:
    """Yield what is wrong with a property, or with what a list holds, which needs no name."""
    if not isinstance(value, Mapping):
        yield Flaw(place, "expected a mapping")
        return
    kind = value.get("logicalType")
    fields = _property_fields()
    if isinstance(kind, str) and kind in _OPTIONS:
        fields = fields | {"logicalTypeOptions": _OPTIONS[kind]}
    elif "logicalType" not in value:
        fields = fields | {"logicalTypeOptions": _OPTIONS[None]}
    if "logicalType" not in value or kind == "object":
        fields = fields | {"properties": list_of(_named_property)}
    if "logicalType" not in value or kind == "array":
        fields = fields | {"items": _item}
    yield from record(fields, required=() if is_item else ("name",))(value, place)


def _named_property(value: Any, place: str) -> Iterator[Flaw]:
    yield from _property(value, place, is_item=False)


def _item(value: Any, place: str) -> Iterator[Flaw]:
    yield from _property(value, place, is_item=True)


@functools.cache
def _property_fields() -> dict[str, Check]:
    return {
        **_ELEMENT,
        "primaryKey": BOOLEAN,
        "primaryKeyPosition": INTEGER,
        "logicalType": one_of(*LOGICAL_TYPES),
        "logicalTypeOptions": record({}, is_open=True),
        "physicalName": TEXT,
        "required": BOOLEAN,
        "unique": BOOLEAN,
        "partitioned": BOOLEAN,
        "partitionKeyPosition": INTEGER,
        "classification": TEXT,
        "encryptedName": TEXT,
        "transformSourceObjects": TEXTS,
        "transformLogic": TEXT,
        "transformDescription": TEXT,
        "examples": list_of(ANYTHING),
        "criticalDataElement": BOOLEAN,
        "relationships": list_of(_PROPERTY_RELATION),
        "quality": quality_form(CUSTOM, DEFINITIONS, STABLE_ID),
    }


_OBJECT: Final = record(
    _ELEMENT
    | {
        "logicalType": one_of("object"),
        "physicalName": TEXT,
        "dataGranularityDescription": TEXT,
        "properties": list_of(_named_property),
        "relationships": list_of(_object_relation),
        "quality": quality_form(CUSTOM, DEFINITIONS, STABLE_ID),
    },
    required=("name",),
)
_MEMBER: Final = record(
    {
        "id": STABLE_ID,
        "username": TEXT,
        "name": TEXT,
        "description": TEXT,
        "role": TEXT,
        "dateIn": formatted("date"),
        "dateOut": formatted("date"),
        "replacedByUsername": TEXT,
        "tags": TEXTS,
        "customProperties": CUSTOM,
        "authoritativeDefinitions": DEFINITIONS,
    },
    required=("username",),
)
_TEAM: Final = record(
    {
        "id": STABLE_ID,
        "name": TEXT,
        "description": TEXT,
        "members": list_of(_MEMBER),
        "tags": TEXTS,
        "customProperties": CUSTOM,
        "authoritativeDefinitions": DEFINITIONS,
    }
)


def _team(value: Any, place: str) -> Iterator[Flaw]:
    """Yield what is wrong with a team; versions before 3.1 had the members themselves there."""
    yield from (list_of(_MEMBER) if isinstance(value, list) else _TEAM)(value, place)


_SUPPORT: Final = record(
    {
        "id": STABLE_ID,
        "channel": TEXT,
        "url": TEXT,
        "description": TEXT,
        "tool": TEXT,
        "scope": TEXT,
        "invitationUrl": TEXT,
        "customProperties": CUSTOM,
    },
    required=("channel",),
)
_SERVICE_LEVEL: Final = record(
    {
        "id": STABLE_ID,
        "property": TEXT,
        "value": SCALAR,
        "valueExt": SCALAR,
        "unit": TEXT,
        "element": TEXT,
        "driver": TEXT,
        "description": TEXT,
        "scheduler": TEXT,
        "schedule": TEXT,
    },
    required=("property", "value"),
)
_DESCRIPTION: Final = record(
    {
        "usage": TEXT,
        "purpose": TEXT,
        "limitations": TEXT,
        "authoritativeDefinitions": DEFINITIONS,
        "customProperties": CUSTOM,
    },
    is_open=True,
)
_CONTRACT: Final = record(
    {
        "version": TEXT,
        "kind": one_of("DataContract"),
        "apiVersion": one_of(*API_VERSIONS),
        "id": TEXT,
        "name": TEXT,
        "tenant": TEXT,
        "tags": TEXTS,
        "status": TEXT,
        "servers": list_of(
            checked(server_form({"id": STABLE_ID, "roles": ROLES, "customProperties": CUSTOM}), server_flaws)
        ),
        "dataProduct": TEXT,
        "description": _DESCRIPTION,
        "domain": TEXT,
        "schema": list_of(_OBJECT),
        "support": list_of(_SUPPORT),
        "price": record({"id": STABLE_ID, "priceAmount": NUMBER, "priceCurrency": TEXT, "priceUnit": TEXT}),
        "team": _team,
        "roles": ROLES,
        "slaDefaultElement": TEXT,
        "slaProperties": list_of(_SERVICE_LEVEL),
        "authoritativeDefinitions": DEFINITIONS,
        "customProperties": CUSTOM,
        "contractCreatedTs": formatted("date-time"),
    },
    required=("version", "apiVersion", "kind", "id", "status"),
)


def contract_flaws(value: Any) -> list[Flaw]:
    """Return everything that is wrong with the form of a contract, with the place of each.

    Args:
        value: as `govbus.routing.catalogue.odcs_yaml.contract_value` reads it.
    """
    return list(_CONTRACT(value, ""))
