"""Outsiders, who hold no key of an agency or of the bus: each test breaks one thing and makes the rest right again.

The first part of a test's name is the row of the threat model that it proves (`test_table.py`).
"""

import dataclasses
import hashlib
import hmac
import json

import pytest

from govbus.document import topics
from govbus.document.encoding import base64url, from_base64url
from govbus.document.finding import Outcome
from govbus.document.ids import Origin
from govbus.document.record import BATCH, PATH, SIGNATURE, STATEMENT, Record, frame
from govbus.document.statement import Statement, headers_hash
from govbus.routing.decide import decide, prior_of
from govbus.routing.history import MemoryHistory
from govbus.routing.trust.reading import read_material
from govbus.routing.trust.status import NOTHING_KNOWN, RevocationRecords
from govbus.signing.algorithms import Algorithm
from govbus.signing.batch import BatchText, seal_batch
from govbus.signing.certificates import Certificate
from govbus.signing.issuing import CertificateAuthority
from govbus.signing.jws import BATCH_TYP, STATEMENT_TYP, sign_detached, signing_input
from govbus.signing.signer import KeySigner
from govbus.testing import example_keys
from govbus.testing.example_bus import BASE_AT_MS, BUS, COURT, SCHEMA_ID, TAX, ExampleBus
from govbus.testing.example_documents import make_record
from govbus.testing.example_signatures import TWIN_ALGORITHM

from .bus import LAND

AT_MS = BASE_AT_MS
ORIGIN = Origin(TAX, "main")
OUT = topics.outbox(TAX)


@pytest.fixture(scope="module")
def directory(stage):
    """The directory in force."""
    return stage.directory


@pytest.fixture
def genuine(stage):
    """Four genuine documents in one batch, as records of the outbox."""
    documents = stage.documents(ORIGIN, 0, 4, at_ms=AT_MS)
    return [Record(OUT, 0, offset, AT_MS, *document) for offset, document in enumerate(documents)]


@pytest.fixture
def single(stage):
    """One genuine document with a signature of its own."""
    return make_record({}, stage.schema, index=0, offset=0, at_ms=AT_MS)


def with_header(record, name, value):
    """Return a record with another value of one header; None takes the header out."""
    headers = [(one, value if one == name else octets) for one, octets in record.headers]
    return record._replace(headers=tuple(one for one in headers if one[1] is not None))


def header(record, name):
    """Return the value of a header."""
    return dict(record.headers)[name]


def sealed_by(record, signer, *, statement=None):
    """Return a document with another statement, or the same, and a signature of somebody's over it."""
    octets = statement if statement is not None else header(record, STATEMENT)
    signature = sign_detached(signer, octets, typ=STATEMENT_TYP, at_ms=AT_MS)
    return with_header(with_header(record, STATEMENT, octets), SIGNATURE, signature)


def refused(record, genuine, directory, *, rule, field, revocations=NOTHING_KNOWN, at_ms=AT_MS, before=()):
    """Assert that a record is refused by one rule, names one field, and stops no genuine document after it."""
    history = MemoryHistory()

    def decided(one):
        decision = decide(one, directory, history, at_ms=at_ms, revocations=revocations)
        prior = prior_of(decision, time_ms=at_ms, receipt_first=0)
        if prior is not None:
            history.remember(decision.statement.origin, prior)
        return decision

    for one in before:
        assert Outcome.ACCEPTED is decided(one).outcome
    decision = decided(record)
    assert [(rule, field)] == [(one.rule, one.field) for one in decision.findings], decision.findings
    assert decision.outcome in {Outcome.REFUSED, Outcome.QUARANTINED}
    assert () == decision.recipients
    after = decided(genuine)
    assert Outcome.ACCEPTED is after.outcome, after.findings
    return decision


# Wrong key, or another agency's key.


