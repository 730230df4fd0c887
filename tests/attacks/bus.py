"""A small bus with everything that evidence rests on, every record in a list and every key at hand.

Two agencies send to a court; three rounds of documents, each with partition checkpoints, a head checkpoint that two
witnesses cosigned and an authority stamped, and a segment of the archive.
"""

import hashlib
import zlib
from dataclasses import dataclass, field, replace

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from govbus.adapters.outgoing import DocumentTemplate, OutgoingDocument, document_id_new
from govbus.audit.archive import layout
from govbus.document import topics
from govbus.document.ids import AgencyId, Origin
from govbus.document.record import BATCH, PATH, SALT, SALT_BYTES, SIGNATURE, STATEMENT, Record, frame
from govbus.document.statement import Statement, headers_hash, value_hash
from govbus.message_log.checkpoint import Checkpoint, sign_checkpoint
from govbus.message_log.cosignature import CosignatureSigner, Ed25519CosignatureSigner
from govbus.message_log.heads import (
    HEADS_KEY,
    TIMESTAMP_KEY,
    TIMESTAMPED_HEADER,
    TSA_HEADER,
    head_origin,
)
from govbus.message_log.keys import LogKeys, log_origin
from govbus.message_log.note import Note
from govbus.message_log.policy import Policy
from govbus.message_log.witness import (
    SUCCESS,
    AddCheckpoint,
    Answer,
    Received,
    Witness,
    parse_signature_lines,
)
from govbus.routing.directory.records import DirectoryReader, directory_records
from govbus.routing.history import MemoryHistory
from govbus.routing.trust.reading import read_material
from govbus.routing.trust.status import RevocationRecords
from govbus.service.archive.writing import write_archive
from govbus.service.auditing.verifying import Request, verify_bus, verify_bus_fully
from govbus.service.auditing.verifying import verify_archive as audit_archive
from govbus.service.router.batch import BatchRouter
from govbus.signing.batch import seal_batch
from govbus.signing.merkle import consistency_proof, leaf_hash, root_of
from govbus.signing.signer import KeySigner
from govbus.signing.verifier import VerifiedSignatures
from govbus.testing import example_keys
from govbus.testing.example_bus import (
    AGREEMENT,
    BASE_AT_MS,
    BASE_BODY,
    BASE_ENTRIES,
    BASE_RECORD,
    BUS,
    COURT,
    DOCUMENT_TYPE,
    SCHEMA_ID,
    TAX,
    ExampleBus,
)
from govbus.testing.example_yaml import merged
from govbus.testing.tsa import FakeTsa
from govbus.transport.base import TopicPartition
from govbus.transport.memory import MemoryTransport, _Entry

LAND = AgencyId("land.example")
PARTITIONS = 2
MINUTE_MS = 60_000
ROUND_MS = 10 * MINUTE_MS
DECIDED_MS = 50
"""After documents were made."""
SEGMENT_ENTRIES = 12
COUNTS = {
    topics.DIRECTORY: 1,
    topics.REVOCATIONS: 1,
    topics.CHECKPOINTS: 1,
    topics.MESSAGE_LOG: PARTITIONS,
    topics.QUARANTINE: PARTITIONS,
    **{topics.outbox(agency): PARTITIONS for agency in (TAX, LAND)},
    **{topics.inbox(agency): PARTITIONS for agency in (TAX, LAND, COURT)},
}


def _land():
    """Return the files of the second sender."""
    agreement = merged(
        BASE_ENTRIES["agreement"], {"id": "land-assessments", "supplier": {"agency": LAND.text}}
    )
    certificates = [{"file": "certificates/land.pem"}]
    agency = {"id": LAND.text, "name": "Example Land Office", "sector": "federal", "country": "USA"}
    return {
        "agencies/land.example.yaml": yaml.safe_dump({**agency, "certificates": certificates}),
        "agreements/land-assessments.yaml": yaml.safe_dump(agreement),
        "certificates/land.pem": example_keys.issued(LAND.text).certificate_pem.decode(),
    }


