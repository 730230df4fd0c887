"""The demo's stage: a folder with keys, directory, profiles and files, and a broker."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from govbus.cli.demo.drafts import Workbench
from govbus.cli.demo.febrl import CIVIL_REGISTRY as CIVIL_LAYOUT
from govbus.cli.demo.febrl import csv_mapping
from govbus.cli.demo.processes import START_TIMEOUT_S, STOP_TIMEOUT_S, run_govbus
from govbus.document.encoding import time_text
from govbus.document.ids import AgencyId, Origin
from govbus.errors import MissingPartError
from govbus.message_log.keys import LogKeys
from govbus.routing.directory.model import Directory
from govbus.service.directory.publishing import publish_directory, read_folder
from govbus.service.embedded_kafka import EmbeddedKafka
from govbus.service.processes import clock_ms
from govbus.service.sample_directory import (
    CIVIL_REGISTRY,
    HEALTH_FUND,
    SampleDirectory,
    write_sample_directory,
)
from govbus.service.sending import document_template
from govbus.service.topics_service import (
    apply_topics,
    default_topics_file,
    directory_topic_specs,
    read_topic_plans,
)
from govbus.service.wiring import KAFKA_FOLDER
from govbus.signing.issuing import CertificateAuthority
from govbus.signing.signer import KeySigner
from govbus.transport.base import TopicSpec
from govbus.transport.kafka import KafkaTransport

DRILL_OFFICE = AgencyId.from_text("drill-office.example")
"""Receives what the drill's good documents are about, so that the register holds the persons alone."""
GHOST = AgencyId.from_text("ghost.example")
"""Not registered, but somebody gave it an outbox."""
DRILL, DRILL_OF_OLD = "civil.person.drill", "civil.person.drill-of-old"
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class DemoSize:
    """How much the demo does."""

    persons: int
    """Of each agency."""
    bad: int
    """Bad documents."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What everybody in the demo needs to know."""

    folder: Path
    bootstrap_servers: str
    transport: KafkaTransport
    sample: SampleDirectory
    directory: Directory
    log_keys: LogKeys

    @property
    def register_file(self) -> Path:
        """The population register's database."""
        return self.folder / "register" / "population.db"

    def signer(self, agency: AgencyId) -> KeySigner:
        """Return an agency's seal."""
        return signer_of(self.sample.key(agency), self.sample.certificate(agency), f"{agency}/seal")


@contextlib.contextmanager
def broker(folder: Path, bootstrap_servers: str, *, is_keeping: bool) -> Iterator[str]:
    """Start a broker in an emptied folder, or use the one that is named.

    Raises:
        GovbusError: if the broker does not start.
    """
    kafka = EmbeddedKafka(folder / KAFKA_FOLDER)
    if kafka.status().is_running:
        kafka.stop(STOP_TIMEOUT_S)
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    if bootstrap_servers:
        yield bootstrap_servers
        return
    try:
        yield kafka.start(START_TIMEOUT_S)
    except BaseException:
        kafka.stop(STOP_TIMEOUT_S)
        raise
    if not is_keeping:
        kafka.stop(STOP_TIMEOUT_S)


async def set_up(folder: Path, bootstrap_servers: str, transport: KafkaTransport) -> Stage:
    """Write keys and directory, create the topics and publish the directory."""
    at_ms = clock_ms()
    sample = write_sample_directory(folder / "directory", at_ms=at_ms)
    _add_drill(sample, at_ms)
    return await open_stage(
        folder, bootstrap_servers, transport, sample, senders=(CIVIL_REGISTRY, HEALTH_FUND), at_ms=at_ms
    )


async def open_stage(
    folder: Path,
    bootstrap_servers: str,
    transport: KafkaTransport,
    sample: SampleDirectory,
    *,
    senders: Sequence[AgencyId],
    at_ms: int,
) -> Stage:
    """Create the topics of a directory folder, publish it, and make log keys and the senders' profiles.

    One outbox more belongs to nobody who is registered (`GHOST`).
    """
    files = read_folder(sample.folder, at_ms=at_ms)
    plans = read_topic_plans(default_topics_file())
    specs = directory_topic_specs(plans, files.content)
    ghost = next(spec for spec in specs if spec.name == f"govbus.out.{senders[0]}")
    await apply_topics(transport, [*specs, TopicSpec(f"govbus.out.{GHOST}", *ghost[1:])])
    authority = signer_of(sample.authority_key, sample.authority_certificate, "authority")
    publication = await publish_directory(transport, files, authority, authority=(), at_ms=at_ms)
    keys = folder / "log-keys"
    run_govbus(folder, bootstrap_servers, "log", "keys", str(keys))
    private = [(keys / name).read_bytes() for name in ("log-ed25519.key.pem", "log-ml-dsa-44.key.pem")]
    for agency in senders:
        write_profile(folder, sample, agency)
    return Stage(
        folder, bootstrap_servers, transport, sample, publication.directory, LogKeys.from_pem(*private)
    )


