"""What a witness answers: each status by a request that breaks one thing, and the order in which things are checked."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from govbus.errors import NoteError
from govbus.message_log.checkpoint import Checkpoint, sign_checkpoint
from govbus.message_log.cosignature import CosignatureSigner, Ed25519CosignatureSigner, cosigned_at_s
from govbus.message_log.keys import LogKeys
from govbus.message_log.note import SIGNATURES_MAX, Note, NoteSignature, verify_note
from govbus.message_log.witness import (
    REQUEST_BYTES_MAX,
    AddCheckpoint,
    Answer,
    SignSubtree,
    Witness,
    parse_signature_lines,
    parse_size,
)
from govbus.signing.merkle import EMPTY_ROOT, consistency_proof, leaf_hash, root_of

ORIGIN = "bus.example/log/heads"
LOG = LogKeys(
    Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32), MLDSA44PrivateKey.from_seed_bytes(bytes(32))
)
OTHER_LOG = LogKeys(
    Ed25519PrivateKey.from_private_bytes(bytes([2]) * 32), MLDSA44PrivateKey.from_seed_bytes(bytes([2]) * 32)
)
NAME = "court.example/witness"
ML_DSA_44 = CosignatureSigner(NAME, MLDSA44PrivateKey.from_seed_bytes(bytes([3]) * 32))
ED25519 = Ed25519CosignatureSigner(NAME, Ed25519PrivateKey.from_private_bytes(bytes([3]) * 32))
LEAVES = [leaf_hash(bytes([number])) for number in range(20)]
AT_S = 1_800_000_000


def _verifiers(origin):
    return LOG.public.verifiers(ORIGIN) if origin == ORIGIN else ()


WITNESS = Witness(ML_DSA_44, ED25519, _verifiers)
STRICT = replace(WITNESS, is_every_log_key_required=True)
WITNESS_VERIFIERS = [ML_DSA_44.verifier, ED25519.verifier]


def _signed(size, *, leaves=LEAVES, origin=ORIGIN, keys=LOG, extensions=()):
    checkpoint = Checkpoint(origin, size, root_of(leaves[:size]), extensions)
    return sign_checkpoint(checkpoint, keys.signers(origin), at_s=AT_S - 9)


def _request(old_size, size, *, note=None, proof=None):
    if proof is None:
        proof = consistency_proof(LEAVES[:size], old_size) if old_size else ()
    return (
        AddCheckpoint(old_size, tuple(proof), note if note is not None else _signed(size)).to_text().encode()
    )


def _decision(octets, latest=None, *, witness=WITNESS, at_s=AT_S):
    received = witness.receive(octets)
    assert not isinstance(received, Answer), received
    return witness.decide(received, latest, at_s=at_s)


def _answer(octets, latest=None, *, witness=WITNESS):
    received = witness.receive(octets)
    return received if isinstance(received, Answer) else witness.decide(received, latest, at_s=AT_S).answer


def _latest(size, **options):
    return _decision(_request(0, size), **options).latest


@pytest.mark.parametrize(
    ("old_size", "size"), [(0, 0), (0, 1), (0, 13), (1, 1), (1, 2), (7, 13), (8, 13), (13, 13)]
)
def test_cosigns_what_grew(old_size, size):
    """A checkpoint that grew from the latest one is cosigned by both keys with the time; the new one is remembered."""
    latest = _latest(old_size) if old_size else None
    decision = _decision(_request(old_size, size), latest)
    lines = parse_signature_lines(decision.answer.body.encode())

    assert (200, "text/plain") == (decision.answer.status, decision.answer.content_type)
    note = Note.from_text(_signed(size))
    assert WITNESS_VERIFIERS == verify_note(Note(note.text, lines), WITNESS_VERIFIERS)
    assert [AT_S, AT_S] == [cosigned_at_s(line.signature) for line in lines]
    assert (size, root_of(LEAVES[:size]), AT_S) == (
        decision.latest.size,
        decision.latest.root,
        decision.latest.time_s,
    )
    assert not decision.is_fork


def test_what_monitors_get():
    """The remembered note has the signatures of the log that held and the answered ones, and no others."""
    note = Note.from_text(_signed(5))
    stranger = NoteSignature("stranger.example", b"1234", b"5678")
    decision = _decision(_request(0, 5, note=Note(note.text, (stranger, *note.signatures)).to_text()))
    kept = Note.from_text(decision.latest.note)

    assert (*note.signatures, *parse_signature_lines(decision.answer.body.encode())) == kept.signatures
    assert note.text == kept.text


def test_a_note_full_of_signatures():
    """A log that signs as often as a note can hold gets one line of each key into what monitors read."""
    note = Note.from_text(_signed(5))
    many = [LOG.signers(ORIGIN)[1].sign(note.text, at_s=number) for number in range(SIGNATURES_MAX - 1)]
    decision = _decision(_request(0, 5, note=Note(note.text, (note.signatures[0], *many)).to_text()))

    assert 2 + 2 == len(Note.from_text(decision.latest.note).signatures)


def test_extension_lines():
    """Extension lines do not hinder; the Ed25519 cosignature covers them."""
    note = _signed(5, extensions=("one", "two"))
    lines = parse_signature_lines(_answer(_request(0, 5, note=note)).body.encode())

    assert WITNESS_VERIFIERS == verify_note(Note(Note.from_text(note).text, lines), WITNESS_VERIFIERS)


def test_time_does_not_go_back():
    """A clock that was set back does not make the witness state that the larger tree was seen earlier."""
    latest = _latest(5)
    assert AT_S == _decision(_request(5, 6), latest, at_s=AT_S - 100).latest.time_s
    assert AT_S + 1 == _decision(_request(5, 6), latest, at_s=AT_S + 1).latest.time_s
    with pytest.raises(ValueError, match="states the time"):
        _decision(_request(0, 5), at_s=0)


REQUEST = _request(5, 9).decode()
PROOF_LINE = REQUEST.split("\n")[1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "old 5\n",
        _signed(9),
        REQUEST.replace("old 5", "Old 5"),
        REQUEST.replace("old 5", "old  5"),
        REQUEST.replace("old 5", "old 05"),
        REQUEST.replace("old 5", "old -5"),
        REQUEST.replace("old 5", "old"),
        REQUEST.replace("old 5", f"old {2**63}"),
        REQUEST.replace("old 5\n", "old 5\r\n"),
        REQUEST.replace(PROOF_LINE, PROOF_LINE[:-4]),
        REQUEST.replace(PROOF_LINE, PROOF_LINE + " "),
        REQUEST.replace(PROOF_LINE, "\n".join([PROOF_LINE] * 64)),
        REQUEST.replace("\n\n", "\n", 1),
        REQUEST.replace(f"{ORIGIN}\n9\n", f"{ORIGIN}\n09\n"),
        REQUEST.replace(f"\n{ORIGIN}\n9", "\n\n9"),
        REQUEST[:-1],
        REQUEST + "\n",
        REQUEST[: REQUEST.index("\u2014")],
        "x" * (REQUEST_BYTES_MAX + 1),
    ],
)
def test_400_malformed(text):
    """A request that breaks the grammar in one place is answered with 400, wherever the witness stands."""
    assert 400 == _answer(text.encode(), _latest(5)).status


def test_400_not_utf8():
    """Octets that are no UTF-8 are answered with 400."""
    assert 400 == _answer(REQUEST.encode() + b"\xff").status


def test_63_hashes_are_read():
    """As many hashes as the specification allows are read; they prove nothing here."""
    assert 422 == _answer(_request(5, 9, proof=[bytes(32)] * 63), _latest(5)).status


def test_404_unknown_log():
    """A checkpoint of a log that the witness does not know is answered with 404, even if signed by known keys."""
    assert 404 == _answer(_request(0, 5, note=_signed(5, origin="bus.example/log/0"))).status


def test_403_not_signed_by_the_log():
    """No signature of a trusted key, or a wrong one of a trusted key beside a right one, is answered with 403."""
    by_others = _signed(5, keys=OTHER_LOG)
    note = Note.from_text(_signed(5))
    wrong = note.signatures[1]._replace(signature=note.signatures[1].signature[:-1] + b"\0")
    half_wrong = Note(note.text, (note.signatures[0], wrong)).to_text()

    assert 403 == _answer(_request(0, 5, note=by_others)).status
    assert 403 == _answer(_request(0, 5, note=half_wrong)).status


def test_403_text_changed():
    """A checkpoint whose root was changed after it was signed is answered with 403."""
    note = Note.from_text(_signed(5))
    other = Note.from_text(_signed(5, leaves=LEAVES[1:]))

    assert 403 == _answer(_request(0, 5, note=Note(other.text, note.signatures).to_text())).status


@pytest.mark.parametrize("index", [0, 1])
def test_one_key_of_the_log(index):
    """One of the log's keys is enough by the specification; a strict witness answers 403."""
    note = Note.from_text(_signed(5))
    octets = _request(0, 5, note=Note(note.text, (note.signatures[index],)).to_text())

    assert 200 == _answer(octets).status
    assert 403 == _answer(octets, witness=STRICT).status
    assert 200 == _answer(_request(0, 5), witness=STRICT).status


