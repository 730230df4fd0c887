"""Properties of the spool: whatever is put, signed, sent, reopened in whatever order, records stay true."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from govbus.adapters.outgoing import EncodedDocument, header_lines
from govbus.adapters.spool import Spool, SpoolLimits
from govbus.adapters.spool_segment import headers_from_lines
from govbus.document.ids import Origin
from govbus.document.record import Envelope, Record, unframe
from govbus.document.statement import Statement
from govbus.errors import SpoolFullError
from govbus.signing.algorithms import Algorithm
from govbus.signing.certificates import CertificateRole, TrustedCertificate
from govbus.signing.issuing import CertificateAuthority
from govbus.signing.signature_policy import NO_POLICY, SignatureMode, SignaturePolicy
from govbus.signing.signer import FixedSigners, KeySigner
from govbus.signing.verifier import Verifier

AT_MS = 1_795_466_700_123
DOCUMENTS_MAX = 200
ORIGIN = Origin.from_text("tax.example/main")
_AUTHORITY = CertificateAuthority.create("Test", at_ms=AT_MS - 1000)


def _signer(name, algorithm=Algorithm.ED25519):
    issued = _AUTHORITY.issue(name, algorithm, not_before_ms=AT_MS - 1000, not_after_ms=AT_MS + 100_000)
    return KeySigner.from_pem(issued.key_pem, issued.certificate_pem, kid=f"tax.example/{name}")


SEAL, TWIN, OFFICER = _signer("seal"), _signer("twin", Algorithm.ML_DSA_44), _signer("officer")
KEYS = FixedSigners([SEAL, TWIN], OFFICER)

names = st.from_regex(r"ce_[a-z0-9]{1,8}", fullmatch=True)
signed_headers = st.dictionaries(
    names | st.sampled_from(["ce_id", "ce_time", "ce_subject", "content-type"]),
    st.binary(max_size=40),
    max_size=6,
)


class Trust:
    """Trusts the three signers, each in its role."""

    def certificate(self, thumbprint):
        for signer in (SEAL, TWIN, OFFICER):
            if thumbprint == signer.certificate.thumbprint:
                role = CertificateRole.OFFICER if signer is OFFICER else CertificateRole.SEAL
                return TrustedCertificate(signer.certificate, ORIGIN.agency, role=role)
        return None


policies = st.just(NO_POLICY) | st.builds(
    SignaturePolicy, st.booleans(), st.booleans(), st.sampled_from(SignatureMode)
)


@st.composite
def documents(draw):
    """Documents with a schema id, any headers, any value, to be signed in any way."""
    signed = draw(signed_headers)
    return EncodedDocument(
        "id",
        signed,
        draw(st.integers(1, 2**31 - 1)),
        "ab" * 32,
        draw(st.binary(max_size=300)),
        signing=draw(policies).to_bits(),
    )


class SpoolMachine(RuleBasedStateMachine):
    """A spool beside a list of everything that was ever put."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "spool"
        self.limits = SpoolLimits(documents_max=DOCUMENTS_MAX)
        self.spool = Spool.open(self.path, ORIGIN, self.limits, next_index=0)
        self.put_documents = []
        self.sealed = self.published = 0
        self.cursor = None
        self.sent = {}

    def teardown(self):
        self.spool.close()
        self.folder.cleanup()

    @rule(kinds=st.lists(documents(), max_size=5), times=st.integers(1, 40))
    def put(self, kinds, times):
        """Documents are taken as a whole or refused as a whole, and the cursor with them."""
        given = kinds * times
        first = len(self.put_documents)
        try:
            indexes = self.spool.put(given, at_ms=AT_MS, adapter="a", cursor=str(first + len(given)))
        except SpoolFullError:
            assert first + len(given) - self.published > DOCUMENTS_MAX
        else:
            assert range(first, first + len(given)) == indexes
            self.put_documents += given
            self.cursor = str(first + len(given))

    @rule(batch_max=st.integers(1, 70), documents_max=st.integers(1, 200))
    def seal(self, batch_max, documents_max):
        """As many documents are signed as asked for, or all."""
        expected = min(documents_max, len(self.put_documents) - self.sealed)
        assert expected == self.spool.seal(
            KEYS, at_ms=AT_MS, batch_max=batch_max, documents_max=documents_max
        )
        self.sealed += expected

    @rule(documents_max=st.integers(1, 150))
    def send(self, documents_max):
        """What is handed out verifies, is signed as it was asked for, is what was put, and never changes."""
        records = self.spool.unpublished(documents_max)
        assert min(documents_max, self.sealed - self.published) == len(records)
        for index, out in enumerate(records, self.published):
            assert out == self.sent.setdefault(index, out)
            document = self.put_documents[index]
            envelope = Envelope.from_headers(out.headers)
            statement = Statement.from_bytes(envelope.statement)
            assert (index, document.signed) == (statement.index, envelope.signed)
            assert (document.schema_id, document.avro) == unframe(out.value)
            record = Record(out.topic, 0, index, AT_MS, out.key, out.value, out.headers)
            found = Verifier(Trust()).verify_record(
                record, envelope, statement, side="out", schema_hash="ab" * 32
            )
            policy = SignaturePolicy.from_bits(document.signing)
            policy.require(found)
            assert policy.is_officer_required == (3 == len(found))

    @precondition(lambda self: self.sealed > 0)
    @rule(share=st.floats(0, 1))
    def mark_published(self, share):
        """Acknowledged documents are forgotten; an old acknowledgement changes nothing."""
        upto = int(share * (self.sealed - 1))
        self.spool.mark_published(upto)
        self.published = max(self.published, upto + 1)

    @rule()
    def reopen(self):
        """A new process finds everything as it was."""
        self.spool.close()
        self.spool = Spool.open(self.path, ORIGIN, self.limits)

    @invariant()
    def counters(self):
        """Counters, cursor and sizes agree with what happened."""
        stats = self.spool.stats(AT_MS)
        waiting = len(self.put_documents) - self.published
        assert (waiting, len(self.put_documents), self.sealed, self.published) == (
            stats.documents,
            stats.next_index,
            stats.sealed_next,
            stats.published_next,
        )
        assert (waiting > 0) == (stats.size_bytes > 0)
        assert self.cursor == self.spool.cursor("a")


SpoolMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
TestSpool = SpoolMachine.TestCase


@given(signed_headers)
def test_header_lines_round_trip(signed):
    """Header lines read back as the headers they were made of."""
    assert tuple(sorted(signed.items())) == headers_from_lines(header_lines(signed))
