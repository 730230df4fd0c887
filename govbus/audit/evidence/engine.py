"""The engine: one stretch of one log partition checked entry by entry.

Steps for each entry: (1) its leaf hash goes into the tree; (2) it reads; (3) its outbox records come in their order;
(4) the statement follows its grammar and is about this place; (5) headers and value are the statement's; (6) the
signatures hold under the certificates of that time; (7) the statement stands in its batch; (8) the origin's documents
are numbered densely. A document like the one before it in its origin takes the short way through the same steps;
any other, and any that differs anywhere, takes the long one, which names what is wrong.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import islice

from govbus.audit.evidence.entry_reader import LENGTHS
from govbus.audit.evidence.known import (
    OFFSET_HIGH,
    OFFSET_LOW,
    TIME_REST,
    EntryPlace,
    Known,
    OriginState,
    course_of,
)
from govbus.audit.evidence.long_way import LongWay
from govbus.audit.evidence.material import Material, Selection, Trust
from govbus.audit.evidence.result import PartitionPart, UnitResult
from govbus.audit.evidence.sequence import OriginSequence
from govbus.audit.evidence.subtrees import TreeStretch
from govbus.document.finding import Outcome
from govbus.document.record import FRAME_BYTES, SALT_BYTES, VALUE_BYTES_MAX

_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_STATEMENT = b"govbus/statement/v1\norigin "
_ORIGIN_AT = len(_STATEMENT)
_RESTS_OF_TIME = frozenset(
    f":{second:02}.{millisecond:03}Z\n".encode() for second in range(60) for millisecond in range(1000)
)
"""Every end of a statement that its grammar allows behind the minute."""
_LAST = 0x7F
"""Greatest octet that ends an Avro number."""
_SOME = 2
"""Avro's mark of a value that is not null."""
_SOME_OF_LENGTH = [bytes([_SOME]) + octets for octets in LENGTHS]
"""How Avro begins a value that is not null, by its length."""
_NOT_SHORT = 0x81
"""Bits that the one octet of a length below 64 does not have."""


