"""Tests of hand-overs of the log's keys: what they must say, who must sign, and how far each pair counts."""

import base64
import dataclasses

import pytest

from govbus.document.ids import AgencyId
from govbus.errors import NoteError
from govbus.message_log.checkpoint import Checkpoint, sign_checkpoint
from govbus.message_log.key_handover import EMPTY, KeyHandover, LogSize, keys_origin, open_handovers
from govbus.message_log.keys import LogKeys, log_origin
from govbus.message_log.note import Note
from govbus.signing.merkle import leaf_hash, root_of

BUS = AgencyId.from_text("bus.example")
ORIGIN = log_origin(BUS, 0)
HEADS = "bus.example/log/heads"
AT_MS = 1_795_466_700_000
PAIRS = [LogKeys.generate() for _ in range(3)]
FIRST, SECOND, THIRD = PAIRS
ROOT, HEAD_ROOT = b"\x07" * 32, b"\x09" * 32


def hand_over(old, new, known, size=10, heads=4):
    return old.hand_over(
        new,
        known,
        bus=BUS,
        partitions={0: LogSize(size, ROOT), 1: EMPTY},
        heads=LogSize(heads, HEAD_ROOT),
        at_ms=AT_MS,
    )


FIRST_NOTE = hand_over(FIRST, SECOND, FIRST.public)
KNOWN = FIRST.public.with_handovers([FIRST_NOTE])
SECOND_NOTE = hand_over(SECOND, THIRD, KNOWN, size=20, heads=8)
NOTES = [FIRST_NOTE, SECOND_NOTE]


