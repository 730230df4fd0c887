"""An archive that verifies whole, written by the archive's own code without a broker; and how fast it is verified.

`python -m bench.whole_archive FOLDER` writes it where it is not there yet and measures `verify_archive` with one and
two processes, taking turns.
"""

import argparse
import asyncio
import json
import time
from itertools import islice
from pathlib import Path

from govbus.audit.archive import layout
from govbus.audit.archive.certificates import thumbprint_of
from govbus.audit.archive.growth import LogGrowth
from govbus.audit.archive.manifest import Manifest, Range, TreeRange
from govbus.audit.archive.records import pack_records
from govbus.audit.archive.staging import mark_ready, move_into_place
from govbus.audit.archive.verify import verify_archive
from govbus.audit.archive.writer import SegmentDraft
from govbus.document import topics
from govbus.document.record import Record
from govbus.message_log.checkpoint import Checkpoint, sign_checkpoint
from govbus.message_log.heads import head_origin
from govbus.message_log.keys import LogKeys, LogPublicKeys, log_origin
from govbus.schemas.core import encode_log_entry
from govbus.service.directory.publishing import publish_directory
from govbus.signing.certificates import Certificate
from govbus.signing.signer import KeySigner
from govbus.testing import example_keys
from govbus.testing.example_archive import AT_MS, BUS, decided, senders
from govbus.testing.example_bus import ExampleBus
from govbus.transport.base import TopicPartition, TopicSpec
from govbus.transport.memory import MemoryTransport

SEGMENTS = 8
CHECKPOINT_ENTRIES = 4096
ROUNDS = 3
AUTHORITY_SUFFIX = ".authority.der"
MODES = {"single": 1, "batch": 64}
"""Documents of one signature, by name."""


async def _directory(signer):
    """Return the records of a directory that is signed."""
    transport = MemoryTransport(clock_ms=lambda: AT_MS)
    await transport.administrator().create_topics([TopicSpec(topics.DIRECTORY, 1, 1, {})])
    await publish_directory(
        transport, ExampleBus.of({}).files, signer, authority=(signer.certificate,), at_ms=AT_MS - 1000
    )
    place = TopicPartition(topics.DIRECTORY, 0)
    subscriber = transport.subscriber(assign=[place])
    await subscriber.start()
    await subscriber.seek(place, 0)
    end, records = (await subscriber.end_offsets([place]))[place], []
    while await subscriber.position(place) < end:
        records += (await subscriber.poll(timeout_s=0.01, records_max=1000)).get(place, [])
    await subscriber.stop()
    return records


