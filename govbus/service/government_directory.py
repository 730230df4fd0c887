"""A directory of a whole government to work with: ten agencies, nine kinds of documents, eleven agreements.

The agencies are invented; codes that stand beside them (OMB bureaus, CUI categories, disposition authorities) are of
the real lists, so that the rules have something to check.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from govbus.document.encoding import time_text
from govbus.document.ids import AgencyId
from govbus.errors import ConfigError
from govbus.schemas import bundled
from govbus.service.directory.writing import DAY_MS, DirectoryWriter
from govbus.service.government_agreements import AGREEMENTS
from govbus.service.government_exchanges import (
    AGENCIES,
    ASSETS,
    PACKAGES,
    TAXONOMY,
    ExchangeSource,
)
from govbus.service.sample_directory import SampleDirectory
from govbus.signing.algorithms import Algorithm

BUS: Final = AgencyId("bus.example")
SCHEMA_ID_FIRST: Final = 201
REVIEW_DAYS: Final = 365
_NIEM_FOLDER: Final = "domains/justice/traffic_fine/niem"


def write_government_directory(
    folder: Path,
    *,
    at_ms: int,
    algorithm: Algorithm = Algorithm.ED25519,
    days: int = 730,
    password: bytes | None = None,
) -> SampleDirectory:
    """Write a folder that `govbus directory apply` takes, with a key for everyone.

    Args:
        folder: made if missing; must be empty, because keys are never overwritten.
        at_ms: the time it is made, milliseconds since 1970.
        algorithm: of every key.
        days: how long certificates and agreements are good.
        password: encrypts every private key; without one, their files are readable by the owner alone.

    Raises:
        ConfigError: if the folder is not empty or cannot be written.
        MissingPartError: if a schema is missing in the installation.
    """
    try:
        writer = DirectoryWriter(folder, at_ms=at_ms, days=days, algorithm=algorithm, password=password)
        writer.write_bus(
            {
                "id": BUS.text,
                "name": "Government bus",
                "authority": "Government data office",
                "profiles": ["core", "cui", "dcat-us", "us-federal"],
                "validity_days": 365,
            }
        )
        writer.write_agency({"id": BUS.text, "name": "Government bus"})
        for agency in AGENCIES:
            writer.write_agency(agency)
        writer.write_yaml(f"taxonomies/{TAXONOMY['id']}.yaml", TAXONOMY)
        for asset in ASSETS:
            _write_asset(writer, asset)
        for number, package in enumerate(PACKAGES):
            _write_package(writer, package, SCHEMA_ID_FIRST + number)
        for agreement in AGREEMENTS:
            write_agreement(writer, agreement)
    except OSError as err:
        raise ConfigError(f"{folder} cannot be written: {err.strerror}") from err
    return SampleDirectory(folder)


def write_agreement(writer: DirectoryWriter, agreement: Mapping[str, Any]) -> None:
    """Write an agreement; validity and review date, where it has none, are those of the whole directory."""
    dates = {
        "valid_from": time_text(writer.from_ms),
        "valid_to": time_text(writer.to_ms),
        "review_due": time_text(writer.at_ms + REVIEW_DAYS * DAY_MS),
    }
    writer.write_yaml(f"agreements/{agreement['id']}.yaml", {**dates, **agreement})


def _write_asset(writer: DirectoryWriter, asset: Mapping[str, Any]) -> None:
    name = asset["id"].replace("/", ".")
    writer.write_yaml(f"assets/{name}.yaml", {**asset, "modified": time_text(writer.at_ms)[:10]})


def _write_package(writer: DirectoryWriter, source: ExchangeSource, schema_id: int) -> None:
    package = source.package
    file = f"schemas/{package['id']}.v1.avsc"
    writer.write(file, (bundled.folder() / f"{source.schema}.avsc").read_bytes())
    fields = {**package, "schemas": [{"file": file, "id": schema_id, "version": 1}]}
    for message_format in source.niem:
        for name in message_format["files"]:
            writer.write(name, (bundled.folder() / _NIEM_FOLDER / Path(name).name).read_bytes())
    if source.niem:
        fields["niem"] = list(source.niem)
    writer.write_yaml(f"packages/{package['id']}.yaml", fields)