class WitnessMemory:
    """A witness with its memory: `govbus.message_log.witness` and nothing else."""

    def __init__(self, name, log_verifiers):
        self.name = name
        keys = MLDSA44PrivateKey.generate(), Ed25519PrivateKey.generate()
        self.witness = Witness(
            CosignatureSigner(f"{name}.example/w", keys[0]),
            Ed25519CosignatureSigner(f"{name}.example/w", keys[1]),
            log_verifiers,
        )
        self.latest = {}

    def add_checkpoint(self, note, leaves, *, at_ms, old_size=None):
        """Ask it to cosign a checkpoint over leaves, from what it has or from what the client claims."""
        origin, size = note.split("\n")[0], int(note.split("\n")[1])
        latest = self.latest.get(origin)
        known = latest.size if latest is not None else 0
        old = known if old_size is None else old_size
        proof = consistency_proof(leaves[:size], old) if 0 < old <= size else []
        received = self.witness.receive(AddCheckpoint(old, tuple(proof), note).to_text().encode())
        if isinstance(received, Answer):
            return received
        assert isinstance(received, Received)
        decision = self.witness.decide(received, latest, at_s=at_ms // 1000)
        if decision.latest is not None:
            self.latest[origin] = decision.latest
        return decision.answer

    @property
    def line(self):
        """Its line in a policy."""
        return f"witness {self.name} {self.witness.ml_dsa_44.verifier.to_vkey()}"


class Stage:
    """What stays the same from test to test: keys, certificates, the directory."""

    def __init__(self):
        self.log_keys = LogKeys.generate()
        self.tsa = FakeTsa.make()
        content = ExampleBus.of({"files": _land()}).files.content
        signer = example_keys.authority()
        self.authority = KeySigner.from_pem(signer.key_pem, signer.certificate_pem, kid="authority")
        self.content = content
        self.directory_records = self.publish(content, self.authority)
        self.directory = self.read([self.authority.certificate])[1]
        self.schema = self.directory.schemas.by_id(SCHEMA_ID)

    def publish(self, content, signer):
        """Return the records of a first version of the directory, signed by somebody."""
        out = directory_records(
            content, signer=signer, head=None, at_ms=BASE_AT_MS - 1000, expires_ms=example_keys.VALID_TO_MS
        )
        return [
            Record(one.topic, 0, offset, BASE_AT_MS, one.key, one.value, tuple(one.headers))
            for offset, one in enumerate(out)
        ]

    def read(self, authority):
        """Return every version of the directory under somebody's certificates."""
        reader = DirectoryReader(authority)
        for record in self.directory_records:
            reader.apply(record)
        return {1: reader.at(1)}

    def crl(self, *revoked, at_ms=BASE_AT_MS, authority=None):
        """Return a revocation list: names and since when; by the bus's authority unless told."""
        issuer = authority or example_keys.authority()
        entries = [
            issuer.revoked_of(example_keys.issued(name).certificate_pem, since_ms)
            for name, since_ms in revoked
        ]
        return issuer.crl(
            entries, number=len(revoked) + 1, this_update_ms=at_ms, next_update_ms=at_ms + 90 * 86_400_000
        )

    def documents(self, origin, start, count, *, at_ms, change=None, signers=None):
        """Return outbox records (key, value, headers) of a batch; `change` sees index and headers before signing."""
        template = DocumentTemplate(
            origin,
            DOCUMENT_TYPE,
            AGREEMENT if origin.agency == TAX else "land-assessments",
            "confidential",
            "non-sensitive-pii",
            "non-public",
            self.schema,
        )
        prepared = []
        for index in range(start, start + count):
            random = hashlib.sha256(f"{origin} {index}".encode()).digest()
            document = OutgoingDocument(
                document_id_new(at_ms, random[:10]), None, at_ms, BASE_RECORD, BASE_BODY
            )
            encoded = template.encode(document)
            signed = dict(encoded.signed)
            if change is not None:
                change(index, signed)
            salt = random[-SALT_BYTES:]
            statement = Statement(
                origin,
                index,
                topics.outbox(origin.agency),
                headers_hash(signed),
                encoded.schema_hash,
                len(encoded.avro),
                value_hash(salt, encoded.avro),
                at_ms,
            ).to_bytes()
            prepared.append((encoded, salt, signed, statement))
        signers = signers or [example_keys.signer(origin.agency.text)]
        sealed = seal_batch(signers, origin, start, [one[3] for one in prepared], at_ms=at_ms)
        return [
            (
                str(origin).encode(),
                frame(SCHEMA_ID, encoded.avro),
                (
                    *signed.items(),
                    (STATEMENT, statement),
                    (SALT, salt),
                    *((SIGNATURE, signature) for signature in sealed.signatures),
                    (BATCH, sealed.text),
                    (PATH, path),
                ),
            )
            for (encoded, salt, signed, statement), path in zip(prepared, sealed.paths, strict=True)
        ]


@dataclass
class Signed:
    """One act of the log service: what it signed a checkpoint over, and when."""

    partition: int | None
    """None for the head tree."""
    at_ms: int


@dataclass
class Bus:
    """Every record of a bus, and what outsiders keep of it."""

    stage: Stage
    records: dict = field(default_factory=dict)
    signings: list = field(default_factory=list)
    at_ms: int = BASE_AT_MS
    sent: dict = field(default_factory=dict)

    def __post_init__(self):
        for name, count in COUNTS.items():
            for partition in range(count):
                self.records[TopicPartition(name, partition)] = []
        self.at(topics.DIRECTORY).extend(self.stage.directory_records)
        self.histories, self.verified, self.routed = {}, VerifiedSignatures(), {}
        verifiers = self.stage.log_keys.public.verifiers
        self.witnesses = [
            WitnessMemory(name, lambda origin: verifiers(origin) if origin == head_origin(BUS) else ())
            for name in ("court", "archive")
        ]

    # What everybody does.

    def at(self, topic, partition=0):
        """Return the records of one partition."""
        return self.records[TopicPartition(topic, partition)]

    def entries(self, partition=0):
        """Return the records of one partition of the message log."""
        return self.at(topics.MESSAGE_LOG, partition)

    def append(self, topic, partition, key, value, headers=()):
        """Add a record; on topics that routers write, a marker stands after it."""
        if partition is None:
            partition = zlib.crc32(key) % COUNTS[topic]
        records = self.at(topic, partition)
        step = 1 if topic.startswith((topics.OUT_PREFIX, topics.DIRECTORY, topics.REVOCATIONS)) else 2
        offset = records[-1].offset + step if records else 0
        records.append(Record(topic, partition, offset, self.at_ms, key, value, tuple(headers)))
        return records[-1]

    def send(self, agency, count, *, outbox="main", partition=0, **options):
        """Send documents of an agency, as one batch."""
        origin = Origin(agency, outbox)
        start = self.sent.get(origin, 0)
        for document in self.stage.documents(origin, start, count, at_ms=self.at_ms, **options):
            self.append(topics.outbox(agency), partition, *document)
        self.sent[origin] = start + count

    def revocations(self):
        """Return what is known of certificates."""
        known = RevocationRecords()
        for record in self.at(topics.REVOCATIONS):
            known.take(record)
        return known.state(known.count)

    def publish_revocation(self, value):
        """Put revocation material on its topic."""
        self.append(topics.REVOCATIONS, 0, read_material(value).digest.encode("ascii"), value)

    def route(self, *, directory=None):
        """Decide about everything that is undecided, as the router does."""
        for agency in (TAX, LAND):
            for partition in range(PARTITIONS):
                place = TopicPartition(topics.outbox(agency), partition)
                records = self.records[place]
                waiting = records[self.routed.get(place, 0) :]
                self.routed[place] = len(records)
                if not waiting:
                    continue
                for one in self.decide(place, waiting, directory=directory):
                    self.append(one.topic, one.partition, one.key, one.value, one.headers)

    def decide(self, place, records, *, directory=None):
        """Return what the router writes about records of an outbox partition."""
        router = BatchRouter(
            history=self.histories.setdefault(place, MemoryHistory()),
            verified=self.verified,
            signer=example_keys.signer(BUS.text),
            name="router-1",
            log_partition=topics.message_log_partition(place.partition, PARTITIONS),
            receipt_run_documents_max=2000,
        )
        batch = router.route(
            records,
            directory or self.stage.directory,
            at_ms=self.at_ms + DECIDED_MS,
            revocations=self.revocations(),
        )
        return batch.records

    # What the log service, the witnesses and the time stamping authority do.

    def leaves(self, partition, size=None):
        """Return the leaf hashes of a log partition."""
        return [leaf_hash(record.value) for record in self.entries(partition)[:size]]

    def sign_partition(self, partition, size=None, *, at_ms=None, publish=True):
        """Sign a checkpoint of a log partition."""
        leaves = self.leaves(partition, size)
        note = self._note(log_origin(BUS, partition), leaves, at_ms)
        if publish:
            self.append(topics.CHECKPOINTS, 0, str(partition).encode(), note.encode())
            self.signings.append(Signed(partition, at_ms or self.at_ms))
        return note

    def head_leaves(self):
        """Return the leaf hashes of the head tree: the texts of partition checkpoints, each size once."""
        leaves, sizes = [], {}
        for record in self.at(topics.CHECKPOINTS):
            if record.key.isdigit():
                text = Note.from_bytes(record.value).text
                size = int(text.split("\n")[1])
                if size > sizes.get(record.key, 0):
                    sizes[record.key] = size
                    leaves.append(leaf_hash(text.encode()))
        return leaves

    def sign_head(self, *, at_ms=None, publish=True):
        """Sign a head checkpoint."""
        note = self._note(head_origin(BUS), self.head_leaves(), at_ms)
        if publish:
            self.append(topics.CHECKPOINTS, 0, HEADS_KEY, note.encode())
            self.signings.append(Signed(None, at_ms or self.at_ms))
        return note

    def _note(self, origin, leaves, at_ms):
        checkpoint = Checkpoint(origin, len(leaves), root_of(leaves))
        signers = self.stage.log_keys.signers(origin)
        return sign_checkpoint(checkpoint, signers, at_s=(at_ms or self.at_ms) // 1000)

    def cosign(self, note, *, at_ms=None):
        """Ask both witnesses; publish the note with what they signed, and return their answers."""
        leaves = self.head_leaves()
        answers = [one.add_checkpoint(note, leaves, at_ms=at_ms or self.at_ms) for one in self.witnesses]
        signed = Note.from_text(note)
        lines = [
            line
            for answer in answers
            if answer.status == SUCCESS
            for line in parse_signature_lines(answer.body.encode())
        ]
        if lines:
            cosigned = replace(signed, signatures=(*signed.signatures, *lines)).to_text()
            self.append(topics.CHECKPOINTS, 0, HEADS_KEY, cosigned.encode())
        return answers

    def stamp(self, note, *, at_ms=None):
        """Let the authority stamp a head checkpoint; its clock is the time now."""
        text = Note.from_text(note).text.encode()
        response = self.stage.tsa.response(text, at_ms or self.at_ms)
        self.append(
            topics.CHECKPOINTS, 0, TIMESTAMP_KEY, response, ((TIMESTAMPED_HEADER, text), (TSA_HEADER, b"tsa"))
        )

    def close_round(self, *, is_witnessed=True, is_stamped=True):
        """Decide, sign, and let others vouch for it; then ten minutes pass."""
        self.route()
        for partition in range(PARTITIONS):
            self.sign_partition(partition)
        note = self.sign_head()
        if is_witnessed:
            assert [SUCCESS, SUCCESS] == [one.status for one in self.cosign(note)]
        if is_stamped:
            self.stamp(note)
        self.at_ms += ROUND_MS

    # What the auditor does.

    @property
    def policy(self):
        """The auditor's policy: both witnesses."""
        lines = [*(one.line for one in self.witnesses), "group both all court archive", "quorum both", ""]
        return Policy.from_text("\n".join(lines))

    @property
    def head_of_witness(self):
        """The newest head checkpoint that a witness cosigned: what it gives to anybody who asks."""
        return self.witnesses[0].latest[head_origin(BUS)].note

    def transport(self):
        """Return a broker with these records."""
        transport = MemoryTransport(clock_ms=lambda: self.at_ms)
        for (topic, partition), records in self.records.items():
            transport._broker.counts[topic] = COUNTS[topic]
            log = [_Entry(None, None)] * (records[-1].offset + 1 if records else 0)
            for record in records:
                log[record.offset] = _Entry(record, None)
            if records and not topic.startswith(topics.OUT_PREFIX):
                log.append(_Entry(None, None))
            transport._broker.logs[TopicPartition(topic, partition)] = log
        return transport

    def request(self, *, known=(), is_alone=False, **options):
        """Return what the auditor brings: everything from outside, or, alone, nothing but the public keys."""
        return Request(
            authority=(self.stage.authority.certificate,),
            keys=self.stage.log_keys.public,
            checkpoints=tuple(known),
            policy=None if is_alone else self.policy,
            timestamp_anchors=() if is_alone else tuple(self.stage.tsa.anchors),
            **options,
        )

    async def audit(self, **options):
        """Audit the running bus."""
        return await verify_bus_fully(self.transport(), self.request(**options))

    async def audit_evidence(self, **options):
        """Audit the running bus on the level of evidence: nothing is decided again."""
        return await verify_bus(self.transport, self.request(**options))

    def audit_archive(self, folder, *, is_full=True, **options):
        """Audit an archive."""
        return audit_archive(folder, self.request(**options), is_full=is_full)

    async def archive(self, folder):
        """Write what is new into an archive, in segments of at most twelve entries."""
        (folder / layout.STAGING).mkdir(parents=True, exist_ok=True)
        keys = self.stage.log_keys.public
        options = {"close": True, "entries_max": SEGMENT_ENTRIES}
        return await write_archive(self.transport(), folder, bus=BUS, keys=keys, **options)
