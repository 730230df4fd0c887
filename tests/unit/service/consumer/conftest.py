"""A small bus in values: a directory, signed documents and receipts as the router delivers them, a scripted broker."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest

from govbus.document.decision import Receipt, SourcePosition
from govbus.document.finding import Outcome
from govbus.document.ids import AgencyId, Origin, PackageId
from govbus.document.record import FRAME_BYTES, Record, frame, key_of
from govbus.document.statement import Statement, headers_hash, value_hash
from govbus.routing.directory.model import (
    Agency,
    Agreement,
    AgreementStatus,
    Contact,
    Delivery,
    Directory,
    Package,
)
from govbus.schemas.catalog import DocumentSchema, SchemaCatalog
from govbus.schemas.codec import AvroCodec
from govbus.schemas.core import encode_receipt
from govbus.signing.certificates import Certificate, TrustedCertificate
from govbus.signing.issuing import CertificateAuthority
from govbus.signing.jws import RECEIPT_TYP, STATEMENT_TYP, sign_detached
from govbus.signing.signer import KeySigner
from govbus.transport.base import TopicPartition

AT_MS = 1_795_466_700_000
DAY_MS = 86_400_000
BUS, CIVIL, HEALTH, REGISTER = (
    AgencyId(text) for text in ("bus.example", "civil.example", "health.example", "register.example")
)
INBOX = "govbus.in.register.example"
SALT = b"0123456789abcdef"
AGREEMENTS = {CIVIL: "civil-persons", HEALTH: "health-persons"}


def _schema():
    record = {"type": "record", "name": "Meta", "fields": [{"name": "record_id", "type": "string"}]}
    texts = [{"name": name, "type": ["null", "string"]} for name in ("surname", "national_id")]
    fields = [
        {"name": "record", "type": record},
        {"name": "body", "type": {"type": "record", "name": "Person", "fields": texts}},
    ]
    codec = AvroCodec({"type": "record", "name": "Document", "fields": fields})
    return DocumentSchema(100, "https://bus.example/schemas/civil.person/1", "civil.person", 1, codec)


def _agreement(supplier):
    return Agreement(
        id=AGREEMENTS[supplier],
        package=PackageId("civil.person"),
        supplier=supplier,
        consumers=(REGISTER,),
        delivery=Delivery.INBOX,
        purpose="tests",
        legal_authority="none",
        valid_from_ms=AT_MS - DAY_MS,
        valid_to_ms=AT_MS + DAY_MS,
        status=AgreementStatus.ACTIVE,
    )


@pytest.fixture(scope="session")
def authority():
    """The anchor of the bus."""
    return CertificateAuthority.create("Test authority", at_ms=AT_MS - DAY_MS)


@pytest.fixture(scope="session")
def signers(authority):
    """A key for each agency, by agency."""
    found = {}
    for agency in (BUS, CIVIL, HEALTH):
        issued = authority.issue(agency.text, not_before_ms=AT_MS - DAY_MS, not_after_ms=AT_MS + DAY_MS)
        found[agency] = KeySigner.from_pem(issued.key_pem, issued.certificate_pem, kid=agency.text)
    return found


@pytest.fixture(scope="session")
def directory(signers, authority):
    """Two suppliers of persons, and the register that consumes them."""
    schema = _schema()
    package = Package(
        id=PackageId("civil.person"),
        name="Persons",
        description="Persons.",
        steward=CIVIL,
        steward_contact=Contact("x", "x@civil.example"),
        data_asset="persons",
        types=("example.person.v1",),
        schema_ids=(schema.id,),
        classification="confidential",
        data_category="sensitive-pii",
        access_level="non-public",
        frequency="irregular",
        delivery=Delivery.INBOX,
    )
    return Directory(
        version=1,
        bus=BUS,
        name="Test bus",
        authority="Test authority",
        issued_ms=AT_MS,
        expires_ms=AT_MS + DAY_MS,
        agencies={agency.text: Agency(agency, agency.text) for agency in (BUS, CIVIL, HEALTH, REGISTER)},
        certificates={
            signer.certificate.thumbprint: TrustedCertificate(
                signer.certificate, agency, issuers=(Certificate.from_pem(authority.certificate_pem),)
            )
            for agency, signer in signers.items()
        },
        packages={"civil.person": package},
        agreements={agreement.id: agreement for agreement in map(_agreement, (CIVIL, HEALTH))},
        schemas=SchemaCatalog([schema]),
    )


@pytest.fixture
def bench(signers, directory):
    """Makes records as they stand on the register's inbox."""
    schema = directory.schemas.by_id(100)

    def document(
        index, person, *, agency=CIVIL, national_id=None, document_id=None, offset=0, partition=0, **changes
    ):
        """A person document; `changes` replace attributes (`ce_*`), `avro`, `signer`, `schema_id` or `time_ms`."""
        origin = Origin(agency, "main")
        time_ms = changes.pop("time_ms", AT_MS + index)
        avro = changes.pop("avro", None)
        if avro is None:
            body = {"surname": "x", "national_id": national_id}
            avro = schema.codec.encode({"record": {"record_id": person}, "body": body})
        signer, schema_id = changes.pop("signer", signers[agency]), changes.pop("schema_id", schema.id)
        signed = {
            "content-type": b"application/avro",
            "ce_specversion": b"1.0",
            "ce_id": (document_id or f"{agency}-{index}").encode(),
            "ce_source": origin.source_uri.encode(),
            "ce_type": b"example.person.v1",
            "ce_agreementid": AGREEMENTS[agency].encode(),
        }
        signed.update({name: value.encode() for name, value in changes.items()})
        statement = Statement(
            origin,
            index,
            f"govbus.out.{agency}",
            headers_hash(signed),
            schema.codec.hash,
            len(avro),
            value_hash(SALT, avro),
            time_ms,
        ).to_bytes()
        signature = sign_detached(signer, statement, typ=STATEMENT_TYP, at_ms=time_ms)
        headers = (*signed.items(), ("gb-stmt", statement), ("gb-salt", SALT), ("gb-sig", signature))
        return Record(INBOX, partition, offset, AT_MS, key_of(signed), frame(schema_id, avro), headers)

    def receipt(*, offset=0, partition=0, signer=signers[BUS], time_ms=AT_MS):
        """A receipt for one accepted document."""
        value = encode_receipt(
            Receipt(
                "d-1",
                "register.example/main",
                0,
                1,
                bytes(32),
                Outcome.ACCEPTED,
                (),
                SourcePosition("govbus.out.register.example", 0, 0),
                0,
                time_ms,
            )
        )
        signature = sign_detached(signer, value[FRAME_BYTES:], typ=RECEIPT_TYP, at_ms=time_ms)
        headers = (("ce_type", b"govbus.receipt.v1"), ("ce_id", b"r-1"), ("gb-sig", signature))
        return Record(INBOX, partition, offset, AT_MS, b"register.example/main", value, headers)

    return SimpleNamespace(
        document=document,
        receipt=receipt,
        directory=directory,
        signers=signers,
        with_directory=lambda **changes: dataclasses.replace(directory, **changes),
    )


