"""An archive of any size for measurements: real documents, signatures, batches, entries, tiles and frames.

Sixteen origins take turns, document by document; bodies repeat, everything that is signed or hashed is each document's
own. It is written by the archive's own format code, so that what reads it is measured on what it will read.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from govbus.audit.archive import layout
from govbus.audit.archive.documents import pack_document
from govbus.audit.archive.manifest import Manifest, Range, TreeRange, manifest_digest
from govbus.audit.archive.tile_folder import FolderTiles
from govbus.audit.archive.values import pack_frame
from govbus.audit.evidence.trust import Binding, TrustTable
from govbus.document import topics
from govbus.document.decision import LogEntry, SourcePosition
from govbus.document.ids import AgencyId
from govbus.document.record import Record
from govbus.message_log.keys import log_origin
from govbus.message_log.tiles import TileWriter
from govbus.routing.trust.policy import DEFAULT_POLICY
from govbus.schemas.core import encode_log_entry
from govbus.signing.algorithms import Algorithm
from govbus.signing.certificates import CertificateRole
from govbus.signing.issuing import CertificateAuthority
from govbus.signing.merkle import EMPTY_ROOT
from govbus.signing.signer import KeySigner
from govbus.testing.example_log import DocumentMaker, MadeDocument, accepted_entry, example_origins

ORIGINS = 16
BODY_BYTES = 1024
RUN_DOCUMENTS = 2000 // ORIGINS
"""Of one origin in one transaction of a busy router, by its default settings."""
WRITTEN_ENTRIES = 1024
"""At a time."""
BUS = AgencyId("bus.example")
AT_MS = 1_795_466_700_000
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Senders:
    """Makers of documents, one an origin, and the certificates that prove them."""

    makers: list[DocumentMaker]
    table: TrustTable


def senders(algorithm: Algorithm = Algorithm.ED25519) -> Senders:
    """Return fresh senders."""
    authority = CertificateAuthority.create("authority", Algorithm.ED25519, at_ms=AT_MS - _DAY_MS)
    makers, bindings = [], []
    for origin in example_origins(ORIGINS):
        issued = authority.issue(
            origin.agency.text, algorithm, not_before_ms=AT_MS - _DAY_MS, not_after_ms=AT_MS + 365 * _DAY_MS
        )
        signer = KeySigner.from_pem(issued.key_pem, issued.certificate_pem, kid=origin.agency.text)
        makers.append(DocumentMaker(origin, [signer], AT_MS, b"x" * BODY_BYTES))
        der = signer.certificate.der
        bindings.append(Binding(der, origin.agency.text, None, CertificateRole.SEAL, ()))
    return Senders(makers, TrustTable({1: (DEFAULT_POLICY, tuple(bindings))}, bus=BUS))


def decided(makers: list[DocumentMaker], batch: int) -> Iterator[tuple[LogEntry, MadeDocument]]:
    """Yield accepted documents without end, origins taking turns."""
    count = batch if batch > 1 else RUN_DOCUMENTS
    start = 0
    while True:
        columns = [maker.documents(count, in_batch=batch > 1) for maker in makers]
        for place in range(count):
            first = (start + place) // RUN_DOCUMENTS * RUN_DOCUMENTS
            for maker, column in zip(makers, columns, strict=True):
                source = SourcePosition(topics.outbox(maker.origin.agency), 0, start + place)
                time_ms = AT_MS + first * 20 + 50
                yield (
                    accepted_entry(column[place], source, time_ms=time_ms, receipt_first=first),
                    column[place],
                )
        start += count


def write_archive(
    folder: Path,
    who: Senders,
    documents: int,
    *,
    batch: int,
    segment_entries: int = layout.SEGMENT_ENTRIES_MAX,
) -> None:
    """Write an archive of one log partition.

    Args:
        folder: to write to; what is there is removed.
        who: sends.
        documents: in all.
        batch: of one signature; 1 signs each alone.
        segment_entries: of one segment.
    """
    shutil.rmtree(folder, ignore_errors=True)
    tiles = FolderTiles(folder / layout.tiles_path(log_origin(BUS, 0)), is_durable=False)
    writer, stream, previous = TileWriter(), decided(who.makers, batch), None
    for number, start in enumerate(range(0, documents, segment_entries), start=1):
        count = min(segment_entries, documents - start)
        segment = folder / layout.segment_path(number)
        segment.mkdir(parents=True)
        with (
            (segment / layout.DOCUMENTS).open("wb") as frames,
            (segment / layout.VALUES).open("wb") as values,
        ):
            entries: list[bytes] = []
            for entry, made in islice(stream, count):
                record = Record(*entry.source, AT_MS, entry.source.topic.encode(), made.value, made.headers)
                document, value = pack_document(record, entry)
                frames.write(pack_frame(document))
                values.write(pack_frame(value))
                entries.append(encode_log_entry(entry))
                if len(entries) == WRITTEN_ENTRIES:
                    _write(tiles, writer.extend(entries))
                    entries = []
            _write(tiles, writer.extend(entries))
            _write(tiles, writer.flush())
        manifest = Manifest(
            bus=BUS,
            segment=number,
            previous=previous,
            logs={0: TreeRange(start, start + count, writer.root())},
            heads=TreeRange(0, 0, EMPTY_ROOT),
            directory=Range(0, 0),
            revocations=Range(0, 0),
            checkpoints=Range(0, 0),
            missing=0,
            evidence=None,
            files={},
        )
        octets = manifest.to_text().encode("ascii")
        (segment / layout.MANIFEST).write_bytes(octets)
        previous = manifest_digest(octets)


def _write(tiles: FolderTiles, parts: Iterable[tuple[str, bytes]]) -> None:
    for path, octets in parts:
        tiles.write(path, octets)
