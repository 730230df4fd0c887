"""Log entries and receipts on the wire."""

import dataclasses

import pytest

from govbus.document.decision import LogEntry, Receipt, SourcePosition
from govbus.document.finding import Finding, Outcome, ReceiptFinding, Severity
from govbus.errors import MetadataError, SchemaError
from govbus.schemas.core import (
    decode_log_entry,
    decode_receipt,
    encode_log_entry,
    encode_receipt,
    log_entry_codec,
    receipt_codec,
)

FINDING = Finding("CE-2", Severity.REFUSE, "ce_id", "a header may stand only once, é")
EXPLAINED = ReceiptFinding(
    "CE-2",
    Severity.REFUSE,
    "ce_id",
    "a header may stand only once, é",
    "CloudEvents 1.0",
    "Each header once.",
)
SOURCE = SourcePosition("govbus.out.tax.example", 3, 104_100)
BARE_ENTRY = LogEntry(
    Outcome.REFUSED, 0, SOURCE, None, None, (), None, b"", bytes(32), 1, (FINDING,), (), None
)
FULL_ENTRY = LogEntry(
    Outcome.ACCEPTED,
    1_795_466_700_123,
    SOURCE,
    "01980000-0000-7000-8000-000000000000",
    b"s" * 430,
    (b"x" * 270, b"y" * 4700),
    b"b" * 130,
    b"p" * 192,
    None,
    70_000,
    (FINDING, Finding("DRM-7", Severity.WARN, "flow", "")),
    ("govbus.in.moj.example", "govbus.pub.civil.person"),
    2**40,
    "tax-moj",
    5_000,
)
RUN = Receipt(
    None, "tax.example/main", 40, 24, bytes(range(32)), Outcome.ACCEPTED, (), SOURCE, 1, 1_795_466_700_123
)
UNREAD = Receipt(None, None, None, 1, None, Outcome.QUARANTINED, (EXPLAINED,), SOURCE, 0, 5)
ONE = Receipt("é-1", "tax.example/main", 0, 1, bytes(32), Outcome.DUPLICATE, (), SOURCE, 0, 5)


@pytest.mark.parametrize("entry", [BARE_ENTRY, FULL_ENTRY])
def test_log_entry_round_trip(entry):
    """A log entry comes back as it was."""
    assert entry == decode_log_entry(encode_log_entry(entry))


@pytest.mark.parametrize("receipt", [RUN, UNREAD, ONE])
def test_receipt_round_trip(receipt):
    """A receipt comes back as it was."""
    assert receipt == decode_receipt(encode_receipt(receipt))


def test_log_entry_bytes():
    """The hand-written encoding gives the codec's bytes behind the frame of schema 1."""
    fields = FULL_ENTRY._asdict() | {
        "decision": "accepted",
        "time": FULL_ENTRY.time_ms,
        "source": SOURCE._asdict(),
        "findings": [
            {"rule": f.rule, "severity": f.severity.value, "field": f.field, "detail": f.detail}
            for f in FULL_ENTRY.findings
        ],
    }
    del fields["time_ms"]
    fields["signatures"], fields["recipients"] = list(fields["signatures"]), list(fields["recipients"])

    assert b"\x00\x00\x00\x00\x01" + log_entry_codec().encode(fields) == encode_log_entry(FULL_ENTRY)


@pytest.mark.parametrize("receipt", [RUN, UNREAD])
def test_receipt_bytes(receipt):
    """The hand-written encoding gives the codec's bytes behind the frame of schema 2."""
    fields = {name: getattr(receipt, name) for name in receipt.__slots__ if name != "time_ms"}
    fields |= {
        "time": receipt.time_ms,
        "decision": receipt.decision.value,
        "findings": [dataclasses.asdict(one) | {"severity": one.severity.value} for one in receipt.findings],
        "source": SOURCE._asdict(),
    }

    assert b"\x00\x00\x00\x00\x02" + receipt_codec().encode(fields) == encode_receipt(receipt)


def test_foreign_frame():
    """A receipt is not read as a log entry."""
    with pytest.raises(SchemaError, match="expected schema id 1, found 2") as caught:
        decode_log_entry(encode_receipt(RUN))

    assert "AVR-4" == caught.value.rule


def test_unframed():
    """A value without the frame is refused."""
    with pytest.raises(MetadataError):
        decode_log_entry(b"\x01")


def test_reserved_decision():
    """The reserved symbol is refused by readers of this version."""
    value = bytearray(encode_log_entry(BARE_ENTRY))
    value[5] = 8

    with pytest.raises(SchemaError, match="reserved"):
        decode_log_entry(bytes(value))


@pytest.mark.parametrize("value", [encode_log_entry(FULL_ENTRY), encode_log_entry(BARE_ENTRY)])
def test_cut_anywhere(value):
    """An entry that is cut short at any byte is refused."""
    for size in range(len(value)):
        with pytest.raises((SchemaError, MetadataError)):
            decode_log_entry(value[:size])
