"""The tree over SHA-512: its roots, marks of values, and the statement about them."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from govbus.document.ids import AgencyId
from govbus.errors import TimestampError
from govbus.message_log.renewal import Digests
from govbus.message_log.second_tree import (
    MARK_BYTES,
    NO_VALUE,
    LogRoots,
    RehashStatement,
    SecondTree,
    salted_mark,
    second_leaf,
    value_leaf,
    whole_mark,
)

BUS = AgencyId.from_text("bus.example")


def sha512(*parts):
    return hashlib.sha512(b"".join(parts)).digest()


def root_by_definition(leaves):
    """RFC 9162 section 2.1.1, word for word, with SHA-512."""
    if not leaves:
        return sha512()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha512(b"\x01", root_by_definition(leaves[:split]), root_by_definition(leaves[split:]))


@given(st.lists(st.integers(0, 40), max_size=12))
def test_the_root_is_that_of_the_definition_however_leaves_come(pieces):
    """Any cutting of the leaves into pieces gives the same tree."""
    leaves = [second_leaf(b"%d" % number) for number in range(sum(pieces))]
    tree, start = SecondTree(), 0
    for piece in pieces:
        tree.extend(leaves[start : start + piece])
        start += piece

    assert (len(leaves), root_by_definition(leaves)) == (tree.size, tree.root())


def test_leaves_and_marks_are_plain_sha512():
    """What a person with sha512sum and a shell computes."""
    leaf = second_leaf(b"entry")

    assert sha512(b"\x00", b"entry") == leaf
    assert b"\x01" + sha512(b"salt", b"avro") == salted_mark(b"salt", b"avro")
    assert b"\x02" + sha512(b"frame") == whole_mark(b"frame")
    assert bytes(65) == NO_VALUE
    assert sha512(b"\x00", leaf, NO_VALUE) == value_leaf(leaf, NO_VALUE)
    assert MARK_BYTES == len(salted_mark(b"", b"")) == len(whole_mark(b"")) == len(NO_VALUE)


def statement(**changes):
    fields = {
        "bus": BUS,
        "segment": 12,
        "manifest": Digests.of(b"manifest"),
        "logs": {number: LogRoots(7 * number, bytes(32), bytes(64), b"\x01" * 64) for number in range(3)},
        "heads": (9, bytes(32), bytes(64)),
        "files": (4, "0" * 128),
    }
    return RehashStatement(**(fields | changes))


def test_a_statement_comes_back():
    """Reading is the inverse of writing."""
    assert statement() == RehashStatement.from_bytes(statement().to_bytes())
    assert statement(logs={}) == RehashStatement.from_bytes(statement(logs={}).to_bytes())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("govbus/rehash/v1", "govbus/rehash/v2"),
        ("bus bus.example", "bus"),
        ("bus bus.example", "bus BUS"),
        ("segment 12", "segment 012"),
        ("log 1", "log 7"),
        ("log 1", "log 2"),
        ("AA= ", "AB= "),
        ("heads 9", "heads 99999999999999999999"),
        ("heads 9", "heads 9223372036854775808"),
        ("files 4", "files four"),
        ("\nfiles", "\n\nfiles"),
        ("files 4 0", "files 4 "),
        ("log 0 0 ", "log 0 0  "),
    ],
)
def test_another_spelling_is_refused(old, new):
    """The grammar is strict, so that what was stamped says one thing."""
    text = statement().to_bytes().decode()
    assert old in text

    with pytest.raises(TimestampError, match=r"docs/specs/renewal\.md"):
        RehashStatement.from_bytes(text.replace(old, new, 1).encode())


@pytest.mark.parametrize("octets", [b"", b"\n", b"govbus/rehash/v1\n", b"\xff", b"govbus/rehash/v1"])
def test_octets_that_are_no_statement_are_refused(octets):
    """Empty, cut short, or not ASCII."""
    with pytest.raises(TimestampError):
        RehashStatement.from_bytes(octets)
