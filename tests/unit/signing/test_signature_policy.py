"""Roles of signatures: what the verifier proves of each, and what a policy makes of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from govbus.document.ids import AgencyId, Origin
from govbus.document.record import Envelope
from govbus.document.statement import Statement, headers_hash, value_hash
from govbus.errors import SignatureError, UntrustedKeyError
from govbus.signing.algorithms import Algorithm
from govbus.signing.batch import seal_batch
from govbus.signing.certificates import CertificateRole
from govbus.signing.jws import STATEMENT_TYP, sign_detached
from govbus.signing.signature_policy import NO_POLICY, ProvenSignature, SignatureMode, SignaturePolicy
from govbus.signing.verifier import VerifiedSignatures, Verifier

from .conftest import NOW_MS, Trust, make_signer

ORIGIN = Origin.from_text("tax.example/main")
SALT = bytes(16)
SIGNED = {"content-type": b"application/avro", "ce_id": b"id-1"}
STATEMENT = Statement(
    ORIGIN, 7, "govbus.out.tax.example", headers_hash(SIGNED), "ab" * 32, 4, value_hash(SALT, b"avro"), NOW_MS
)
OTHERS = [STATEMENT.to_bytes()[:-1] + b"%d\n" % number for number in range(3)]
"""What else lies in a batch, as far as its tree asks."""


@pytest.fixture(scope="module")
def keys(authority):
    """A seal, an officer, a second officer, a twin, and an officer of another agency."""
    kinds = {"twin": Algorithm.ML_DSA_44}
    return {
        name: make_signer(authority, name, kinds.get(name, Algorithm.ED25519))
        for name in ("seal", "officer", "second", "twin", "stranger")
    }


@pytest.fixture
def trust(keys):
    """What the directory says of them."""
    store = Trust()
    for name in ("seal", "twin"):
        store.add(keys[name], "tax.example")
    for name in ("officer", "second"):
        store.add(keys[name], "tax.example", role=CertificateRole.OFFICER)
    store.add(keys["stranger"], "moj.example", role=CertificateRole.OFFICER)
    return store


def _check(trust, over_batch, over_statement, verified=None):
    """Check the statement with signatures over a batch of four and over itself, in this order."""
    statement = STATEMENT.to_bytes()
    sealed = seal_batch(over_batch, ORIGIN, 7, [statement, *OTHERS], at_ms=NOW_MS)
    own = [sign_detached(one, statement, typ=STATEMENT_TYP, at_ms=NOW_MS) for one in over_statement]
    batch = [("gb-batch", sealed.text), ("gb-path", sealed.paths[0])] if over_batch else []
    headers = (
        *SIGNED.items(),
        ("gb-stmt", statement),
        ("gb-salt", SALT),
        *(("gb-sig", one) for one in (*sealed.signatures, *own)),
        *batch,
    )
    return Verifier(trust, verified).check_signatures(Envelope.from_headers(headers), STATEMENT)


def test_every_signature_is_told_with_role_algorithm_and_text(trust, keys):
    """The verifier says of each signature whose it is, by which algorithm, and what it is over."""
    found = _check(trust, [keys["seal"], keys["twin"]], [keys["officer"]])

    assert [
        (CertificateRole.SEAL, Algorithm.ED25519, keys["seal"].certificate.thumbprint, True),
        (CertificateRole.SEAL, Algorithm.ML_DSA_44, keys["twin"].certificate.thumbprint, True),
        (CertificateRole.OFFICER, Algorithm.ED25519, keys["officer"].certificate.thumbprint, False),
    ] == [(one.role, one.algorithm, one.thumbprint, one.is_over_batch) for one in found]


def test_two_officers_may_sign(trust, keys):
    """Two persons may answer for one document, each by a certificate of his own."""
    assert 3 == len(_check(trust, [], [keys["seal"], keys["officer"], keys["second"]]))


@pytest.mark.parametrize(
    ("over_batch", "over_statement", "words"),
    [
        ([], ["officer"], "the agency's seal"),
        ([], ["officer", "second"], "the agency's seal"),
        (["officer"], [], "never a batch"),
        (["seal", "officer"], [], "never a batch"),
        (["seal", "seal"], [], "by one certificate"),
        (["seal"], ["seal"], "by one certificate"),
        (["seal"], ["officer", "officer"], "by one certificate"),
        ([], ["seal", "seal"], "by one certificate"),
    ],
)
def test_what_no_policy_lets_pass(trust, keys, over_batch, over_statement, words):
    """A missing seal, an officer over a batch, a certificate that signs twice: refused whatever is asked for."""
    names = [keys[name] for name in over_batch], [keys[name] for name in over_statement]
    verified = VerifiedSignatures()
    for _ in range(2):  # also where the batch is known already
        with pytest.raises(SignatureError, match=words) as caught:
            _check(trust, *names, verified)
        assert ("SEC-10", "gb-sig") == (caught.value.rule, caught.value.field)


def test_an_officer_of_another_agency_is_refused(trust, keys):
    """Nobody answers for the documents of an agency that he is not of."""
    with pytest.raises(UntrustedKeyError) as caught:
        _check(trust, [], [keys["seal"], keys["stranger"]])
    assert "SEC-6" == caught.value.rule


def test_a_role_is_asked_for_every_document(trust, keys):
    """A certificate that becomes an officer's is no seal from then on, although its batch is remembered."""
    verified = VerifiedSignatures()
    _check(trust, [keys["seal"]], [], verified)
    trust.add(keys["seal"], "tax.example", role=CertificateRole.OFFICER)
    with pytest.raises(SignatureError, match="never a batch"):
        _check(trust, [keys["seal"]], [], verified)


