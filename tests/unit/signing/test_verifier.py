"""The verifier's steps, each broken alone with the rest signed again."""

import dataclasses

import pytest

from govbus.document.encoding import base64url
from govbus.document.ids import Origin
from govbus.document.record import Envelope, Record, frame
from govbus.document.statement import Statement, headers_hash, value_hash
from govbus.errors import AlgorithmError, MetadataError, SignatureError, UntrustedKeyError
from govbus.signing.algorithms import Algorithm
from govbus.signing.batch import BatchText, seal_batch
from govbus.signing.jws import BATCH_TYP, STATEMENT_TYP, sign_detached
from govbus.signing.verifier import VerifiedSignatures, Verifier

from .conftest import NOW_MS, Trust, make_signer

ORIGIN = Origin.from_text("tax.example/main")
SALT = bytes(range(16))
SCHEMA = "ab" * 32
SIGNED = {"content-type": b"application/avro", "ce_id": b"id-1", "ce_type": b"x.v1"}


def _statement(index=0, avro=b"avro", **changes):
    return dataclasses.replace(
        Statement(
            ORIGIN,
            index,
            "govbus.out.tax.example",
            headers_hash(SIGNED),
            SCHEMA,
            len(avro),
            value_hash(SALT, avro),
            NOW_MS,
        ),
        **changes,
    )


def _record(statement, signatures, *, avro=b"avro", extra=(), topic=None, key=b"tax.example/main"):
    headers = (
        *SIGNED.items(),
        ("gb-stmt", statement.to_bytes()),
        ("gb-salt", SALT),
        *[("gb-sig", signature) for signature in signatures],
        *extra,
    )
    return Record(topic or statement.topic, 0, 0, 0, key, frame(100, avro), headers)


def _single(signer, statement, **changes):
    signature = sign_detached(signer, statement.to_bytes(), typ=STATEMENT_TYP, at_ms=NOW_MS)
    return _record(statement, [signature], **changes)


def _check(trust, record, *, side="out", schema=SCHEMA, verified=None):
    envelope = Envelope.from_headers(record.headers)
    statement = Statement.from_bytes(envelope.statement)
    Verifier(trust, verified).verify_record(record, envelope, statement, side=side, schema_hash=schema)


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_single_signature_holds(trust, signers, algorithm):
    """A record signed on its own verifies on the outbox, and on the inbox under the other key."""
    _check(trust, _single(signers[algorithm], _statement()))
    _check(trust, _single(signers[algorithm], _statement(), topic="govbus.in.x", key=b"id-1"), side="in")


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64, 100])
def test_batch_holds_for_every_leaf(trust, signers, size):
    """Every document of a batch verifies, with its signature checked once and remembered."""
    statements = [_statement(10 + n) for n in range(size)]
    sealed = seal_batch(
        [signers[Algorithm.ED25519], signers[Algorithm.ML_DSA_44]],
        ORIGIN,
        10,
        [statement.to_bytes() for statement in statements],
        at_ms=NOW_MS,
    )
    verified = VerifiedSignatures()
    for statement, path in zip(statements, sealed.paths, strict=True):
        extra = (("gb-batch", sealed.text), ("gb-path", path))
        _check(trust, _record(statement, sealed.signatures, extra=extra), verified=verified)

    assert BatchText.from_bytes(sealed.text).to_bytes() == sealed.text


def _batch_of_four(signers, *, at=1, typ=BATCH_TYP, text=None, **changes):
    """Return the second record of a batch of four, with one thing changed and the rest signed again."""
    statements = [_statement(n) for n in range(4)]
    sealed = seal_batch(
        [signers[Algorithm.ED25519]], ORIGIN, 0, [one.to_bytes() for one in statements], at_ms=NOW_MS
    )
    text = sealed.text if text is None else text(BatchText.from_bytes(sealed.text)).to_bytes()
    signature = sign_detached(signers[Algorithm.ED25519], text, typ=typ, at_ms=NOW_MS)
    path = changes.pop("path", sealed.paths[at])
    return _record(
        statements[at],
        changes.pop("signatures", [signature]),
        extra=(("gb-batch", text), ("gb-path", path)),
    )


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"path": bytes(64)}, "gb-path"),
        ({"path": b""}, "gb-path"),
        ({"path": bytes(96)}, "gb-path"),
        ({"text": lambda batch: batch._replace(origin="moj.example/main")}, "gb-batch"),
        ({"text": lambda batch: batch._replace(start=5, end=9)}, "gb-batch"),
        ({"text": lambda batch: batch._replace(start=1, end=5)}, "gb-path"),
        ({"text": lambda batch: batch._replace(root=bytes(32))}, "gb-path"),
        ({"typ": STATEMENT_TYP}, "gb-sig"),
        ({"typ": "other"}, "gb-sig"),
    ],
)
def test_forged_batches_are_refused(trust, signers, changes, field):
    """Path, origin, range, root and type of a batch each refuse when they are wrong."""
    with pytest.raises(SignatureError) as caught:
        _check(trust, _batch_of_four(signers, **changes))

    assert ("SEC-3", field) == (caught.value.rule, caught.value.field)


