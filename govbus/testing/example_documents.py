"""Makes the documents of rule examples: what the spool would send, with what an example changes before or after.

An example's ``raw`` key names the change. *Before signing* the sender itself does it, so that signatures hold and the
rule in question is what answers; *after signing* somebody on the way did.

Before signing: ``index`` (of the statement), ``statement`` ({line: text}), ``avro_append``, ``avro_replace`` (hex),
``header_bytes`` ({header: hex}), ``headers_added`` (number), ``signer`` (``other-agency``, ``unknown``, ``foreign``,
``expired-certificate``, ``future-certificate``, ``revoked-certificate``), ``algorithm`` (such as ``ES256``),
``signature_header`` ({field: value}), ``signed_by`` (names, ``[seal]`` unless given: see
`govbus.testing.example_signatures`), ``mode`` (``batch``: seal and twin are over a batch of one).

After signing: ``value_append``, ``value_replace`` (hex, frame included), ``value_bytes`` (number), ``null_value``,
``schema_id`` (of the frame), ``drop_header`` (name or names), ``add_header`` ([name, text], or several), ``key``,
``topic``, ``signature`` (``strip``, ``flip``, ``small-order``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from govbus.adapters.outgoing import document_id_new
from govbus.document import topics
from govbus.document.encoding import time_text
from govbus.document.record import SALT, SALT_BYTES, SIGNATURE, STATEMENT, Headers, Record, frame
from govbus.document.statement import Statement, headers_hash, value_hash
from govbus.routing.rules.cloudevents import parse_time_ms
from govbus.schemas.catalog import DocumentSchema
from govbus.testing.example_bus import BASE_BODY, BASE_HEADERS, BASE_RECORD, ORIGIN, TAX
from govbus.testing.example_signatures import signature_headers
from govbus.testing.example_yaml import merged

RAW_KEYS: Final = frozenset(
    {
        "index",
        "statement",
        "avro_append",
        "avro_replace",
        "header_bytes",
        "headers_added",
        "signer",
        "algorithm",
        "signature_header",
        "signed_by",
        "mode",
        "value_append",
        "value_replace",
        "value_bytes",
        "null_value",
        "schema_id",
        "drop_header",
        "add_header",
        "key",
        "topic",
        "signature",
    }
)
_RANDOM_BYTES: Final = 10


def make_record(
    example: Mapping[str, Any], schema: DocumentSchema, *, index: int, offset: int, at_ms: int
) -> Record:
    """Return the outbox record of an example's document.

    Args:
        example: with the keys headers, record, body, time and raw, all optional.
        schema: of the document.
        index: that the origin has reached.
        offset: where the record stands.
        at_ms: when it is decided on; also when it is made, unless the example says otherwise.

    Raises:
        SchemaError: if the example's value is none of the schema.
        ValueError: if ``raw`` has a key that is not known.
    """
    raw: Mapping[str, Any] = example.get("raw") or {}
    if not raw.keys() <= RAW_KEYS:
        raise ValueError(f"unknown keys in raw: {sorted(raw.keys() - RAW_KEYS)}")
    time_ms = required_time_ms(example["time"]) if "time" in example else at_ms
    signed = _signed_headers(example, schema, number=offset, time_ms=time_ms)
    avro = _avro(example, raw, schema)
    salt = hashlib.sha256(b"salt %d" % offset).digest()[:SALT_BYTES]
    statement = _statement(signed, schema, avro, salt, index=raw.get("index", index), time_ms=time_ms)
    statement = _rewritten(statement, raw.get("statement") or {})
    headers = (
        *signed.items(),
        (STATEMENT, statement),
        (SALT, salt),
        *signature_headers(statement, raw, number=raw.get("index", index), time_ms=time_ms),
    )
    record = Record(
        topic=topics.outbox(TAX),
        partition=0,
        offset=offset,
        timestamp_ms=at_ms,
        key=str(ORIGIN).encode("ascii"),
        value=frame(schema.id, avro),
        headers=headers,
    )
    return _tampered(record, raw, avro)


def required_time_ms(text: str) -> int:
    """Return the milliseconds since 1970 of a time in an example.

    Raises:
        ValueError: if it is none.
    """
    time_ms = parse_time_ms(text.encode("utf-8"))
    if time_ms is None:
        raise ValueError(f"expected an RFC 3339 time, found {text!r}")
    return time_ms


def _signed_headers(
    example: Mapping[str, Any], schema: DocumentSchema, *, number: int, time_ms: int
) -> dict[str, bytes]:
    """Return every ``ce_*`` header and ``content-type``."""
    random = hashlib.sha256(b"id %d" % number).digest()[:_RANDOM_BYTES]
    base = {
        **BASE_HEADERS,
        "ce_id": document_id_new(time_ms, random),
        "ce_time": time_text(time_ms),
        "ce_dataschema": schema.uri,
    }
    texts = merged(base, example.get("headers") or {})
    raw: Mapping[str, Any] = example.get("raw") or {}
    return {
        **{name: _header_text(value).encode("utf-8") for name, value in texts.items()},
        **{f"ce_added{number}": b"x" for number in range(raw.get("headers_added", 0))},
        **{name: bytes.fromhex(octets) for name, octets in (raw.get("header_bytes") or {}).items()},
    }


def _header_text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _avro(example: Mapping[str, Any], raw: Mapping[str, Any], schema: DocumentSchema) -> bytes:
    if "avro_replace" in raw:
        return bytes.fromhex(raw["avro_replace"])
    definition = schema.codec.definition
    payload = next(field["type"] for field in definition["fields"] if field["name"] == "body")
    value = {
        "record": merged(BASE_RECORD, example.get("record") or {}),
        "body": {**_base_body(payload), **_stated(example.get("body") or {})},
    }
    return schema.codec.encode(avro_value(definition, value)) + bytes.fromhex(raw.get("avro_append", ""))


def _base_body(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return the base's body as far as the payload schema has its fields; whatever else it asks for is plain."""
    return {
        field["name"]: (
            BASE_BODY.get(field["name"], "x") if field["type"] == "string" else plain_value(field["type"])
        )
        for field in payload["fields"]
        if "default" not in field
    }


