"""An Open Data Contract (ODCS 3.1) in which every part of the standard stands once: nothing in it is wrong."""

from __future__ import annotations

from typing import Any, Final

_PROPERTIES: Final[Any] = [
    {
        "id": f"p-{kind}",
        "name": kind,
        "logicalType": kind,
        "logicalTypeOptions": options,
        **more,
    }
    for kind, options, more in (
        ("string", {"minLength": 1, "maxLength": 5, "pattern": "a", "format": "uuid"}, {"primaryKey": True}),
        (
            "date",
            {"format": "x", "minimum": "2020-01-01", "exclusiveMaximum": "2030-01-01"},
            {"unique": True},
        ),
        ("timestamp", {"timezone": True, "defaultTimezone": "Etc/UTC"}, {"primaryKeyPosition": 1}),
        ("time", {"format": "HH:mm"}, {"relationships": [{"to": "other.id", "type": "foreignKey"}]}),
        ("integer", {"multipleOf": 5, "minimum": 1, "format": "i64"}, {"examples": [1, "a", None]}),
        ("number", {"multipleOf": 0.5, "exclusiveMinimum": 1, "format": "f32"}, {"classification": "public"}),
        (
            "object",
            {"maxProperties": 4, "required": ["a"]},
            {"properties": [{"name": "a", "logicalType": "boolean"}]},
        ),
        (
            "array",
            {"maxItems": 4, "uniqueItems": True},
            {"items": {"logicalType": "object", "properties": [{"name": "b"}]}},
        ),
        ("boolean", {"anything": 1}, {"encryptedName": "x", "transformSourceObjects": ["t"]}),
    )
]
_BARE: Final[Any] = {
    "name": "bare",
    "properties": [{"name": "c"}],
    "items": {"name": "d", "logicalType": "string"},
}
"""Without a logical type: whatever any type has may stand there."""
_CUSTOM: Final[Any] = [{"id": "c1", "property": "x", "value": {"any": [1]}, "description": "y"}]
_DEFINITIONS: Final[Any] = [{"id": "d1", "url": "https://x.example", "type": "canonical", "description": "z"}]
RICH_CONTRACT: Final[Any] = {
    "apiVersion": "v3.1.0",
    "kind": "DataContract",
    "id": "rich",
    "version": "1.0.0",
    "status": "active",
    "tenant": "t",
    "tags": ["a"],
    "description": {
        "usage": "u",
        "purpose": "p",
        "limitations": "l",
        "other": 1,
        "authoritativeDefinitions": _DEFINITIONS,
        "customProperties": _CUSTOM,
    },
    "schema": [
        {
            "name": "o",
            "logicalType": "object",
            "properties": [*_PROPERTIES, _BARE],
            "relationships": [
                {"from": ["o.a", "o.b"], "to": ["r.a", "r.b"]},
                {"from": "o.a", "to": "schema/r/properties/x"},
            ],
            "quality": [
                {
                    "type": "library",
                    "metric": "rowCount",
                    "mustBeBetween": [1, 5],
                    "arguments": {},
                    "rule": "r",
                },
                {"type": "sql", "query": "select 1", "mustBe": 1, "dimension": "accuracy", "tags": ["t"]},
                {"type": "custom", "engine": "soda", "implementation": {"x": 1}, "unit": "percent"},
                {"type": "text", "description": "as people read it"},
                {"metric": "nullValues", "mustBeLessThan": 3},
            ],
        }
    ],
    "servers": [
        {
            "server": "k",
            "type": "kafka",
            "host": "h:1",
            "format": "avro",
            "roles": [{"role": "r", "access": "read"}],
        },
        {
            "server": "s",
            "type": "sftp",
            "location": "sftp://h/x",
            "format": "csv",
            "customProperties": _CUSTOM,
        },
        {"server": "c", "type": "custom", "port": 1, "endpointUrl": "https://h/"},
    ],
    "team": {"id": "t", "name": "n", "members": [{"username": "u", "dateIn": "2026-01-01", "tags": ["x"]}]},
    "roles": [{"role": "r", "customProperties": _CUSTOM}],
    "support": [{"channel": "c", "url": "mailto:x@y.example"}],
    "price": {"priceAmount": 1.5, "priceCurrency": "USD"},
    "slaProperties": [{"property": "frequency", "value": 1, "valueExt": None, "unit": "d"}],
    "authoritativeDefinitions": _DEFINITIONS,
    "customProperties": _CUSTOM,
    "contractCreatedTs": "2026-01-31T10:00:00Z",
}