def test_batch_needs_a_signature_over_it(trust, signers):
    """A batch text with only a signature over the statement is refused: the text itself is unsigned."""
    statement = _statement(1)
    own = sign_detached(signers[Algorithm.ED25519], statement.to_bytes(), typ=STATEMENT_TYP, at_ms=NOW_MS)
    with pytest.raises(SignatureError, match="without a signature over it"):
        _check(trust, _batch_of_four(signers, signatures=[own]))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"govbus/batch/v1\n",
        BatchText("tax.example/main", 0, 4, bytes(32)).to_bytes() + b"x",
        BatchText("tax.example/main", 4, 4, bytes(32)).to_bytes(),
        BatchText("tax.example/main", 9, 4, bytes(32)).to_bytes(),
        BatchText("tax.example/main", 0, 4, bytes(32)).to_bytes().replace(b"start 0", b"start 00"),
        BatchText("tax.example", 0, 4, bytes(32)).to_bytes(),
    ],
)
def test_malformed_batch_texts_are_refused(text):
    """A batch text that breaks the grammar is refused."""
    with pytest.raises(MetadataError):
        BatchText.from_bytes(text)


def test_path_without_batch_is_refused(trust, signers):
    """A path without a batch is refused."""
    record = _single(signers[Algorithm.ED25519], _statement(), extra=(("gb-path", bytes(32)),))
    with pytest.raises(SignatureError, match="gb-path without gb-batch"):
        _check(trust, record)


def test_place_and_key(trust, signers):
    """Another topic or another key is refused on either side."""
    signer = signers[Algorithm.ED25519]
    for record, side in (
        (_single(signer, _statement(), topic="govbus.out.moj.example"), "out"),
        (_single(signer, _statement(), key=b"tax.example/other"), "out"),
        (_single(signer, _statement(), key=None), "out"),
        (_single(signer, _statement(), key=b"id-2"), "in"),
    ):
        with pytest.raises(SignatureError) as caught:
            _check(trust, record, side=side)
        assert "SEC-3" == caught.value.rule


def test_headers_and_value(trust, signers):
    """Headers, salt, length or value other than signed are refused."""
    signer = signers[Algorithm.ED25519]
    for record in (
        _single(signer, _statement(headers=base64url(bytes(32)))),
        _single(signer, _statement(), extra=(("ce_more", b"1"),)),
        _single(signer, _statement(length=5)),
        _single(signer, _statement(), avro=b"avrO"),
        _single(signer, _statement(), avro=b"avro!"),
    ):
        with pytest.raises(SignatureError) as caught:
            _check(trust, record)
        assert "SEC-3" == caught.value.rule


def test_schema(trust, signers):
    """A reader with another schema than the signed one is refused under AVR-4."""
    with pytest.raises(SignatureError) as caught:
        _check(trust, _single(signers[Algorithm.ED25519], _statement()), schema="cd" * 32)

    assert "AVR-4" == caught.value.rule


def test_certificates(trust, authority, signers):
    """Unknown, foreign, not yet valid, expired and revoked certificates are refused under SEC-6."""
    signer = signers[Algorithm.ED25519]
    foreign, revoked, bound = Trust(), Trust(), Trust()
    foreign.add(signer, "moj.example")
    revoked.add(signer, "tax.example", revoked_ms=NOW_MS)
    early = make_signer(authority, "early", days_before=-1)
    late = make_signer(authority, "late", days_after=-1)
    bound.add(early, "tax.example")
    bound.add(late, "tax.example")
    for store, by in ((Trust(), signer), (foreign, signer), (revoked, signer), (bound, early), (bound, late)):
        with pytest.raises(UntrustedKeyError) as caught:
            _check(store, _single(by, _statement()))
        assert ("SEC-6", "gb-sig") == (caught.value.rule, caught.value.field)


def test_revocation_counts_from_its_date(signers):
    """What was signed before the revocation stays good."""
    store = Trust()
    store.add(signers[Algorithm.ED25519], "tax.example", revoked_ms=NOW_MS + 1)

    _check(store, _single(signers[Algorithm.ED25519], _statement()))


def test_trust_is_asked_for_every_document(signers):
    """A remembered batch signature does not outlive the trust in its certificate."""
    trust, verified = Trust(), VerifiedSignatures()
    trust.add(signers[Algorithm.ED25519], "tax.example")
    _check(trust, _batch_of_four(signers, at=0), verified=verified)
    trust.entries.clear()
    with pytest.raises(UntrustedKeyError):
        _check(trust, _batch_of_four(signers, at=1), verified=verified)


def test_every_signature_must_hold(trust, signers):
    """A second signature that does not hold refuses the record, although the first one does."""
    statement = _statement()
    good = sign_detached(signers[Algorithm.ED25519], statement.to_bytes(), typ=STATEMENT_TYP, at_ms=NOW_MS)
    bad = sign_detached(signers[Algorithm.ES256], b"else", typ=STATEMENT_TYP, at_ms=NOW_MS)
    with pytest.raises(SignatureError):
        _check(trust, _record(statement, [good, bad]))
    with pytest.raises((SignatureError, AlgorithmError)):
        _check(trust, _record(statement, [good, b"x..y"]))


def test_the_memory_of_verified_signatures_is_bounded(trust, signers):
    """Old batches are forgotten, and are then simply checked again."""
    verified = VerifiedSignatures(verified_max=4)
    for start in range(0, 40, 2):
        statements = [_statement(start), _statement(start + 1)]
        sealed = seal_batch(
            [signers[Algorithm.ED25519]],
            ORIGIN,
            start,
            [statement.to_bytes() for statement in statements],
            at_ms=NOW_MS,
        )
        for statement, path in zip(statements, sealed.paths, strict=True):
            extra = (("gb-batch", sealed.text), ("gb-path", path))
            _check(trust, _record(statement, sealed.signatures, extra=extra), verified=verified)

    assert 4 >= len(verified._thumbprints)