def test_400_old_size_larger_than_the_checkpoint():
    """An old size over the checkpoint's is answered with 400, even where the witness stands there."""
    assert 400 == _answer(_request(6, 5, proof=()), _latest(6)).status


@pytest.mark.parametrize(("old_size", "known"), [(0, 5), (4, 5), (6, 5), (5, 0), (3, 0)])
def test_409_other_size(old_size, known):
    """Where the witness stands elsewhere, it answers 409 with its size, in the media type of the specification."""
    answer = _answer(_request(old_size, 9), _latest(known) if known else None)

    assert (409, f"{known}\n", "text/x.tlog.size") == (answer.status, answer.body, answer.content_type)
    assert known == parse_size(answer.body.encode())


def test_422_empty_tree_with_a_root():
    """A checkpoint of size 0 has the hash of nothing as its root."""
    checkpoint = Checkpoint(ORIGIN, 0, LEAVES[0])
    note = sign_checkpoint(checkpoint, LOG.signers(ORIGIN), at_s=1)
    decision = _decision(_request(0, 0, note=note))

    assert (422, None, True) == (decision.answer.status, decision.latest, decision.is_fork)


@pytest.mark.parametrize("latest", [None, 0])
def test_422_proof_from_nothing(latest):
    """A proof from size 0 must be empty."""
    known = _latest(0) if latest == 0 else None

    assert 422 == _answer(_request(0, 5, proof=[LEAVES[0]]), known).status
    assert 200 == _answer(_request(0, 5), known).status


