"""The headers of a document as a JSON Schema: CloudEvents attributes, and the proof beside them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from govbus.routing.directory.model import Agreement, Package
from govbus.schemas.catalog import DocumentSchema

_TEXT: Final = {"type": "string"}
_TIME: Final = {"type": "string", "format": "date-time"}

_PROOF: Final[dict[str, Any]] = {
    "gb-stmt": {"type": "string", "description": "Statement: the lines of text that are signed."},
    "gb-salt": {"type": "string", "description": "16 bytes that the value's hash begins with."},
    "gb-sig": {
        "type": "string",
        "description": "Detached JWS over the statement or the batch; may be repeated.",
    },
    "gb-batch": {
        "type": "string",
        "description": "Root of a batch of statements, where one signature covers many.",
    },
    "gb-path": {"type": "string", "description": "Path from the statement to that root: hashes of 32 bytes."},
}
_OPTIONAL: Final[dict[str, Any]] = {
    "ce_subject": _TEXT | {"description": "Opaque key of what the document is about; no personal data."},
    "ce_recordedtime": _TIME | {"description": "When the source's system took it down; not before ce_time."},
    "ce_expirytime": _TIME | {"description": "From then on it is not delivered."},
    "ce_dataregulation": _TEXT | {"description": "Comma-separated codes of regulations, such as PRIVACYACT."},
    "ce_cuibanner": _TEXT
    | {"description": "CUI banner marking; absent where it is not CUI (32 CFR 2002.20)."},
    "ce_correlationid": _TEXT | {"description": "Id of the conversation."},
    "ce_causationid": _TEXT | {"description": "Id of the document that this one answers."},
    "ce_testmode": {"enum": ["true", "false"], "description": "true where the document is not meant."},
}


def document_headers(
    package: Package, schema: DocumentSchema, agreements: Iterable[Agreement]
) -> dict[str, Any]:
    """Return the JSON Schema of the headers of a package's documents.

    Args:
        package: with its types, data category and access level.
        schema: that the documents are written with.
        agreements: under which they are sent.
    """
    ids = sorted(one.id for one in agreements)
    sources = sorted({f"https://{one.supplier}/" for one in agreements})
    required: dict[str, Any] = {
        "ce_id": _TEXT | {"description": "UUID, version 7; unique for its source."},
        "ce_source": {
            "type": "string",
            "format": "uri",
            "description": "URI of the sending outbox"
            + (f", which begins with {' or '.join(sources)}." if sources else "."),
        },
        "ce_specversion": {"const": "1.0"},
        "ce_type": {"enum": list(package.types)},
        "ce_time": _TIME | {"description": "When it happened, with an offset."},
        "ce_dataschema": {"const": schema.uri},
        "ce_agreementid": {"type": "string", **({"enum": ids} if ids else {})},
        "ce_dataclassification": {"enum": ["public", "internal", "confidential", "restricted"]},
        "ce_datacategory": {"enum": ["non-pii", "non-sensitive-pii", "sensitive-pii", "phi"]},
        "ce_accesslevel": {"enum": ["public", "restricted public", "non-public"]},
        "content-type": {"const": "application/avro"},
    }
    return {
        "type": "object",
        "required": [*required, "gb-stmt", "gb-salt", "gb-sig"],
        "properties": required | _OPTIONAL | _PROOF,
    }


def receipt_headers() -> dict[str, Any]:
    """Return the JSON Schema of the headers of a receipt."""
    required: dict[str, Any] = {
        "ce_id": _TEXT,
        "ce_source": _TEXT | {"format": "uri"},
        "ce_specversion": {"const": "1.0"},
        "ce_type": {"const": "govbus.receipt.v1"},
        "ce_time": _TIME,
        "ce_dataschema": _TEXT | {"format": "uri"},
        "content-type": {"const": "application/avro"},
        "gb-sig": _PROOF["gb-sig"],
    }
    return {"type": "object", "required": list(required), "properties": required}
