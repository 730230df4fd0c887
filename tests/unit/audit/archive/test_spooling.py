"""Checkpoints pass through the writer a piece at a time, however many a segment has."""

import hashlib
import tracemalloc

from govbus.audit.archive.manifest import Range
from govbus.audit.archive.records import unpack_records
from govbus.audit.archive.writer import SegmentDraft
from govbus.document import topics
from govbus.document.record import Record
from govbus.service.archive.spool import PART_BYTES, CheckpointSpool

RECORDS, NOTE_BYTES = 8000, 4000


def test_memory_is_flat(tmp_path):
    """A file of records of 32 MB is written with a few pieces in memory, and is what was spooled."""
    with CheckpointSpool(tmp_path) as spool, SegmentDraft(tmp_path / "archive", 1) as draft:
        for offset in range(RECORDS):
            spool.add(Record(topics.CHECKPOINTS, 0, offset * 2, 1, b"0", b"%04d" % offset * 1000, ()))
        tracemalloc.start()
        draft.add_parts("checkpoints", spool.parts_of(Range(0, RECORDS * 2)))
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        path = tmp_path / "archive/.staging/00000001/segments/00000001/checkpoints"

        assert peak_bytes < 6 * PART_BYTES
        octets = path.read_bytes()
        assert RECORDS * NOTE_BYTES < len(octets)
        assert hashlib.sha256(octets).hexdigest() in draft._files.values()
        found = [record.offset for record in unpack_records(octets, topics.CHECKPOINTS)]
        assert list(range(0, RECORDS * 2, 2)) == found
        assert b"0007" * 1000 == spool.record(14).value
