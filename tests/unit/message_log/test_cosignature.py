"""Ed25519 cosignatures (type 0x04): what they cover, and how their verifier keys read."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from govbus.errors import NoteError
from govbus.message_log.checkpoint import Checkpoint
from govbus.message_log.cosignature import (
    Ed25519CosignatureSigner,
    Ed25519CosignatureVerifier,
    cosigned_text,
    witness_verifier_from_vkey,
)
from govbus.message_log.note import Ed25519NoteSigner, vkey_text

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER = Ed25519CosignatureSigner("w.example", KEY)
TEXT = Checkpoint("log.example", 5, bytes(32), ("extension",)).to_text()


def test_signed_message():
    """The message is the header, the time, and the whole note text with its extension lines."""
    line = SIGNER.sign(TEXT, at_s=1679315147)

    assert b"cosignature/v1\ntime 1679315147\n" + TEXT.encode() == cosigned_text(TEXT, at_s=1679315147)
    KEY.public_key().verify(line.signature[8:], cosigned_text(TEXT, at_s=1679315147))
    assert (1679315147).to_bytes(8, "big") == line.signature[:8]
    SIGNER.verifier.verify(TEXT, line.signature)


@pytest.mark.parametrize("part", ["text", "time", "signature", "extension"])
def test_one_thing_changed(part):
    """Another size, extension, time or signature does not hold."""
    octets = SIGNER.sign(TEXT, at_s=5).signature
    text = TEXT
    match part:
        case "text":
            text = TEXT.replace("\n5\n", "\n6\n")
        case "extension":
            text = TEXT.replace("extension", "extensiom")
        case "time":
            octets = (6).to_bytes(8, "big") + octets[8:]
        case "signature":
            octets = octets[:-1] + bytes([octets[-1] ^ 1])
    with pytest.raises(NoteError, match="does not hold"):
        SIGNER.verifier.verify(text, octets)


def test_not_exchangeable_with_note_signatures():
    """The same key's plain signature (0x01) is no cosignature, nor the other way round."""
    plain = Ed25519NoteSigner("w.example", KEY)
    with pytest.raises(NoteError):
        SIGNER.verifier.verify(TEXT, plain.sign(TEXT, at_s=5).signature)
    with pytest.raises(NoteError):
        plain.verifier.verify(TEXT, SIGNER.sign(TEXT, at_s=5).signature[8:])
    assert plain.verifier.key_id != SIGNER.verifier.key_id


@pytest.mark.parametrize("octets", [b"", bytes(8), b"\xff" * 72])
def test_malformed_signature(octets):
    """A signature without anything after its time, or with a time over 2^63-1, does not hold."""
    with pytest.raises(NoteError):
        SIGNER.verifier.verify(TEXT, octets)


def test_only_checkpoints():
    """A text that is no checkpoint is neither signed nor verified."""
    with pytest.raises(NoteError, match="checkpoint"):
        SIGNER.sign("text\n", at_s=5)
    with pytest.raises(NoteError, match="checkpoint"):
        SIGNER.verifier.verify("text\n", bytes(72))
    with pytest.raises(NoteError, match="does not fit"):
        SIGNER.sign(TEXT, at_s=2**63)


def test_verifier_keys():
    """A verifier key reads back; one of another type, or whose key has another length, is refused."""
    vkey = SIGNER.verifier.to_vkey()
    public = KEY.public_key().public_bytes_raw()

    assert SIGNER.verifier == Ed25519CosignatureVerifier.from_vkey(vkey) == witness_verifier_from_vkey(vkey)
    for kind, octets in ((0x01, public), (0x02, public), (0x04, public + b"\0"), (0x06, public)):
        with pytest.raises(NoteError):
            witness_verifier_from_vkey(vkey_text("w.example", kind, octets))
    with pytest.raises(NoteError):
        Ed25519CosignatureVerifier.from_vkey(vkey_text("w.example", 0x01, public))
