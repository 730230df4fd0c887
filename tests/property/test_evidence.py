"""The fast ways of an audit of evidence say what the slow ones say, whatever they are given."""

import dataclasses
from itertools import islice
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from govbus.audit.evidence import engine
from govbus.audit.evidence.engine import PartitionCheck
from govbus.audit.evidence.entry_reader import fields_of, read_entry
from govbus.audit.evidence.result import UnitResult
from govbus.audit.evidence.subtrees import TreeStretch
from govbus.document.decision import LogEntry, SourcePosition
from govbus.document.finding import Finding, Outcome, Severity
from govbus.document.record import Envelope, unframe
from govbus.document.statement import Statement, value_hash
from govbus.errors import RuleError
from govbus.message_log.tree import CompactTree
from govbus.schemas.core import decode_log_entry, encode_log_entry
from govbus.signing.merkle import leaf_hash
from govbus.signing.verifier import Verifier, check_headers
from govbus.testing.example_archive import decided, senders
from govbus.testing.example_log import header_lines

DECISIONS = st.sampled_from(
    [Outcome.ACCEPTED, Outcome.REFUSED, Outcome.QUARANTINED, Outcome.DUPLICATE, Outcome.ERASED]
)
LONGS = st.integers(0, 2**63 - 1) | st.integers(0, 300)
WHO = senders()
MADE = list(islice(decided([dataclasses.replace(one) for one in WHO.makers[:2]], 8), 32))


def _optional(strategy):
    return st.none() | strategy


@st.composite
def _entries(draw):
    """Return any entry that the codec can write; half of them about a document like a real one."""
    real = draw(st.sampled_from(MADE))[0]
    findings = st.builds(Finding, st.text(max_size=9), st.sampled_from(Severity), st.text(), st.text())
    changes = {
        "decision": DECISIONS,
        "time_ms": st.integers(-(10**12), 253_402_300_799_999),
        "source": st.builds(
            SourcePosition,
            st.sampled_from([real.source.topic, "govbus.out.x", "é"]),
            st.integers(0, 2**31 - 1),
            LONGS,
        ),
        "document_id": _optional(st.text(max_size=80)),
        "statement": _optional(st.binary(max_size=600) | st.just(real.statement)),
        "signatures": st.lists(st.binary(max_size=300), max_size=3).map(tuple),
        "batch": _optional(st.binary(max_size=300)),
        "path": st.binary(max_size=2000),
        "record_hash": _optional(st.binary(min_size=32, max_size=32)),
        "directory_version": LONGS,
        "findings": st.lists(findings, max_size=2).map(tuple),
        "recipients": st.lists(st.text(max_size=20), max_size=3).map(tuple),
        "receipt_first": _optional(LONGS),
        "agreement": _optional(st.text(max_size=20)),
        "revocations": LONGS,
        "erasure": _optional(st.binary(max_size=30)),
    }
    assert set(changes) == set(LogEntry._fields)
    chosen = draw(st.sets(st.sampled_from(sorted(changes)), max_size=len(changes)))
    return real._replace(**{name: draw(changes[name]) for name in sorted(chosen)})


def _read(octets):
    """Return what the fast reader says, or the error."""
    try:
        return read_entry(octets)._replace(layout=None)
    except RuleError as err:
        return type(err)


def _decoded(octets):
    """Return what the codec says, or the error."""
    try:
        return fields_of(decode_log_entry(octets))
    except RuleError as err:
        return type(err)


@given(_entries())
@settings(max_examples=300, deadline=None)
def test_entries_read_as_the_codec_reads_them(entry):
    """Every entry that can be written is read the same by the fast reader."""
    octets = encode_log_entry(entry)

    assert fields_of(entry) == _read(octets)


@given(_entries(), st.data())
@settings(max_examples=300, deadline=None)
def test_damaged_entries_read_as_the_codec_reads_them(entry, data):
    """Octets changed, cut off, put in or behind: fast reader and codec agree, on the error too."""
    octets = bytearray(encode_log_entry(entry))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(octets)))
        match data.draw(st.sampled_from(["change", "cut", "insert"])):
            case "change" if place < len(octets):
                octets[place] = data.draw(st.integers(0, 255))
            case "cut":
                del octets[place : place + data.draw(st.integers(1, 9))]
            case _:
                octets[place:place] = data.draw(st.binary(min_size=1, max_size=9))

    assert _decoded(bytes(octets)) == _read(bytes(octets))


