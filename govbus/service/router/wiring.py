"""From settings and files to a running router."""

from __future__ import annotations

import asyncio
from pathlib import Path

from govbus.document import topics
from govbus.errors import ConfigError, TransportConfigError, UntrustedKeyError
from govbus.routing.directory.model import Directory
from govbus.routing.trust.check import require_unrevoked
from govbus.routing.trust.status import RevocationState
from govbus.service.directory.follower import DirectoryFollower
from govbus.service.directory.publishing import read_certificates
from govbus.service.keys.expiry import watch_certificates
from govbus.service.processes import clock_ms
from govbus.service.revocations.following import RevocationFollower
from govbus.service.router.router_service import RouterService
from govbus.service.router.session import SessionParts
from govbus.service.router.state import RouterState
from govbus.settings import RouterSettings
from govbus.signing.signature_policy import ProvenSignature
from govbus.signing.signer import KeySigner, Signer
from govbus.transport.base import Transport, partition_counts


def require_own_certificate(
    signer: Signer, directory: Directory, revocations: RevocationState, at_ms: int
) -> None:
    """Check that readers will believe the receipts of a router.

    Args:
        signer: of the router.
        directory: in force.
        revocations: what is known about certificates.
        at_ms: milliseconds since 1970.

    Raises:
        ConfigError: if the directory does not bind the certificate to the bus, or it is revoked.
    """
    trusted = directory.certificate(signer.certificate.thumbprint)
    if trusted is None or trusted.agency != directory.bus:
        raise ConfigError(
            f"the directory does not bind this certificate to the bus {directory.bus}",
            remedy="give the router the bus's key, or add its certificate to the directory",
        )
    try:
        own = (ProvenSignature(trusted, is_over_batch=False),)
        require_unrevoked(own, directory.revocation, revocations, time_ms=at_ms)
    except UntrustedKeyError as err:
        raise ConfigError(
            f"nobody would believe the receipts of this router: {err.message}",
            remedy="give the router another key of the bus",
        ) from err


async def log_partition_count(transport: Transport) -> int:
    """Return the number of partitions of the message log.

    Raises:
        TransportConfigError: if the topic does not exist.
        TransportError: if the broker does not answer.
    """
    counts = await partition_counts(transport)
    if topics.MESSAGE_LOG not in counts:
        raise TransportConfigError(
            f"topic {topics.MESSAGE_LOG} does not exist",
            remedy="create the topics with `govbus topics apply`",
        )
    return counts[topics.MESSAGE_LOG]


async def run_router(
    transport: Transport,
    settings: RouterSettings,
    *,
    signer: KeySigner,
    authority_file: Path,
    name: str,
    data_folder: Path,
    stopping: asyncio.Event,
) -> None:
    """Run one router until it is asked to stop.

    Args:
        transport: the broker.
        settings: its bounds.
        signer: of the bus; signs receipts.
        authority_file: certificates of the governing authority.
        name: of this process; two routers never share one data folder.
        data_folder: for what can be rebuilt; exists.
        stopping: asks it to stop.

    Raises:
        GovbusError: if the directory, the topics or the files are not usable.
    """
    follower = DirectoryFollower(
        transport,
        read_certificates(authority_file),
        clock_ms=clock_ms,
        seen_file=data_folder / "directory.json",
    )
    revocations = RevocationFollower(transport)
    state = RouterState(data_folder / "history.db", documents_max=settings.history_documents_max)
    watching = asyncio.create_task(watch_certificates([[signer]], clock_ms))
    try:
        await follower.start()
        await revocations.start()
        require_own_certificate(signer, follower.current, revocations.state, clock_ms())
        service = RouterService(
            SessionParts(
                transport=transport,
                state=state,
                signer=signer,
                name=name,
                settings=settings,
                directory=lambda: follower.current,
                clock_ms=clock_ms,
                log_partitions=await log_partition_count(transport),
                revocations=lambda: revocations.state,
            )
        )
        await service.run(stopping)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await revocations.stop()
        await follower.stop()
        state.close()
