"""Signed notes: grammar, key ids, and which signatures count."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from govbus.errors import NoteError
from govbus.message_log.note import (
    NOTE_BYTES_MAX,
    SIGNATURES_MAX,
    Ed25519NoteSigner,
    Ed25519NoteVerifier,
    Note,
    NoteSignature,
    verify_note,
)

TEXT = "first line\n\nthird line\n"
SIGNER = Ed25519NoteSigner("bus.example/a", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
OTHER = Ed25519NoteSigner("bus.example/b", Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))
LINE = SIGNER.sign(TEXT, at_s=0)


def _note(*lines, text=TEXT):
    return Note(text, lines)


def test_round_trip():
    """A note writes and reads back, empty lines in its text included."""
    note = _note(LINE, OTHER.sign(TEXT, at_s=0))

    assert note == Note.from_text(note.to_text())
    assert note == Note.from_bytes(note.to_text().encode())


def test_signature_of_a_known_key():
    """A signature of a known key is reported; one of an unknown key is ignored."""
    note = _note(OTHER.sign(TEXT, at_s=0), LINE)

    assert [SIGNER.verifier] == verify_note(note, [SIGNER.verifier])
    assert [SIGNER.verifier, OTHER.verifier] == verify_note(note, [SIGNER.verifier, OTHER.verifier])


def test_no_known_signature():
    """A note without a signature of a known key is refused."""
    with pytest.raises(NoteError, match="not signed by a known key"):
        verify_note(_note(LINE), [OTHER.verifier])
    with pytest.raises(NoteError, match="not signed by a known key"):
        verify_note(_note(LINE), [])


def test_wrong_signature_of_a_known_key():
    """A wrong signature of a known key refuses the note, even beside a right one by it and by another."""
    wrong = LINE._replace(signature=LINE.signature[:-1] + bytes([LINE.signature[-1] ^ 1]))
    right = OTHER.sign(TEXT, at_s=0)

    with pytest.raises(NoteError, match="does not hold"):
        verify_note(_note(LINE, wrong, right), [SIGNER.verifier, OTHER.verifier])


@pytest.mark.parametrize("change", [{"name": "bus.example/c"}, {"key_id": b"\0\0\0\0"}])
def test_same_name_or_id_is_another_key(change):
    """A wrong signature that shares only name or only id with a known key is an unknown one."""
    wrong = LINE._replace(signature=bytes(64), **change)

    assert [SIGNER.verifier] == verify_note(_note(wrong, LINE), [SIGNER.verifier])


def test_text_is_signed_with_its_last_newline():
    """The signature covers the text to its final newline and not the empty line after it."""
    SIGNER.key.public_key().verify(LINE.signature, TEXT.encode())


def test_small_order_key_is_refused():
    """A key of small order, under which some libraries accept anything, verifies nothing."""
    key = bytes([1]) + bytes(31)
    material = base64.b64encode(b"\x01" + key).decode()
    import hashlib

    key_id = hashlib.sha256(b"x\n\x01" + key).digest()[:4]
    verifier = Ed25519NoteVerifier.from_vkey(f"x+{key_id.hex()}+{material}")
    with pytest.raises(NoteError):
        verifier.verify(TEXT, key + bytes(32))


@pytest.mark.parametrize(
    "note",
    [
        "",
        "text\n",
        "text\n\n",
        "text\n\n" + LINE.to_text(),
        "text" + LINE.to_text() + "\n",
        "text\n\n" + LINE.to_text().replace("\u2014", "-") + "\n",
        "text\n\n" + LINE.to_text().replace(" bus", "  bus") + "\n",
        "text\n\n" + LINE.to_text() + " \n",
        "text\n\n" + LINE.to_text()[:-1] + "\n",
        "text\n\n" + LINE.to_text().replace("example/a", "example+a") + "\n",
        "text\n\n" + LINE.to_text().replace("example/a", "example\u00a0a") + "\n",
        "text\n\n\u2014 name AAAAAA==\n",
        "text\n\n\u2014 name\n",
        "te\txt\n\n" + LINE.to_text() + "\n",
        "text\r\n\n" + LINE.to_text() + "\n",
        "te\ud800xt\n\n" + LINE.to_text() + "\n",
        "text\n\n" + (LINE.to_text() + "\n") * (SIGNATURES_MAX + 1),
        "x" * NOTE_BYTES_MAX + "\n\n" + LINE.to_text() + "\n",
    ],
)
def test_malformed(note):
    """What breaks the grammar or a bound is refused."""
    with pytest.raises(NoteError):
        Note.from_text(note)


def test_many_signatures():
    """As many signatures as the bound says are read."""
    assert SIGNATURES_MAX == len(
        Note.from_text("text\n\n" + (LINE.to_text() + "\n") * SIGNATURES_MAX).signatures
    )


@pytest.mark.parametrize("octets", [b"te\xffxt\n\n", b"x" * (NOTE_BYTES_MAX + 1)])
def test_malformed_octets(octets):
    """Octets that are not UTF-8 or over the bound are refused."""
    with pytest.raises(NoteError):
        Note.from_bytes(octets)


def test_spare_bits_in_base64():
    """Base64 whose spare bits are not zero is refused, so that a note has one form."""
    with pytest.raises(NoteError):
        NoteSignature.from_text("\u2014 name AAAAAAB=")
    NoteSignature.from_text("\u2014 name AAAAAAA=")


def test_vkey_round_trip():
    """A verifier key writes and reads back."""
    assert SIGNER.verifier.to_vkey() == Ed25519NoteVerifier.from_vkey(SIGNER.verifier.to_vkey()).to_vkey()


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "name",
        "name+00000000",
        "name+00000000+",
        SIGNER.verifier.to_vkey().replace("bus.example/a", "bus.example/b"),
        SIGNER.verifier.to_vkey().replace("bus.example/a", ""),
        SIGNER.verifier.to_vkey()[:-4],
        SIGNER.verifier.to_vkey() + "=",
    ],
)
def test_malformed_vkey(vkey):
    """A verifier key that is malformed, or whose id is of another key, is refused."""
    with pytest.raises(NoteError):
        Ed25519NoteVerifier.from_vkey(vkey)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "\u00e9" * 128])
def test_signer_with_a_bad_name(name):
    """A signer whose name would break the signature line signs nothing."""
    with pytest.raises(NoteError):
        Ed25519NoteSigner(name, SIGNER.key).sign(TEXT, at_s=0)


def test_repr_has_no_key():
    """A signer shows its name and no key material."""
    assert "Ed25519NoteSigner('bus.example/a')" == repr(SIGNER)
