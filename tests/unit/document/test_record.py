"""Reading the headers and the frame of a record refuses what is malformed, and says which rule and header."""

import pytest

from govbus.document.record import (
    HEADER_BYTES_MAX,
    HEADER_COUNT_MAX,
    VALUE_BYTES_MAX,
    Envelope,
    frame,
    key_of,
    unframe,
)
from govbus.document.statement import statement_hash
from govbus.errors import MetadataError

GOOD = (
    ("content-type", b"application/avro"),
    ("ce_id", b"1"),
    ("gb-stmt", b"statement"),
    ("gb-salt", bytes(16)),
    ("gb-sig", b"a..b"),
)


def test_reads_every_part():
    """Signed headers, statement, salt, signatures, batch and path come out as they are."""
    envelope = Envelope.from_headers(
        (*GOOD, ("gb-sig", b"c..d"), ("gb-batch", b"text"), ("gb-path", bytes(64)), ("traceparent", b"t"))
    )

    assert {"content-type": b"application/avro", "ce_id": b"1"} == envelope.signed
    assert (b"a..b", b"c..d") == envelope.signatures
    assert (b"statement", b"text", bytes(64), bytes(16)) == (
        envelope.statement,
        envelope.batch,
        envelope.path,
        envelope.salt,
    )
    assert statement_hash(b"statement") == envelope.statement_hash
    assert "1" == envelope.attribute("id")
    assert "" == envelope.attribute("absent")


@pytest.mark.parametrize(
    ("headers", "rule", "field"),
    [
        ((*GOOD, ("ce_id", b"1")), "CE-2", "ce_id"),
        ((*GOOD, ("content-type", b"x")), "CE-2", "content-type"),
        ((*GOOD, ("ce_Upper", b"x")), "CE-2", "'ce_Upper'"),
        ((*GOOD, ("ce_", b"x")), "CE-2", "'ce_'"),
        ((*GOOD, ("ce_\udcff", b"x")), "CE-2", "'ce_\\udcff'"),
        ((*GOOD, ("ce_x", None)), "CE-6", "ce_x"),
        ((*GOOD, ("gb-stmt", b"x")), "SEC-3", "gb-stmt"),
        ((*GOOD, ("gb-salt", bytes(16))), "SEC-3", "gb-salt"),
        ((*GOOD, ("gb-path", bytes(31))), "SEC-3", "gb-path"),
        ((*GOOD, ("gb-path", bytes(33 * 32))), "SEC-3", "gb-path"),
        ((*GOOD, *[("gb-sig", b"a..b")] * 8), "SEC-3", "gb-sig"),
        (GOOD[:-1], "SEC-3", "gb-sig"),
        (GOOD[:2] + GOOD[3:], "SEC-3", "gb-stmt"),
        ((*GOOD[:3], ("gb-salt", bytes(15)), GOOD[4]), "SEC-3", "gb-salt"),
        ((*GOOD, *[(f"x{n}", b"") for n in range(HEADER_COUNT_MAX)]), "LIM-1", "headers"),
        ((*GOOD, ("x", bytes(HEADER_BYTES_MAX))), "LIM-1", "headers"),
    ],
)
def test_refuses(headers, rule, field):
    """Each malformed set of headers is refused with its rule and the header at fault."""
    with pytest.raises(MetadataError) as caught:
        Envelope.from_headers(headers)

    assert (rule, field) == (caught.value.rule, caught.value.field)


def test_attribute_must_be_utf8():
    """An attribute that is not UTF-8 is refused under CE-6."""
    envelope = Envelope.from_headers((*GOOD, ("ce_subject", b"\xff")))
    with pytest.raises(MetadataError) as caught:
        envelope.attribute("subject")

    assert ("CE-6", "ce_subject") == (caught.value.rule, caught.value.field)


def test_frame_round_trip():
    """A framed value gives its schema id and Avro bytes back."""
    assert (100, b"avro") == unframe(frame(100, b"avro"))


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        (None, "CE-6"),
        (b"", "AVR-4"),
        (b"\x00\x00\x00\x00", "AVR-4"),
        (b"\x01\x00\x00\x00\x01x", "AVR-4"),
        (bytes(VALUE_BYTES_MAX + 1), "LIM-2"),
    ],
)
def test_unframe_refuses(value, rule):
    """Null, unframed and oversized values are refused with their rules."""
    with pytest.raises(MetadataError) as caught:
        unframe(value)

    assert rule == caught.value.rule


def test_key_is_subject_else_id():
    """The key on the inbox side is the subject where there is one, else the id."""
    assert b"s" == key_of({"ce_subject": b"s", "ce_id": b"i"})
    assert b"i" == key_of({"ce_id": b"i"})
