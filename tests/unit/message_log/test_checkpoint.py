"""Checkpoints, signed with the two keys of a message log."""

import struct

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from govbus.document.ids import AgencyId
from govbus.errors import ConfigError, NoteError
from govbus.message_log.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from govbus.message_log.cosignature import CosignatureVerifier, cosigned_at_s, cosigned_message
from govbus.message_log.keys import LogKeys, LogPublicKeys, log_origin, verifier_from_vkey
from govbus.message_log.note import Note, NoteSignature, key_id_of, vkey_text

ORIGIN = log_origin(AgencyId.from_text("bus.example"), 3)
KEYS = LogKeys(Ed25519PrivateKey.from_private_bytes(bytes(32)), MLDSA44PrivateKey.from_seed_bytes(bytes(32)))
CHECKPOINT = Checkpoint(ORIGIN, 7, bytes(range(32)))
VERIFIERS = KEYS.public.verifiers(ORIGIN)
AT_S = 1_795_466_700


def _signed(checkpoint=CHECKPOINT, keys=KEYS):
    return sign_checkpoint(checkpoint, keys.signers(checkpoint.origin), at_s=AT_S)


def test_text():
    """The text is three lines: origin, size, root in standard base64."""
    assert f"{ORIGIN}\n7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n" == CHECKPOINT.to_text()
    assert CHECKPOINT == Checkpoint.from_text(CHECKPOINT.to_text())


def test_extension_lines():
    """Extension lines of other logs are kept."""
    checkpoint = Checkpoint(ORIGIN, 0, bytes(32), ("one", "two"))

    assert checkpoint == Checkpoint.from_text(checkpoint.to_text())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "origin\n7\n",
        "origin\n7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "\n7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "origin\n07\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "origin\n-7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "origin\n\u0667\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "origin\n9223372036854775808\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "origin\n7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=\n",
        "origin\n7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==\n",
        "origin\n7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\nmore\n",
    ],
)
def test_malformed(text):
    """A checkpoint that breaks the grammar is refused."""
    with pytest.raises(NoteError):
        Checkpoint.from_text(text)


def test_sign_and_open():
    """A checkpoint signed with both keys opens with both, as text and as octets."""
    assert CHECKPOINT == open_checkpoint(_signed(), VERIFIERS)
    assert CHECKPOINT == open_checkpoint(_signed().encode(), VERIFIERS)


def test_witness_lines_are_ignored():
    """Signatures of keys that are not the log's do not matter."""
    note = Note.from_text(_signed())
    witness = NoteSignature("witness.example", b"\1\2\3\4", bytes(72))

    assert CHECKPOINT == open_checkpoint(Note(note.text, (witness, *note.signatures)).to_text(), VERIFIERS)


@pytest.mark.parametrize("missing", [0, 1])
def test_both_keys_must_sign(missing):
    """A checkpoint that one of the log's keys did not sign is refused."""
    note = Note.from_text(_signed())
    rest = tuple(line for at, line in enumerate(note.signatures) if at != missing)

    with pytest.raises(NoteError, match="expected signatures of 2 keys, found 1"):
        open_checkpoint(Note(note.text, rest).to_text(), VERIFIERS)


@pytest.mark.parametrize("wrong", [0, 1])
def test_wrong_signature(wrong):
    """One bit of either signature changed refuses the checkpoint."""
    note = Note.from_text(_signed())
    lines = list(note.signatures)
    signature = lines[wrong].signature
    lines[wrong] = lines[wrong]._replace(signature=signature[:-1] + bytes([signature[-1] ^ 1]))

    with pytest.raises(NoteError, match="does not hold"):
        open_checkpoint(Note(note.text, tuple(lines)).to_text(), VERIFIERS)


def test_cosignature_covers_its_time():
    """The time of an ML-DSA-44 signature is signed."""
    note = Note.from_text(_signed())
    lines = list(note.signatures)
    assert AT_S == cosigned_at_s(lines[1].signature)
    lines[1] = lines[1]._replace(signature=struct.pack(">Q", AT_S + 1) + lines[1].signature[8:])

    with pytest.raises(NoteError, match="does not hold"):
        open_checkpoint(Note(note.text, tuple(lines)).to_text(), VERIFIERS)


def test_checkpoint_of_another_partition():
    """A partition's checkpoint is refused for another, although the same private keys signed it."""
    other = Checkpoint(log_origin(AgencyId.from_text("bus.example"), 4), 7, CHECKPOINT.root)
    note = Note.from_text(_signed(other))
    own_ids = [verifier.key_id for verifier in VERIFIERS]
    renamed = tuple(
        NoteSignature(ORIGIN, key_id, line.signature)
        for key_id, line in zip(own_ids, note.signatures, strict=True)
    )

    with pytest.raises(NoteError, match=r"expected a checkpoint of bus.example/log/3"):
        open_checkpoint(_signed(other), VERIFIERS)
    with pytest.raises(NoteError, match=r"expected a checkpoint of bus.example/log/3"):
        open_checkpoint(Note(note.text, renamed).to_text(), VERIFIERS)


