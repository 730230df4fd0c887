"""A small bus whose every record lies in lists, so that a test can break exactly one thing and audit it."""

import hashlib
import zlib
from dataclasses import dataclass, field

import pytest

from govbus.adapters.outgoing import document_id_new
from govbus.audit.verify import verify
from govbus.document import topics
from govbus.document.encoding import time_text
from govbus.document.ids import AgencyId, Origin, PackageId
from govbus.document.record import Record, frame
from govbus.document.statement import Statement, headers_hash, value_hash
from govbus.message_log.checkpoint import Checkpoint, sign_checkpoint
from govbus.message_log.heads import HEADS_KEY, HeadTree, head_origin, partition_of_key
from govbus.message_log.keys import LogKeys, log_origin
from govbus.message_log.note import Note
from govbus.message_log.tree import CompactTree
from govbus.routing.directory.model import (
    Agency,
    Agreement,
    AgreementStatus,
    Contact,
    Delivery,
    Directory,
    Package,
)
from govbus.routing.history import MemoryHistory
from govbus.schemas.catalog import DocumentSchema, SchemaCatalog
from govbus.schemas.codec import AvroCodec
from govbus.schemas.compose import compose_document_schema
from govbus.service.router.batch import BatchRouter
from govbus.signing.algorithms import Algorithm
from govbus.signing.batch import seal_batch
from govbus.signing.certificates import TrustedCertificate
from govbus.signing.issuing import CertificateAuthority
from govbus.signing.merkle import leaf_hash
from govbus.signing.signer import KeySigner
from govbus.signing.verifier import VerifiedSignatures
from govbus.testing.exchange import data_assets, record_metadata, taxonomies
from govbus.transport.base import IsolationLevel, TopicPartition

BUS, TAX, MOJ = (AgencyId.from_text(f"{name}.example") for name in ("bus", "tax", "moj"))
PACKAGE = PackageId.from_text("tax.notice")
AT_MS = 1_795_466_700_000
SPAN_MS = 10 * 365 * 86_400_000
PARTITIONS = 2
CODEC = AvroCodec(
    compose_document_schema(
        PACKAGE,
        1,
        {
            "type": "record",
            "name": "Notice",
            "namespace": "tax",
            "doc": "A notice.",
            "fields": [{"name": "text", "doc": "What it says.", "type": "string"}],
        },
    )
)


class Keys:
    """Keys and certificates of everybody, made once."""

    def __init__(self):
        self.log = LogKeys.generate()
        authority = CertificateAuthority.create(
            "authority", Algorithm.ED25519, at_ms=AT_MS - SPAN_MS, days=7300
        )
        self.signers = {}
        for agency in (BUS, TAX, MOJ):
            issued = authority.issue(
                agency.text, Algorithm.ED25519, not_before_ms=AT_MS - SPAN_MS, not_after_ms=AT_MS + SPAN_MS
            )
            self.signers[agency] = KeySigner.from_pem(issued.key_pem, issued.certificate_pem, kid=agency.text)


def make_directory(keys, version=1):
    """Return a directory where tax.example sends tax.notice to the inboxes of moj.example and bus.example."""
    schema = DocumentSchema(100, "https://bus.example/schemas/tax.notice/1", PACKAGE.text, 1, CODEC)
    trusted = [TrustedCertificate(signer.certificate, agency) for agency, signer in keys.signers.items()]
    contact = Contact("somebody", "somebody@example")
    package = Package(
        id=PACKAGE,
        name="Notices",
        description="Notices.",
        steward=TAX,
        steward_contact=contact,
        data_asset="notices",
        types=("example.tax.notice.v1",),
        schema_ids=(100,),
        classification="internal",
        data_category="non-pii",
        access_level="non-public",
        frequency="irregular",
        delivery=Delivery.INBOX,
    )
    agreement = Agreement(
        id="tax-moj",
        package=PACKAGE,
        supplier=TAX,
        consumers=(MOJ, BUS),
        delivery=Delivery.INBOX,
        purpose="notices",
        legal_authority="an act",
        valid_from_ms=AT_MS - SPAN_MS,
        valid_to_ms=AT_MS + SPAN_MS,
        status=AgreementStatus.ACTIVE,
    )
    return Directory(
        version=version,
        bus=BUS,
        name="A bus",
        authority="authority",
        issued_ms=AT_MS - SPAN_MS,
        expires_ms=AT_MS + SPAN_MS,
        agencies={agency.text: Agency(agency, agency.text) for agency in (BUS, TAX, MOJ)},
        certificates={one.certificate.thumbprint: one for one in trusted},
        packages={PACKAGE.text: package},
        agreements={agreement.id: agreement},
        schemas=SchemaCatalog([schema]),
        taxonomies=taxonomies(),
        assets=data_assets(TAX, MOJ),
    )


