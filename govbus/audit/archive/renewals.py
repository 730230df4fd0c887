"""Renewals in an archive: which evidence is due, writing a renewal, and following every file through all of them.

They lie in ``renewals/<8 digits>/``: the ``statement`` and a ``<authority>.tsr`` for each timestamp over it
(``docs/specs/renewal.md``). A segment is judged by the timestamps in its ``evidence``; the statement lists its
``checkpoints`` too, in which all other timestamps of that time stand.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from cryptography import x509

from govbus.audit.archive import layout
from govbus.audit.archive.reader import Archive, Segment, read_part
from govbus.audit.archive.tile_folder import sync_folder, write_whole
from govbus.document.ids import AgencyId
from govbus.errors import ConfigError, LogIntegrityError, MissingPartError, NoteError, TimestampError
from govbus.message_log.note import Note
from govbus.message_log.renewal import (
    RENEWAL_ITEMS_MAX,
    Digests,
    Renewal,
    RenewalChain,
    RenewalStatement,
    verified_span,
)

RENEWALS, REHASH = "renewals", "rehash"
STATEMENT, STAMP_SUFFIX = "statement", ".tsr"

_NUMBER = re.compile(r"[0-9]{8}", re.ASCII)


class Stamp(NamedTuple):
    """A timestamp of a segment or a rehash that verifies."""

    path: str
    """From the archive's root."""
    digests: Digests
    made_ms: int
    """Milliseconds since 1970."""
    ends_ms: int
    """Last moment at which its certificates are valid, milliseconds since 1970."""


@dataclass(slots=True)
class RenewalPlan:
    """What is to be renewed together."""

    items: dict[str, Digests] = field(default_factory=dict)
    segments: int = 0
    rehashes: int = 0
    renewals: int = 0
    """Earlier renewals whose timestamps are renewed, and with them all that they list."""
    lapsed: list[str] = field(default_factory=list)
    """Files that nothing proves any more; they are renewed, but a gap stays."""
    unproven: int = 0
    """Newest segments that no timestamp covers yet."""
    next_due_ms: int | None = None
    """When the first of what is not due will have ended."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is due."""
        return not self.items

    @property
    def is_full(self) -> bool:
        """Whether one statement may not hold many more files."""
        return len(self.items) > RENEWAL_ITEMS_MAX // 2

    def wait_until(self, until_ms: int) -> None:
        """Take note of something that is not due."""
        self.next_due_ms = until_ms if self.next_due_ms is None else min(self.next_due_ms, until_ms)

    def is_due(self, stamps: Sequence[Stamp], *, horizon_ms: int, now_ms: int) -> bool:
        """Return whether the first of some timestamps ends before the horizon; none at all is due."""
        until = min((stamp.ends_ms for stamp in stamps), default=0)
        if until >= horizon_ms:
            self.wait_until(until)
            return False
        if stamps and max(stamp.ends_ms for stamp in stamps) < now_ms:
            self.lapsed += [stamp.path for stamp in stamps]
        return True

    def take_files(self, folder: Path, paths: Iterable[str]) -> None:
        """Add files of an archive.

        Raises:
            MissingPartError: if one is not there.
        """
        for path in paths:
            self.items[path] = Digests.of(read_part(folder / path))


def renewal_path(number: int) -> str:
    """Return the path of a renewal's folder, such as ``renewals/00000001``."""
    return f"{RENEWALS}/{number:08}"


def rehash_path(segment: int) -> str:
    """Return the folder of a rehash up to a segment, such as ``rehash/00000012``."""
    return f"{REHASH}/{segment:08}"


def rehash_numbers(archive: Archive) -> list[int]:
    """Return up to which segments there are rehashes, oldest first."""
    return _numbers(archive.folder / REHASH)


def bus_of(archive: Archive) -> AgencyId:
    """Return whose archive it is.

    Raises:
        MissingPartError: if there is no segment.
    """
    last = archive.last()
    if last is None:
        raise MissingPartError(
            f"{archive.folder} holds no segment", remedy="name an archive's folder, or write one"
        )
    return last.manifest.bus


def read_renewals(folder: Path) -> list[Renewal]:
    """Return the renewals of an archive, oldest first; nothing of them is verified.

    Raises:
        MissingPartError: if one has no statement.
    """
    return [_read_renewal(folder, number) for number in _numbers(folder / RENEWALS)]


def _numbers(folder: Path) -> list[int]:
    if not folder.is_dir():
        return []
    return sorted(int(path.name) for path in folder.iterdir() if _NUMBER.fullmatch(path.name))


def _read_renewal(folder: Path, number: int) -> Renewal:
    path = renewal_path(number)
    names = sorted(one.name for one in (folder / path).iterdir() if one.suffix == STAMP_SUFFIX)
    return Renewal(
        read_part(folder / path / STATEMENT),
        {f"{path}/{name}": read_part(folder / path / name) for name in names},
    )


