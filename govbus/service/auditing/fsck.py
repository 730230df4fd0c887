"""`fsck`: every tree of a log computed again from its entries, and compared with roots, tiles and checkpoints."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from govbus.audit.archive.reader import Archive
from govbus.audit.evidence.audit import Beforehand, CheckpointReading, Progress
from govbus.audit.evidence.chain import Chain, read_chain
from govbus.audit.evidence.tile_check import TileCheck, check_tiles
from govbus.audit.report import AuditFinding, AuditReport, Check
from govbus.audit.snapshot import Snapshot
from govbus.audit.streams import PartitionStreams
from govbus.document.ids import AgencyId
from govbus.errors import MissingPartError, NoteError
from govbus.message_log.checkpoint import Checkpoint
from govbus.message_log.heads import head_origin
from govbus.message_log.keys import LogPublicKeys, log_origin
from govbus.message_log.tiles import TileStore
from govbus.message_log.tree import CompactTree
from govbus.service.auditing.tile_stores import CHECKPOINT, log_store
from govbus.transport.base import Transport

PARTITIONS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class _Log:
    """One log to derive again."""

    origin: str
    store: TileStore
    size: int
    ends: tuple[int, ...] = ()
    cuts: tuple[int, ...] = ()


def fsck_archive(
    folder: Path,
    bus: AgencyId,
    keys: LogPublicKeys,
    notes: Sequence[str] = (),
    *,
    processes: int = 1,
    progress: Progress | None = None,
) -> AuditReport:
    """Check the trees of an archive: entries, tiles, manifests and checkpoints must all say the same.

    Args:
        folder: that it is in.
        bus: whose it is.
        keys: of the log.
        notes: checkpoints that the auditor has.
        processes: how many to use, one a log.
        progress: told how far it is.

    Raises:
        MissingPartError: if the folder holds no archive, or a file of it is not there.
        LogIntegrityError: if a file does not follow the format.
    """
    archive = Archive(folder)
    last = archive.last()
    if last is None:
        raise MissingPartError(f"{folder} holds no segment of an archive")
    report = AuditReport()
    reading = CheckpointReading(Beforehand(bus, keys, tuple(notes)), report)
    chain = read_chain(archive, reading, report)
    ends: dict[str, list[int]] = {}
    for segment in archive.segments():
        for origin, log in segment.manifest.ranges().items():
            ends.setdefault(origin, []).append(log.end)
    logs = [
        _Log(
            origin,
            archive.tiles(origin),
            log.end,
            tuple(ends[origin]),
            tuple(sorted({*ends[origin], *reading.checkpoints.sizes(origin)})),
        )
        for origin, log in last.manifest.ranges().items()
    ]
    checks = {check.origin: check for check in _derived(logs, processes, progress)}
    for partition in chain.partitions:
        _compare(partition, checks[log_origin(bus, partition)], reading, report, chain)
    heads = checks[head_origin(bus)]
    report.extend(heads.findings)
    _compare_heads(heads, last.manifest.heads.root, reading, report)
    reading.finish()
    return _finished(report, sum(check.parts for check in checks.values()))


def fsck_tiles(
    place: str,
    bus: AgencyId,
    keys: LogPublicKeys,
    notes: Sequence[str] = (),
    *,
    progress: Progress | None = None,
) -> AuditReport:
    """Check logs as their tiles are published: a folder, or the URL of a log service.

    Every log of the bus below the place is derived again from its entry bundles, up to its published checkpoint.

    Args:
        place: folder or URL above ``<bus>/log/0``.
        bus: whose logs they are.
        keys: of the log.
        notes: checkpoints that the auditor has.
        progress: told how far it is.

    Raises:
        MissingPartError: if no log is there.
        TransportError: if a server does not answer.
    """
    report = AuditReport()
    known = _known(bus, keys, notes, report)
    parts = 0
    found = list(_published(place, bus, keys, report))
    if not found and report.is_clean:
        raise MissingPartError(
            f"no log of {bus} is at {place}", remedy="give the folder or URL above the bus's own"
        )
    for checkpoint, store in found:
        sizes = {size: root for (origin, size), root in known.items() if origin == checkpoint.origin}
        sizes[checkpoint.size] = checkpoint.root
        log = _Log(checkpoint.origin, store, checkpoint.size, cuts=tuple(sorted(sizes)))
        check = _derive(log, _progressing(progress, checkpoint.size))
        parts += check.parts
        report.extend(check.findings)
        _compare_roots(check, sizes, report)
        report.entries += check.size
        name = checkpoint.origin.rpartition("/")[2]
        if name.isdecimal():
            report.sizes[int(name)] = check.size
            report.roots[int(name)] = _tree(check.trees[-1]).root().hex() if check.trees else ""
    return _finished(report, parts)


def fsck_bus(
    transport: Callable[[], Transport],
    bus: AgencyId,
    keys: LogPublicKeys,
    notes: Sequence[str] = (),
    *,
    progress: Progress | None = None,
) -> AuditReport:
    """Check the trees of a running bus: the entries on the log against every checkpoint.

    Args:
        transport: makes a client.
        bus: whose it is.
        keys: of the log.
        notes: checkpoints that the auditor has.
        progress: told how far it is.

    Raises:
        ConfigError: if there is no message log.
        TransportError: if the broker fails.
    """
    report = AuditReport()
    reading = CheckpointReading(Beforehand(bus, keys, tuple(notes)), report)
    asyncio.run(_read_bus(transport(), reading, report, progress))
    reading.finish()
    return _finished(report, 0)


async def _read_bus(
    transport: Transport, reading: CheckpointReading, report: AuditReport, progress: Progress | None
) -> None:
    snapshot = await Snapshot.take(transport)
    for partition, end in snapshot.checkpoints.items():
        async with PartitionStreams(transport, {partition: end}) as streams:
            async for record in streams.records(partition):
                reading.take(record)
    total, done = sum(snapshot.message_log.values()), 0
    for message_log, end in snapshot.message_log.items():
        replay = reading.checkpoints.replay(message_log.partition)
        beginning = snapshot.beginnings[message_log]
        if beginning > 0:
            expected, found = "the log from its first entry", f"nothing before offset {beginning}"
            report.add(
                AuditFinding(Check.RETENTION, message_log.topic, message_log.partition, 0, expected, found)
            )
        async with PartitionStreams(transport, {message_log: end}) as streams:
            async for record in streams.records(message_log):
                replay.append(record)
                done += 1
                if progress is not None and done % _PROGRESS_ENTRIES == 0:
                    progress("entries", done, total)
        replay.finish()
    report.entries = sum(report.sizes.values())


_PROGRESS_ENTRIES = 1000


def _derived(logs: Sequence[_Log], processes: int, progress: Progress | None) -> Iterator[TileCheck]:
    total = sum(log.size for log in logs)
    if processes <= 1 or len(logs) <= 1:
        done = _progressing(progress, total)
        for log in logs:
            yield _derive(log, done)
        return
    context = multiprocessing.get_context("spawn")
    reached = 0
    with ProcessPoolExecutor(min(processes, len(logs)), context) as pool:
        for check in pool.map(_derive, logs):
            reached += check.size
            if progress is not None:
                progress("entries", reached, total)
            yield check


def _derive(log: _Log, done: Callable[[int], None] | None = None) -> TileCheck:
    return check_tiles(log.origin, log.store, log.size, ends=log.ends, cuts=log.cuts, done=done)


def _progressing(progress: Progress | None, total: int) -> Callable[[int], None]:
    reached = 0

    def done(entries: int) -> None:
        nonlocal reached
        reached += entries
        if progress is not None:
            progress("entries", reached, max(total, reached))

    return done


def _compare(
    partition: int, check: TileCheck, reading: CheckpointReading, report: AuditReport, chain: Chain
) -> None:
    """Compare one partition's log with checkpoints and manifests."""
    report.extend(check.findings)
    replay = reading.checkpoints.replay(partition)
    tree = CompactTree()
    replay.grow(tree)
    for octets in check.trees:
        tree = _tree(octets)
        replay.grow(tree)
        stated = chain.roots.get((partition, tree.size))
        if stated is not None and stated != tree.root():
            _differ(
                report,
                Check.ARCHIVE,
                check.origin,
                tree,
                stated,
                "in the manifest of the segment that ends here",
            )
    replay.finish()
    report.sizes[partition] = check.size
    report.entries += check.size