@pytest.mark.parametrize("name", ["nobody", "land", "bus", "court"])
def test_wrong_key_or_another_agency_s_key(single, directory, name):
    """A signature that holds, by a key that is not the origin's agency's: unknown, another sender's, the bus's own."""
    if name == "nobody":
        key = example_keys.foreign()
        signer = KeySigner.from_pem(key.key_pem, key.certificate_pem, kid="foreign")
    else:
        signer = example_keys.signer({"land": LAND, "bus": BUS, "court": COURT}[name].text)
    decision = refused(sealed_by(single, signer), single, directory, rule="SEC-6", field="gb-sig")
    expected = "is not in the directory" if name == "nobody" else "not to tax.example"
    assert expected in decision.findings[0].detail


def test_wrong_key_or_another_agency_s_key__under_the_right_thumbprint(single, directory):
    """A foreign key that names the agency's certificate in its header signs nothing that holds under it."""

    class Impostor:
        certificate = example_keys.signer(TAX.text).certificate
        kid = TAX.text
        sign = staticmethod(example_keys.signer(LAND.text).sign)

    refused(sealed_by(single, Impostor), single, directory, rule="SEC-3", field="gb-sig")


def test_wrong_key_or_another_agency_s_key__same_name(single, directory):
    """A certificate with the agency's very name, by another authority, is not the one in the directory."""
    validity = {"not_before_ms": example_keys.VALID_FROM_MS, "not_after_ms": example_keys.VALID_TO_MS}
    other = CertificateAuthority.create("Example root", at_ms=example_keys.VALID_FROM_MS, days=3650)
    key = other.issue(TAX.text, **validity)
    signer = KeySigner.from_pem(key.key_pem, key.certificate_pem, kid=TAX.text)
    refused(sealed_by(single, signer), single, directory, rule="SEC-6", field="gb-sig")


# Expired or revoked certificate.


@pytest.mark.parametrize("name", ["expired-certificate", "future-certificate", "revoked-certificate"])
def test_expired_or_revoked_certificate(single, directory, name):
    """A key whose certificate was not good at the statement's time."""
    record = sealed_by(single, example_keys.signer(name))
    refused(record, single, directory, rule="SEC-6", field="gb-sig")


@pytest.mark.parametrize(("since_ms", "is_refused"), [(AT_MS, True), (AT_MS + 1000, False)])
def test_expired_or_revoked_certificate__by_a_list(stage, single, directory, since_ms, is_refused):
    """A stolen key after the revocation's date is refused; what was signed before it stays good."""
    value = stage.crl((TAX.text, since_ms))
    known = RevocationRecords()
    key = read_material(value).digest.encode()
    known.take(Record(topics.REVOCATIONS, 0, 0, 0, key, value, ()))
    state = known.state(1)
    decision = decide(single, directory, MemoryHistory(), at_ms=AT_MS + 60_000, revocations=state)
    if not is_refused:
        assert Outcome.ACCEPTED is decision.outcome
        return
    assert [("SEC-6", "gb-sig")] == [(one.rule, one.field) for one in decision.findings]
    assert Outcome.ACCEPTED is decide(single, directory, MemoryHistory(), at_ms=AT_MS).outcome


# Replay to another topic or recipient.


def test_replay_to_another_topic_or_recipient__outbox(single, directory):
    """A genuine document on the outbox of another agency is for another place."""
    record = single._replace(topic=topics.outbox(LAND))
    refused(record, single, directory, rule="SEC-3", field="topic")


def test_replay_to_another_topic_or_recipient__origin(single, directory):
    """Under another key of the outbox it would count for another origin."""
    refused(single._replace(key=b"tax.example/other"), single, directory, rule="SEC-3", field="key")