def write_profile(folder: Path, sample: SampleDirectory, agency: AgencyId) -> None:
    """Write the profile with which the agency's own commands find keys and spool."""
    home = folder / agency.text
    home.mkdir()
    profile = {
        "agency": agency.text,
        "spool": "main.spool",
        "seal": {
            "key": str(sample.key(agency).resolve()),
            "certificate": str(sample.certificate(agency).resolve()),
        },
        "authority": str(sample.authority_certificate.resolve()),
    }
    (home / "agency.yaml").write_text(yaml.safe_dump(profile, sort_keys=False), encoding="utf-8")


def _add_drill(sample: SampleDirectory, at_ms: int) -> None:
    """Add what bad documents need: an agreement to drill under, one that is over, odd certificates, one agency."""
    folder = sample.folder
    agreement = yaml.safe_load(
        (folder / "agreements" / f"{sample.agreement(CIVIL_REGISTRY)}.yaml").read_text("utf-8")
    )
    agreement["consumers"][0]["agency"] = DRILL_OFFICE.text
    agreement["consumers"][0]["contact"]["email"] = f"desk@{DRILL_OFFICE}"
    agreement["purpose"] = "Show that bad documents are refused."
    over = {"valid_from": time_text(at_ms - 2 * _DAY_MS), "valid_to": time_text(at_ms - _DAY_MS)}
    write_yaml(folder / "agreements" / f"{DRILL}.yaml", {**agreement, "id": DRILL})
    write_yaml(folder / "agreements" / f"{DRILL_OF_OLD}.yaml", {**agreement, **over, "id": DRILL_OF_OLD})
    write_yaml(
        folder / "agencies" / f"{DRILL_OFFICE}.yaml", {"id": DRILL_OFFICE.text, "name": "Drill office"}
    )
    write_odd_certificates(folder, CIVIL_REGISTRY, at_ms)


def write_odd_certificates(folder: Path, agency: AgencyId, at_ms: int) -> None:
    """Add certificates that are expired or not valid yet to an agency of a folder, and make an unknown one."""
    root = CertificateAuthority(
        (folder / "certificates" / "root.pem").read_bytes(), (folder / "keys" / "root.key.pem").read_bytes()
    )
    spans = {
        "expired": (-_DAY_MS, -3_600_000),
        "future": (_DAY_MS, 2 * _DAY_MS),
        "unknown": (-_DAY_MS, _DAY_MS),
    }
    for name, (begin_ms, end_ms) in spans.items():
        issued = root.issue(f"{agency} {name}", not_before_ms=at_ms + begin_ms, not_after_ms=at_ms + end_ms)
        (folder / "keys" / f"{name}.key.pem").write_bytes(issued.key_pem)
        (folder / "certificates" / f"{name}.pem").write_bytes(issued.certificate_pem)
    path = folder / "agencies" / f"{agency}.yaml"
    fields = yaml.safe_load(path.read_text("utf-8"))
    fields["certificates"] += [{"file": f"certificates/{name}.pem"} for name in ("expired", "future")]
    write_yaml(path, fields)


def write_yaml(path: Path, fields: dict[str, Any]) -> None:
    """Write a file of the directory."""
    path.write_text(yaml.safe_dump(fields, sort_keys=False, allow_unicode=True), encoding="utf-8")


def workbench(stage: Stage, at_ms: int) -> Workbench:
    """Return what the bad documents are made of."""
    folder = stage.sample.folder
    odd = {
        name: signer_of(folder / "keys" / f"{name}.key.pem", folder / "certificates" / f"{name}.pem", name)
        for name in ("expired", "future", "unknown")
    }
    agreement = stage.directory.agreement(DRILL)
    if agreement is None:
        raise MissingPartError(f"the demo's directory has no agreement {DRILL}")
    mapping = csv_mapping(CIVIL_LAYOUT)
    return Workbench(
        template=document_template(stage.directory, Origin(CIVIL_REGISTRY, "drill"), agreement),
        metadata={**mapping.record.constants, "record_id": "CR-DRILL"},
        body={"surname": "Doe"},
        signer=stage.signer(CIVIL_REGISTRY),
        foreign_signer=stage.signer(HEALTH_FUND),
        unknown_signer=odd["unknown"],
        expired_signer=odd["expired"],
        future_signer=odd["future"],
        expired_agreement=DRILL_OF_OLD,
        foreign_agreement=stage.sample.agreement(HEALTH_FUND),
        foreign_agency=HEALTH_FUND,
        unknown_agency=GHOST,
        at_ms=at_ms,
    )


def signer_of(key: Path, certificate: Path, kid: str) -> KeySigner:
    """Return a key of the stage."""
    return KeySigner.from_pem(key.read_bytes(), certificate.read_bytes(), kid=kid)
