"""Servers of an Open Data Contract: for each kind, which fields it has and which it needs (ODCS 3.1, *Servers*)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from govbus.routing.catalogue.shapes import (
    INTEGER,
    TEXT,
    Check,
    Flaw,
    checked,
    formatted,
    matching,
    one_of,
    record,
)

_URI: Final = formatted("uri")
_SFTP: Final = checked(_URI, matching(r"sftp://.*", "a URI that begins with sftp://"))
_HOST_PORT: Final[dict[str, Check]] = {"host": TEXT, "port": INTEGER}
_SQL: Final = _HOST_PORT | {"database": TEXT}
_SQL_SCHEMA: Final = _SQL | {"schema": TEXT}
_EVERY_SQL: Final = ("host", "port", "database", "schema")

_KINDS: Final[dict[str, tuple[Mapping[str, Check], tuple[str, ...]]]] = {
    "api": ({"location": _URI}, ("location",)),
    "athena": (
        {"stagingDir": _URI, "schema": TEXT, "catalog": TEXT, "regionName": TEXT},
        ("stagingDir", "schema"),
    ),
    "azure": ({"location": _URI, "format": TEXT, "delimiter": TEXT}, ("location", "format")),
    "bigquery": ({"project": TEXT, "dataset": TEXT}, ("project", "dataset")),
    "clickhouse": (_SQL, ("host", "port", "database")),
    "databricks": ({"host": TEXT, "catalog": TEXT, "schema": TEXT}, ("catalog", "schema")),
    "denodo": (_SQL, ("host", "port")),
    "dremio": (_HOST_PORT | {"schema": TEXT}, ("host", "port")),
    "duckdb": ({"database": TEXT, "schema": TEXT}, ("database",)),
    "glue": (
        {"account": TEXT, "database": TEXT, "location": _URI, "format": TEXT},
        ("account", "database"),
    ),
    "cloudsql": (_SQL_SCHEMA, _EVERY_SQL),
    "db2": (_SQL_SCHEMA, ("host", "port", "database")),
    "hive": (_SQL, ("host", "database")),
    "impala": (_SQL, ("host", "database")),
    "informix": (_SQL, ("host", "database")),
    "kafka": ({"host": TEXT, "format": TEXT}, ("host",)),
    "kinesis": ({"region": TEXT, "format": TEXT}, ()),
    "local": ({"path": TEXT, "format": TEXT}, ("path", "format")),
    "mysql": (_SQL, ("host", "port", "database")),
    "oracle": (_HOST_PORT | {"serviceName": TEXT}, ("host", "port", "serviceName")),
    "postgresql": (_SQL_SCHEMA, _EVERY_SQL),
    "postgres": (_SQL_SCHEMA, _EVERY_SQL),
    "presto": ({"host": TEXT, "catalog": TEXT, "schema": TEXT}, ("host",)),
    "pubsub": ({"project": TEXT}, ("project",)),
    "redshift": (
        {"host": TEXT, "database": TEXT, "schema": TEXT, "region": TEXT, "account": TEXT},
        ("database", "schema"),
    ),
    "s3": (
        {"location": _URI, "endpointUrl": _URI, "format": TEXT, "delimiter": TEXT},
        ("location",),
    ),
    "sftp": ({"location": _SFTP, "format": TEXT, "delimiter": TEXT}, ("location",)),
    "snowflake": (
        _SQL_SCHEMA | {"account": TEXT, "warehouse": TEXT},
        ("account", "database", "schema"),
    ),
    "sqlserver": (_SQL_SCHEMA, ("host", "database", "schema")),
    "synapse": (_SQL, ("host", "port", "database")),
    "trino": (_HOST_PORT | {"catalog": TEXT, "schema": TEXT}, ("host", "port", "catalog", "schema")),
    "vertica": (_SQL_SCHEMA, _EVERY_SQL),
    "zen": (_SQL, ("host", "database")),
    "custom": (
        dict.fromkeys(
            (
                "account",
                "catalog",
                "database",
                "dataset",
                "delimiter",
                "format",
                "host",
                "path",
                "project",
                "region",
                "regionName",
                "schema",
                "serviceName",
                "stagingDir",
                "warehouse",
                "stream",
            ),
            TEXT,
        )
        | {"endpointUrl": _URI, "location": _URI, "port": INTEGER},
        (),
    ),
}
"""By type of server: the fields that it has besides those of every server, and which of them it needs."""


def server_form(shared: Mapping[str, Check]) -> Check:
    """Return the check of what every server has; `server_flaws` looks at the rest.

    Args:
        shared: checks of fields whose form other parts of a contract have too.
    """
    return record(
        {"server": TEXT, "type": one_of(*_KINDS), "description": TEXT, "environment": TEXT, **shared},
        required=("server", "type"),
        is_open=True,
    )


_SHARED: Final = frozenset(
    {"id", "server", "type", "description", "environment", "roles", "customProperties"}
)


def server_flaws(value: Any, place: str) -> Iterator[Flaw]:
    """Yield what is wrong with the fields that a server has because of its type; nothing where the type is unknown."""
    kind = value.get("type") if isinstance(value, Mapping) else None
    if isinstance(kind, str) and kind in _KINDS:
        fields, required = _KINDS[kind]
        own = {name: part for name, part in value.items() if name not in _SHARED}
        yield from record(fields, required=required)(own, place)