def read_chain(archive: Archive, anchors: Sequence[x509.Certificate]) -> RenewalChain:
    """Return the verified renewals of an archive.

    Raises:
        MissingPartError: if there is no segment, or a renewal has no statement.
        TimestampError: if one of them does not verify.
    """
    return RenewalChain(read_renewals(archive.folder), anchors, bus=bus_of(archive))


def plan_renewal(
    archive: Archive,
    chain: RenewalChain,
    anchors: Sequence[x509.Certificate],
    *,
    horizon_ms: int,
    now_ms: int,
    with_renewals: bool = True,
    is_all: bool = False,
) -> RenewalPlan:
    """Return what has to be renewed now; where that is too much for one statement, the first part of it.

    Args:
        archive: whose evidence it is.
        chain: its renewals so far.
        anchors: certificates of timestamp authorities that are trusted.
        horizon_ms: due is what nothing proves up to here any more, milliseconds since 1970.
        now_ms: what had ended by then has lapsed.
        with_renewals: look at earlier renewals too, not only at segments.
        is_all: renew everything, due or not; for when an algorithm weakens.

    Raises:
        TimestampError: if timestamps of a segment verify under none of the anchors.
        MissingPartError: if a file is not there.
    """
    plan = RenewalPlan()
    horizon_ms = sys.maxsize if is_all else horizon_ms
    if with_renewals:
        _take_renewals(plan, archive.folder, chain, horizon_ms=horizon_ms)
    waiting: list[Segment] = []
    for segment in archive.segments():
        if chain.is_listed(_manifest_path(segment)):
            continue
        waiting.append(segment)
        stamps = segment_stamps(segment, anchors)
        if not stamps and not is_all:
            continue  # a later segment's timestamp covers it, once there is one
        if plan.is_due(stamps, horizon_ms=horizon_ms, now_ms=now_ms):
            for one in waiting:
                plan.take_files(archive.folder, _segment_files(one))
                plan.segments += 1
        waiting.clear()
        if plan.is_full:
            return plan
    plan.unproven = len(waiting)
    _take_rehashes(plan, archive, chain, anchors, horizon_ms=horizon_ms, now_ms=now_ms)
    return plan


def _take_rehashes(
    plan: RenewalPlan,
    archive: Archive,
    chain: RenewalChain,
    anchors: Sequence[x509.Certificate],
    *,
    horizon_ms: int,
    now_ms: int,
) -> None:
    for number in rehash_numbers(archive):
        path = f"{rehash_path(number)}/{STATEMENT}"
        if chain.is_listed(path):
            continue
        stamps = rehash_stamps(archive, number, anchors)
        if plan.is_due(stamps, horizon_ms=horizon_ms, now_ms=now_ms):
            plan.take_files(archive.folder, [path, *(stamp.path for stamp in stamps)])
            plan.rehashes += 1


def _take_renewals(plan: RenewalPlan, folder: Path, chain: RenewalChain, *, horizon_ms: int) -> None:
    """Take the renewals that are due: their timestamps alone, which carry all that they list."""
    for number in range(1, len(chain.statements) + 1):
        until = chain.carried_until_ms(number)
        if until >= horizon_ms:
            plan.wait_until(until)
            continue
        renewal = _read_renewal(folder, number)
        plan.items[f"{renewal_path(number)}/{STATEMENT}"] = Digests.of(renewal.statement)
        plan.items |= {path: Digests.of(der) for path, der in renewal.responses.items()}
        plan.renewals += 1


def _segment_files(segment: Segment) -> list[str]:
    """Return the files of a segment that a renewal lists: manifest, checkpoints, and timestamps with their notes."""
    folder = layout.segment_path(segment.manifest.segment)
    evidence = [
        path
        for path in segment.manifest.files
        if path.startswith(f"{folder}/{layout.EVIDENCE}/") and path.endswith((STAMP_SUFFIX, ".note"))
    ]
    return [f"{folder}/{layout.MANIFEST}", f"{folder}/{layout.CHECKPOINTS}", *sorted(evidence)]


def _manifest_path(segment: Segment) -> str:
    return f"{layout.segment_path(segment.manifest.segment)}/{layout.MANIFEST}"


def segment_stamps(segment: Segment, anchors: Sequence[x509.Certificate]) -> list[Stamp]:
    """Return the timestamps in a segment's evidence that verify over their head checkpoints; it may have none.

    Raises:
        TimestampError: if it has some, and none verifies.
        MissingPartError: if a file is not there.
    """
    texts = {}
    for path in _segment_files(segment):
        if path.endswith(STAMP_SUFFIX):
            size = path.rsplit("/", 1)[1].split(".", 1)[0]
            note = segment.read(f"{layout.EVIDENCE}/{size}.note")
            try:
                texts[path] = Note.from_bytes(note).text.encode("utf-8")
            except NoteError as err:
                raise TimestampError(f"{path}: the head checkpoint beside it: {err.message}") from err
    return _verified(segment.folder.parents[1], texts, anchors, f"segment {segment.manifest.segment}")


