"""From settings and files to a log service with its witnesses and time stamping authorities."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import aiohttp

from govbus.document.ids import AgencyId
from govbus.errors import ConfigError
from govbus.message_log.heads import head_origin
from govbus.message_log.keys import LogKeys
from govbus.message_log.policy import NO_QUORUM, Policy
from govbus.service.log.cosigning import Cosigner, Witness
from govbus.service.log.published import HeadWatcher
from govbus.service.log.service import LogService
from govbus.service.log.signing_keys import SigningKeys
from govbus.service.log.stamping import Stamper
from govbus.service.log.state import LogState
from govbus.service.timestamps import authority_of
from govbus.service.witness.client import witness_clients
from govbus.settings import LogSettings
from govbus.transport.base import Transport

TILES_FOLDER = "tiles"
"""Below the service's data folder."""
STATE_FILE = "signed.db"


def log_service_of(
    settings: LogSettings,
    transport: Transport,
    *,
    bus: AgencyId,
    keys: LogKeys | SigningKeys,
    state: LogState,
    folder: Path,
    policy: Policy | None,
    clock_ms: Callable[[], int],
) -> LogService:
    """Return the log service that settings describe.

    Raises:
        ConfigError: if the policy asks for witnesses and names none with a URL, or an authority's certificates
            cannot be read.
    """
    keys = keys if isinstance(keys, SigningKeys) else SigningKeys(keys)
    watchers: list[HeadWatcher] = []
    if policy is not None:
        watchers.append(_cosigner(settings, policy, keys, bus, clock_ms))
    authorities = [authority_of(one) for one in settings.timestamp_authorities]
    if authorities:
        watchers.append(Stamper(authorities, clock_ms=clock_ms, interval_s=settings.timestamp_interval_s))
    service = LogService(
        transport,
        bus=bus,
        keys=keys,
        state=state,
        tiles=folder / TILES_FOLDER,
        clock_ms=clock_ms,
        interval_s=settings.checkpoint_interval_s,
        watchers=watchers,
    )
    service.published.is_quorum_awaited = policy is not None and policy.quorum != NO_QUORUM
    return service


def read_policy(file: Path) -> Policy:
    """Read a C2SP policy file.

    Raises:
        ConfigError: if it cannot be read or breaks the grammar.
    """
    try:
        return Policy.from_bytes(file.read_bytes())
    except OSError as err:
        raise ConfigError(f"{file} cannot be read: {err.strerror}") from err


def _cosigner(
    settings: LogSettings, policy: Policy, keys: SigningKeys, bus: AgencyId, clock_ms: Callable[[], int]
) -> Cosigner:
    if not any(witness.url for witness in policy.witnesses):
        raise ConfigError(
            "the policy has no witness with a URL",
            remedy="write lines: witness <name> <verifier key> <url>",
        )
    origin = head_origin(bus)
    pairs = [keys.current, *([keys.pending] if keys.pending is not None else [])]
    own = {key.to_vkey() for pair in pairs for key in pair.public.verifiers(origin)}
    listed = {log.verifier.to_vkey() for log in policy.logs}
    if listed and not own <= listed:
        raise ConfigError(
            f"the policy lists logs, and not {origin} with the keys that sign here",
            remedy="write the lines that `govbus log vkeys` prints, or leave out the log lines",
        )
    return Cosigner(
        policy,
        _connecting(policy, settings.witness_timeout_s),
        lambda note: keys.verifiers_of(note, origin),
        clock_ms=clock_ms,
        interval_s=max(settings.witness_interval_s, settings.checkpoint_interval_s),
    )


def _connecting(
    policy: Policy, timeout_s: float
) -> Callable[[], AbstractAsyncContextManager[Mapping[str, Witness]]]:
    """Return what opens one client for each witness URL."""
    names = _names(policy)

    @asynccontextmanager
    async def connect() -> AsyncIterator[Mapping[str, Witness]]:
        async with aiohttp.ClientSession() as session:
            clients = witness_clients(policy, session, timeout_s=timeout_s)
            yield {names[client.url]: client for client in clients}

    return connect


def _names(policy: Policy) -> dict[str, str]:
    """Return what a policy calls the witness at each URL: the group of its keys, where there is one."""
    urls = {witness.name: witness.url.rstrip("/") for witness in policy.witnesses}
    names: dict[str, str] = {}
    for group in policy.groups:
        places = {urls.get(member, "") for member in group.members}
        if len(places) == 1:
            names.setdefault(places.pop(), group.name)
    for name, url in urls.items():
        names.setdefault(url, name)
    return names
