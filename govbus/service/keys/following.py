"""The keys of a sending process: watched for as long as it runs, and chosen by the directory while they change over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from govbus.routing.trust.check import check_status
from govbus.service.directory.follower import DirectoryFollower
from govbus.service.keys.expiry import watch_certificates
from govbus.service.keys.rotation import SigningKeys
from govbus.service.processes import clock_ms
from govbus.service.revocations.following import RevocationFollower
from govbus.signing.certificates import Certificate, TrustedCertificate
from govbus.signing.signature_policy import ProvenSignature
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

    What is known of revocation counts as well, by the check that routers make: a new key is not used before its status
    is on the bus, where the bus's policy asks for one.

    Args:
        keys: as opened.
        profile: says which authority signs the directory.
        transport: the broker.

    Raises:
        DirectoryError: if a choice is needed and there is no directory.
        TransportError: if it is needed and cannot be read.
        LogIntegrityError: if revocation records are missing.
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
        revocations = RevocationFollower(transport)

        def as_routers_do(trusted: TrustedCertificate, time_ms: int) -> None:
            policy = follower.current.revocation
            proven = ProvenSignature(trusted, is_over_batch=True)
            check_status([proven], policy, revocations.state, time_ms=time_ms, at_ms=clock_ms())

        try:
            await follower.start()
            await revocations.start()
            yield keys.following(lambda: follower.current, as_routers_do)
        finally:
            await revocations.stop()
            await follower.stop()
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