PROOF = tuple(consistency_proof(LEAVES[:13], 5))


@pytest.mark.parametrize(
    "proof",
    [(), PROOF[:-1], (*PROOF, PROOF[0]), PROOF[::-1], (bytes(32), *PROOF[1:]), (*PROOF[:-1], bytes(32))],
)
def test_422_proof_does_not_hold(proof):
    """A proof that is missing, cut, too long, in another order or changed in one hash is answered with 422."""
    decision = _decision(_request(5, 13, proof=proof), _latest(5))

    assert (422, None, False) == (decision.answer.status, decision.latest, decision.is_fork)
    assert 200 == _answer(_request(5, 13, proof=PROOF), _latest(5)).status


def test_422_forked_log():
    """A log that replaced an entry the witness has seen cannot prove its new tree, not even with its own proof."""
    forked = [leaf_hash(b"other"), *LEAVES[1:]]
    proof = consistency_proof(forked[:13], 5)

    assert 422 == _answer(_request(5, 13, proof=proof, note=_signed(13, leaves=forked)), _latest(5)).status


def test_422_same_size_other_root():
    """Two trees of one size, both signed, are answered with 422 and reported as a fork."""
    forked = [leaf_hash(b"other"), *LEAVES[1:]]
    decision = _decision(_request(5, 5, proof=(), note=_signed(5, leaves=forked)), _latest(5))

    assert (422, None, True) == (decision.answer.status, decision.latest, decision.is_fork)


def test_422_same_tree_with_a_proof():
    """The same tree needs no proof; one that is given is refused, and is no fork."""
    decision = _decision(_request(5, 5, proof=[LEAVES[0]]), _latest(5))

    assert (422, False) == (decision.answer.status, decision.is_fork)


FORKED = _signed(9, leaves=[leaf_hash(b"other"), *LEAVES[1:]])


@pytest.mark.parametrize(
    ("status", "octets"),
    [
        (400, _request(99, 9, proof=(), note=FORKED.replace(ORIGIN, "unknown")).replace(b"old 99", b"old x")),
        (404, _request(99, 9, proof=(), note=FORKED.replace(ORIGIN, "unknown"))),
        (403, _request(99, 9, proof=(), note=_signed(9, keys=OTHER_LOG))),
        (400, _request(99, 9, proof=(), note=FORKED)),
        (409, _request(4, 9, proof=(), note=FORKED)),
        (422, _request(5, 9, proof=(), note=FORKED)),
        (200, _request(5, 9)),
    ],
)
def test_order_of_checks(status, octets):
    """What is wrong in several ways is answered by the first: each row repairs what the one before was answered for."""
    assert status == _answer(octets, _latest(5)).status


def test_requests_round_trip():
    """Requests read back as they were written."""
    add = AddCheckpoint(5, PROOF, _signed(13))
    sign = SignSubtree(8, 13, LEAVES[0], PROOF, _signed(13))

    assert add == AddCheckpoint.from_bytes(add.to_text().encode())
    assert sign == SignSubtree.from_bytes(sign.to_text().encode())


@pytest.mark.parametrize(
    "octets", [b"", b"5", b"05\n", b"-1\n", b"5\n\n", b" 5\n", b"five\n", b"\xff\n", b"1" * 40]
)
def test_size_that_is_none(octets):
    """The body of a 409 is a number and a newline, nothing else."""
    with pytest.raises(NoteError):
        parse_size(octets)


@pytest.mark.parametrize(
    "text", ["", "\n", "x\n", "\u2014 a YWFhYWE=", "\u2014 a YWFhYWE=\n\n\u2014 a YWFhYWE=\n"]
)
def test_signature_lines_that_are_none(text):
    """The body of a 200 is signature lines, nothing else."""
    with pytest.raises(NoteError):
        parse_signature_lines(text.encode())


def test_empty_root():
    """The empty tree is cosigned like any other."""
    assert EMPTY_ROOT == _latest(0).root