def test_replay_to_another_topic_or_recipient__again(genuine, directory):
    """The same document again is a duplicate: it is answered by its first receipt and delivered to nobody."""
    history = MemoryHistory()
    for record in genuine[:2]:
        decision = decide(record, directory, history, at_ms=AT_MS)
        history.remember(ORIGIN, prior_of(decision, time_ms=AT_MS, receipt_first=0))
    again = decide(genuine[0]._replace(offset=9), directory, history, at_ms=AT_MS)
    assert (Outcome.DUPLICATE, ()) == (again.outcome, again.recipients)
    assert Outcome.ACCEPTED is decide(genuine[2], directory, history, at_ms=AT_MS).outcome


@pytest.mark.parametrize("name", ["ce_agreementid", "ce_recipient"])
def test_replay_to_another_topic_or_recipient__recipients(single, directory, name):
    """Recipients follow from the signed agreement: another one, or a header that names one, is a changed header."""
    headers = dict(single.headers) | {name: b"land-assessments"}
    record = single._replace(headers=tuple(headers.items()))
    refused(record, single, directory, rule="SEC-3", field="headers")


def test_replay_to_another_topic_or_recipient__another_supplier_s_agreement(stage, directory, single):
    """Even its own agency cannot send a document under an agreement of somebody else."""
    documents = stage.documents(
        ORIGIN, 0, 1, at_ms=AT_MS, change=lambda _, signed: signed.update(ce_agreementid=b"land-assessments")
    )
    record = Record(OUT, 0, 0, AT_MS, *documents[0])
    decision = decide(record, directory, MemoryHistory(), at_ms=AT_MS)
    assert [("DRM-2", "ce_agreementid")] == [(one.rule, one.field) for one in decision.findings]


# A header changed, a schema swapped, an index changed.


@pytest.mark.parametrize(
    "name", ["ce_accesslevel", "ce_dataclassification", "ce_time", "ce_id", "content-type"]
)
def test_a_header_changed_a_schema_swapped_an_index_changed__header(genuine, directory, name):
    """Any signed header with another value, with the genuine signature beside it."""
    record = with_header(genuine[0], name, b"public")
    refused(record, genuine[0], directory, rule="SEC-3", field="headers")


def test_a_header_changed_a_schema_swapped_an_index_changed__header_and_statement(genuine, directory):
    """The statement made right again is one that nobody signed."""
    record = with_header(genuine[0], "ce_accesslevel", b"public")
    signed = {name: value for name, value in record.headers if name.startswith(("ce_", "content-"))}
    old = Statement.from_bytes(header(record, STATEMENT))
    record = with_header(record, STATEMENT, dataclasses.replace(old, headers=headers_hash(signed)).to_bytes())
    refused(record, genuine[0], directory, rule="SEC-3", field="gb-path")


@pytest.mark.parametrize("name", ["ce_id", STATEMENT, "gb-salt", BATCH, PATH])
def test_a_header_changed_a_schema_swapped_an_index_changed__twice(genuine, directory, name):
    """A header that stands twice, so that two readers might take two values, is refused whichever comes first."""
    for headers in (
        (*genuine[0].headers, (name, header(genuine[1], name))),
        ((name, header(genuine[1], name)), *genuine[0].headers),
    ):
        rule = "CE-2" if name == "ce_id" else "SEC-3"
        refused(genuine[0]._replace(headers=headers), genuine[0], directory, rule=rule, field=name)


def test_a_header_changed_a_schema_swapped_an_index_changed__frame(single, directory):
    """Another schema id in the frame around the genuine bytes."""
    record = single._replace(value=frame(SCHEMA_ID + 1, single.value[5:]))
    refused(record, single, directory, rule="AVR-4", field="value")


def test_a_header_changed_a_schema_swapped_an_index_changed__schema_line(single, directory):
    """Another schema in the statement, signed again by a key that is not the agency's."""
    old = Statement.from_bytes(header(single, STATEMENT))
    record = with_header(single, STATEMENT, dataclasses.replace(old, schema="0" * 64).to_bytes())
    refused(record, single, directory, rule="SEC-3", field="gb-sig")


