"""Encodes and decodes values of one Avro schema.

fastavro checks the schema and writes; `govbus.schemas.reader` reads, because what is read comes from strangers.
"""

from __future__ import annotations

import io
from typing import Any

import fastavro

from govbus.errors import SchemaError
from govbus.schemas.canonical import schema_hash
from govbus.schemas.defaults import with_python_defaults
from govbus.schemas.reader import compile_reader, describe


class AvroCodec:
    """The codec of one schema: a few milliseconds to make, to be made once and kept."""

    __slots__ = ("_read", "_write", "definition", "hash", "parsed")

    def __init__(self, definition: Any) -> None:
        """Prepare a schema.

        Args:
            definition: the schema as JSON values, exactly as written; every named type that it uses is in it.

        Raises:
            SchemaError: if it is no Avro schema, or one that cannot be read within bounds (rule AVR-3).
        """
        self.definition = definition
        self.hash = schema_hash(definition)
        """Hex SHA-256 of the canonical JSON: a statement's ``schema`` line."""
        named: dict[str, Any] = {}
        try:
            self.parsed = fastavro.parse_schema(definition, named)
            """The schema as fastavro takes it."""
            self._read = compile_reader(self.parsed, named)
            self._write = with_python_defaults(self.parsed, named)
        except SchemaError:
            raise
        except Exception as err:  # the parser raises KeyError and others besides its own kinds
            raise SchemaError(f"not an Avro schema: {_reason(err)}", rule="AVR-3") from err

    def encode(self, value: Any) -> bytes:
        """Return the Avro bytes of a value; a field that is left out takes its default.

        Raises:
            SchemaError: if the value does not fit the schema, or has a field that the schema lacks (rule AVR-1).
        """
        buffer = io.BytesIO()
        try:
            fastavro.schemaless_writer(buffer, self._write, value, strict_allow_default=True)
        except Exception as err:
            raise SchemaError("the value does not fit its schema", rule="AVR-1", field="value") from err
        return buffer.getvalue()

    def decode(self, avro: bytes) -> Any:
        """Return the value of Avro bytes: all of them, no more and no less.

        Work and memory are bounded by the number of bytes, whatever they hold.

        Raises:
            SchemaError: if the schema does not describe the bytes (rule AVR-1).
        """
        try:
            return self._read(avro)
        except Exception as err:
            raise SchemaError(describe(err), rule="AVR-1", field="value") from err


def _reason(err: Exception) -> str:
    return f"{type(err).__name__} {err}"[:300]