def make_documents(signer, origin, start, count, *, at_ms=AT_MS, change=None):
    """Return outbox records (key, value, headers) of a batch; `change` sees index and headers before signing."""
    prepared = []
    for index in range(start, start + count):
        body = {"text": f"notice {index} of {origin}"}
        avro = CODEC.encode({"record": record_metadata(origin.agency, record_id=f"n-{index}"), "body": body})
        salt = hashlib.sha256(avro).digest()[:16]
        random = hashlib.sha256(f"{origin} {index}".encode()).digest()[:10]
        signed = {
            "content-type": b"application/avro",
            "ce_specversion": b"1.0",
            "ce_id": document_id_new(at_ms, random).encode(),
            "ce_source": origin.source_uri.encode(),
            "ce_type": b"example.tax.notice.v1",
            "ce_time": time_text(at_ms).encode(),
            "ce_dataschema": b"https://bus.example/schemas/tax.notice/1",
            "ce_agreementid": b"tax-moj",
            "ce_dataclassification": b"internal",
            "ce_datacategory": b"non-pii",
            "ce_accesslevel": b"non-public",
        }
        if change is not None:
            change(index, signed)
        statement = Statement(
            origin,
            index,
            topics.outbox(origin.agency),
            headers_hash(signed),
            CODEC.hash,
            len(avro),
            value_hash(salt, avro),
            at_ms,
        ).to_bytes()
        prepared.append((avro, salt, signed, statement))
    sealed = seal_batch([signer], origin, start, [statement for *_, statement in prepared], at_ms=at_ms)
    return [
        (
            str(origin).encode(),
            frame(100, avro),
            (
                *signed.items(),
                ("gb-stmt", statement),
                ("gb-salt", salt),
                ("gb-sig", sealed.signatures[0]),
                ("gb-batch", sealed.text),
                ("gb-path", path),
            ),
        )
        for (avro, salt, signed, statement), path in zip(prepared, sealed.paths, strict=True)
    ]


