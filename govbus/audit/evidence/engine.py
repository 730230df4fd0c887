"""The engine: one stretch of one log partition checked entry by entry.

Steps for each entry: (1) its leaf hash goes into the tree; (2) it reads; (3) its outbox records come in their order;
(4) the statement follows its grammar and is about this place; (5) headers and value are the statement's; (6) the
signatures hold under the certificates of that time; (7) the statement stands in its batch; (8) the origin's documents
are numbered densely. A document like the one before it in its origin takes the short way through the same steps;
any other, and any that differs anywhere, takes the long one, which names what is wrong.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Iterable, Sequence
from hashlib import sha256

from govbus.audit.evidence.entry_reader import LENGTHS
from govbus.audit.evidence.long_way import LongWay
from govbus.audit.evidence.material import Material, Selection, Trust
from govbus.audit.evidence.result import PartitionPart, UnitResult
from govbus.audit.evidence.subtrees import TreeStretch
from govbus.document.finding import Outcome
from govbus.document.record import FRAME_BYTES, SALT_BYTES, VALUE_BYTES_MAX

_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_STATEMENT = b"govbus/statement/v1\norigin "
_ORIGIN_AT = len(_STATEMENT)
_REST_OF_TIME = re.compile(rb":[0-5][0-9]\.[0-9]{3}Z").match
_TIME_REST = len(":00.123Z")
_LAST = 0x7F
"""Greatest octet that ends an Avro number."""
_SOME = 2
"""Avro's mark of a value that is not null."""
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
        self._result = result
        result.parts.append(self.part)

    def take(self, materials: Sequence[Material]) -> None:
        """Check the next entries."""
        self.hash(materials)
        long, taken = self._long, 0
        for number, material in enumerate(materials, self._number):
            if self._is_like_before(number, material):
                taken += 1
            else:
                long.take(number, material)
        self._number += len(materials)
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

    def _is_like_before(self, number: int, material: Material) -> bool:
        """Check a document by the one before it in its origin.

        Returns:
            False where it differs in more than a document must, or anything does not hold: nothing is then taken in.
        """
        entry, lines, salt, value, _, _ = material
        start = entry.find(_STATEMENT)
        state = self._origins.get(entry[start + _ORIGIN_AT : entry.find(b"\n", start + _ORIGIN_AT)])
        if state is None or (known := state.known) is None or not value or lines is None or salt is None:
            return False
        (
            head,
            at,
            template,
            middle,
            middle_bytes,
            varying_bytes,
            tail,
            tail_bytes,
            source,
            edges,
            thumbprint,
        ) = known
        # Step 2: what stands before the statement is as before, but for the record's offset and the document's id.
        if not entry.startswith(head):
            return False
        octet = entry[at]
        place, shift = octet & 0x7F, 7
        while octet > _LAST:
            at += 1
            octet = entry[at]
            place |= (octet & 0x7F) << shift
            shift += 7
        id_bytes = entry[at + 2]
        after_id = at + 3 + (id_bytes >> 1)
        # Steps 4, 5 and 8: the statement is the one that number, headers and value demand.
        index = edges.next
        hashes = b2a_base64(
            sha256(lines).digest() + b"\x00" + sha256(salt + value[FRAME_BYTES:]).digest()
        ).translate(_URL_SAFE)
        value_bytes = len(value)
        demanded = template % (index, hashes[:43], value_bytes - FRAME_BYTES, hashes[44:87])
        time_at = start + len(demanded)
        time_end = time_at + _TIME_REST
        after = time_end + middle_bytes
        varying_end = after + varying_bytes
        if (
            not entry.startswith(demanded, start)
            or start != after_id + 3
            or entry[at + 1] != _SOME
            or id_bytes & _NOT_SHORT
            or entry[after_id] != _SOME
            or LENGTHS.get(entry[after_id + 1 : start]) != time_end + 1 - start
            or _REST_OF_TIME(entry, time_at) is None
            or not entry[at + 3 : after_id].isascii()
            # What stands after it is as before, but for the path or the signature.
            or not entry.startswith(middle, time_end)
            or len(entry) != varying_end + tail_bytes
            or not entry.endswith(tail)
            # Step 3.
            or place & 1
            or place >> 1 <= source.last
            or value[0] != 0
            or len(salt) != SALT_BYTES
            or value_bytes > VALUE_BYTES_MAX
        ):
            return False
        # Steps 6 and 7.
        statement = entry[start : time_end + 1]
        if thumbprint is not None:
            if not self._long.signatures.holds(entry[after:varying_end], statement, thumbprint):
                return False
        else:
            batch = state.batch
            if batch is None or batch.next != index:
                return False
            batch.leaves.append((sha256(b"\x00" + statement).digest(), entry[after:varying_end], number))
            batch.next = index + 1
            if index + 1 == batch.end:
                self._long.close_batch(state)
        source.last = place >> 1
        edges.next = index + 1
        return True
