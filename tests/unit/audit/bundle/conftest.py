"""A small bus whose one document has every kind of evidence: batch, two signatures, heads, witnesses."""

import subprocess
from dataclasses import dataclass, replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from govbus.audit.bundle.assemble import DirectoryRecords, DocumentParts, LoggedEntry, assemble
from govbus.audit.bundle.contents import TrustPart
from govbus.audit.judge import demanded_entry
from govbus.document.decision import LogEntry
from govbus.document.record import Record
from govbus.message_log.checkpoint import Checkpoint, sign_checkpoint
from govbus.message_log.cosignature import CosignatureSigner, Ed25519CosignatureSigner
from govbus.message_log.heads import head_origin
from govbus.message_log.keys import LogKeys, log_origin
from govbus.message_log.note import Note
from govbus.message_log.policy import Policy
from govbus.message_log.proof import TlogProof
from govbus.routing.decide import decide
from govbus.routing.directory.records import DirectoryReader, directory_records
from govbus.routing.history import MemoryHistory
from govbus.schemas.core import encode_log_entry
from govbus.signing.algorithms import Algorithm
from govbus.signing.issuing import CertificateAuthority
from govbus.signing.merkle import inclusion_path, leaf_hash, root_of
from govbus.signing.signer import KeySigner
from govbus.testing import example_keys
from govbus.testing.example_bus import BASE_AT_MS, BUS, ExampleBus
from govbus.testing.example_documents import make_record

AT_S = BASE_AT_MS // 1000
OTHERS = [b"entry %d" % number for number in range(5)]
"""Entries of the log beside the one that a test is about."""


@dataclass(frozen=True)
class Witness:
    """One witness with a key of either kind."""

    name: str
    signer: object

    @property
    def line(self):
        """The line of a policy that names it."""
        return f"witness {self.name} {self.signer.verifier.to_vkey()}"


class Stage:
    """Everything that stays the same from test to test."""

    def __init__(self):
        self.log_keys = LogKeys.generate()
        authority = CertificateAuthority.create("Governing authority", at_ms=example_keys.VALID_FROM_MS)
        issued = authority.issue(
            "directory",
            Algorithm.ES256,
            not_before_ms=example_keys.VALID_FROM_MS,
            not_after_ms=example_keys.VALID_TO_MS,
        )
        self.authority = KeySigner.from_pem(issued.key_pem, issued.certificate_pem, kid="authority")
        self.witnesses = (
            Witness("archive", Ed25519CosignatureSigner("archive.example/w", Ed25519PrivateKey.generate())),
            Witness("court", CosignatureSigner("court.example/w", MLDSA44PrivateKey.generate())),
        )
        self.policy = "\n".join(
            [*(one.line for one in self.witnesses), "group both all archive court", "quorum both", ""]
        )
        Policy.from_text(self.policy)

    def trust(self):
        """Return the keys that a reader holds."""
        ed25519, ml_dsa_44 = self.log_keys.public.to_pem()
        return TrustPart((self.authority.certificate.der,), ed25519, ml_dsa_44, self.policy)

    def evidence(self, example=None):
        """Return the evidence about the document of an example."""
        example = example or {}
        algorithms = frozenset(Algorithm(one) for one in example.pop("algorithms", ()))
        bus = ExampleBus.of(example, algorithms)
        published = directory_records(
            bus.files.content,
            signer=self.authority,
            head=None,
            at_ms=BASE_AT_MS - 1000,
            expires_ms=BASE_AT_MS + 1000,
        )
        records = [
            Record(one.topic, 0, offset, BASE_AT_MS, one.key, one.value, tuple(one.headers))
            for offset, one in enumerate(published)
        ]
        reader = DirectoryReader([self.authority.certificate])
        for record in records:
            reader.apply(record)
        directory = reader.current
        schema = directory.schemas.by_id(100)
        sent = make_record(example, schema, index=0, offset=0, at_ms=BASE_AT_MS)
        decision = decide(sent, directory, MemoryHistory(), at_ms=BASE_AT_MS)
        blank = LogEntry(
            decision.outcome, BASE_AT_MS, decision.source, None, None, (), None, b"", None, 1, (), (), 0
        )
        entry = demanded_entry(decision, sent, blank, is_in_run=False)
        return assemble(
            self.logged(entry),
            DocumentParts.of_record(sent),
            DirectoryRecords(records),
            bus=BUS.text,
            trust=self.trust(),
        )

    def logged(self, entry, *, index=2, log=None, heads_log=None):
        """Return an entry with its proofs, among others in the log."""
        log, heads_log = log or log_origin(BUS, 0), heads_log or head_origin(BUS)
        value = encode_log_entry(entry)
        leaves = [leaf_hash(one) for one in (*OTHERS[:index], value, *OTHERS[index:])]
        note = self._note(Checkpoint(log, len(leaves), root_of(leaves)), ())
        proof = TlogProof(index, tuple(inclusion_path(leaves, index)), note)
        heads = [leaf_hash(b"older checkpoint"), leaf_hash(Note.from_text(note).text.encode())]
        head = self._note(Checkpoint(heads_log, len(heads), root_of(heads)), self.witnesses)
        head_proof = TlogProof(1, tuple(inclusion_path(heads, 1)), head)
        return LoggedEntry(entry, value, proof.to_text(), head_proof.to_text())

    def _note(self, checkpoint, witnesses):
        note = Note.from_text(
            sign_checkpoint(checkpoint, self.log_keys.signers(checkpoint.origin), at_s=AT_S)
        )
        lines = tuple(one.signer.sign(note.text, at_s=AT_S + 1) for one in witnesses)
        return replace(note, signatures=(*note.signatures, *lines)).to_text()


@pytest.fixture(scope="session")
def stage():
    """The stage of this run."""
    return Stage()


@pytest.fixture(scope="session")
def evidence(stage):
    """Evidence about a document in a batch, sealed by its agency."""
    return stage.evidence({"raw": {"mode": "batch"}})


@pytest.fixture
def run_script(tmp_path):
    """Return what runs verify.sh over the files of a bundle: exit code and output."""

    def run(files, *arguments, shell="sh", name="bundle"):
        folder = tmp_path / name
        for path, octets in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(octets)
        done = subprocess.run(
            [*shell.split(), str(folder / "verify.sh"), *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )
        return done.returncode, done.stdout + done.stderr

    return run