@dataclass
class Bus:
    """All records of a bus, by partition."""

    keys: Keys
    directory: Directory
    records: dict = field(default_factory=dict)
    beginnings: dict = field(default_factory=dict)
    """First offset that the broker still has, where it deleted some."""

    def __post_init__(self):
        names = [
            topics.MESSAGE_LOG,
            topics.QUARANTINE,
            topics.outbox(TAX),
            topics.inbox(TAX),
            topics.inbox(MOJ),
        ]
        names += [topics.inbox(BUS), topics.outbox(MOJ)]
        for name in names:
            for partition in range(PARTITIONS):
                self.records[TopicPartition(name, partition)] = []
        self.records[TopicPartition(topics.CHECKPOINTS, 0)] = []
        self.histories = {}
        self.verified = VerifiedSignatures()

    def at(self, topic, partition):
        """Return the list of records of one partition."""
        return self.records[TopicPartition(topic, partition)]

    def append(self, topic, partition, key, value, headers=()):
        """Add a record; every third offset is a hole, as transaction markers leave them."""
        if partition is None:
            partition = zlib.crc32(key) % PARTITIONS
        records = self.at(topic, partition)
        offset = 0 if not records else records[-1].offset + 1
        if not topic.startswith(topics.OUT_PREFIX) and offset % 3 == 2:
            offset += 1
        records.append(Record(topic, partition, offset, AT_MS, key, value, tuple(headers)))

    def send(self, partition, documents):
        """Put documents on an outbox partition of tax.example."""
        for key, value, headers in documents:
            self.append(topics.outbox(TAX), partition, key, value, headers)

    def route(self, partition, start, stop=None, *, at_ms=AT_MS + 50, topic="govbus.out.tax.example"):
        """Route records of an outbox partition as one transaction of the router."""
        log_partition = topics.message_log_partition(partition, PARTITIONS)
        history = self.histories.setdefault((topic, partition), MemoryHistory())
        router = BatchRouter(
            history=history,
            verified=self.verified,
            signer=self.keys.signers[BUS],
            name="router-1",
            log_partition=log_partition,
            receipt_run_documents_max=2000,
        )
        batch = router.route(self.at(topic, partition)[start:stop], self.directory, at_ms=at_ms)
        for record in batch.records:
            self.append(record.topic, record.partition, record.key, record.value, record.headers)

    def checkpoint(self, partition, *, keys=None, size=None, root=None, publish=True):
        """Sign a checkpoint of a log partition as it is, and return the note."""
        tree = CompactTree()
        for record in self.at(topics.MESSAGE_LOG, partition)[:size]:
            tree.append(leaf_hash(record.value))
        origin = log_origin(BUS, partition)
        checkpoint = Checkpoint(origin, tree.size, root if root is not None else tree.root())
        note = sign_checkpoint(checkpoint, (keys or self.keys.log).signers(origin), at_s=AT_MS // 1000)
        if publish:
            self.append(topics.CHECKPOINTS, 0, str(partition).encode(), note.encode())
        return note

    def head_checkpoint(self, *, keys=None, root=None, publish=True):
        """Sign a checkpoint of the head tree as the topic gives it, and return the note."""
        heads = HeadTree()
        for record in self.at(topics.CHECKPOINTS, 0):
            if partition_of_key(record.key) is not None:
                heads.take(Checkpoint.from_text(Note.from_bytes(record.value).text))
        checkpoint = Checkpoint(
            head_origin(BUS), heads.tree.size, root if root is not None else heads.tree.root()
        )
        signers = (keys or self.keys.log).signers(checkpoint.origin)
        note = sign_checkpoint(checkpoint, signers, at_s=AT_MS // 1000)
        if publish:
            self.append(topics.CHECKPOINTS, 0, HEADS_KEY, note.encode())
        return note

    def documents(self, outbox, start, count, **options):
        """Return outbox records of a batch of documents of tax.example."""
        return make_documents(self.keys.signers[TAX], Origin(TAX, outbox), start, count, **options)

    def expire(self, topic, partition, count):
        """Delete the first records of a partition, as retention does."""
        records = self.at(topic, partition)
        del records[:count]
        self.beginnings[TopicPartition(topic, partition)] = records[0].offset

    def transport(self):
        """Return a broker with these records, to be read only."""
        return StillTransport(self.records, self.beginnings)

    async def audit(self, **options):
        """Audit everything."""
        return await verify(
            self.transport(),
            bus=BUS,
            keys=self.keys.log.public,
            directories={1: self.directory},
            **options,
        )


class StillTransport:
    """A broker whose records never change, to be read only."""

    def __init__(self, records, beginnings):
        self.records = records
        self.beginnings = beginnings

    def subscriber(self, *, assign, isolation=IsolationLevel.READ_COMMITTED):
        return StillSubscriber(self.records, self.beginnings, assign)

    def administrator(self):
        return StillAdministrator(self.records)


class StillAdministrator:
    def __init__(self, records):
        self._records = records

    async def start(self):
        pass

    async def stop(self):
        pass

    async def partition_counts(self):
        counts = {}
        for topic, partition in self._records:
            counts[topic] = max(counts.get(topic, 0), partition + 1)
        return counts


class StillSubscriber:
    """Gives seven records at a time; a marker stands after the last record of every partition."""

    def __init__(self, records, beginnings, assign):
        self._beginnings = beginnings
        self._records = {partition: records[partition] for partition in assign}
        self._next = dict.fromkeys(assign, 0)
        self._paused = set()

    async def start(self):
        pass

    async def stop(self):
        pass

    def pause(self, partition):
        self._paused.add(partition)

    def resume(self, partition):
        self._paused.discard(partition)

    def _end(self, partition):
        records = self._records[partition]
        return records[-1].offset + 2 if records else 0

    async def end_offsets(self, partitions, isolation=IsolationLevel.READ_COMMITTED):
        return {partition: self._end(partition) for partition in partitions}

    async def beginning_offsets(self, partitions):
        return {partition: self._beginnings.get(partition, 0) for partition in partitions}

    async def position(self, partition):
        records = self._records[partition][self._next[partition] :]
        return records[0].offset if records else self._end(partition)

    async def poll(self, *, timeout_s, records_max):
        polled = {}
        for partition, records in self._records.items():
            start = self._next[partition]
            if partition not in self._paused and records[start : start + 7]:
                polled[partition] = records[start : start + 7]
                self._next[partition] = start + len(polled[partition])
        return polled


@pytest.fixture(scope="session")
def keys():
    """Keys of everybody."""
    return Keys()


@pytest.fixture
def empty_bus(keys):
    """A bus on which nothing has happened."""
    return Bus(keys, make_directory(keys))


@pytest.fixture
def bus(empty_bus):
    """A bus with 60 documents of two origins, a refused one, a held one, a duplicate, and checkpoints on the way."""
    bus = empty_bus
    bus.send(0, bus.documents("main", 0, 20))
    bus.route(0, 0, 8)
    bus.checkpoint(0)
    bus.route(0, 8, 20, at_ms=AT_MS + 90)
    bus.send(1, bus.documents("other", 0, 16))
    bus.route(1, 0)
    bus.checkpoint(1)
    bus.send(0, bus.documents("main", 20, 1, change=lambda _, signed: signed.update(ce_type=b"other.v1")))
    bus.send(0, bus.documents("main", 25, 1))
    bus.send(0, bus.documents("main", 21, 18))
    again = bus.at(topics.outbox(TAX), 0)[3]
    bus.send(0, [(again.key, again.value, again.headers)])
    bus.route(0, 20, at_ms=AT_MS + 150)
    bus.checkpoint(0)
    bus.head_checkpoint()
    return bus
