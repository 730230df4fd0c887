"""The statement's grammar is strict, and what is parsed is what was written."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from govbus.document.encoding import base64url, from_base64url, time_ms_from_text, time_text
from govbus.document.ids import Origin
from govbus.document.statement import (
    STATEMENT_BYTES_MAX,
    Statement,
    headers_hash,
    statement_hash,
    value_hash,
)
from govbus.errors import MetadataError

GOOD = Statement(
    origin=Origin.from_text("tax.example/main"),
    index=41,
    topic="govbus.out.tax.example",
    headers=base64url(bytes(32)),
    schema="9f" * 32,
    length=857,
    value=base64url(b"\xff" * 32),
    time_ms=1_795_466_700_123,
)
TEXT = GOOD.to_bytes()


def test_round_trip():
    """Parsing what was written gives the same statement."""
    assert GOOD == Statement.from_bytes(TEXT)


@given(
    index=st.integers(0, 2**63 - 1),
    length=st.integers(0, 10**9),
    headers=st.binary(min_size=32, max_size=32),
    time_ms=st.integers(0, 4_102_444_800_000),
)
def test_round_trip_of_any_values(index, length, headers, time_ms):
    """Every statement that can be built parses back to itself."""
    statement = dataclasses.replace(
        GOOD, index=index, length=length, headers=base64url(headers), time_ms=time_ms
    )

    assert statement == Statement.from_bytes(statement.to_bytes())


@pytest.mark.parametrize(
    "broken",
    [
        TEXT[:-1],
        TEXT + b"\n",
        TEXT + b"more 1\n",
        b"\n" + TEXT,
        TEXT.replace(b"\n", b"\r\n"),
        TEXT.replace(b"index 41", b"index  41"),
        TEXT.replace(b"index 41", b"index 041"),
        TEXT.replace(b"index 41", b"index +41"),
        TEXT.replace(b"index 41", b"index -1"),
        TEXT.replace(b"index 41", b"index 41 "),
        TEXT.replace(b"index 41", b"index 9999999999999999999"),
        TEXT.replace(b"origin tax", b"origin Tax"),
        TEXT.replace(b"origin tax.example/main", b"origin tax.example"),
        TEXT.replace(b"origin tax.example/main", b"origin tax..example/main"),
        TEXT.replace(b"topic govbus.out.tax.example", b"topic govbus.out.moj.example"),
        TEXT.replace(b"topic govbus.out.tax.example", b"topic govbus.in.tax.example"),
        TEXT.replace(b"v1\n", b"v2\n"),
        TEXT.replace(b"9f9f", b"9F9F"),
        TEXT.replace(b".123Z", b".123+00:00"),
        TEXT.replace(b".123Z", b"Z"),
        TEXT.replace(b"2026-11", b"2026-13"),
        TEXT.replace(b"AAA\n", b"AAB\n"),
        b"",
        b"\xff" * 40,
        b"x" * (STATEMENT_BYTES_MAX + 1),
    ],
)
def test_grammar_refuses(broken):
    """Every departure from the grammar is refused under SEC-3."""
    assert broken != TEXT
    with pytest.raises(MetadataError) as caught:
        Statement.from_bytes(broken)

    assert "SEC-3" == caught.value.rule


@given(st.data())
def test_no_single_byte_change_goes_unnoticed(data):
    """A statement with one byte changed is refused or is another statement."""
    position = data.draw(st.integers(0, len(TEXT) - 1))
    octet = data.draw(st.integers(0, 255).filter(lambda value: value != TEXT[position]))
    changed = TEXT[:position] + bytes([octet]) + TEXT[position + 1 :]
    try:
        parsed = Statement.from_bytes(changed)
    except MetadataError:
        return

    assert parsed != GOOD
    assert changed == parsed.to_bytes()


def test_headers_hash_is_over_sorted_lines():
    """The order in which headers arrive does not matter; names, values and emptiness do."""
    one = headers_hash({"ce_b": b"2", "ce_a": b"1", "content-type": b"x"})

    assert one == headers_hash({"content-type": b"x", "ce_a": b"1", "ce_b": b"2"})
    assert one != headers_hash({"content-type": b"x", "ce_a": b"1", "ce_b": b""})
    assert one != headers_hash({"content-type": b"x", "ce_a": b"1"})


def test_hashes_are_the_specified_ones():
    """Statement hash and value hash are plain SHA-256 over the specified bytes."""
    import hashlib

    assert hashlib.sha256(b"\x00" + TEXT).digest() == statement_hash(TEXT)
    assert base64url(hashlib.sha256(b"s" * 16 + b"avro").digest()) == value_hash(b"s" * 16, b"avro")


def test_base64url_refuses_padding_foreign_characters_and_spare_bits():
    """There is one base64url text for one octet string."""
    assert b"\x00\xff" == from_base64url("AP8")
    for text in ("AP8=", "AP9", "A", "A+8", "AP8\n", "Ä"):
        with pytest.raises(MetadataError):
            from_base64url(text)


def test_times():
    """Times are RFC 3339 with an offset, written in UTC with milliseconds."""
    assert "2026-11-24T00:45:00.123Z" == time_text(1_795_481_100_123)
    assert 1_795_481_100_123 == time_ms_from_text("2026-11-24T01:45:00.123+01:00")
    for text in ("2026-11-23", "2026-11-23T20:45:00", "yesterday"):
        with pytest.raises(MetadataError):
            time_ms_from_text(text)