def signed(size, *signers, root=ROOT, origin=ORIGIN):
    """Return a checkpoint note."""
    return sign_checkpoint(Checkpoint(origin, size, root), signers, at_s=AT_MS // 1000)


def by(pair, size, root=ROOT, origin=ORIGIN):
    return signed(size, *pair.signers(origin), root=root, origin=origin)


def resigned(handover, *pairs):
    """Return a hand-over of any content under any keys, as somebody would make who has those keys."""
    text = handover.to_text()
    origin = keys_origin(BUS)
    signers = [signer for pair in pairs for signer in pair.signers(origin)]
    return Note(text, tuple(signer.sign(text, at_s=AT_MS // 1000) for signer in signers)).to_text()


def test_a_handover_says_what_it_was_made_of():
    """Bus, number, time, both pairs and how far every log was signed come back; empty logs are left out."""
    (handover,) = open_handovers([FIRST_NOTE])
    assert (handover.bus, handover.number, handover.time_ms) == ("bus.example", 1, AT_MS)
    assert handover.old == tuple(key.to_vkey() for key in FIRST.public.verifiers(keys_origin(BUS)))
    assert handover.new == tuple(key.to_vkey() for key in SECOND.public.verifiers(keys_origin(BUS)))
    assert handover.partitions == {0: LogSize(10, ROOT)}
    assert handover.last(HEADS) == LogSize(4, HEAD_ROOT)
    assert handover.last(log_origin(BUS, 1)) == EMPTY
    assert handover.last("other.example/log/0") == EMPTY


def test_the_root_is_that_of_all_bodies():
    """The post-quantum signatures cover root and number only, so the root must cover every body."""
    handovers = open_handovers(NOTES)
    bodies = [one.body().encode() for one in handovers]
    assert handovers[1].root == root_of([leaf_hash(body) for body in bodies])


@pytest.mark.parametrize("known", PAIRS)
def test_whoever_knows_one_pair_knows_all(known):
    """From the first, the middle or the newest pair, the hand-overs lead to all others and to the newest."""
    keys = known.public.with_handovers(NOTES)
    assert keys.to_pem() == THIRD.public.to_pem()
    assert [pair.to_pem() for pair in keys.pairs()] == [pair.public.to_pem() for pair in PAIRS]
    for pair, size in (
        (FIRST, 1),
        (FIRST, 10),
        (SECOND, 10),
        (SECOND, 15),
        (SECOND, 20),
        (THIRD, 20),
        (THIRD, 99),
    ):
        assert keys.open(by(pair, size), ORIGIN).size == size


def test_a_stranger_knows_nothing():
    """A pair that is in no hand-over gains nothing from them."""
    with pytest.raises(NoteError, match="other keys"):
        LogKeys.generate().public.with_handovers(NOTES)


@pytest.mark.parametrize(("pair", "size"), [(FIRST, 11), (SECOND, 21)])
def test_a_pair_counts_up_to_where_it_was_given_up(pair, size):
    """A stolen old pair cannot sign a longer log."""
    keys = THIRD.public.with_handovers(NOTES)
    keys.open(by(pair, size - 1), ORIGIN)
    with pytest.raises(NoteError, match="given up"):
        keys.open(by(pair, size), ORIGIN)


def test_a_log_that_the_old_pair_never_signed():
    """A partition that had no entry at the hand-over is not the old pair's at any size."""
    keys = SECOND.public.with_handovers([FIRST_NOTE])
    origin = log_origin(BUS, 1)
    keys.open(by(SECOND, 1, origin=origin), origin)
    with pytest.raises(NoteError, match="given up"):
        keys.open(by(FIRST, 1, origin=origin), origin)


def test_head_checkpoints_are_bounded_too():
    """The head log has a bound of its own."""
    keys = SECOND.public.with_handovers([FIRST_NOTE])
    keys.open(by(FIRST, 4, HEAD_ROOT, HEADS), HEADS)
    with pytest.raises(NoteError, match="given up"):
        keys.open(by(FIRST, 5, HEAD_ROOT, HEADS), HEADS)


def test_a_new_pair_signs_nothing_of_before():
    """The new pair counts from the size of the hand-over on."""
    keys = SECOND.public.with_handovers([FIRST_NOTE])
    with pytest.raises(NoteError, match="sign from 10 on"):
        keys.open(by(SECOND, 9), ORIGIN)


@pytest.mark.parametrize("pair", [FIRST, SECOND])
def test_where_two_pairs_meet_the_root_is_the_stated_one(pair):
    """At the size of the hand-over neither pair may state another root."""
    keys = SECOND.public.with_handovers([FIRST_NOTE])
    with pytest.raises(NoteError, match="another root"):
        keys.open(by(pair, 10, root=b"\x08" * 32), ORIGIN)


def test_keys_of_two_pairs_are_no_pair():
    """One signature of each pair is not enough, whichever way round."""
    keys = SECOND.public.with_handovers([FIRST_NOTE])
    (old_ed25519, old_ml_dsa), (ed25519, ml_dsa) = FIRST.signers(ORIGIN), SECOND.signers(ORIGIN)
    for mixed in ((old_ed25519, ml_dsa), (ed25519, old_ml_dsa)):
        with pytest.raises(NoteError):
            keys.open(signed(10, *mixed), ORIGIN)
    keys.open(signed(10, ed25519, ml_dsa), ORIGIN)


def test_a_line_of_the_other_pair_does_no_harm():
    """A checkpoint that one pair signed as a whole may bear a further line."""
    keys = SECOND.public.with_handovers([FIRST_NOTE])
    signers = (*FIRST.signers(ORIGIN), SECOND.signers(ORIGIN)[0])
    assert keys.open(signed(5, *signers), ORIGIN).size == 5


def test_a_signature_of_an_old_pair_must_hold():
    """Naming the old keys is not signing with them."""
    keys = SECOND.public.with_handovers([FIRST_NOTE])
    note = Note.from_text(by(FIRST, 5))
    text = Note(note.text.replace("\n5\n", "\n6\n"), note.signatures).to_text()
    with pytest.raises(NoteError, match="does not hold"):
        keys.open(text, ORIGIN)


@pytest.mark.parametrize("missing", range(4))
def test_all_four_keys_must_sign(missing):
    """A hand-over that one side alone signed, or one key of it did not sign, is none."""
    note = Note.from_text(FIRST_NOTE)
    lines = tuple(line for number, line in enumerate(note.signatures) if number != missing)
    with pytest.raises(NoteError, match="both keys of both pairs"):
        open_handovers([Note(note.text, lines).to_text()])


@pytest.mark.parametrize("sides", [(FIRST,), (SECOND,), (FIRST, FIRST), (SECOND, THIRD)])
def test_one_side_alone_is_not_enough(sides):
    """Neither a thief of the old pair nor the holder of the new one makes a hand-over."""
    handover = open_handovers([FIRST_NOTE])[0]
    with pytest.raises(NoteError, match="both keys of both pairs"):
        open_handovers([resigned(handover, *sides)])


def test_a_wrong_root_is_refused():
    """The root in a hand-over must be that of the bodies, even if all four keys signed another."""
    handover = dataclasses.replace(open_handovers([FIRST_NOTE])[0], root=b"\x01" * 32)
    with pytest.raises(NoteError, match="root that the hand-overs do not give"):
        open_handovers([resigned(handover, FIRST, SECOND)])


@pytest.mark.parametrize("notes", [[SECOND_NOTE], [FIRST_NOTE, FIRST_NOTE], [SECOND_NOTE, FIRST_NOTE]])
def test_a_gap_in_the_numbers_is_refused(notes):
    """Hand-overs go from 1 on without a gap, each once, in order."""
    with pytest.raises(NoteError, match="one is missing"):
        open_handovers(notes)


def test_another_first_body_breaks_the_second():
    """A hand-over that was put in the place of an earlier one does not fit the root of the later one."""
    other = hand_over(FIRST, SECOND, FIRST.public, size=9)
    with pytest.raises(NoteError, match="root that the hand-overs do not give"):
        open_handovers([other, SECOND_NOTE])


def test_the_next_is_by_the_pair_of_now():
    """The pair that was given up cannot hand over once more."""
    again = hand_over(FIRST, THIRD, KNOWN)
    with pytest.raises(NoteError, match="by another pair"):
        open_handovers([FIRST_NOTE, again])


def test_logs_do_not_shrink_between_handovers():
    """A later hand-over states no smaller log."""
    smaller = hand_over(SECOND, THIRD, KNOWN, size=9)
    with pytest.raises(NoteError, match="smaller log"):
        open_handovers([FIRST_NOTE, smaller])


def test_keys_do_not_come_back():
    """A pair that was given up may not be taken up again, or its bound would mean nothing."""
    back = hand_over(SECOND, FIRST, KNOWN, size=20, heads=8)
    with pytest.raises(NoteError, match="comes back"):
        FIRST.public.with_handovers([FIRST_NOTE, back])


LINES = open_handovers([FIRST_NOTE])[0].to_text().splitlines()


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (0, "bus.example/log/0"),
        (1, "0"),
        (1, "1001"),
        (3, "govbus/log-keys/v2"),
        (4, "time yesterday"),
        (4, "time 2026-11-23T20:45:00Z"),
        (5, LINES[5].replace("old", "new")),
        (5, LINES[6]),
        (7, LINES[5].replace("old", "new")),
        (7, "new bus.example/log/keys+00000000+AA=="),
        (9, "log 00 10 " + base64.b64encode(ROOT).decode()),
        (9, "log 0 0 " + base64.b64encode(EMPTY.root).decode()),
        (9, "log 0 010 " + base64.b64encode(ROOT).decode()),
        (9, "log 0 10 AAAA"),
        (9, LINES[9] + "\n" + LINES[9]),
        (9, "more 1"),
        (10, LINES[10] + " "),
        (10, LINES[10] + "\nmore"),
        (10, LINES[9]),
    ],
)
def test_the_grammar_is_strict(line, text):
    """One line that is not as it must be makes the text no hand-over."""
    KeyHandover.from_text("\n".join([*LINES, ""]))
    changed = [*LINES[:line], text, *LINES[line + 1 :], ""]
    with pytest.raises(NoteError):
        KeyHandover.from_text("\n".join(changed))


@pytest.mark.parametrize("line", range(len(LINES)))
def test_no_line_may_lack(line):
    """A text that lacks any one line but one about a partition is no hand-over."""
    if line == 9:
        return
    with pytest.raises(NoteError):
        KeyHandover.from_text("\n".join([*LINES[:line], *LINES[line + 1 :], ""]))
