"""Orders to erase: what they say, who may give them, and what makes one worthless."""

import pytest

from govbus.document.decision import LogEntry, SourcePosition
from govbus.document.finding import Outcome
from govbus.document.ids import AgencyId
from govbus.document.statement import statement_hash
from govbus.errors import MetadataError, SignatureError, UntrustedKeyError
from govbus.message_log.erasure import ERASURE_TYP, ErasureOrder, erasure_entry, order_for, verify_erasure
from govbus.schemas.core import decode_log_entry, encode_log_entry
from govbus.signing.certificates import TrustedCertificate
from govbus.signing.jws import STATEMENT_TYP, sign_detached
from govbus.testing import example_keys
from govbus.testing.example_bus import BASE_AT_MS, BUS, COURT, TAX

SOURCE = SourcePosition("govbus.out.tax.example", 3, 41)
STATEMENT = b"govbus/statement/v1\nstands for a statement\n"
WORDS = "Example Court, order 12 O 345/26 of 2026-11-20"


class Directory:
    """Certificates of the bus, the sender and a third agency."""

    def __init__(self):
        self.known = {}
        for agency in (BUS, TAX, COURT):
            certificate = example_keys.signer(agency.text).certificate
            self.known[certificate.thumbprint] = TrustedCertificate(certificate, agency)

    def certificate(self, thumbprint):
        return self.known.get(thumbprint)


def _original(statement=STATEMENT):
    return LogEntry(
        Outcome.ACCEPTED,
        BASE_AT_MS,
        SOURCE,
        "0199-1",
        statement,
        (b"s",),
        None,
        b"",
        None if statement is not None else bytes(32),
        7,
        (),
        ("govbus.in.court.example",),
        41,
        "tax-assessments",
    )


def _entry(signer=BUS, *, original=None, **changes):
    original = original or _original()
    order = order_for(original, BUS, time_ms=BASE_AT_MS, authority=WORDS)._replace(**changes)
    signers = [example_keys.signer(signer.text)]
    return erasure_entry(order, original, signers, directory_version=8, revocations=2)


def test_an_order_is_a_text_and_back():
    """The text has the lines of docs/specs/erasure.md, and reads as what it was made of."""
    order = order_for(_original(), BUS, time_ms=BASE_AT_MS, authority=WORDS)
    text = order.to_bytes().decode()
    assert text.splitlines()[0] == "govbus/erasure/v1"
    assert f"authority {WORDS}" in text.splitlines()
    assert "source govbus.out.tax.example/3@41" in text.splitlines()
    assert ErasureOrder.from_bytes(order.to_bytes()) == order
    assert order.digest == statement_hash(STATEMENT)


@pytest.mark.parametrize("signer", [BUS, TAX])
def test_the_bus_and_the_sender_may_order_it(signer):
    """Both verify, and the entry comes back from its octets as it was."""
    entry = _entry(signer)
    assert decode_log_entry(encode_log_entry(entry)) == entry
    order = verify_erasure(entry, Directory(), BUS)
    assert order.authority == WORDS
    assert entry.decision is Outcome.ERASED
    assert entry.receipt_first is None


def test_a_recipient_may_not_order_it():
    """A certificate of the directory that is neither the bus's nor the sender's is refused."""
    with pytest.raises(UntrustedKeyError, match=r"only bus\.example and tax\.example"):
        verify_erasure(_entry(COURT), Directory(), BUS)


def test_a_record_without_a_statement_can_be_erased_too():
    """Then the order names it by the entry's record hash."""
    entry = _entry(original=_original(statement=None))
    assert verify_erasure(entry, Directory(), BUS).names == "record"


def test_an_order_about_another_document_is_refused():
    """Each field of the order must be that of the entry."""
    for changes in (
        {"document_id": "0199-2"},
        {"digest": bytes(32)},
        {"source": SOURCE._replace(offset=42)},
        {"bus": "other.example"},
        {"names": "record"},
    ):
        with pytest.raises(MetadataError, match="another document"):
            verify_erasure(_entry(**changes), Directory(), BUS)


def test_an_order_without_a_signature_is_refused():
    """Nobody's order is none."""
    with pytest.raises(SignatureError, match="without a signature"):
        verify_erasure(_entry()._replace(signatures=()), Directory(), BUS)


def test_a_signature_over_something_else_is_refused():
    """One with the type of a statement does not count, though it is over the very text."""
    entry = _entry()
    other = sign_detached(example_keys.signer(BUS.text), entry.erasure, typ=STATEMENT_TYP, at_ms=BASE_AT_MS)
    with pytest.raises(SignatureError, match=ERASURE_TYP):
        verify_erasure(entry._replace(signatures=(other,)), Directory(), BUS)


def test_a_changed_order_is_refused():
    """The words of the authority are signed."""
    entry = _entry()
    changed = entry.erasure.replace(b"345/26", b"346/26")
    with pytest.raises(SignatureError):
        verify_erasure(entry._replace(erasure=changed), Directory(), BUS)


def test_a_revoked_certificate_orders_nothing():
    """Revocation counts from its date."""
    directory = Directory()
    certificate = example_keys.signer(BUS.text).certificate
    directory.known[certificate.thumbprint] = TrustedCertificate(certificate, BUS, revoked_ms=BASE_AT_MS)
    with pytest.raises(UntrustedKeyError, match="revoked"):
        verify_erasure(_entry(), directory, BUS)


@pytest.mark.parametrize("authority", ["", " x", "two\nlines", "x" * 301, "tab\there"])
def test_an_authority_is_one_line(authority):
    """What does not fit into the line is refused before anything is signed."""
    order = order_for(_original(), BUS, time_ms=BASE_AT_MS, authority=authority)
    with pytest.raises(MetadataError):
        order.to_bytes()


@pytest.mark.parametrize("octets", [b"", b"\xff", b"govbus/erasure/v1\n", STATEMENT])
def test_what_is_no_order_is_refused(octets):
    """Anything but the grammar is refused."""
    with pytest.raises(MetadataError):
        ErasureOrder.from_bytes(octets)


def test_an_entry_that_names_nothing_cannot_be_erased():
    """Without statement and record hash there is nothing to name."""
    entry = _original()._replace(statement=None, record_hash=None)
    with pytest.raises(MetadataError, match="names no record"):
        order_for(entry, AgencyId.from_text("bus.example"), time_ms=0, authority=WORDS)