@given(st.integers(0, 300), st.lists(st.integers(1, 70), max_size=8), st.integers(0, 20))
@settings(deadline=None)
def test_stretches_join_to_the_tree(start, counts, seed):
    """Stretches of any lengths, joined in order, give the tree that grew leaf by leaf."""
    leaves = [leaf_hash(bytes([seed]) + number.to_bytes(4, "big")) for number in range(start + sum(counts))]
    whole, tree = TreeStretch(), CompactTree()
    whole.extend(leaves[:start])
    place = start
    for count in counts:
        stretch = TreeStretch(place)
        stretch.extend(leaves[place : place + count // 2])
        stretch.extend(leaves[place + count // 2 : place + count])
        whole.join(stretch)
        place += count
    for leaf in leaves:
        tree.append(leaf)

    assert tree.to_bytes() == whole.tree().to_bytes()


FIRST_OFFSETS = st.sampled_from([0, 60, 64, 200, 8184, 2**20 - 8, 2**40])
"""Also where the octets of an offset become more on the way."""


def _moved(entry, first):
    """Return the entry with its record so much further on in the outbox."""
    return entry._replace(source=entry.source._replace(offset=entry.source.offset + first))


PARTS = ("statement", "signature", "path", "batch", "lines", "salt", "value")


def _changed(draw, octets):
    """Return octets with one of them changed, or one more, or one less."""
    place = draw(st.integers(0, max(0, len(octets) - 1)))
    match draw(st.sampled_from(["change", "insert", "cut"])):
        case "change" if octets:
            return octets[:place] + bytes([octets[place] ^ draw(st.integers(1, 255))]) + octets[place + 1 :]
        case "cut":
            return octets[:place] + octets[place + 1 :]
        case _:
            return octets[:place] + bytes([draw(st.integers(0, 255))]) + octets[place:]


def _slow_verdict(entry, made, lines):
    """Return whether a consumer or router would take the document, by the steps that those run."""
    try:
        statement = Statement.from_bytes(entry.statement)
        if statement.topic != entry.source.topic:
            return False
        headers = dict(_parsed(lines))
        envelope = Envelope.from_headers(
            (
                *headers.items(),
                ("gb-stmt", entry.statement),
                ("gb-salt", made.salt),
                *(("gb-sig", one) for one in entry.signatures),
                *((("gb-batch", entry.batch),) if entry.batch is not None else ()),
                *((("gb-path", entry.path),) if entry.path else ()),
            )
        )
        if header_lines(envelope.signed) != lines:
            return False
        check_headers(envelope, statement)
        _, avro = unframe(made.value)
        if len(avro) != statement.length or value_hash(made.salt, avro) != statement.value:
            return False
        Verifier(WHO.table.open().at(1, 0)).check_signatures(envelope, statement)
    except (RuleError, ValueError):
        return False
    return True


def _parsed(lines):
    from govbus.document.encoding import from_base64url

    for line in lines.decode("ascii").splitlines():
        name, _, value = line.partition(":")
        yield name, from_base64url(value)


@pytest.mark.parametrize("batch", [8, 1])
@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_the_engine_says_what_the_verifier_says(batch, data):
    """Of documents of which some are damaged anywhere, the engine names those that the slow steps refuse, no other."""
    makers = [dataclasses.replace(one, next=0) for one in WHO.makers[:2]]
    pairs = list(islice(decided(makers, batch), 32))
    first = data.draw(FIRST_OFFSETS)
    kept = [[_moved(entry, first), made, header_lines(made.signed)] for entry, made in pairs]
    for number in data.draw(st.sets(st.integers(0, 31), min_size=1, max_size=3)):
        entry, made, lines = kept[number]
        part = data.draw(st.sampled_from(PARTS))
        match part:
            case "statement":
                entry = entry._replace(statement=_changed(data.draw, entry.statement))
            case "signature":
                entry = entry._replace(signatures=(_changed(data.draw, entry.signatures[0]),))
            case "path":
                entry = entry._replace(path=_changed(data.draw, entry.path))
            case "batch":
                entry = entry._replace(batch=_changed(data.draw, entry.batch or b""))
            case "lines":
                lines = _changed(data.draw, lines)
            case "salt":
                made = made._replace(salt=_changed(data.draw, made.salt))
            case _:
                made = made._replace(value=_changed(data.draw, made.value))
        kept[number] = [entry, made, lines]

    result = UnitResult("drawn")
    check = PartitionCheck(0, 0, WHO.table.open(), result)
    check.take([_material(*one) for one in kept])
    check.finish()
    named = {one.entry for one in result.found.findings if one.check != "sequence"}
    assert {number for number, one in enumerate(kept) if not _slow_verdict(*one)} == named


def _checked(materials):
    """Return findings and counts of an engine."""
    result = UnitResult("drawn")
    check = PartitionCheck(0, 0, WHO.table.open(), result)
    for start in range(0, len(materials), 11):
        check.take(materials[start : start + 11])
    check.finish()
    return result.found.findings, result.found.by_check, result.counts, check.part.origins, check.part.sources


@pytest.mark.parametrize("batch", [8, 1])
@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_places_known_from_before_change_no_verdict(batch, data):
    """Octets changed, added or gone anywhere: the engine that knows the places says what the one says that looks."""
    makers = [dataclasses.replace(one, next=data.draw(st.sampled_from([0, 992]))) for one in WHO.makers[:2]]
    first = data.draw(FIRST_OFFSETS)
    kept = [
        _material(_moved(entry, first), made, header_lines(made.signed))
        for entry, made in islice(decided(makers, batch), 32)
    ]
    for number in data.draw(st.sets(st.integers(0, 31), max_size=3)):
        part = data.draw(st.sampled_from(["entry", "entry", "lines", "salt", "value"]))
        octets = getattr(kept[number], part)
        for _ in range(data.draw(st.integers(1, 2))):
            octets = _changed(data.draw, octets)
        kept[number] = kept[number]._replace(**{part: octets})

    found = _checked(kept)
    with mock.patch.object(engine, "course_of", return_value=None):
        assert _checked(kept) == found


def _material(entry, made, lines):
    from govbus.audit.evidence.material import Material

    return Material(encode_log_entry(entry), lines, made.salt, made.value, None, None)
