"""What is remembered from one document to the next changes speed, never an answer."""

import functools
import hashlib
from types import SimpleNamespace

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from govbus.document.encoding import base64url
from govbus.document.header_kind import HeaderKind
from govbus.document.ids import Origin
from govbus.document.record import Envelope
from govbus.document.statement import Statement, statement_hash
from govbus.document.topics import outbox
from govbus.errors import RuleError
from govbus.routing import decide
from govbus.routing.rules import security
from govbus.routing.trust.check import check_status
from govbus.routing.trust.policy import RevocationMode, RevocationPolicy
from govbus.routing.trust.status import RevocationRecords
from govbus.signing.algorithms import Algorithm
from govbus.signing.batch import seal_batch
from govbus.signing.certificate_building import StatusUrls
from govbus.signing.certificates import Certificate, CertificateRole, TrustedCertificate
from govbus.signing.issuing import CertificateAuthority
from govbus.signing.jws import STATEMENT_TYP, sign_detached
from govbus.signing.signature_policy import ProvenSignature, SignatureMode, SignaturePolicy
from govbus.signing.signer import KeySigner
from govbus.signing.verifier import VerifiedSignatures, Verifier

NOW_MS, HOUR_MS = 1_795_466_700_000, 3_600_000
ORIGIN = Origin.from_text("tax.example/main")
OTHER = Origin.from_text("court.example/main").agency
NAMES = ("seal", "twin", "officer")
BATCH = 4


@functools.cache
def authority():
    urls = StatusUrls(crl="http://pki.example/list.crl")
    return CertificateAuthority.create("Root", at_ms=NOW_MS - 90 * HOUR_MS, urls=urls)


@functools.cache
def signer(name):
    algorithm = Algorithm.ML_DSA_44 if name == "twin" else Algorithm.ED25519
    issued = authority().issue(
        name,
        algorithm,
        not_before_ms=NOW_MS - 2 * HOUR_MS,
        not_after_ms=NOW_MS + 2 * HOUR_MS,
        role=CertificateRole.OFFICER if name == "officer" else CertificateRole.SEAL,
    )
    return KeySigner.from_pem(issued.key_pem, issued.certificate_pem, kid=name)


@functools.cache
def documents(names, with_officer):
    """Return envelopes and statements of one batch, one an hour, sealed by some keys."""
    statements = [
        Statement(
            ORIGIN,
            number,
            outbox(ORIGIN.agency),
            base64url(hashlib.sha256(b"headers").digest()),
            "0" * 64,
            1,
            base64url(hashlib.sha256(b"value").digest()),
            NOW_MS + (number - 2) * HOUR_MS,
        )
        for number in range(BATCH)
    ]
    octets = [one.to_bytes() for one in statements]
    sealed = seal_batch([signer(name) for name in names], ORIGIN, 0, octets, at_ms=NOW_MS)
    found = []
    for text, statement, path in zip(octets, statements, sealed.paths, strict=True):
        signatures = tuple(sealed.signatures)
        if with_officer:
            signatures += (sign_detached(signer("officer"), text, typ=STATEMENT_TYP, at_ms=NOW_MS),)
        envelope = Envelope(
            {}, text, statement_hash(text), b"", signatures, sealed.text, path, HeaderKind(())
        )
        found.append((envelope, statement))
    return found


def answer(action):
    """Return what an action returns, or what it finds."""
    try:
        return action()
    except RuleError as err:
        return err.rule, err.field, err.message


def trusted(name, agency=ORIGIN.agency, revoked_ms=None):
    role = CertificateRole.OFFICER if name == "officer" else CertificateRole.SEAL
    return TrustedCertificate(
        signer(name).certificate,
        agency,
        revoked_ms,
        role,
        (Certificate.from_pem(authority().certificate_pem),),
    )


CERTIFICATES = st.one_of(
    st.none(),
    st.tuples(
        st.sampled_from([ORIGIN.agency, ORIGIN.agency, OTHER]),
        st.sampled_from([None, None, NOW_MS - HOUR_MS, NOW_MS]),
    ),
)
DIRECTORIES = st.tuples(*[CERTIFICATES] * len(NAMES))
SHOWN = st.tuples(
    st.integers(0, BATCH - 1),
    st.sampled_from([("seal",), ("seal", "twin"), ("twin",)]),
    st.booleans(),
    st.integers(0, 2),
    st.sampled_from(["as it is", "path", "signature", "twice", "index"]),
)


def store(entries):
    by_thumbprint = {
        signer(name).certificate.thumbprint: trusted(name, *entry)
        for name, entry in zip(NAMES, entries, strict=True)
        if entry is not None
    }
    return SimpleNamespace(certificate=by_thumbprint.get)


def shown(number, names, with_officer, change):
    """Return a document of a batch, perhaps with one thing changed."""
    envelope, statement = documents(names, with_officer)[number]
    signatures, path = envelope.signatures, envelope.path
    if change == "path":
        path = bytes([path[0] ^ 1]) + path[1:]
    if change == "signature":
        protected, _, octets = signatures[0].split(b".")
        signatures = (protected + b".." + octets[::-1], *signatures[1:])
    if change == "twice":
        signatures = (*signatures, signatures[0])
    if change == "index":
        envelope, _ = documents(names, with_officer)[(number + 1) % BATCH]
    changed = Envelope(
        {}, envelope.statement, envelope.statement_hash, b"", signatures, envelope.batch, path, envelope.kind
    )
    return changed, statement