def test_a_header_changed_a_schema_swapped_an_index_changed__value(genuine, directory):
    """Another document's value under this one's statement."""
    octets = bytearray(genuine[0].value)
    octets[-1] ^= 1
    refused(genuine[0]._replace(value=bytes(octets)), genuine[0], directory, rule="SEC-3", field="value")


def test_a_header_changed_a_schema_swapped_an_index_changed__index(genuine, directory):
    """The next index on an old document: its place in the batch is another."""
    old = Statement.from_bytes(header(genuine[0], STATEMENT))
    record = with_header(genuine[0], STATEMENT, dataclasses.replace(old, index=1).to_bytes())
    refused(record, genuine[1], directory, rule="CE-4", field="ce_id", before=genuine[:1])
    fresh = with_header(genuine[1], STATEMENT, dataclasses.replace(old, index=1).to_bytes())
    refused(fresh, genuine[1], directory, rule="SEC-3", field="headers", before=genuine[:1])


def test_a_header_changed_a_schema_swapped_an_index_changed__gap(genuine, directory):
    """Held back by the operator or lost: the next one leaves a gap and is held, and goes through once it is closed."""
    refused(genuine[1], genuine[0], directory, rule="SEQ-1", field="index")


# Batch path forged, oversize path.


@pytest.mark.parametrize("kind", ["bit", "short", "long", "of-another", "none"])
def test_batch_path_forged_oversize_path(genuine, directory, kind):
    """A path that does not lead to the signed root from this document."""
    path = header(genuine[0], PATH)
    forged = {
        "bit": bytes([path[0] ^ 1]) + path[1:],
        "short": path[:-32],
        "long": path + bytes(32),
        "of-another": header(genuine[3], PATH),
        "none": b"",
    }[kind]
    refused(with_header(genuine[0], PATH, forged), genuine[0], directory, rule="SEC-3", field="gb-path")


@pytest.mark.parametrize("octets", [bytes(32 * 33), bytes(33), bytes(31)])
def test_batch_path_forged_oversize_path__shape(genuine, directory, octets):
    """More than 32 hashes, or no whole number of them, are refused before anything is hashed."""
    refused(with_header(genuine[0], PATH, octets), genuine[0], directory, rule="SEC-3", field="gb-path")


def test_batch_path_forged_oversize_path__batch_of_another_origin(stage, genuine, directory):
    """The batch text of another origin of the same agency, which its seal is over."""
    other = stage.documents(Origin(TAX, "other"), 0, 4, at_ms=AT_MS)
    headers = dict(other[0][2])
    record = with_header(genuine[0], BATCH, headers[BATCH])
    record = with_header(record, SIGNATURE, headers[SIGNATURE])
    refused(record, genuine[0], directory, rule="SEC-3", field="gb-batch")


def test_batch_path_forged_oversize_path__range(genuine, directory):
    """A batch of the agency whose range does not have the index."""
    statements = [header(one, STATEMENT) for one in genuine]
    sealed = seal_batch([example_keys.signer(TAX.text)], ORIGIN, 100, statements, at_ms=AT_MS)
    record = with_header(genuine[0], BATCH, sealed.text)
    record = with_header(record, SIGNATURE, sealed.signatures[0])
    refused(record, genuine[0], directory, rule="SEC-3", field="gb-batch")


def test_batch_path_forged_oversize_path__root_signed_as_a_statement(genuine, directory):
    """A signature over a batch text is none over a statement, whatever its ``typ`` says."""
    text = header(genuine[0], BATCH)
    signature = sign_detached(example_keys.signer(TAX.text), text, typ=STATEMENT_TYP, at_ms=AT_MS)
    refused(
        with_header(genuine[0], SIGNATURE, signature), genuine[0], directory, rule="SEC-3", field="gb-sig"
    )


# Small-order key, algorithm confusion, unknown crit.