def rehash_stamps(archive: Archive, number: int, anchors: Sequence[x509.Certificate]) -> list[Stamp]:
    """Return the timestamps of a rehash that verify, at least one.

    Raises:
        TimestampError: if none verifies.
        MissingPartError: if there is no statement.
    """
    folder = rehash_path(number)
    text = read_part(archive.folder / folder / STATEMENT)
    names = sorted(path.name for path in (archive.folder / folder).glob(f"*{STAMP_SUFFIX}"))
    stamps = _verified(archive.folder, {f"{folder}/{name}": text for name in names}, anchors, folder)
    if not stamps:
        raise TimestampError(f"{folder} is under no timestamp")
    return stamps


def _verified(
    folder: Path, texts: Mapping[str, bytes], anchors: Sequence[x509.Certificate], what: str
) -> list[Stamp]:
    """Return the timestamps that verify, by the path of each and what it is over."""
    stamps: list[Stamp] = []
    reasons: list[str] = []
    for path, text in texts.items():
        der = read_part(folder / path)
        try:
            span = verified_span(der, text, anchors)
        except TimestampError as err:
            reasons.append(f"{path}: {err.message}")
        else:
            stamps.append(Stamp(path, Digests.of(der), *span))
    if reasons and not stamps:
        raise TimestampError(
            f"no timestamp of {what} verifies: {'; '.join(reasons)}",
            remedy="give the root certificates of every timestamp authority that was used",
        )
    return stamps


def write_renewal(archive: Archive, statement: RenewalStatement, responses: Mapping[str, bytes]) -> str:
    """Write a renewal, whole or not at all; the caller holds the archive's lock.

    Args:
        archive: where to.
        statement: the next one.
        responses: DER over it, by name of the authority.

    Returns:
        Its path below the archive.

    Raises:
        LogIntegrityError: if there is another renewal of this number.
    """
    path = renewal_path(statement.number)
    target, staged = archive.folder / path, archive.folder / layout.STAGING / "renewal"
    if target.exists():
        raise LogIntegrityError(f"{target} is there already")
    if staged.exists():
        shutil.rmtree(staged)
    write_whole(staged / STATEMENT, statement.to_bytes())
    for name, der in responses.items():
        write_whole(staged / f"{name}{STAMP_SUFFIX}", der)
    target.parent.mkdir(exist_ok=True)
    staged.rename(target)
    sync_folder(target.parent)
    sync_folder(archive.folder)
    return path


def renewal_problems(
    archive: Archive, chain: RenewalChain, anchors: Sequence[x509.Certificate], *, at_ms: int
) -> Iterator[str]:
    """Yield what is wrong with the evidence of an archive at a moment, following all renewals.

    Every file that a statement lists is hashed again; every timestamp must have been renewed before it ended.
    """
    checked: set[str] = set()
    for statement in chain.statements:
        for path, digests in statement.items.items():
            if path not in checked:
                checked.add(path)
                yield from _file_problems(archive.folder, path, digests, statement.number)
    for number in range(1, len(chain.statements) + 1):
        until = chain.carried_until_ms(number)
        if until < at_ms:
            yield f"{renewal_path(number)} is proven up to {until} ms only: no renewal was made by then"
    yield from segment_problems(archive, chain, anchors, at_ms=at_ms)
    for number in rehash_numbers(archive):
        yield from _held_problems(chain, partial(rehash_stamps, archive, number, anchors), at_ms)


def segment_problems(
    archive: Archive,
    chain: RenewalChain,
    anchors: Sequence[x509.Certificate],
    *,
    at_ms: int,
    until: int | None = None,
) -> Iterator[str]:
    """Yield what is wrong with the timestamps of segments, up to one or of all, at a moment."""
    for segment in archive.segments(None if until is None else range(1, until + 1)):
        yield from _held_problems(chain, partial(segment_stamps, segment, anchors), at_ms)


def _file_problems(folder: Path, path: str, digests: Digests, number: int) -> Iterator[str]:
    try:
        found = Digests.of(read_part(folder / path))
    except MissingPartError:
        yield f"{path} is missing, and renewal {number} lists it"
        return
    if found != digests:
        yield f"{path} is not what renewal {number} was made over"


def _held_problems(chain: RenewalChain, read_stamps: Callable[[], list[Stamp]], at_ms: int) -> Iterator[str]:
    """One timestamp that holds without a gap is proof enough; another may have ended."""
    reasons: list[str] = []
    try:
        for stamp in read_stamps():
            try:
                chain.require_held(stamp.path, stamp.digests, stamp.ends_ms, at_ms=at_ms)
            except TimestampError as err:
                reasons.append(err.message)
            else:
                return
    except (TimestampError, MissingPartError) as err:
        reasons.append(err.message)
    yield from reasons


def next_statement(chain: RenewalChain, plan: RenewalPlan, bus: AgencyId) -> RenewalStatement:
    """Return the statement that renews what is planned.

    Raises:
        ConfigError: if nothing is planned.
    """
    if plan.is_empty:
        raise ConfigError("nothing is to be renewed")
    previous = Digests.of(chain.statements[-1].to_bytes()) if chain.statements else None
    return RenewalStatement(bus, len(chain.statements) + 1, previous, plan.items)
