"""The worked examples of the C2SP specifications: notes, checkpoints, cosignatures, policies, proofs and witnesses."""

import base64
import re
import textwrap
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from govbus.errors import NoteError
from govbus.message_log.checkpoint import Checkpoint
from govbus.message_log.cosignature import Ed25519CosignatureSigner, cosigned_at_s, cosigned_text
from govbus.message_log.keys import verifier_from_vkey
from govbus.message_log.note import Note, NoteSignature, verify_note
from govbus.message_log.policy import Policy
from govbus.message_log.proof import TlogProof
from govbus.message_log.tiles import tile_path
from govbus.message_log.witness import AddCheckpoint, SignSubtree, parse_signature_lines

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


def test_cosignature_example(conformance_data):
    """The cosigned example has two signers; the second line is an Ed25519 cosignature and states its time."""
    note = Note.from_text(_examples(conformance_data, "tlog-cosignature.md")[0])

    names = [signature.name for signature in note.signatures]
    assert ["example.com/behind-the-sofa", "witness.example.com/w1"] == names
    assert 8 + 64 == len(note.signatures[1].signature)
    assert datetime(2023, 3, 20, 12, 25, 47, tzinfo=UTC) == datetime.fromtimestamp(
        cosigned_at_s(note.signatures[1].signature), UTC
    )


def test_cosigned_text_example(conformance_data):
    """The example of the message that an Ed25519 cosignature signs is made from the example checkpoint."""
    text = (conformance_data / "vectors/c2sp-specs/tlog-cosignature.md").read_text()
    example = re.search(r"^    cosignature/v1\n(?:    .+\n)+", text, re.MULTILINE).group()
    message = textwrap.dedent(example)
    note = Note.from_text(_examples(conformance_data, "tlog-cosignature.md")[0])

    assert message.encode() == cosigned_text(note.text, at_s=1679315147)


def _indented(conformance_data, title):
    """Return the indented example of tlog-witness that follows a title and is no cut one."""
    text = (conformance_data / "vectors/c2sp-specs/tlog-witness.md").read_text()
    blocks = re.findall(rf"^{title}:\n\n((?:    .*\n|\n(?=    ))+)", text, re.MULTILINE)
    (block,) = [block for block in blocks if "[...]" not in block]
    return textwrap.dedent(block)


def test_add_checkpoint_example(conformance_data):
    """The example request reads and writes back to the same bytes; its checkpoint has two signatures."""
    example = _indented(conformance_data, "Example request body")
    request = AddCheckpoint.from_bytes(example.encode())

    assert example == request.to_text()
    assert (20852014, 4) == (request.old_size, len(request.proof))
    note = Note.from_text(request.note)
    assert (2, 20852163) == (len(note.signatures), Checkpoint.from_text(note.text).size)


def test_answer_example(conformance_data):
    """The example answer is three Ed25519 cosignatures by two witnesses."""
    lines = parse_signature_lines(_indented(conformance_data, "Example response body").encode())

    assert ["witness.example/w1", "witness.example/w1", "witness.example/w2"] == [line.name for line in lines]
    assert [8 + 64] * 3 == [len(line.signature) for line in lines]


def test_subtree_example(conformance_data):
    """The example request for a subtree reads and writes back; its hashes are made up and its cosignature is cut."""
    text = (conformance_data / "vectors/c2sp-specs/tlog-witness.md").read_text()
    example = re.search(r"^```\n(subtree .*?)^```$", text, re.MULTILINE | re.DOTALL).group(1)
    request = SignSubtree.from_bytes(example.encode())
    checkpoint = Checkpoint.from_text(request.note.partition("\n\n")[0] + "\n")

    assert example == request.to_text()
    assert (8, 13, 14, 4) == (request.start, request.end, checkpoint.size, len(request.proof))


def test_policy_example(conformance_data):
    """The example policy is read once keys stand in it, and asks for two of one group and one of the other."""
    text = (conformance_data / "vectors/c2sp-specs/tlog-policy.md").read_text()
    example = re.search(r"^```\n(log <vkey>.*?)^```$", text, re.MULTILINE | re.DOTALL).group(1)
    seeds = iter(range(1, 100))
    while "<vkey>" in example:
        key = Ed25519PrivateKey.from_private_bytes(bytes([next(seeds)]) * 32)
        vkey = Ed25519CosignatureSigner("name.example", key).verifier.to_vkey()
        example = example.replace("<vkey>", vkey, 1)
    policy = Policy.from_text(example)

    assert (1, 6, "X-and-Y") == (len(policy.logs), len(policy.witnesses), policy.quorum)
    assert [("X-witnesses", 2, 3), ("Y-witnesses", 1, 3), ("X-and-Y", 2, 2)] == [
        (group.name, group.threshold, len(group.members)) for group in policy.groups
    ]


def test_proof_example(conformance_data):
    """The head of the example proof is read; its signatures are cut in the text."""
    text = (conformance_data / "vectors/c2sp-specs/tlog-proof.md").read_text()
    example = re.search(r"^```\n(c2sp.org/tlog-proof@v1\n.*?)^```$", text, re.MULTILINE | re.DOTALL).group(1)
    head, checkpoint, _ = example.split("\n\n")
    # As printed, one character of the extra data is missing; any other base64 may stand there.
    head = re.sub("(?m)^extra .*$", "extra YWdlLXYxLjIuMQ==", head)
    line = NoteSignature("example.com/fancylog", b"1234", b"5678").to_text()
    proof = TlogProof.from_text(f"{head}\n\n{checkpoint}\n\n{line}\n")

    assert (73894, 5, b"age-v1.2.1") == (proof.index, len(proof.path), proof.extra)
    assert 109482 == proof.checkpoint.size


def test_tile_path(conformance_data):
    """The specification's tile number becomes the path that it says."""
    text = (conformance_data / "vectors/c2sp-specs/tlog-tiles.md").read_text()
    (number, path) = re.search(r"(\d+) will be encoded as\s+`([^`]+)`", text).groups()

    assert f"tile/0/{path}" == tile_path(0, int(number))