def _stated(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a body that an example states; null leaves a field to its default."""
    return {name: value for name, value in body.items() if value is not None}


_PLAIN: Final[Mapping[str, Any]] = {
    "null": None,
    "boolean": False,
    "int": 0,
    "long": 0,
    "float": 0.0,
    "double": 0.0,
    "bytes": b"",
    "string": "x",
}


def plain_value(schema: Any) -> Any:
    """Return the simplest value of an Avro schema, for a field that an example says nothing about."""
    match schema:
        case [first, *_]:
            return plain_value(first)
        case {"type": "record", "fields": list(fields)}:
            return {field["name"]: plain_value(field["type"]) for field in fields if "default" not in field}
        case {"type": "array"}:
            return []
        case {"type": "map"}:
            return {}
        case {"type": "enum", "symbols": [first, *_]}:
            return first
        case {"type": "fixed", "size": int(size)}:
            return bytes(size)
        case {"type": inner}:
            return plain_value(inner)
        case _:
            return _PLAIN[schema]


def avro_value(schema: Any, value: Any) -> Any:
    """Return a value of YAML as the codec takes it: where the schema has bytes, text becomes UTF-8."""
    match schema:
        case {"type": "record", "fields": list(fields)} if isinstance(value, Mapping):
            inner = {field["name"]: field["type"] for field in fields}
            return {name: avro_value(inner.get(name), part) for name, part in value.items()}
        case {"type": "array", "items": items} if isinstance(value, list):
            return [avro_value(items, part) for part in value]
        case {"type": "map", "values": values} if isinstance(value, Mapping):
            return {name: avro_value(values, part) for name, part in value.items()}
        case list(branches) if value is not None:
            return avro_value(next((one for one in branches if one != "null"), None), value)
        case "bytes" | {"type": "bytes"} if isinstance(value, str):
            return value.encode("utf-8")
        case _:
            return value


def _statement(
    signed: dict[str, bytes], schema: DocumentSchema, avro: bytes, salt: bytes, *, index: int, time_ms: int
) -> bytes:
    return Statement(
        ORIGIN,
        index,
        topics.outbox(TAX),
        headers_hash(signed),
        schema.codec.hash,
        len(avro),
        value_hash(salt, avro),
        time_ms,
    ).to_bytes()


def _rewritten(statement: bytes, lines: Mapping[str, Any]) -> bytes:
    """Return the statement with the lines that an example replaces."""
    kept = [
        f"{name} {lines[name]}" if (name := line.partition(" ")[0]) in lines else line
        for line in statement.decode("ascii").splitlines()
    ]
    return "".join(f"{line}\n" for line in kept).encode("ascii")


def _tampered(record: Record, raw: Mapping[str, Any], avro: bytes) -> Record:
    """Return the record as somebody on the way left it."""
    value = record.value
    if "schema_id" in raw:
        value = frame(raw["schema_id"], avro)
    if "value_append" in raw:
        value = (value or b"") + bytes.fromhex(raw["value_append"])
    if "value_replace" in raw:
        value = bytes.fromhex(raw["value_replace"])
    if "value_bytes" in raw:
        value = (value or b"").ljust(raw["value_bytes"], b"\x00")
    if raw.get("null_value"):
        value = None
    return record._replace(
        value=value,
        headers=_tampered_headers(record.headers, raw),
        key=raw["key"].encode("utf-8") if "key" in raw else record.key,
        topic=raw.get("topic", record.topic),
    )


def _tampered_headers(headers: Headers, raw: Mapping[str, Any]) -> Headers:
    dropped = {SIGNATURE} if raw.get("signature") == "strip" else set()
    dropped |= set(_listed(raw.get("drop_header", [])))
    added = raw.get("add_header") or []
    pairs = [added] if added and isinstance(added[0], str) else added
    return (
        *((name, value) for name, value in headers if name not in dropped),
        *((str(name), str(text).encode("utf-8")) for name, text in pairs),
    )


def _listed(value: str | Sequence[str]) -> Sequence[str]:
    return [value] if isinstance(value, str) else value