def _compare_heads(check: TileCheck, stated: bytes, reading: CheckpointReading, report: AuditReport) -> None:
    """Compare the archived head log with the manifest, and with what the checkpoints give."""
    heads = reading.checkpoints.heads
    tree = _tree(check.trees[-1]) if check.trees and _tree(check.trees[-1]).size == check.size else None
    if tree is None:
        return
    if tree.root() != stated:
        _differ(report, Check.ARCHIVE, check.origin, tree, stated, "in the last manifest")
    if tree.size == heads.size and tree.root() != heads.root:
        _differ(report, Check.HEADS, check.origin, tree, heads.root, "from the checkpoints in the archive")


def _compare_roots(check: TileCheck, stated: dict[int, bytes], report: AuditReport) -> None:
    for octets in check.trees:
        tree = _tree(octets)
        root = stated.get(tree.size)
        if root is not None and root != tree.root():
            _differ(report, Check.TREE, check.origin, tree, root, "under a signature")
    for size in sorted(stated):
        if size > check.size:
            report.add(
                AuditFinding(
                    Check.TREE,
                    f"tiles of {check.origin}",
                    None,
                    None,
                    f"{size} entries, as a checkpoint says",
                    f"{check.size}: the end of the log is gone",
                    origin=check.origin,
                )
            )