def _with_protected(record, **fields):
    """Return a document whose signature is made again, by its own key, over another protected header."""
    protected = header(record, SIGNATURE).split(b".")[0]
    changed = json.loads(from_base64url(protected.decode())) | fields
    kept = {name: value for name, value in changed.items() if value is not None}
    octets = base64url(json.dumps(kept, separators=(",", ":")).encode()).encode()
    signature = example_keys.signer(TAX.text).sign(signing_input(octets, header(record, STATEMENT)))
    return with_header(record, SIGNATURE, octets + b".." + base64url(signature).encode())


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"alg": "ES256"}, "SEC-4"),
        ({"alg": "ML-DSA-44"}, "SEC-4"),
        ({"alg": "ML-DSA-65"}, "SEC-4"),
        ({"alg": "HS256"}, "SEC-4"),
        ({"alg": "none"}, "SEC-4"),
        ({"alg": None}, "SEC-4"),
        ({"alg": ["Ed25519"]}, "SEC-4"),
        ({"crit": ["b64", "exp"], "exp": 1}, "SEC-3"),
        ({"crit": []}, "SEC-3"),
        ({"crit": None}, "SEC-3"),
        ({"b64": True}, "SEC-3"),
        ({"typ": BATCH_TYP}, "SEC-3"),
        ({"typ": "govbus-receipt"}, "SEC-3"),
    ],
    ids=str,
)
def test_small_order_key_algorithm_confusion_unknown_crit__protected_header(single, directory, fields, rule):
    """A header that says something else about the signature, which holds over it, is refused all the same."""
    refused(_with_protected(single, **fields), single, directory, rule=rule, field="gb-sig")


@pytest.mark.parametrize(
    ("named", "key"),
    [("ML-DSA-65", "ML-DSA-44"), ("ML-DSA-44", "ML-DSA-65"), ("ML-DSA-44", "Ed25519"), ("PS256", "ES256")],
)
def test_small_order_key_algorithm_confusion_unknown_crit__between_keys(directory, named, key, stage):
    """A certificate of one algorithm under the name of another, also of the same family."""
    algorithm = Algorithm(key)
    bus = ExampleBus.of({}, frozenset({algorithm} - {Algorithm.ED25519}))
    signer = example_keys.signer(TAX.text, algorithm)
    record = make_record({"raw": {"algorithm": key}}, stage.schema, index=0, offset=0, at_ms=AT_MS)
    forged = make_record(
        {"raw": {"algorithm": key, "signature_header": {"alg": named}}},
        stage.schema,
        index=0,
        offset=0,
        at_ms=AT_MS,
    )
    assert signer.certificate.thumbprint in bus.directory().certificates
    refused(forged, record, bus.directory(), rule="SEC-4", field="gb-sig")