@settings(max_examples=150, deadline=None)
@given(directories=st.lists(DIRECTORIES, min_size=3, max_size=3), asked=st.lists(SHOWN, max_size=12))
def test_signatures_are_judged_alike_whatever_came_before(directories, asked):
    """A verifier that has seen other documents, under other directories, says what a fresh one says."""
    stores, remembered = [store(one) for one in directories], VerifiedSignatures(2)
    for number, names, with_officer, place, change in asked:
        document = shown(number, names, with_officer, change)
        answers = [
            answer(lambda known=known: Verifier(stores[place], known).check_signatures(*document))  # noqa: B023
            for known in (remembered, VerifiedSignatures())
        ]
        assert answers[0] == answers[1]


@settings(max_examples=150, deadline=None)
@given(
    revoked_ms=st.one_of(st.none(), st.integers(NOW_MS - 3 * HOUR_MS, NOW_MS + 3 * HOUR_MS)),
    spans=st.lists(
        st.tuples(st.integers(-5 * HOUR_MS, HOUR_MS), st.integers(-HOUR_MS, 5 * HOUR_MS)), max_size=2
    ),
    time_ms=st.integers(NOW_MS - 6 * HOUR_MS, NOW_MS + 6 * HOUR_MS),
)
def test_span_of_validity_is_what_its_parts_say(revoked_ms, spans, time_ms):
    """A certificate is valid exactly where nothing is found by looking at each span and at its revocation."""
    own, anchor = signer("seal").certificate, Certificate.from_pem(authority().certificate_pem)
    above = tuple(
        Certificate(anchor.der, "above", anchor.algorithm, anchor.public_key, "", NOW_MS + a, NOW_MS + b)
        for a, b in spans
    )
    one = TrustedCertificate(own, ORIGIN.agency, revoked_ms, CertificateRole.SEAL, (*above, anchor))
    is_good = all(each.not_before_ms <= time_ms <= each.not_after_ms for each in (own, *above)) and (
        revoked_ms is None or time_ms < revoked_ms
    )
    assert (answer(lambda: one.require_valid_at(time_ms)) is None) is is_good
    assert one.is_valid_at(time_ms) is is_good


@functools.cache
def material(revoked_hour):
    revoked = []
    if revoked_hour is not None:
        pem = signer("seal").certificate.der
        revoked = [authority().revoked_of(_pem(pem), NOW_MS + revoked_hour * HOUR_MS, None)]
    return authority().crl(revoked, this_update_ms=NOW_MS - HOUR_MS, next_update_ms=NOW_MS + HOUR_MS)


def _records(words):
    records = RevocationRecords()
    for word in words:
        records.add(material(word))
    return records


def _pem(der):
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)


@settings(max_examples=100, deadline=None)
@given(
    words=st.lists(st.sampled_from([None, -1, 0, 1]), max_size=2),
    asked=st.lists(
        st.tuples(
            st.lists(st.sampled_from(NAMES), min_size=1, max_size=2).map(tuple),
            st.sampled_from(RevocationMode),
            st.integers(-2, 2),
            st.sampled_from([-HOUR_MS, 0, HOUR_MS, HOUR_MS + 1, 2 * HOUR_MS, 4 * HOUR_MS]),
        ),
        max_size=10,
    ),
)
def test_status_is_judged_alike_whatever_was_asked_before(words, asked):
    """A state that remembers which signatures are clear finds what looking at each certificate finds."""
    records = _records(words)
    fresh = _records(words).state()
    signatures = {}
    for names, mode, hour, later_ms in asked:
        proven = signatures.setdefault(
            names, tuple(ProvenSignature(trusted(name), is_over_batch=True) for name in names)
        )
        plain = SimpleNamespace(status_of=fresh.status_of, is_clear=lambda *_: False)
        answers = [
            answer(
                lambda state=state: check_status(
                    proven,  # noqa: B023
                    RevocationPolicy(mode, grace_hours=1),  # noqa: B023
                    state,
                    time_ms=NOW_MS + hour * HOUR_MS,  # noqa: B023
                    at_ms=NOW_MS + later_ms,  # noqa: B023
                )
            )
            for state in (records.state(), plain)
        ]
        assert answers[0] == answers[1]


POLICIES = st.builds(SignaturePolicy, st.booleans(), st.booleans(), st.sampled_from(SignatureMode))


@settings(max_examples=100, deadline=None)
@given(
    policy=POLICIES,
    asked=st.lists(
        st.lists(st.tuples(st.sampled_from(NAMES), st.booleans()), min_size=1, max_size=3), max_size=8
    ),
)
def test_policy_is_judged_alike_whatever_met_it_before(policy, asked):
    """The check of a policy says of each document what the policy itself says."""
    check = security.signature_check(policy)
    for wanted in asked:
        proven = tuple(ProvenSignature(trusted(name), is_over) for name, is_over in wanted)
        expected = list(security.signature_breaches(policy, proven))
        for _ in range(2):
            assert list(check(SimpleNamespace(signatures=proven))) == expected


@settings(max_examples=200, deadline=None)
@given(
    own=st.lists(
        st.one_of(st.binary(max_size=6), st.text(max_size=6).map(str.encode)), min_size=3, max_size=3
    )
)
def test_texts_are_judged_alike_once_their_kind_is_known(own):
    """The headers of a document whose kind is known to be good are judged as those of the first of its kind."""
    signed = dict(zip(("ce_id", "ce_subject", "ce_time"), own, strict=True))
    answers = []
    for is_known in (True, False):
        kind = HeaderKind(())
        kind.are_texts_good = is_known
        envelope = Envelope(signed, b"", b"", b"", (), None, b"", kind)
        answers.append(answer(lambda envelope=envelope: decide._check_texts(envelope)))
    assert answers[0] == answers[1]
