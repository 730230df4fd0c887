"""How documents in a spool are signed: by whom each asks for, one by one or in batches, kept small and read back."""

import sqlite3

import pytest

from govbus.adapters.spool import Spool
from govbus.document.record import Envelope
from govbus.document.statement import Statement
from govbus.errors import ConfigError, SpoolError
from govbus.signing.certificates import CertificateRole, TrustedCertificate
from govbus.signing.signature_policy import NO_POLICY, SignatureMode, SignaturePolicy
from govbus.signing.signer import FixedSigners, KeySigner
from govbus.signing.verifier import Verifier

AT_MS = 1_795_466_700_123
OFFICER = SignaturePolicy(is_officer_required=True)
SINGLE, BATCH = (SignaturePolicy(mode=mode) for mode in (SignatureMode.SINGLE, SignatureMode.BATCH))


@pytest.fixture(scope="session")
def officer(authority):
    """A person of the agency."""
    issued = authority.issue("officer", not_before_ms=AT_MS - 1000, not_after_ms=AT_MS + 1000)
    return KeySigner.from_pem(issued.key_pem, issued.certificate_pem, kid="tax.example/officer")


@pytest.fixture
def put(spool, encoded):
    """Puts a document for each policy."""

    def put(*policies):
        documents = encoded(len(policies))
        signed = [
            one._replace(signing=policy.to_bits()) for one, policy in zip(documents, policies, strict=True)
        ]
        spool.put(signed, at_ms=AT_MS)

    return put


@pytest.fixture
def proven(spool, origin, signer, twin, officer):
    """Returns of every document that waits what its signatures are: who, and over what."""
    names = {
        one.certificate.thumbprint: name
        for one, name in ((signer, "seal"), (twin, "twin"), (officer, "officer"))
    }

    class Trust:
        def certificate(self, thumbprint):
            (one,) = [one for one in (signer, twin, officer) if one.certificate.thumbprint == thumbprint]
            role = CertificateRole.OFFICER if one is officer else CertificateRole.SEAL
            return TrustedCertificate(one.certificate, origin.agency, role=role)

    def proven():
        found = []
        for record in spool.unpublished(1000):
            envelope = Envelope.from_headers(record.headers)
            signatures = Verifier(Trust()).check_signatures(
                envelope, Statement.from_bytes(envelope.statement)
            )
            found.append([(names[one.thumbprint], one.is_over_batch) for one in signatures])
        return found

    return proven


def test_each_document_is_signed_as_it_asks(spool, put, proven, signer, twin, officer):
    """Officers sign the documents that ask for one, within a batch as well; modes cut batches where they must."""
    put(NO_POLICY, OFFICER, BATCH, SINGLE, SINGLE, OFFICER, BATCH)
    assert 7 == spool.seal(FixedSigners([signer, twin], officer), at_ms=AT_MS)

    batch, alone = [("seal", True), ("twin", True)], [("seal", False), ("twin", False)]
    person = [("officer", False)]
    assert [batch, batch + person, batch, alone, alone, batch + person, batch] == proven()


def test_a_run_of_one_is_a_batch_only_where_it_is_asked_for(spool, put, proven, signer):
    """A document alone is signed by itself, unless it asks for a batch; with batches of one, all but those are."""
    put(NO_POLICY)
    spool.seal([signer], at_ms=AT_MS)
    put(BATCH)
    spool.seal([signer], at_ms=AT_MS)
    put(NO_POLICY, NO_POLICY, BATCH, BATCH)
    spool.seal([signer], at_ms=AT_MS, batch_max=1)

    assert [[("seal", over_batch)] for over_batch in (False, True, False, False, True, True)] == proven()


def test_the_officer_is_asked_only_where_a_document_wants_him(spool, put, signer):
    """A key that a person has to unlock is left alone by documents that need no officer."""

    class Away(FixedSigners):
        def officer_at(self, time_ms):
            raise AssertionError(time_ms)

    put(NO_POLICY, SINGLE, BATCH)

    assert 3 == spool.seal(Away([signer]), at_ms=AT_MS)


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (OFFICER, "an officer's signature"),
        (SignaturePolicy(is_twin_required=True), "a second seal by an ML-DSA key"),
    ],
)
def test_a_signature_that_no_key_can_make_stops_the_documents_behind(spool, put, signer, policy, words):
    """What comes before goes out; then the publisher is told what is missing, and nothing goes out half signed."""
    put(NO_POLICY)
    put(policy)
    put(NO_POLICY)
    assert 1 == spool.seal([signer], at_ms=AT_MS)
    for _ in range(2):
        with pytest.raises(ConfigError, match=words) as caught:
            spool.seal([signer], at_ms=AT_MS)
    assert "agency profile" in caught.value.remedy
    assert 1 == len(spool.unpublished(10))


def test_nobody_signs_nothing(spool, put):
    """A spool without a seal signs nothing, whoever else there is."""
    put(NO_POLICY)
    with pytest.raises(SpoolError, match="no signer"):
        spool.seal(FixedSigners([]), at_ms=AT_MS)


def test_signatures_of_single_documents_are_kept_small(spool, put, signer, officer):
    """Each takes its octets and two bytes: what is the same in all of them is kept once for a row."""
    put(*[SignaturePolicy(is_officer_required=True, mode=SignatureMode.SINGLE)] * 64)
    spool.seal(FixedSigners([signer], officer), at_ms=AT_MS)
    with sqlite3.connect(spool.path) as connection:
        rows = connection.execute(
            "SELECT length(signatures), length(paths), length(own) FROM seal"
        ).fetchall()
    connection.close()

    ((signatures, paths, own),) = rows
    assert (0, 0) == (signatures, paths)
    assert own < 64 * 2 * (64 + 2) + 1000


def test_reading_begins_within_a_row(spool, put, proven, signer, officer):
    """Documents that were acknowledged are left out, and those behind them keep their own signatures."""
    put(*[SignaturePolicy(is_officer_required=True, mode=SignatureMode.SINGLE)] * 5, OFFICER, NO_POLICY)
    spool.seal(FixedSigners([signer], officer), at_ms=AT_MS)
    before = spool.unpublished(10)
    for first in range(1, 7):
        spool.mark_published(first - 1)
        assert before[first:] == spool.unpublished(10)
        assert 7 - first == len(proven())


def test_a_spool_of_the_format_before_is_brought_up(spool_path, origin, encoded, signer):
    """What a file of version 1 holds, signed or not, goes out as the same bytes; then it is of version 2."""
    with Spool.open(spool_path, origin, next_index=0) as spool:
        spool.put(encoded(5), at_ms=AT_MS)
        spool.seal([signer], at_ms=AT_MS, documents_max=4)
        spool.seal([signer], at_ms=AT_MS, documents_max=1)
        before = spool.unpublished(10)
    with sqlite3.connect(spool_path) as connection:
        # As version 1 kept the document that was signed by itself.
        alone = dict(before[4].headers)["gb-sig"]
        connection.execute("UPDATE seal SET signatures = ?, own = x'' WHERE first_index = 4", (alone,))
        connection.execute("ALTER TABLE seal DROP COLUMN own")
        connection.execute("PRAGMA user_version = 1")
    connection.close()

    for _ in range(2):
        with Spool.open(spool_path, origin) as spool:
            assert before == spool.unpublished(10)
    with Spool.open(spool_path, origin) as spool:
        spool.put(encoded(1), at_ms=AT_MS)
        assert 1 == spool.seal([signer], at_ms=AT_MS)
        assert before == spool.unpublished(10)[:5]
