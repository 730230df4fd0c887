"""The keys of a sending process: watched for as long as it runs, and chosen by the directory while they change over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from govbus.service.directory.follower import DirectoryFollower
from govbus.service.keys.expiry import watch_certificates
from govbus.service.keys.rotation import SigningKeys
from govbus.service.processes import clock_ms
from govbus.signing.certificates import Certificate
from govbus.transport.base import Transport


class KeyHolder(Protocol):
    """What is asked of an agency profile here."""

    @property
    def spool(self) -> Path:
        """The spool, beside which the last directory is kept."""
        ...

    def authority_certificates(self) -> Sequence[Certificate]:
        """Return what the directory may be signed with."""
        ...


@asynccontextmanager
async def following_keys(
    keys: SigningKeys, profile: KeyHolder, transport: Transport
) -> AsyncIterator[SigningKeys]:
    """Watch keys while a process runs; where there is a choice, follow the directory and let it choose.

    Args:
        keys: as opened.
        profile: says which authority signs the directory.
        transport: the broker.

    Raises:
        DirectoryError: if a choice is needed and there is no directory.
        TransportError: if it is needed and cannot be read, and this machine has no copy.
    """
    watching = asyncio.create_task(watch_certificates(keys.kinds, clock_ms))
    try:
        if not keys.is_changing_over:
            yield keys
            return
        follower = DirectoryFollower(
            transport,
            profile.authority_certificates(),
            clock_ms=clock_ms,
            seen_file=profile.spool.with_name(f"{profile.spool.name}.directory.json"),
        )
        try:
            await follower.start()
            yield keys.following(lambda: follower.current)
        finally:
            await follower.stop()
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
