"""A message log made by a second implementation of the wire formats."""

import base64
import json

import pytest

from govbus.document.statement import Statement, statement_hash
from govbus.errors import NoteError, ProofError
from govbus.message_log.checkpoint import Checkpoint, open_checkpoint
from govbus.message_log.keys import verifier_from_vkey
from govbus.message_log.note import Note
from govbus.message_log.tree import CompactTree
from govbus.signing.merkle import (
    inclusion_path,
    inclusion_paths,
    leaf_hash,
    root_of,
    verify_inclusion,
)

pytestmark = pytest.mark.conformance_set("wire")


@pytest.fixture(scope="module")
def wire(conformance_data):
    return json.loads((conformance_data / "wire/log.json").read_text())


@pytest.fixture(scope="module")
def leaves(wire):
    return [leaf_hash(base64.b64decode(entry)) for entry in wire["entries"]]


def test_roots(wire, leaves, record_property):
    """The root of every prefix is the one of the file, computed whole and while growing."""
    tree = CompactTree()
    growing = [tree.root()]
    for leaf in leaves:
        tree.append(leaf)
        growing.append(tree.root())

    roots = [base64.b64decode(wire["roots"][str(size)]) for size in range(14)]
    record_property("cases", len(roots))
    assert 14 == len(wire["roots"])
    assert roots == growing
    assert roots == [root_of(leaves[:size]) for size in range(14)]


def test_inclusion_paths(wire, leaves, record_property):
    """Every inclusion path is the one of the file and verifies at its index only."""
    root, paths = inclusion_paths(leaves)
    for text, hashes in wire["inclusion"].items():
        index, path = int(text), [base64.b64decode(octets) for octets in hashes]
        assert path == inclusion_path(leaves, index)
        assert b"".join(path) == paths[index]
        verify_inclusion(leaves[index], index, 13, path, root)
        with pytest.raises(ProofError):
            verify_inclusion(leaves[index], (index + 1) % 13, 13, path, root)

    record_property("cases", len(wire["inclusion"]))
    assert 13 == len(wire["inclusion"])


def test_checkpoint(wire, leaves):
    """The checkpoint verifies with the verifier key and states the root of the entries."""
    verifier = verifier_from_vkey(wire["verifier_key"])

    checkpoint = open_checkpoint(wire["checkpoint"], [verifier])
    assert Checkpoint(wire["origin"], 13, root_of(leaves)) == checkpoint
    assert wire["checkpoint"] == Note.from_text(wire["checkpoint"]).to_text()


def test_checkpoint_of_another_size(wire):
    """The same signature under another size does not hold."""
    verifier = verifier_from_vkey(wire["verifier_key"])

    with pytest.raises(NoteError):
        open_checkpoint(wire["checkpoint"].replace("\n13\n", "\n12\n"), [verifier])


def test_statement_hash(wire):
    """The example statement parses, writes back to the same bytes, and hashes like a leaf of a tree."""
    statement = wire["statement_hash_example"]["statement"].encode("ascii")

    assert statement == Statement.from_bytes(statement).to_bytes()
    assert leaf_hash(statement) == statement_hash(statement)