def test_no_keys():
    """Without keys nothing is signed and nothing opens."""
    with pytest.raises(NoteError):
        sign_checkpoint(CHECKPOINT, [], at_s=AT_S)
    with pytest.raises(NoteError):
        open_checkpoint(_signed(), [])


def test_signer_of_another_log():
    """A signer does not sign another log's checkpoint."""
    with pytest.raises(NoteError):
        sign_checkpoint(CHECKPOINT, KEYS.signers("bus.example/log/4"), at_s=AT_S)


def test_origin_of_two_lines():
    """An origin that would smuggle a line into the text is not signed."""
    checkpoint = Checkpoint("a\n8", 7, bytes(32))

    with pytest.raises(NoteError):
        sign_checkpoint(checkpoint, KEYS.signers("a\n8"), at_s=AT_S)


def test_cosigned_message():
    """The signed structure is the one of tlog-cosignature, field by field."""
    expected = (
        b"subtree/v1\n\0"
        b"\x09w.example"
        + (1679315147).to_bytes(8, "big")
        + b"\x11bus.example/log/3"
        + bytes(8)
        + (7).to_bytes(8, "big")
        + bytes(range(32))
    )

    assert expected == cosigned_message("w.example", CHECKPOINT, at_s=1679315147)


@pytest.mark.parametrize("at_s", [-1, 2**63])
def test_time_out_of_range(at_s):
    """A time that is negative or over 2^63-1 is not signed."""
    with pytest.raises(NoteError):
        sign_checkpoint(CHECKPOINT, KEYS.signers(ORIGIN), at_s=at_s)


def test_short_cosignature():
    """A cosignature without room for its time is refused."""
    with pytest.raises(NoteError, match="too short"):
        VERIFIERS[1].verify(CHECKPOINT.to_text(), bytes(8))


def test_cosignature_needs_a_checkpoint():
    """A cosignature stands under checkpoints only."""
    with pytest.raises(NoteError, match="expected a checkpoint"):
        KEYS.signers(ORIGIN)[1].sign("some text\n", at_s=AT_S)


def test_vkeys():
    """Verifier keys of both kinds write and read back, and differ between partitions."""
    vkeys = [verifier.to_vkey() for verifier in VERIFIERS]

    assert vkeys == [verifier_from_vkey(vkey).to_vkey() for vkey in vkeys]
    assert CHECKPOINT == open_checkpoint(_signed(), [verifier_from_vkey(vkey) for vkey in vkeys])
    others = [verifier.key_id for verifier in KEYS.public.verifiers("bus.example/log/4")]
    assert not set(others) & {verifier.key_id for verifier in VERIFIERS}


@pytest.mark.parametrize("kind", [0x01, 0x02, 0x04, 0x06, 0xFF])
def test_vkey_of_another_type(kind):
    """A verifier key of an unknown type, or whose key does not fit its type, is refused."""
    with pytest.raises(NoteError):
        verifier_from_vkey(vkey_text("name", kind, bytes(33)))
    with pytest.raises(NoteError):
        CosignatureVerifier.from_vkey(vkey_text("name", kind, bytes(33)))
    assert 4 == len(key_id_of("name", kind, bytes(33)))


def test_keys_as_pem():
    """Both keys write to PEM and read back, private and public."""
    keys = LogKeys.from_pem(*KEYS.to_pem())
    public = LogPublicKeys.from_pem(*KEYS.public.to_pem())

    assert CHECKPOINT == open_checkpoint(_signed(keys=keys), public.verifiers(ORIGIN))
    assert KEYS.public.to_pem() == keys.public.to_pem()


def test_wrong_pem():
    """Keys in the wrong order, of the wrong kind, or that are no keys, are refused in one sentence."""
    ed25519, ml_dsa_44 = KEYS.to_pem()
    with pytest.raises(ConfigError, match="one Ed25519 and one ML-DSA-44 key"):
        LogKeys.from_pem(ml_dsa_44, ed25519)
    with pytest.raises(ConfigError, match="cannot be read"):
        LogKeys.from_pem(ed25519, b"no key")
    with pytest.raises(ConfigError, match="one Ed25519 and one ML-DSA-44 key"):
        LogPublicKeys.from_pem(*reversed(KEYS.public.to_pem()))
    with pytest.raises(ConfigError, match="cannot be read"):
        LogPublicKeys.from_pem(ed25519, ml_dsa_44)


def test_generated_keys_differ():
    """Generated keys are new each time and show nothing of themselves."""
    keys = LogKeys.generate()

    assert keys.to_pem() != LogKeys.generate().to_pem()
    assert "LogKeys()" == repr(keys)
    assert f"CosignatureSigner({ORIGIN!r})" == repr(keys.signers(ORIGIN)[1])