def _differ(
    report: AuditReport, check: Check, origin: str, tree: CompactTree, stated: bytes, where: str
) -> None:
    expected = f"root {tree.root().hex()}, which the first {tree.size} entries give"
    report.add(
        AuditFinding(
            check, f"tiles of {origin}", None, None, expected, f"root {stated.hex()} {where}", origin=origin
        )
    )


def _tree(octets: bytes) -> CompactTree:
    return CompactTree.from_bytes(octets)


def _known(
    bus: AgencyId, keys: LogPublicKeys, notes: Sequence[str], report: AuditReport
) -> dict[tuple[str, int], bytes]:
    """Return the roots that the auditor's own checkpoints state, by origin and size."""
    found: dict[tuple[str, int], bytes] = {}
    names = {f"{bus}/log/{number}" for number in range(PARTITIONS_MAX)} | {head_origin(bus)}
    for number, note in enumerate(notes):
        origin = note.partition("\n")[0]
        try:
            # A name that is no log of the bus is refused as another log than the head log.
            checkpoint = keys.open(note, origin if origin in names else head_origin(bus))
        except NoteError as err:
            expected = f"a checkpoint of {bus}, signed by the log's keys"
            report.add(
                AuditFinding(Check.CHECKPOINT, "known checkpoint", None, number, expected, err.message)
            )
            continue
        found[origin, checkpoint.size] = checkpoint.root
    report.checkpoints += len(found)
    return found


def _published(
    place: str, bus: AgencyId, keys: LogPublicKeys, report: AuditReport
) -> Iterator[tuple[Checkpoint, TileStore]]:
    """Yield every log with a published checkpoint, the head log last."""
    origins = [log_origin(bus, partition) for partition in range(PARTITIONS_MAX)]
    for origin in origins:
        store = log_store(place, origin)
        note = store.checkpoint()
        if note is None:
            break
        yield from _opened(origin, note, store, keys, report)
    store = log_store(place, head_origin(bus))
    note = store.checkpoint()
    if note is not None:
        yield from _opened(head_origin(bus), note, store, keys, report)


def _opened(
    origin: str, note: bytes, store: TileStore, keys: LogPublicKeys, report: AuditReport
) -> Iterator[tuple[Checkpoint, TileStore]]:
    report.checkpoints += 1
    try:
        yield keys.open(note, origin), store
    except NoteError as err:
        expected = f"a checkpoint of {origin}, signed by the log's keys"
        report.add(
            AuditFinding(
                Check.CHECKPOINT, f"tiles of {origin}/{CHECKPOINT}", None, None, expected, err.message
            )
        )


def _finished(report: AuditReport, parts: int) -> AuditReport:
    if parts:
        report.notes.append(f"{parts:,} tiles and bundles are what the entries give")
    report.established = "every root and checkpoint is what the entries give"
    report.notes.append("trees only: no signature of a document and no decision was looked at")
    return report
