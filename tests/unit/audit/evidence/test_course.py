"""Documents whose octets stand at the places of the one before are compared there: it must not be fooled."""

from unittest import mock

import pytest

from govbus.audit.evidence.engine import PartitionCheck
from govbus.audit.report import Check
from govbus.schemas.core import encode_log_entry
from tests.unit.audit.evidence.conftest import Log

AT = 42
"""Number of the entry that is changed: index 21 of its origin, in the middle of a batch."""


def _looked_at(log):
    """Return findings, and how many entries were not taken by the places of the one before."""
    like_before = PartitionCheck._like_before
    with mock.patch.object(PartitionCheck, "_like_before", autospec=True, side_effect=like_before) as looked:
        return log.findings(), looked.call_count


def test_most_documents_have_their_places(log):
    """Only what begins an origin or a batch, or has an octet more in its offset or index, is looked at otherwise."""
    found, looked = _looked_at(log)

    assert [] == found
    assert looked <= 24


def test_offsets_of_one_octet_are_read(who):
    """Offsets below 64 have one octet: those entries are read, and verify."""
    log = Log(who, 80, 16, first_offset=10)

    assert ([], 80) == (log.findings(), log.joining.counts["verified"])


@pytest.mark.parametrize("gap", [1, 7, 8192, 2**40])
def test_gap_of_offsets(log, gap):
    """Kafka leaves offsets out where a transaction ends."""
    for one in log.kept[AT:]:
        one.change(source=one.entry.source._replace(offset=one.entry.source.offset + gap))

    assert ([], 80) == (log.findings(), log.joining.counts["verified"])


def test_offset_again(log):
    """A second entry about one record."""
    for one in log.kept[AT::2]:
        one.change(source=one.entry.source._replace(offset=one.entry.source.offset - 1))

    assert [(Check.DECIDED, AT, 21)] == log.findings()


def test_offset_of_other_high_octets(log):
    """An offset lower by 8192, whose first octets are the expected ones."""
    entry = log[60].entry
    log[60].change(source=entry.source._replace(offset=entry.source.offset - 8192))

    assert [(Check.DECIDED, 60, 30)] == log.findings()


def test_document_id_longer(log):
    """A longer document id moves everything behind it; the places are then others, and it verifies."""
    for one in log.kept[AT : AT + 4]:
        one.change(document_id=one.entry.document_id + "7")

    assert ([], 80) == (log.findings(), log.joining.counts["verified"])


@pytest.mark.parametrize("away", [-1, 1])
def test_lengths_that_overlap(log, away):
    """The length of the document id is wrong by one, and not one octet has moved."""
    octets = bytearray(encode_log_entry(log[AT].entry))
    document_id = log[AT].entry.document_id.encode()
    octets[octets.index(document_id) - 1] += 2 * away
    log[AT].octets = bytes(octets)

    assert (Check.ENTRY, AT, None) in log.findings()


def test_octet_taken_from_the_path_and_given_to_the_end(batches):
    """An entry of the length that it must have, whose path lacks an octet that stands behind it."""
    entry = batches[AT].entry
    octets = encode_log_entry(entry)
    end = octets.index(entry.path) + len(entry.path)
    batches[AT].octets = octets[: end - 1] + octets[end:] + octets[end - 1 : end]

    assert (AT in {entry for _, entry, _ in batches.findings()}) is True


@pytest.mark.parametrize("part", ["topic", "schema", "origin", "govbus/statement/v1"])
def test_constant_line_changed(log, part):
    """A statement that differs in a line that all documents of the origin share, in one bit."""
    statement = bytearray(log[AT].entry.statement)
    statement[statement.index(part.encode()) + len(part) + 1 + 5 * (part != "govbus/statement/v1")] ^= 1
    log[AT].change(statement=bytes(statement))

    assert AT in {entry for _, entry, _ in log.findings()}


def test_document_id_that_is_no_text(log):
    """Octets of a document id that are not UTF-8."""
    octets = bytearray(encode_log_entry(log[AT].entry))
    octets[octets.index(log[AT].entry.document_id.encode()) + 3] = 0xFF
    log[AT].octets = bytes(octets)

    assert (Check.ENTRY, AT, None) in log.findings()
