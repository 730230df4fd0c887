"""Renewing the evidence of an archive: what is due is stamped again by every authority, and kept beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

import structlog
from cryptography import x509

from govbus.audit.archive.reader import Archive
from govbus.audit.archive.rehash_files import RehashDraft, check_rehash
from govbus.audit.archive.renewals import (
    RenewalPlan,
    bus_of,
    next_statement,
    plan_renewal,
    read_chain,
    rehash_numbers,
    rehash_path,
    renewal_problems,
    segment_problems,
    write_renewal,
)
from govbus.audit.archive.staging import ArchiveLock
from govbus.errors import TimestampError, TransportError
from govbus.message_log.renewal import RENEWAL_HASH
from govbus.message_log.second_tree import RehashStatement
from govbus.message_log.timestamp import Timestamp
from govbus.service.timestamps import TimestampAuthority

logger = structlog.get_logger(__name__)

DAY_MS = 86_400_000


@dataclass(slots=True)
class Renewed:
    """What one run did."""

    paths: list[str] = field(default_factory=list)
    """Renewals that were written, below the archive."""
    segments: int = 0
    rehashes: int = 0
    renewals: int = 0
    """Earlier renewals that were renewed."""
    lapsed: list[str] = field(default_factory=list)
    """Files that nothing proved any more when they were renewed."""
    unproven: int = 0
    """Newest segments that no timestamp covers yet."""
    failures: list[str] = field(default_factory=list)
    """What authorities that did not stamp said."""
    is_due: bool = False
    """Whether something is due that was not renewed."""
    next_due_ms: int | None = None
    """When the first timestamp ends that nothing renews yet, milliseconds since 1970."""

    def take(self, plan: RenewalPlan) -> None:
        """Take over what a plan that was carried out says."""
        self.segments += plan.segments
        self.rehashes += plan.rehashes
        self.renewals += plan.renewals
        self.lapsed += plan.lapsed


async def renew_archive(
    archive: Archive,
    authorities: Sequence[TimestampAuthority],
    anchors: Sequence[x509.Certificate],
    *,
    clock_ms: Callable[[], int],
    due_days: int,
    is_all: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Renewed:
    """Renew what nothing will prove any more in so many days.

    Args:
        archive: to renew and to write to.
        authorities: to ask; a renewal is kept if one of them stamps. Without any, what is due is only told.
        anchors: certificates that earlier timestamps must lead to, those of the authorities included.
        clock_ms: milliseconds since 1970.
        due_days: ahead of the end of a certificate.
        is_all: renew everything, for when an algorithm weakens.
        progress: told how many segments have been renewed.

    Raises:
        ConfigError: if another process writes to the archive.
        TimestampError: if earlier renewals or timestamps do not verify; nothing is stamped over them.
        MissingPartError: if a file is not there.
    """
    renewed = Renewed()
    # Who only looks may have an archive that he cannot write to.
    with ArchiveLock(archive.folder) if authorities else nullcontext():
        bus = bus_of(archive)
        is_first = True
        while True:
            now_ms = clock_ms()
            chain = await asyncio.to_thread(read_chain, archive, anchors)
            plan = await asyncio.to_thread(
                plan_renewal,
                archive,
                chain,
                anchors,
                horizon_ms=now_ms + due_days * DAY_MS,
                now_ms=now_ms,
                with_renewals=is_first,
                is_all=is_all,
            )
            if plan.is_empty:
                break
            statement = next_statement(chain, plan, bus)
            responses, failures = await stamp_by_all(
                authorities, statement.to_bytes(), hash_name=RENEWAL_HASH
            )
            renewed.failures += failures
            if not responses:
                renewed.is_due = True
                break
            renewed.paths.append(write_renewal(archive, statement, responses))
            renewed.take(plan)
            progress(renewed.segments)
            is_first = False
        renewed.unproven = plan.unproven
        ends = [chain.carried_until_ms(number) for number in range(1, len(chain.statements) + 1)]
        renewed.next_due_ms = min(
            [*ends, *([] if plan.next_due_ms is None else [plan.next_due_ms])], default=None
        )
    return renewed


async def stamp_by_all(
    authorities: Sequence[TimestampAuthority], text: bytes, *, hash_name: str
) -> tuple[dict[str, bytes], list[str]]:
    """Ask every authority side by side.

    Returns:
        Verified responses by name of the authority, and what the others said.
    """

    async def stamp(authority: TimestampAuthority) -> bytes | str:
        try:
            return await authority.stamp(text, hash_name=hash_name)
        except (TimestampError, TransportError) as err:
            logger.warning("no timestamp", authority=authority.name, error=err.message)
            return str(err)

    answers = await asyncio.gather(*map(stamp, authorities))
    responses, failures = {}, []
    for authority, answer in zip(authorities, answers, strict=True):
        if isinstance(answer, bytes):
            responses[authority.name] = answer
        else:
            failures.append(answer)
    return responses, failures


async def rehash_archive(
    archive: Archive,
    authorities: Sequence[TimestampAuthority],
    anchors: Sequence[x509.Certificate],
    *,
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[str, RehashStatement]:
    """Hash everything in an archive again under SHA-512, and have that stamped.

    Args:
        archive: to read and to write to.
        authorities: to ask; one that stamps is enough.
        anchors: certificates that the archive's timestamps must lead to.
        progress: told how many entries have been read.

    Returns:
        The path of what was written, below the archive, and its statement.

    Raises:
        ConfigError: if another process writes to the archive.
        LogIntegrityError: if there is a rehash up to the last segment, or the archive does not follow its format.
        TimestampError: if no authority stamps, or the SHA-256 evidence is no longer under a valid timestamp.
        MissingPartError: if a file is not there.
    """
    with ArchiveLock(archive.folder):
        until = archive.numbers[-1] if archive.numbers else 0
        draft = RehashDraft(archive)
        statement = await asyncio.to_thread(draft.read, until, progress=progress)
        text = statement.to_bytes()
        responses, failures = await stamp_by_all(authorities, text, hash_name=RENEWAL_HASH)
        if not responses:
            raise TimestampError(
                f"no authority stamped: {'; '.join(failures) or 'none is configured'}",
                remedy="nothing was written; try again when one answers",
            )
        # What SHA-256 proves must be proven still at this moment, else SHA-512 would only repeat a claim.
        made_ms = max(Timestamp.from_response(der).time_ms for der in responses.values())
        chain = await asyncio.to_thread(read_chain, archive, anchors)
        for problem in segment_problems(archive, chain, anchors, at_ms=made_ms, until=until):
            raise TimestampError(problem)
        return draft.finish(statement, responses), statement


@dataclass(slots=True)
class Evidence:
    """What a check of renewals and rehashes found."""

    renewals: int
    rehashes: int
    erased: int
    """Values that were there when they were hashed under SHA-512, and are not any more."""
    problems: list[str]


def check_renewed(
    archive: Archive,
    anchors: Sequence[x509.Certificate],
    *,
    at_ms: int,
    progress: Callable[[int], None] = lambda _: None,
) -> Evidence:
    """Follow every timestamp of an archive through its renewals to now, and compute every rehash again.

    Args:
        archive: to check.
        anchors: certificates of timestamp authorities that are trusted.
        at_ms: up to when everything must be proven, milliseconds since 1970.
        progress: told how many entries have been read.

    Raises:
        TimestampError: if a renewal or a rehash is missing or does not verify as a whole.
        LogIntegrityError: if the archive does not follow its format.
        MissingPartError: if a file is not there.
    """
    chain = read_chain(archive, anchors)
    problems = list(renewal_problems(archive, chain, anchors, at_ms=at_ms))
    erased = 0
    numbers = rehash_numbers(archive)
    for number in numbers:
        found = check_rehash(archive, number, anchors, progress=progress)
        erased = max(erased, found.erased)
        problems += [f"{rehash_path(number)}: {problem}" for problem in found.problems]
        problems += [
            f"{rehash_path(number)}: when it was stamped, {problem}"
            for problem in segment_problems(archive, chain, anchors, at_ms=found.made_ms, until=number)
        ]
    return Evidence(len(chain.statements), len(numbers), erased, problems)
