"""What a log entry holds is bounded, so that it always fits an entry bundle; what is left out is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from govbus.document import topics
from govbus.document.decision import LogEntry, SourcePosition
from govbus.document.finding import Finding, Outcome, Severity
from govbus.document.ids import AGENCY_ID_LENGTH_MAX, AgencyId
from govbus.document.record import HEADER_BYTES_MAX
from govbus.message_log.tiles import ENTRY_BYTES_MAX as BUNDLE_ENTRY_BYTES_MAX
from govbus.message_log.tiles import pack_entries
from govbus.routing.entry_bounds import (
    ENTRY_BYTES_MAX,
    FIELD_CHARACTERS_MAX,
    FINDINGS_BYTES_MAX,
    FINDINGS_MAX,
    RECIPIENTS_BYTES_MAX,
    listed,
    recipients_bytes,
)
from govbus.routing.rules.catalogue import DETAIL_CHARACTERS_MAX
from govbus.schemas.core import encode_log_entry

LONGEST_DETAIL = "\U0001f4dc" * DETAIL_CHARACTERS_MAX


def _findings(count, severity=Severity.REFUSE, detail="wrong", field="ce_id", rule="CE-2"):
    return [Finding(rule, severity, f"{field}{number}", detail) for number in range(count)]


def test_few_findings_are_all_listed_gravest_first():
    """Up to the bound nothing is left out."""
    warning, refusal = _findings(1, Severity.WARN) + _findings(1)
    assert (refusal, warning) == listed([warning, refusal])
    assert () == listed([])
    assert FINDINGS_MAX == len(listed(_findings(FINDINGS_MAX)))
    assert all(one.field != "findings" for one in listed(_findings(FINDINGS_MAX)))


def test_what_is_left_out_is_said():
    """Of too many findings the last one says how many are left out, by which rules, and how grave."""
    many = (
        _findings(18)
        + _findings(5, Severity.QUARANTINE, rule="CE-4")
        + _findings(3, Severity.WARN, rule="ID-1")
    )
    found = listed(many)

    assert FINDINGS_MAX == len(found)
    assert tuple(many[:19]) == found[:19]
    notice = found[-1]
    assert ("CE-4", Severity.QUARANTINE, "findings") == (notice.rule, notice.severity, notice.field)
    assert notice.detail.startswith("7 more findings are left out here, by CE-4, ID-1;")


def test_long_details_take_places_of_others():
    """The bound in bytes counts too, and the notice has room."""
    found = listed(_findings(20, detail=LONGEST_DETAIL))
    assert found[-1].field == "findings"
    assert found[-1].detail.startswith(f"{20 - len(found) + 1} more")
    assert len(found) > 4


def test_long_field_is_cut_visibly():
    """A field that a stranger made long is cut, and that shows."""
    (found,) = listed([Finding("CE-2", Severity.REFUSE, "x" * 1000, "wrong")])
    assert FIELD_CHARACTERS_MAX == len(found.field)
    assert found.field.endswith("x…")


@given(
    st.lists(
        st.builds(
            Finding,
            st.sampled_from(["CE-2", "AVR-1", "SEC-3"]),
            st.sampled_from(Severity),
            st.text(st.characters(codec="utf-8"), max_size=400),
            st.text(st.characters(codec="utf-8"), max_size=DETAIL_CHARACTERS_MAX),
        ),
        max_size=60,
    )
)
def test_bounds_hold_for_any_findings(findings):
    """Whatever is found, the gravest stands first, and number and bytes stay within the bounds."""
    found = listed(findings)
    assert len(found) <= FINDINGS_MAX
    size = sum(len(text.encode()) for one in found for text in (one.rule, one.field, one.detail))
    assert size <= FINDINGS_BYTES_MAX
    if findings:
        gravest = min(findings, key=lambda one: list(Severity).index(one.severity))
        assert gravest.severity is found[0].severity


def _largest_entry(statement_bytes):
    """Return an entry that has the most of everything; headers give its evidence, so that is bounded together."""
    agency = AgencyId("a" * (AGENCY_ID_LENGTH_MAX - 8) + ".example")
    inbox = topics.inbox(agency, is_test=True)
    recipients = []
    while recipients_bytes([*recipients, inbox]) <= RECIPIENTS_BYTES_MAX:
        recipients.append(inbox)
    return LogEntry(
        decision=Outcome.ACCEPTED,
        time_ms=253_402_300_799_999,
        source=SourcePosition(topics.outbox(agency), 2**31 - 1, 2**63 - 1),
        document_id="x" * 200,
        statement=bytes(1024),
        signatures=(bytes(HEADER_BYTES_MAX - statement_bytes),),
        batch=bytes(100),
        path=bytes(1024),
        record_hash=bytes(32),
        directory_version=2**63 - 1,
        findings=listed(_findings(30, Severity.WARN, LONGEST_DETAIL, "f" * 400)),
        recipients=tuple(recipients),
        receipt_first=2**63 - 1,
        agreement="a" * 100,
        revocations=2**63 - 1,
    )


def test_largest_entry_fits_a_bundle():
    """Headers at their limit, findings and recipients at theirs: the entry still has at most 65,535 bytes."""
    assert ENTRY_BYTES_MAX == BUNDLE_ENTRY_BYTES_MAX
    encoded = encode_log_entry(_largest_entry(0))
    assert ENTRY_BYTES_MAX - 4096 < len(encoded) <= ENTRY_BYTES_MAX
    pack_entries([encoded])


@pytest.mark.parametrize("count", [1, 2, 500])
def test_recipients_are_counted_with_their_lengths(count):
    """The room that recipients take is at least what Avro needs for them."""
    names = [topics.inbox(AgencyId(f"agency-{number}.example")) for number in range(count)]
    empty = _largest_entry(0)._replace(recipients=())
    needed = len(encode_log_entry(empty._replace(recipients=tuple(names)))) - len(encode_log_entry(empty))
    assert needed <= recipients_bytes(names)
