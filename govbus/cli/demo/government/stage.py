"""The stage of the government scenario: its directory with what a drill needs besides, a broker, and the bus."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from govbus.cli.demo.drafts import Workbench
from govbus.cli.demo.government.bodies import draft
from govbus.cli.demo.government.invention import Inventor
from govbus.cli.demo.government.violations import (
    ABROAD,
    CADENCE,
    CADENCE_FREQUENCY,
    NSS,
    SUSPENDED,
    UNSCHEDULED,
)
from govbus.cli.demo.stage import GHOST, Stage, open_stage, signer_of, write_odd_certificates, write_yaml
from govbus.document.encoding import time_text
from govbus.document.ids import Origin
from govbus.errors import MissingPartError
from govbus.routing.directory.model import Agreement, Directory
from govbus.service.directory.writing import DAY_MS
from govbus.service.document_builder import DocumentBuilder
from govbus.service.government_agreements import AGREEMENTS
from govbus.service.government_directory import write_government_directory
from govbus.service.government_exchanges import (
    BUSINESS_REGISTRY,
    CIVIL_REGISTRY,
    COURT,
    LICENSING,
    NOTARY_CHAMBER,
    PROCUREMENT,
    TAX_OFFICE,
    TRAFFIC_POLICE,
    Entry,
    party,
)
from govbus.service.processes import clock_ms
from govbus.service.sample_directory import SampleDirectory
from govbus.service.sending import DocumentText
from govbus.transport.kafka import KafkaTransport

SENDERS: Final = (
    CIVIL_REGISTRY,
    BUSINESS_REGISTRY,
    LICENSING,
    PROCUREMENT,
    NOTARY_CHAMBER,
    TRAFFIC_POLICE,
    TAX_OFFICE,
)
OVER: Final = "drill-over"
EXCHANGES: Final = tuple(str(agreement["id"]) for agreement in AGREEMENTS)
"""Ids of the agreements under which good documents flow."""


async def set_up(folder: Path, bootstrap_servers: str, transport: KafkaTransport) -> Stage:
    """Write keys and directory, create the topics and publish the directory.

    Raises:
        GovbusError: if something is in the way.
    """
    at_ms = clock_ms()
    sample = write_government_directory(folder / "directory", at_ms=at_ms)
    add_drill(sample, at_ms)
    return await open_stage(folder, bootstrap_servers, transport, sample, senders=SENDERS, at_ms=at_ms)


def add_drill(sample: SampleDirectory, at_ms: int) -> None:
    """Add what wrong documents need: agreements that are over, suspended or lacking something, and odd certificates."""
    folder = sample.folder
    births, licences, refunds = (
        yaml.safe_load((folder / "agreements" / f"{name}.yaml").read_text("utf-8"))
        for name in ("births", "licences", "tax-refunds")
    )
    over = {"valid_from": time_text(at_ms - 2 * DAY_MS), "valid_to": time_text(at_ms - DAY_MS)}
    drills: dict[str, Entry] = {
        OVER: births | over,
        SUSPENDED: births | {"status": "suspended"},
        UNSCHEDULED: _without(births, "records_schedule"),
        NSS: births | {"profiles": ["nss"]},
        CADENCE: licences | {"frequency": CADENCE_FREQUENCY, "frequency_tolerance_percent": 50},
        ABROAD: refunds | {"consumers": [party(COURT)]},
    }
    for name, fields in drills.items():
        purpose = {"id": name, "name": f"Drill: {name}", "purpose": "Show what the rules refuse."}
        write_yaml(folder / "agreements" / f"{name}.yaml", fields | purpose)
    write_odd_certificates(folder, CIVIL_REGISTRY, at_ms)


def _without(fields: dict[str, Any], name: str) -> dict[str, Any]:
    return {other: value for other, value in fields.items() if other != name}


def required_agreement(directory: Directory, agreement_id: str) -> Agreement:
    """Return an agreement of the demo's directory.

    Raises:
        MissingPartError: if it is not there.
    """
    agreement = directory.agreement(agreement_id)
    if agreement is None:
        raise MissingPartError(f"the demo's directory has no agreement {agreement_id}")
    return agreement


def document_text(agreement: Agreement, inventor: Inventor, number: int) -> DocumentText:
    """Return a good document as its sender would write it: what the directory knows is left out."""
    made = draft(agreement, inventor, number)
    record: dict[str, Any] = {"record_id": made.record_id, "description": made.description}
    attributes: dict[str, str] = {}
    if "PRVCY" in agreement.cui_categories:
        attributes["cuibanner"] = "CUI//PRVCY"
    if agreement.cui_categories:
        supplier = str(agreement.supplier).partition(".")[0].replace("-", " ").capitalize()
        record["designation"] = {
            "controlled_by": supplier,
            "decontrol_event": "final settlement of the matter",
        }
    return DocumentText(record, made.body, f"{agreement.id}-{number}", attributes)


def workbench(stage: Stage, inventor: Inventor, at_ms: int) -> Workbench:
    """Return what documents are made of that are wrong on the wire: a birth of the civil registry."""
    folder = stage.sample.folder
    odd = {
        name: signer_of(folder / "keys" / f"{name}.key.pem", folder / "certificates" / f"{name}.pem", name)
        for name in ("expired", "future", "unknown")
    }
    agreement = required_agreement(stage.directory, "births")
    builder = DocumentBuilder(stage.directory, Origin(CIVIL_REGISTRY, "fault"), agreement)
    document, template = builder.build(
        document_text(agreement, inventor, 0)._replace(attributes={}), at_ms=at_ms
    )
    return Workbench(
        template=template,
        metadata={**document.metadata, "designation": None},
        body=document.body,
        signer=stage.signer(CIVIL_REGISTRY),
        foreign_signer=stage.signer(TAX_OFFICE),
        unknown_signer=odd["unknown"],
        expired_signer=odd["expired"],
        future_signer=odd["future"],
        expired_agreement=OVER,
        foreign_agreement="licences",
        foreign_agency=TAX_OFFICE,
        unknown_agency=GHOST,
        at_ms=at_ms,
    )