def test_small_order_key_algorithm_confusion_unknown_crit__mac_with_the_public_key(single, directory):
    """The old trick: an HMAC with the public key as its secret."""
    certificate: Certificate = example_keys.signer(TAX.text).certificate
    fields = {"alg": "HS256", "b64": False, "crit": ["b64"], "iat": AT_MS // 1000, "kid": "x"}
    fields |= {"typ": STATEMENT_TYP, "x5t#S256": certificate.thumbprint}
    protected = base64url(json.dumps(fields, separators=(",", ":")).encode()).encode()
    octets = signing_input(protected, header(single, STATEMENT))
    tag = hmac.new(certificate.public_key.public_bytes_raw(), octets, hashlib.sha256).digest()
    record = with_header(single, SIGNATURE, protected + b".." + base64url(tag).encode())
    refused(record, single, directory, rule="SEC-4", field="gb-sig")


def test_small_order_key_algorithm_confusion_unknown_crit__small_order(single, directory, stage):
    """A signature whose points have small order holds for nobody's key."""
    record = make_record({"raw": {"signature": "small-order"}}, stage.schema, index=0, offset=0, at_ms=AT_MS)
    refused(record, single, directory, rule="SEC-3", field="gb-sig")


# Statement with extra lines.


@pytest.mark.parametrize(
    "change",
    [
        lambda octets: octets + b"note 1\n",
        lambda octets: b"\n" + octets,
        lambda octets: octets + b"\n",
        lambda octets: octets.replace(b"\n", b"\r\n"),
        lambda octets: octets.replace(b"index 0\n", b"index 0\nindex 0\n"),
        lambda octets: octets.replace(b"index 0", b"index 00"),
        lambda octets: octets.replace(b"index 0", b"index +0"),
        lambda octets: octets[:-1],
        lambda octets: octets.replace(b"govbus/statement/v1", b"govbus/statement/v2"),
    ],
    ids=["more", "before", "empty", "crlf", "twice", "zero", "sign", "cut", "version"],
)
def test_statement_with_extra_lines(single, directory, change):
    """One line more or other than the grammar has, even under the agency's own signature."""
    statement = change(header(single, STATEMENT))
    record = sealed_by(single, example_keys.signer(TAX.text), statement=statement)
    refused(record, single, directory, rule="SEC-3", field="gb-stmt")


def test_statement_with_extra_lines__in_the_batch_text(genuine, directory):
    """The same goes for the batch text."""
    text = header(genuine[0], BATCH) + b"note 1\n"
    signature = sign_detached(example_keys.signer(TAX.text), text, typ=BATCH_TYP, at_ms=AT_MS)
    record = with_header(with_header(genuine[0], BATCH, text), SIGNATURE, signature)
    refused(record, genuine[0], directory, rule="SEC-3", field="gb-batch")
    assert BatchText.from_bytes(header(genuine[0], BATCH)).end == 4


# A required signature stripped.


@pytest.mark.parametrize("stripped", ["seal", "officer", "twin"])
def test_a_required_signature_stripped(stripped):
    """Of three signatures that all hold, each is missed by itself."""
    example = {"package": {"signatures": {"officer": "required", "twin": "required"}}}
    directory = ExampleBus.of(example, frozenset({TWIN_ALGORITHM})).directory()
    schema = directory.schemas.by_id(SCHEMA_ID)
    whole = make_record(
        {"raw": {"signed_by": ["seal", "officer", "twin"]}}, schema, index=0, offset=0, at_ms=AT_MS
    )
    signatures = [place for place, one in enumerate(whole.headers) if one[0] == SIGNATURE]
    at = signatures[["seal", "officer", "twin"].index(stripped)]
    record = whole._replace(headers=whole.headers[:at] + whole.headers[at + 1 :])
    refused(record, whole, directory, rule="SEC-10", field="gb-sig")


def test_a_required_signature_stripped__all(single, directory):
    """Without any signature there is none that holds."""
    refused(with_header(single, SIGNATURE, None), single, directory, rule="SEC-3", field="gb-sig")


def test_a_required_signature_stripped__officer_of_another_agency():
    """An officer of somebody else in the place of one's own."""
    directory = ExampleBus.of({"package": {"signatures": {"officer": "required"}}}).directory()
    schema = directory.schemas.by_id(SCHEMA_ID)

    def record(*names):
        return make_record({"raw": {"signed_by": list(names)}}, schema, index=0, offset=0, at_ms=AT_MS)

    forged = record("seal", "officer-of-another-agency")
    refused(forged, record("seal", "officer"), directory, rule="SEC-6", field="gb-sig")


def test_the_genuine_documents_are_accepted(genuine, single, directory):
    """What every attack begins with is good."""
    history = MemoryHistory()
    for record in genuine:
        decision = decide(record, directory, history, at_ms=AT_MS)
        assert (Outcome.ACCEPTED, ()) == (decision.outcome, decision.findings)
        history.remember(ORIGIN, prior_of(decision, time_ms=AT_MS, receipt_first=0))
    assert Outcome.ACCEPTED is decide(single, directory, MemoryHistory(), at_ms=AT_MS).outcome