class ScriptedBroker:
    """A transport with one subscriber over lists of records, which fails when told to."""

    def __init__(self):
        self.records = {}
        self.first = {}
        self.positions = {}
        self.stored = {}
        self.errors = []
        self.commit_errors = []
        self.before_poll = []
        self.is_running = False
        self.callbacks = {}

    def put(self, records):
        """Give each record the next offset of its partition."""
        for record in records:
            log = self.records.setdefault(TopicPartition(record.topic, record.partition), [])
            log.append(record._replace(offset=len(log)))

    def subscriber(self, *, topics, group, session_timeout_s, on_assigned, on_revoked):
        self.callbacks = {"assigned": on_assigned, "revoked": on_revoked}
        return self

    async def start(self):
        self.is_running = True
        await self.assign(list(self.records))

    async def stop(self):
        self.is_running = False

    async def assign(self, sources):
        self.positions.update({source: self.stored.get(source, 0) for source in sources})
        await self.callbacks["assigned"](sources)

    async def revoke(self, sources):
        for source in sources:
            del self.positions[source]
        await self.callbacks["revoked"](sources)

    async def poll(self, *, timeout_s, records_max):
        import asyncio

        await asyncio.sleep(0)
        if self.before_poll:
            await self.before_poll.pop(0)()
        if self.errors:
            raise self.errors.pop(0)
        polled = {}
        for source, position in self.positions.items():
            found = [one for one in self.records[source] if one.offset >= position][:records_max]
            records_max -= len(found)
            if found:
                polled[source] = found
                self.positions[source] = found[-1].offset + 1
        return polled

    async def commit(self, offsets):
        if self.commit_errors:
            raise self.commit_errors.pop(0)
        self.stored.update(offsets)

    async def seek(self, partition, offset):
        assert partition in self.positions, "seeking a partition that is not assigned"
        self.positions[partition] = offset

    async def beginning_offsets(self, partitions):
        return {source: self.first.get(source, 0) for source in partitions}


@pytest.fixture
def broker():
    return ScriptedBroker()
