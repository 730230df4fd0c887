"""The worked examples of the C2SP specifications for notes, checkpoints and cosignatures."""

import base64
import re

import pytest

from govbus.errors import NoteError
from govbus.message_log.checkpoint import Checkpoint
from govbus.message_log.keys import verifier_from_vkey
from govbus.message_log.note import Note, verify_note

pytestmark = pytest.mark.conformance_set("vectors/c2sp-specs")


def _examples(conformance_data, name):
    """Return the fenced blocks of a specification that hold signature lines."""
    text = (conformance_data / "vectors/c2sp-specs" / name).read_text()
    blocks = re.findall(r"^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for block in blocks if "\n\n\u2014 " in block]


def _vkey(conformance_data):
    text = (conformance_data / "vectors/c2sp-specs/signed-note.md").read_text()
    return re.search(r"^    (example\.com/foo\+\S+)$", text, re.MULTILINE).group(1)


def test_notes_read_and_write(conformance_data):
    """Every example reads as a note and writes back to the same bytes."""
    names = ("signed-note.md", "tlog-checkpoint.md", "tlog-cosignature.md")
    examples = [example for name in names for example in _examples(conformance_data, name)]

    assert 4 == len(examples)
    assert examples == [Note.from_text(example).to_text() for example in examples]


def test_note_with_empty_line_in_text(conformance_data):
    """The text of the first example holds an empty line; the last one separates it from the signature."""
    note = Note.from_text(_examples(conformance_data, "signed-note.md")[0])

    assert note.text.endswith("sole:\n\ned è subito sera.\n")
    assert ["quasimodo.example/salvatore"] == [signature.name for signature in note.signatures]


def test_note_verifies(conformance_data):
    """The example note verifies with the example verifier key, and not after one letter changed."""
    example = _examples(conformance_data, "signed-note.md")[1]
    verifier = verifier_from_vkey(_vkey(conformance_data))

    assert [verifier] == verify_note(Note.from_text(example), [verifier])
    assert _vkey(conformance_data) == verifier.to_vkey()
    with pytest.raises(NoteError):
        verify_note(Note.from_text(example.replace("This", "this")), [verifier])


def test_checkpoint_reads(conformance_data):
    """The example checkpoint reads as origin, size and root."""
    note = Note.from_text(_examples(conformance_data, "tlog-checkpoint.md")[0])

    root = base64.b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
    assert Checkpoint("example.com/behind-the-sofa", 20852163, root) == Checkpoint.from_text(note.text)


def test_cosignature_example_is_of_another_type(conformance_data):
    """The cosigned example has two signers; its Ed25519 cosignature (0x04) is of no type that govbus knows."""
    note = Note.from_text(_examples(conformance_data, "tlog-cosignature.md")[0])

    names = [signature.name for signature in note.signatures]
    assert ["example.com/behind-the-sofa", "witness.example.com/w1"] == names
    assert 8 + 64 == len(note.signatures[1].signature)
