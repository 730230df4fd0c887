"""One byte form of a schema, and the hash that statements and directories know it by.

RFC 8785 (JSON Canonicalization Scheme) over the whole schema: names, order, docs, defaults, logical types. Avro's
own parsing canonical form drops the last three, so two schemas that read the same bytes as different values
could share its fingerprint.
"""

from __future__ import annotations

import hashlib
from typing import Any

import rfc8785

from govbus.errors import SchemaError


def canonical_json(schema: Any) -> bytes:
    """Return the RFC 8785 JSON of a schema, as it was written (``json.load`` of the ``.avsc``).

    Raises:
        SchemaError: if the schema holds what JSON cannot carry faithfully, such as integers beyond 2^53 (rule AVR-3).
    """
    try:
        return rfc8785.dumps(schema)
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeEncodeError) as err:
        raise SchemaError("the schema has no canonical JSON form", rule="AVR-3") from err


def schema_hash(schema: Any) -> str:
    """Return the hex SHA-256 of the schema's `canonical_json`; errors as there."""
    return hashlib.sha256(canonical_json(schema)).hexdigest()
