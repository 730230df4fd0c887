"""Puts the shared metadata around a steward's payload schema: the schema of a package's documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from govbus.document.ids import PackageId
from govbus.errors import SchemaError
from govbus.schemas.bundled import definition

METADATA = "core/record_metadata/v1"


def compose_document_schema(package: PackageId, version: int, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``{record: govbus.core.RecordMetadata, body: <payload>}`` as one Avro schema.

    The record's name depends on the package alone, so that versions of one package stay compatible by name.

    Args:
        package: such as ``civil.person``.
        version: of the body, from 1.
        body: the steward's schema as written: a record with a namespace of its own, because inside the composed
            schema a name without one would take the surrounding namespace and so become another name.

    Raises:
        SchemaError: if the body is not such a record (rule AVR-3).
    """
    name, namespace = body.get("name"), body.get("namespace")
    if body.get("type") != "record" or not isinstance(name, str):
        raise SchemaError(f"package {package}: the payload schema must be a record", rule="AVR-3")
    if not namespace and "." not in name:
        raise SchemaError(f"package {package}: the payload schema needs a namespace", rule="AVR-3")
    return {
        "type": "record",
        "name": "Document",
        "namespace": _namespace(package),
        "doc": f"A document of exchange package {package}, version {version}.",
        "fields": [
            {
                "name": "record",
                "doc": "What the document says about itself as a record.",
                "type": definition(METADATA),
            },
            {"name": "body", "doc": "The payload, as its steward describes it.", "type": dict(body)},
        ],
    }


def _namespace(package: PackageId) -> str:
    """Return an Avro namespace for the package: ``-`` becomes ``_``, a leading digit gets ``_`` in front."""
    labels = [label.replace("-", "_") for label in package.text.split(".")]
    return "govbus.package." + ".".join(f"_{label}" if label[0].isdigit() else label for label in labels)
