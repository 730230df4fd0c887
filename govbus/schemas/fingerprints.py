"""Avro's parsing canonical form and the CRC-64-AVRO fingerprint of it, for those who use them (rule AVR-5)."""

from __future__ import annotations

import json
from typing import Any

from fastavro.schema import fingerprint, to_parsing_canonical_form

from govbus.errors import SchemaError


def canonical_form(definition: Any) -> str:
    """Return the parsing canonical form of a schema: names, types and order, nothing else.

    Raises:
        SchemaError: if it is no Avro schema (rule AVR-3).
    """
    try:
        return to_parsing_canonical_form(json.loads(json.dumps(definition)))
    except Exception as err:  # the parser raises KeyError and others besides its own kinds
        raise SchemaError("not an Avro schema", rule="AVR-3") from err


def fingerprint_of(canonical: str) -> bytes:
    """Return the CRC-64-AVRO fingerprint of a canonical form as it stands on the wire: lowest byte first."""
    return bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO"))