class PartitionCheck:
    """Checks consecutive entries of one log partition."""

    def __init__(
        self,
        partition: int,
        start: int,
        trust: Trust,
        result: UnitResult,
        *,
        cuts: Iterable[int] = (),
        selection: Selection | None = None,
    ) -> None:
        """Begin at an entry.

        Args:
            partition: of the message log.
            start: number of the first entry.
            trust: whose certificates count.
            result: takes findings and counts.
            cuts: sizes of checkpoints: the tree's stretch is cut there, so that its root then can be told.
            selection: which entries are checked; all unless given.
        """
        self._cuts = sorted(cut for cut in set(cuts) if cut > start)
        self._selection = selection if selection is not None else Selection()
        self._number = start
        self.part = PartitionPart(partition, [TreeStretch(start)])
        self._long = LongWay(self.part, trust, result, self._selection)
        self._origins = self._long.origins
        self._last = OriginState(OriginSequence(0, start))
        """Whose document came last; none has, at first."""
        self._result = result
        result.parts.append(self.part)

    def take(self, materials: Sequence[Material]) -> None:
        """Check the next entries."""
        self.hash(materials)
        taken = at = 0
        while at < len(materials):
            count = self._take_on_course(materials, at)
            taken += count
            at += count
            self._number += count
            if at < len(materials):
                # What has nothing like it before it in its origin goes the long way.
                if self._take_like_before(materials[at], self._number):
                    taken += 1
                else:
                    self._long.take(self._number, materials[at])
                at += 1
                self._number += 1
        counts = self._result.counts
        counts["entries"] += taken
        counts["documents"] += taken
        counts["verified"] += taken
        self._result.outcomes[Outcome.ACCEPTED.value] += taken

    def hash(self, materials: Sequence[Material]) -> None:
        """Take entries into the tree; without `take`, nothing else about them is looked at."""
        hashes = [sha256(b"\x00" + material[0]).digest() for material in materials]
        stretch = self.part.stretches[-1]
        while self._cuts and stretch.end + len(hashes) >= self._cuts[0]:
            count = self._cuts.pop(0) - stretch.end
            stretch.extend(hashes[:count])
            hashes = hashes[count:]
            stretch = TreeStretch(stretch.end)
            self.part.stretches.append(stretch)
        stretch.extend(hashes)

    def finish(self) -> None:
        """Check what waits for more."""
        self._long.finish()

    def _take_on_course(self, materials: Sequence[Material], first: int) -> int:
        """Do steps 2 to 8 for documents that have everything at the places of the one before them in their origin.

        Args:
            materials: the next entries, of which the ones before `first` are done.
            first: where to begin.

        Returns:
            How many were taken in. Nothing of the one that follows was, and it may still be a document like others.
        """
        start = self._number - first
        last, at = self._last, first - 1
        for at, (entry, lines, salt, value, _, _) in enumerate(islice(materials, first, None), first):
            state = last.after
            if state is None or (known := state.known) is None or (course := known.course) is None:
                break
            source, edges = known.source, known.edges
            offset, index = source.last + 1, edges.next
            if (
                not value
                or lines is None
                or salt is None
                or not entry.startswith(known.head)
                or offset >> OFFSET_HIGH != course.offset_high
                or not entry.startswith(course.offset_low[offset & OFFSET_LOW], course.low_at)
                or not entry.startswith(course.high, course.high_at)
            ):
                break
            hashes = b2a_base64(
                sha256(lines).digest() + b"\x00" + sha256(salt + value[FRAME_BYTES:]).digest()
            ).translate(_URL_SAFE)
            value_bytes = len(value)
            demanded = course.statement % (index, hashes[:43], value_bytes - FRAME_BYTES, hashes[44:87])
            time_end = course.time_end
            if (
                len(demanded) != course.statement_bytes
                or not entry.startswith(demanded, course.statement_at)
                or entry[course.time_at : time_end] not in _RESTS_OF_TIME
                or not entry.startswith(known.middle, time_end - 1)
                or entry[course.varying_end :] != known.tail
                or not entry[course.id_at : course.statement_at].isascii()
                or value[0] != 0
                or len(salt) != SALT_BYTES
                or value_bytes > VALUE_BYTES_MAX
            ):
                break
            statement, varying = (
                entry[course.text_at : time_end],
                entry[course.varying_at : course.varying_end],
            )
            if known.thumbprint is not None:
                if not self._long.signatures.holds(varying, statement, known.thumbprint):
                    break
            elif (batch := state.batch) is None or batch.next != index:
                break
            else:
                batch.add(sha256(b"\x00" + statement).digest(), varying, start + at)
                if index + 1 == batch.end:
                    self._long.close_batch(state)
            source.last = offset
            edges.next = index + 1
            last = state
        else:
            at += 1
        self._last = last
        return at - first

    def _take_like_before(self, material: Material, number: int) -> bool:
        """Check a document by the one before it in its origin.

        Args:
            material: of the entry.
            number: of the entry.

        Returns:
            Whether it was taken in; if not, it differs in more than a document must, or something about it does not
            hold, and nothing of it was taken in.
        """
        entry, _, salt, value, _, _ = material
        if not value or material.lines is None or salt is None:
            return False
        try:
            state = self._like_before(entry, material.lines, salt, value, number)
        except IndexError:  # cut short: the long way says where
            return False
        if state is None:
            return False
        self._last.after = self._last = state
        return True

    def _like_before(
        self, entry: bytes, lines: bytes, salt: bytes, value: bytes, number: int
    ) -> OriginState | None:
        """Take a document in that is like the one before it in its origin, and return the origin.

        Raises:
            IndexError: if the entry is cut short; nothing of it was taken in.
        """
        state = self._last.after
        if state is None or (known := state.known) is None or not entry.startswith(known.head):
            state = self._state_of(entry)
            if state is None or (known := state.known) is None or not entry.startswith(known.head):
                return None
        # Step 2: what stands before the statement is as before, but for offset and document id.
        at = known.head_bytes
        place, shift = entry[at] & 0x7F, 7
        while entry[at] > _LAST:
            at += 1
            place |= (entry[at] & 0x7F) << shift
            shift += 7
        id_bytes = entry[at + 2]
        after_id = at + 3 + (id_bytes >> 1)
        start = after_id + 3
        if not entry.startswith(known.origin, start):
            # Another origin of the same outbox, or one that is new to it.
            state = self._state_of(entry)
            if state is None or state.known is None or state.known.head != known.head:
                return None
            known = state.known
        source, edges = known.source, known.edges
        # Steps 4, 5 and 8: the statement is the one that number, headers and value demand.
        index, value_bytes = edges.next, len(value)
        hashes = b2a_base64(
            sha256(lines).digest() + b"\x00" + sha256(salt + value[FRAME_BYTES:]).digest()
        ).translate(_URL_SAFE)
        demanded = known.statement % (index, hashes[:43], value_bytes - FRAME_BYTES, hashes[44:87])
        time_at = start + len(demanded)
        end = time_at + TIME_REST
        after = len(entry) - known.tail_bytes - known.varying_bytes
        if (
            not entry.startswith(demanded, start)
            or not entry.startswith(_SOME_OF_LENGTH[end - start], after_id)
            or entry[at + 1] != _SOME
            or id_bytes & _NOT_SHORT
            or entry[time_at:end] not in _RESTS_OF_TIME
            or not entry[at + 3 : after_id].isascii()
            or not entry.endswith(known.tail)
            # Step 3.
            or place & 1
            or place >> 1 <= source.last
            or value[0] != 0
            or len(salt) != SALT_BYTES
            or value_bytes > VALUE_BYTES_MAX
            or not self._prove(state, known, entry, start, end, after, number)
        ):
            return None
        source.last = place >> 1
        edges.next = index + 1
        known.course = course_of(known, EntryPlace(entry, id_bytes >> 1, start, end))
        return state

    def _prove(
        self, state: OriginState, known: Known, entry: bytes, start: int, end: int, after: int, number: int
    ) -> bool:
        """Do steps 6 and 7 for a document that is like the one before it, but perhaps begins a batch.

        Args:
            state: of its origin.
            known: what the entry before it looked like.
            entry: as stored.
            start: where the statement begins.
            end: where it ends.
            after: where its path or signature begins.
            number: of the entry.
        """
        index = known.edges.next
        is_like = after == end - 1 + known.middle_bytes and entry.startswith(known.middle, end - 1)
        if not is_like and self._long.next_batch(state, entry, end, after) is None:
            return False
        varying = entry[after : after + known.varying_bytes]
        if known.thumbprint is not None:
            return self._long.signatures.holds(varying, entry[start:end], known.thumbprint)
        batch = state.batch
        if batch is None or batch.next != index:
            return False
        batch.add(sha256(b"\x00" + entry[start:end]).digest(), varying, number)
        if index + 1 == batch.end:
            self._long.close_batch(state)
        return True

    def _state_of(self, entry: bytes) -> OriginState | None:
        """Return the origin of an entry that is like others; None where it cannot be told so simply."""
        start = entry.find(_STATEMENT) + _ORIGIN_AT
        return self._origins.get(entry[start : entry.find(b"\n", start)])
