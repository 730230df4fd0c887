"""From a transport and the governing authority to a running watch, and to what is known."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from govbus.errors import MissingPartError
from govbus.routing.directory.model import Directory
from govbus.service.directory.follower import DirectoryFollower
from govbus.service.directory.publishing import read_directory
from govbus.service.processes import clock_ms
from govbus.service.revocations.following import RevocationFollower, read_revocations
from govbus.service.revocations.publishing import CertificateState, certificate_states, publish_by_hand
from govbus.service.revocations.sources import StatusClient
from govbus.service.revocations.watching import RevocationWatch
from govbus.signing.certificates import Certificate
from govbus.transport.base import Transport


async def run_watch(
    transport: Transport,
    authority: Sequence[Certificate],
    *,
    seen_file: Path,
    interval_s: float,
    timeout_s: float,
    stopping: asyncio.Event,
) -> None:
    """Watch until asked to stop.

    Args:
        transport: the broker.
        authority: certificates of the governing authority.
        seen_file: remembers the directory's last version.
        interval_s: the longest between two looks at a source.
        timeout_s: the longest for one request.
        stopping: asks it to stop.

    Raises:
        GovbusError: if directory or topics are not usable.
    """
    directory = DirectoryFollower(transport, authority, clock_ms=clock_ms, seen_file=seen_file)
    follower = RevocationFollower(transport)
    try:
        await directory.start()
        await follower.start()
        watch = RevocationWatch(
            transport,
            directory=lambda: directory.current,
            follower=follower,
            client=StatusClient(timeout_s=timeout_s),
            clock_ms=clock_ms,
            interval_s=interval_s,
        )
        await watch.run(stopping)
    finally:
        await follower.stop()
        await directory.stop()


async def read_states(
    transport: Transport, authority: Sequence[Certificate]
) -> tuple[list[CertificateState], int]:
    """Return what is known of every certificate of the directory, and from how many records.

    Raises:
        GovbusError: if directory or topics are not usable.
    """
    directory = await _directory(transport, authority)
    records = await read_revocations(transport)
    return list(certificate_states(directory, records, clock_ms())), records.count


async def import_material(
    transport: Transport, authority: Sequence[Certificate], der: bytes
) -> tuple[Certificate, bool]:
    """Publish material by hand; returns and raises as `publish_by_hand`."""
    directory = await _directory(transport, authority)
    records = await read_revocations(transport)
    publisher = transport.publisher()
    await publisher.start()
    try:
        return await publish_by_hand(publisher, records, directory, der)
    finally:
        await publisher.stop()


async def _directory(transport: Transport, authority: Sequence[Certificate]) -> Directory:
    reader = await read_directory(transport, authority)
    if reader.current is None:
        raise MissingPartError("no directory has been published under this authority")
    return reader.current