BOTH = SignaturePolicy(is_officer_required=True, is_twin_required=True)


@pytest.mark.parametrize(
    ("policy", "over_batch", "over_statement", "words"),
    [
        (NO_POLICY, ["seal"], [], []),
        (BOTH, ["seal", "twin"], ["officer"], []),
        (BOTH, ["seal"], ["twin", "officer"], []),
        (BOTH, ["seal"], ["officer"], ["a second seal"]),
        (BOTH, ["seal", "twin"], [], ["an officer's"]),
        (BOTH, ["seal"], [], ["an officer's", "a second seal"]),
        (BOTH, [], ["twin", "officer"], ["a second seal"]),
        (SignaturePolicy(mode=SignatureMode.SINGLE), [], ["seal", "twin"], []),
        (SignaturePolicy(mode=SignatureMode.SINGLE), ["twin"], ["seal"], ["over the statement itself"]),
        (SignaturePolicy(mode=SignatureMode.BATCH), ["seal"], ["officer"], []),
        (SignaturePolicy(mode=SignatureMode.BATCH), ["seal"], ["twin"], ["over a batch"]),
    ],
)
def test_what_a_policy_lacks(trust, keys, policy, over_batch, over_statement, words):
    """A policy names everything that is missing or over the wrong text, and nothing else."""
    proven = _check(trust, [keys[name] for name in over_batch], [keys[name] for name in over_statement])

    found = list(policy.lacks(proven))
    assert len(words) == len(found)
    assert all(word in detail for word, detail in zip(words, found, strict=True))
    if words:
        with pytest.raises(SignatureError, match=words[0]):
            policy.require(proven)
    else:
        policy.require(proven)


def test_a_twin_is_a_second_seal_of_any_ml_dsa_key(trust, keys, authority):
    """Two seals of classical keys are no twin; ML-DSA-65 and ML-DSA-87 are as good as ML-DSA-44."""
    policy = SignaturePolicy(is_twin_required=True)
    for algorithm in Algorithm:
        other = make_signer(authority, "other", algorithm)
        trust.add(other, "tax.example")
        lacks = list(policy.lacks(_check(trust, [], [keys["seal"], other])))
        assert algorithm.startswith("ML-DSA") == (not lacks)


policies = st.builds(SignaturePolicy, st.booleans(), st.booleans(), st.sampled_from(SignatureMode))


@given(policies, policies)
def test_two_policies_ask_for_what_either_asks_for(one, other):
    """Joined in either order they are the same, and lack what one of them lacks; or they exclude each other."""
    excluded = {one.mode, other.mode} == {SignatureMode.SINGLE, SignatureMode.BATCH}
    if excluded:
        with pytest.raises(ValueError, match="over a batch"):
            one.joined(other)
        return
    joined = one.joined(other)

    assert other.joined(one) == joined == joined.joined(one)
    assert joined.is_officer_required == (one.is_officer_required or other.is_officer_required)
    assert joined.is_twin_required == (one.is_twin_required or other.is_twin_required)
    assert {joined.mode} == ({one.mode, other.mode} - {SignatureMode.ANY} or {SignatureMode.ANY})


def test_a_remembered_signature_is_of_the_trust_of_today(trust, keys):
    """What is returned for a remembered batch is what the directory says now, not what it said then."""
    verified = VerifiedSignatures()
    _check(trust, [keys["seal"]], [], verified)
    trust.add(keys["seal"], "tax.example", revoked_ms=NOW_MS + 1)

    (found,) = _check(trust, [keys["seal"]], [], verified)
    assert isinstance(found, ProvenSignature)
    assert (NOW_MS + 1, AgencyId("tax.example")) == (found.trusted.revoked_ms, found.trusted.agency)