class _Writing:
    """One archive of one log partition."""

    def __init__(self, folder, keys, signer, batch):
        self.folder, self.keys = folder, keys
        self.who = senders()
        self.stream = decided(self.who.makers, batch)
        tiles = folder / layout.TILES
        self.log = LogGrowth(log_origin(BUS, 0), _Nothing(tiles), 0)
        self.heads = LogGrowth(head_origin(BUS), _Nothing(tiles), 0)
        self.directory = asyncio.run(_directory(signer))
        self.offset, self.previous = 0, None

    def segment(self, number, entries_max):
        """Write the next segment."""
        start, first_offset, heads_start = self.log.size, self.offset, self.heads.size
        directory = self.directory if number == 1 else []
        end = self.directory[-1].offset + 1
        with SegmentDraft(self.folder, number) as draft:
            records = []
            for entry, made in islice(self.stream, entries_max):
                record = Record(*entry.source, AT_MS, entry.source.topic.encode(), made.value, made.headers)
                draft.add_entry(entry, record)
                if self.log.append(encode_log_entry(entry)):
                    draft.add_tiles(self.log.origin, self.log.parts())
                if self.log.size % CHECKPOINT_ENTRIES == 0 or self.log.size == start + entries_max:
                    records.append(self._checkpoint(draft))
            draft.add_tiles(self.log.origin, self.log.flush())
            draft.add_tiles(self.heads.origin, self.heads.flush())
            self._files(draft, records, directory)
            self.previous = draft.finish(
                Manifest(
                    bus=BUS,
                    segment=number,
                    previous=self.previous,
                    logs={0: TreeRange(start, self.log.size, self.log.root())},
                    heads=TreeRange(heads_start, self.heads.size, self.heads.root()),
                    directory=Range(0 if directory else end, end),
                    revocations=Range(0, 0),
                    checkpoints=Range(first_offset, self.offset),
                    missing=0,
                    evidence=None,
                    files={},
                )
            )
        mark_ready(self.folder, number)
        move_into_place(self.folder, number)

    def _checkpoint(self, draft):
        """Sign the log as it is now."""
        checkpoint = Checkpoint(self.log.origin, self.log.size, self.log.root())
        note = sign_checkpoint(checkpoint, self.keys.signers(self.log.origin), at_s=AT_MS // 1000)
        if self.heads.append(checkpoint.to_text().encode()):
            draft.add_tiles(self.heads.origin, self.heads.parts())
        draft.set_checkpoint(self.log.origin, note.encode())
        self.offset += 1
        return Record(topics.CHECKPOINTS, 0, self.offset - 1, AT_MS, b"0", note.encode(), ())

    def _files(self, draft, records, directory):
        draft.add_file(layout.CHECKPOINTS, pack_records(records))
        draft.add_file(layout.DIRECTORY, pack_records(directory))
        draft.add_file(layout.REVOCATIONS, b"")
        draft.add_file(layout.POSITIONS, b"")
        draft.add_file(f"{layout.EVIDENCE}/{layout.REVOCATIONS_IN_FORCE}", b"")
        for name, pem in zip(layout.LOG_KEY_FILES, self.keys.public.to_pem(), strict=True):
            draft.add_file(f"{layout.EVIDENCE}/{name}", pem)
        for maker in self.who.makers:
            der = maker.signers[0].certificate.der
            name = f"{layout.EVIDENCE}/{layout.CERTIFICATES}/{thumbprint_of(der)}.der"
            draft.add_file(name, der)


class _Nothing:
    """Where a new log goes on: nowhere."""

    def __init__(self, folder):
        self.folder = folder

    def read(self, path):
        raise AssertionError(path)


def write(folder, *, batch, segments=SEGMENTS, entries_max=layout.SEGMENT_ENTRIES_MAX):
    """Write an archive, and the governing authority's certificate beside it."""
    keys, given = LogKeys.generate(), example_keys.authority()
    signer = KeySigner.from_pem(given.key_pem, given.certificate_pem, kid="authority")
    writing = _Writing(folder, keys, signer, batch)
    for number in range(1, segments + 1):
        writing.segment(number, entries_max)
    folder.with_suffix(AUTHORITY_SUFFIX).write_bytes(signer.certificate.der)


def _trust(folder):
    """Return the log's public keys and the authority's certificates."""
    evidence = folder / layout.segment_path(1) / layout.EVIDENCE
    keys = LogPublicKeys.from_pem(*[(evidence / name).read_bytes() for name in layout.LOG_KEY_FILES])
    return keys, (Certificate.from_der(folder.with_suffix(AUTHORITY_SUFFIX).read_bytes()),)


def measure(folder, *, processes):
    """Return entries verified a second, everything included."""
    keys, authority = _trust(folder)
    started = time.perf_counter()
    report = verify_archive(folder, keys=keys, authority=authority, processes=processes)
    seconds = time.perf_counter() - started
    if not report.is_clean:
        raise AssertionError(report.to_text())
    return {"entries_per_s": round(report.entries / seconds), "entries": report.entries}


def main():
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mode", choices=MODES, default="batch")
    parser.add_argument("--segments", type=int, default=SEGMENTS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    folder = arguments.folder / arguments.mode
    if not folder.exists():
        write(folder, batch=MODES[arguments.mode], segments=arguments.segments)
    for _ in range(arguments.rounds):
        found = {count: measure(folder, processes=count)["entries_per_s"] for count in (1, 2)}
        print(json.dumps({**found, "ratio": round(found[2] / found[1], 2)}), flush=True)


if __name__ == "__main__":
    main()
