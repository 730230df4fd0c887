"""What every measurement uses: one bus, four origins on four partitions, and the same signed records.

Signatures are asked for and checked in full: the package states a signature policy (batch seals), the certificates say
where their revocation list is to be had, and a fresh list is on the bus.
"""

import asyncio
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from govbus.adapters.outgoing import DocumentIds, DocumentTemplate, OutgoingDocument
from govbus.adapters.spool import Spool
from govbus.document import topics
from govbus.document.ids import Origin
from govbus.routing.trust.reading import read_material
from govbus.routing.trust.status import RevocationRecords, RevocationState
from govbus.service.directory.publishing import (
    publish_directory,
    read_certificates,
    read_directory,
    read_folder,
)
from govbus.service.processes import clock_ms
from govbus.service.revocations.publishing import record_of
from govbus.service.sample_directory import (
    BUS,
    CIVIL_REGISTRY,
    PERSON,
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
from govbus.signing.certificate_building import StatusUrls
from govbus.signing.issuing import CertificateAuthority
from govbus.signing.signer import KeySigner
from govbus.testing.exchange import record_metadata
from govbus.transport.base import TopicSpec
from govbus.transport.kafka import KafkaConnection, KafkaTransport

BODY_BYTES = 1024
PARTITIONS = 4
COPY_IN, COPY_OUT, BARE = "bench.in", "bench.out", "bench.bare"
_DAY_MS = 86_400_000
METADATA = record_metadata(CIVIL_REGISTRY, records_schedule=None)
"""The agreement names the records schedule."""


@dataclass(frozen=True)
class Bench:
    """Where everything lies."""

    folder: Path
    servers: str

    @property
    def transport(self) -> KafkaTransport:
        return KafkaTransport(KafkaConnection(self.servers, client_id="bench"))

    @property
    def sample(self) -> SampleDirectory:
        return SampleDirectory(self.folder / "directory")

    def signer(self, agency=CIVIL_REGISTRY) -> KeySigner:
        sample = self.sample
        key, certificate = sample.key(agency).read_bytes(), sample.certificate(agency).read_bytes()
        return KeySigner.from_pem(key, certificate, kid=f"{agency}/seal")

    @property
    def revocation_list(self) -> Path:
        """The list of the bus's authority; missing where certificates do not say that there is one."""
        return self.folder / "root.crl"

    @property
    def revocations(self) -> RevocationState:
        """What the bus knows about the status of certificates."""
        records = RevocationRecords()
        if self.revocation_list.exists():
            records.add(self.revocation_list.read_bytes())
        return records.state()

    def template(self, origin: Origin) -> DocumentTemplate:
        authority = read_certificates(self.sample.authority_certificate)
        directory = asyncio.run(read_directory(self.transport, authority)).current
        return document_template(
            directory, origin, directory.agreement(self.sample.agreement(CIVIL_REGISTRY))
        )


def origins() -> list[Origin]:
    """Return one origin for each outbox partition."""
    found: dict[int, Origin] = {}
    number = 0
    while len(found) < PARTITIONS:
        origin = Origin(CIVIL_REGISTRY, f"box-{number}")
        found.setdefault(zlib.crc32(str(origin).encode()) % PARTITIONS, origin)
        number += 1
    return [found[partition] for partition in range(PARTITIONS)]


def documents(count: int) -> list[OutgoingDocument]:
    """Return documents with a body of 1 KiB."""
    ids, at_ms = DocumentIds(), clock_ms()
    filler = "x" * (BODY_BYTES - 150)
    body = {
        "given_name": "michaela",
        "surname": "neumann",
        "street_number": "8",
        "address_1": filler,
        "suburb": "winston hills",
        "postcode": "4223",
        "date_of_birth": "19151111",
        "national_id": "5304218",
    }
    return [OutgoingDocument(ids.new(at_ms), None, at_ms, METADATA, body) for _ in range(count)]


def signed_records(bench: Bench, origin: Origin, count: int, batch: int, name: str) -> list:
    """Return signed outbox records of one origin, made by a spool."""
    template, signer = bench.template(origin), bench.signer()
    with Spool.open(bench.folder / f"{name}.spool", origin, next_index=0) as spool:
        outgoing = documents(count)
        for start in range(0, count, 1000):
            spool.put([template.encode(one) for one in outgoing[start : start + 1000]], at_ms=clock_ms())
        while spool.seal([signer], at_ms=clock_ms(), batch_max=batch, documents_max=10_000):
            pass
        records = []
        while len(records) < count:
            some = spool.unpublished(2000)
            records += some
            spool.mark_published(len(records) - 1)
    return records


async def set_up(bench: Bench, *, with_policies: bool = True) -> None:
    """Write the directory, create topics and publish the directory, and the revocation list.

    Args:
        bench: where everything lies.
        with_policies: False leaves out signature policy and revocation list: as before there were any.
    """
    sample = write_sample_directory(bench.folder / "directory", at_ms=clock_ms())
    if with_policies:
        _ask_for_batches(sample)
        bench.revocation_list.write_bytes(_declare_status(sample, clock_ms()))
    files = read_folder(sample.folder)
    specs = directory_topic_specs(read_topic_plans(default_topics_file()), files.content)
    specs += [TopicSpec(name, PARTITIONS, 1, {}) for name in (COPY_IN, COPY_OUT, BARE)]
    await apply_topics(bench.transport, specs)
    authority = KeySigner.from_pem(
        sample.authority_key.read_bytes(), sample.authority_certificate.read_bytes(), kid="authority"
    )
    await publish_directory(bench.transport, files, authority, authority=(), at_ms=clock_ms())
    if with_policies:
        publisher = bench.transport.publisher()
        await publisher.start()
        try:
            await publisher.publish([record_of(read_material(bench.revocation_list.read_bytes()))])
        finally:
            await publisher.stop()


def _ask_for_batches(sample: SampleDirectory) -> None:
    """State a signature policy: seals over batches."""
    _edit(sample.folder / f"packages/{PERSON}.yaml", {"signatures": {"seal": "required", "mode": "batch"}})
    _edit(sample.folder / "bus.yaml", {"revocation": {"mode": "declared"}})


def _edit(file: Path, fields: dict[str, Any]) -> None:
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | fields, sort_keys=False))


def _declare_status(sample: SampleDirectory, at_ms: int) -> bytes:
    """Issue certificates anew that say where their revocation list is to be had, and return the list."""
    root, key = sample.folder / "certificates/root.pem", sample.folder / "keys/root.key.pem"
    urls = StatusUrls(crl="http://pki.example/root.crl")
    authority = CertificateAuthority(root.read_bytes(), key.read_bytes(), urls)
    for agency in (BUS, CIVIL_REGISTRY):
        issued = authority.issue(
            f"{agency} seal", not_before_ms=at_ms - _DAY_MS, not_after_ms=at_ms + 365 * _DAY_MS
        )
        sample.certificate(agency).write_bytes(issued.certificate_pem)
        sample.key(agency).write_bytes(issued.key_pem)
    return authority.crl(this_update_ms=at_ms, next_update_ms=at_ms + 7 * _DAY_MS)


def outbox() -> str:
    """Return the outbox that all origins share."""
    return topics.outbox(CIVIL_REGISTRY)
