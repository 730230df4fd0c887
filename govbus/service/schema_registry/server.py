"""The registry as a process: a socket, a thread for the store, and the directory that fills it."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog
from aiohttp import web

from govbus.errors import ConfigError, DirectoryError
from govbus.routing.directory.model import Directory
from govbus.service.directory.follower import DirectoryFollower
from govbus.service.schema_registry.access import Access
from govbus.service.schema_registry.api import BODY_BYTES_MAX, RegistryApi, middleware
from govbus.service.schema_registry.published import published_schemas
from govbus.service.schema_registry.registry import SchemaRegistry
from govbus.service.schema_registry.store import RegistryStore

logger = structlog.get_logger(__name__)

LOOPBACK: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8081
FOLLOW_PAUSE_S: Final = 0.5
SHUTDOWN_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class RegistrySocket:
    """Where the registry listens, and to whom."""

    host: str = LOOPBACK
    port: int = DEFAULT_PORT
    """0 for any that is free."""
    clients_file: Path | None = None
    """Who may use it (`Access`); everyone on loopback where there is none."""
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    is_plain_allowed: bool = False
    """Whether secrets may cross the network in the clear: a proxy in front encrypts."""

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def access(self) -> Access:
        """Return who may use the registry.

        Raises:
            ConfigError: if others than this machine could connect and nobody would be asked who they are, or their
                secrets would cross the network in the clear.
        """
        if not self.is_loopback and self.clients_file is None:
            raise ConfigError(
                f"a registry on {self.host} needs to know its clients",
                remedy="name them with --clients FILE; lines are made by: govbus schema-registry credential NAME",
            )
        if not self.is_loopback and self.tls_certificate is None and not self.is_plain_allowed:
            raise ConfigError(
                f"a registry on {self.host} needs TLS",
                remedy="give --tls-certificate and --tls-key, or --plain-http behind a proxy that encrypts",
            )
        return Access() if self.clients_file is None else Access.from_file(self.clients_file)

    def ssl_context(self) -> ssl.SSLContext | None:
        """Return the TLS settings, None for plain HTTP.

        Raises:
            ConfigError: if certificate or key cannot be used.
        """
        if self.tls_certificate is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.tls_certificate, self.tls_key)
        except (OSError, ssl.SSLError) as err:
            raise ConfigError(f"{self.tls_certificate} and its key cannot be used for TLS") from err
        return context


@dataclass(slots=True)
class RunningRegistry:
    """A registry that listens."""

    url: str
    registry: SchemaRegistry
    thread: ThreadPoolExecutor
    directory_version: int | None = None
    """The last that was published."""
    problems: dict[str, None] = field(default_factory=dict)
    """What kept the directory from publishing its schemas, a sentence each."""
    directory_problem: str | None = None
    """Why the directory cannot be followed for the moment."""

    def health(self) -> dict[str, object]:
        """Return what ``GET /health`` says."""
        problems = [*self.problems, *([self.directory_problem] if self.directory_problem else [])]
        return {
            "status": "degraded" if problems else "up",
            "directory_version": self.directory_version,
            "problems": problems,
        }

    async def publish(self, directory: Directory) -> None:
        """Register what a version of the directory publishes; what does not fit is told in the log and in health."""
        schemas = published_schemas(directory)
        loop = asyncio.get_running_loop()
        problems = await loop.run_in_executor(
            self.thread, lambda: self.registry.publish(schemas, directory.version)
        )
        for problem in problems:
            logger.error("schema of the directory cannot be registered", reason=problem)
            self.problems.setdefault(problem)
        self.directory_version = directory.version
        logger.info("schemas of the directory registered", version=directory.version, count=len(schemas))


@contextlib.asynccontextmanager
async def running_registry(
    database: Path, place: RegistrySocket, *, is_governed: bool
) -> AsyncIterator[RunningRegistry]:
    """Run a registry while the context lasts.

    Args:
        database: its SQLite file; made where it is missing.
        place: where it listens.
        is_governed: whether a directory will publish its schemas in it.

    Raises:
        ConfigError: if the file, the clients or the socket cannot be used.
    """
    access, context = place.access(), place.ssl_context()
    thread = ThreadPoolExecutor(1, thread_name_prefix="schema-registry")
    loop = asyncio.get_running_loop()
    store = await loop.run_in_executor(thread, RegistryStore, database)
    try:
        running = RunningRegistry("", SchemaRegistry(store, is_governed=is_governed), thread)
        runner = web.AppRunner(
            _application(running, access, place), access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT_S
        )
        await runner.setup()
        try:
            running.url = await _listen(runner, place, context)
            logger.info("schema registry listens", url=running.url)
            yield running
        finally:
            await runner.cleanup()
    finally:
        await loop.run_in_executor(thread, store.close)
        thread.shutdown()


def _application(running: RunningRegistry, access: Access, place: RegistrySocket) -> web.Application:
    async def health(_request: web.Request) -> web.Response:
        state = running.health()
        return web.json_response(state, status=503 if state["problems"] else 200)

    application = web.Application(
        client_max_size=BODY_BYTES_MAX, middlewares=[middleware(access, is_loopback=place.is_loopback)]
    )
    application.add_routes(RegistryApi(running.registry, running.thread).routes())
    application.router.add_get("/health", health)
    return application


async def _listen(runner: web.AppRunner, place: RegistrySocket, context: ssl.SSLContext | None) -> str:
    site = web.TCPSite(runner, place.host, place.port, ssl_context=context)
    try:
        await site.start()
    except OSError as err:
        raise ConfigError(f"cannot listen on {place.host} port {place.port}: {err.strerror}") from err
    port = runner.addresses[0][1]
    host = f"[{place.host}]" if ":" in place.host else place.host
    return f"{'https' if context is not None else 'http'}://{host}:{port}"


async def serve_schema_registry(
    follower: DirectoryFollower,
    *,
    database: Path,
    place: RegistrySocket,
    stopping: asyncio.Event,
    on_start: Callable[[str], None] | None = None,
) -> None:
    """Serve the registry of a bus until stopped: every schema that its directory has published so far, and will.

    Args:
        follower: of the directory; not started yet.
        database: the registry's SQLite file.
        place: where it listens.
        stopping: set to stop.
        on_start: told the URL once the directory's schemas are there.

    Raises:
        ConfigError: if the database or the socket cannot be used.
        DirectoryError: if there is no directory.
        TransportError: if the broker fails.
    """
    await follower.start()
    try:
        async with running_registry(database, place, is_governed=True) as running:
            loop = asyncio.get_running_loop()
            done = await loop.run_in_executor(running.thread, running.registry.directory_version)
            # The last one is registered once more: the program may name other subjects than it did before.
            done = await _publish_versions(running, follower, max(0, min(done, follower.current.version) - 1))
            if on_start is not None:
                on_start(running.url)
            while not stopping.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), FOLLOW_PAUSE_S)
                done = await _publish_versions(running, follower, done)
    finally:
        await follower.stop()


async def _publish_versions(running: RunningRegistry, follower: DirectoryFollower, done: int) -> int:
    """Publish every version after `done`, so that no schema of a version in between is missed; return the last."""
    try:
        current = follower.current
    except DirectoryError as err:  # it expired: what it published stays, and somebody has to be told
        if running.directory_problem is None:
            logger.error("directory", reason=str(err))  # noqa: TRY400  # a state, not a defect of ours
        running.directory_problem = str(err)
        return done
    running.directory_problem = None
    for version in range(done + 1, current.version + 1):
        directory = follower.at(version)
        if directory is not None:
            await running.publish(directory)
    return max(done, current.version)
