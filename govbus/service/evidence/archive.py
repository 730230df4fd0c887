"""The evidence about one document, searched in an archive: no broker, and the same result for as long as it is kept."""

from __future__ import annotations

from govbus.audit.archive.documents import DocumentKind
from govbus.audit.archive.reader import Archive, ArchivedEntry
from govbus.audit.archive.values import unpack_value
from govbus.audit.bundle.assemble import DirectoryRecords, DocumentParts, LoggedEntry
from govbus.document.decision import LogEntry
from govbus.document.ids import AgencyId
from govbus.document.record import unframe
from govbus.errors import MissingPartError
from govbus.message_log.keys import LogPublicKeys, log_origin
from govbus.message_log.policy import Policy
from govbus.service.evidence.bus import EntrySearch, Evidences, Progress, logged_entry
from govbus.service.evidence.checkpoints import Checkpoints

_EVERY = 1000


def search_archive(
    archive: Archive,
    document_id: str,
    *,
    keys: LogPublicKeys,
    policy: Policy | None,
    agency: str | None = None,
    progress: Progress = lambda _what, _done: None,
) -> Evidences:
    """Find the decision about a document and everything that proves it.

    Args:
        archive: the folder.
        document_id: ``ce_id``.
        keys: public keys of the log.
        policy: a head that its witnesses cosigned is preferred.
        agency: whose document, where several have one of this id.
        progress: told what is read.

    Raises:
        MissingPartError: if the document, its record, or a checkpoint over it is not there.
        LogIntegrityError: if a file does not follow the format.
    """
    last = archive.last()
    if last is None:
        raise MissingPartError(f"{archive.folder} holds no segment of an archive")
    bus = last.manifest.bus
    logged = search_archived_log(
        archive, document_id, bus=bus, keys=keys, policy=policy, agency=agency, progress=progress
    )
    found = logged[1]
    directory = DirectoryRecords(archive.records("directory"))
    revocations = [record.value for record in archive.records("revocations") if record.value]
    return Evidences(
        logged[0],
        _parts(found, logged[0].entry),
        directory,
        tuple(revocations[: logged[0].entry.revocations]),
    )


def search_archived_log(
    archive: Archive,
    document_id: str,
    *,
    bus: AgencyId,
    keys: LogPublicKeys,
    policy: Policy | None,
    agency: str | None = None,
    progress: Progress = lambda _what, _done: None,
) -> tuple[LoggedEntry, ArchivedEntry]:
    """Return the decision about a document with its proofs, and its place; arguments and errors as above."""
    search = EntrySearch[ArchivedEntry](document_id, agency)
    done = 0
    for segment in archive.segments():
        for one in segment:
            search.look(one.partition, one.number, one.octets, one)
            done += 1
            if done % _EVERY == 0:
                progress("archive", done)
    chosen = search.chosen()
    checkpoints = Checkpoints.of(archive.records("checkpoints"), bus=bus, keys=keys, policy=policy)
    # Tiles stand for the sizes that segments end at; the checkpoint may be of any size before.
    tree = archive.tree(log_origin(bus, chosen.partition), _archived_size(archive, chosen.partition))
    return logged_entry(
        chosen, checkpoints, lambda size: tree.inclusion_proof(chosen.index, size)
    ), chosen.place


def _archived_size(archive: Archive, partition: int) -> int:
    """Return how many entries of a log partition the archive has."""
    last = archive.last()
    return last.manifest.logs[partition].end if last is not None and partition in last.manifest.logs else 0


def _parts(found: ArchivedEntry, entry: LogEntry) -> DocumentParts:
    document = found.unpack()
    if document.kind is not DocumentKind.DOCUMENT:
        raise MissingPartError(
            f"the archive does not hold the document of {entry.source} in its own form",
            remedy="a record whose headers could not be read has no evidence but its log entry: govbus audit prove",
        )
    kept = unpack_value(found.value)
    if kept is None or kept.value is None:
        return DocumentParts(document.lines, None, None)
    return DocumentParts(document.lines, unframe(kept.value)[1], kept.salts[0] if kept.salts else None)
