"""Serves revocation lists (RFC 5280), OCSP (RFC 6960 appendix A) and issuing certificates over HTTP.

All of it is public and signed, so it is plain HTTP as RFC 5280 section 8 asks; the authority's key is not needed.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Final

import structlog
from aiohttp import web
from cryptography import x509

from govbus.errors import ConfigError
from govbus.service.http_bounds import ConnectionBounds
from govbus.service.keys.opening import read_octets
from govbus.service.pki.folder import CRL, AuthorityFolder
from govbus.signing.status_building import OCSP_REQUEST_BYTES_MAX

logger = structlog.get_logger(__name__)

LOOPBACK: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8089
OCSP_VALID_MS: Final = 3_600_000
"""How long an OCSP answer may be relied on."""
SHUTDOWN_TIMEOUT_S: Final = 2.0


class StatusServer:
    """The handlers for some authorities."""

    def __init__(self, folders: Sequence[AuthorityFolder], clock_ms: Callable[[], int]) -> None:
        """Take folders.

        Raises:
            ConfigError: if two have the same name, or one has no authority.
        """
        self._folders = {folder.name: folder for folder in folders}
        if len(self._folders) != len(folders):
            raise ConfigError("two authorities have folders of the same name", remedy="rename one")
        for folder in folders:
            folder.responder()
        self._clock_ms = clock_ms
        self.bounds = ConnectionBounds()
        """On connections; to be watched while the application is served."""

    def application(self) -> web.Application:
        """Return the HTTP application."""
        application = web.Application(
            client_max_size=OCSP_REQUEST_BYTES_MAX, middlewares=[self.bounds.middleware]
        )
        application.add_routes(
            [
                web.get("/{name}/ca.crl", self._crl),
                web.get("/{name}/ca.cer", self._certificate),
                web.post("/{name}/ocsp", self._ocsp_post),
                web.get("/{name}/ocsp/{request:.+}", self._ocsp_get),
            ]
        )
        return application

    def _folder(self, request: web.Request) -> AuthorityFolder:
        folder = self._folders.get(request.match_info["name"])
        if folder is None:
            raise web.HTTPNotFound(text="no such authority\n")
        return folder

    async def _crl(self, request: web.Request) -> web.Response:
        der = await asyncio.to_thread(read_octets, self._folder(request).path / CRL)
        next_update = x509.load_der_x509_crl(der).next_update_utc
        if next_update is not None and next_update.timestamp() * 1000 < self._clock_ms():
            logger.error(
                "revocation list is out of date",
                authority=self._folder(request).name,
                remedy="govbus pki crl",
            )
        return web.Response(body=der, content_type="application/pkix-crl")

    async def _certificate(self, request: web.Request) -> web.Response:
        der = await asyncio.to_thread(self._folder(request).certificate_der)
        return web.Response(body=der, content_type="application/pkix-cert")

    async def _ocsp_post(self, request: web.Request) -> web.Response:
        folder = self._folder(request)
        return await self._answer(folder, await request.read())

    async def _ocsp_get(self, request: web.Request) -> web.Response:
        folder = self._folder(request)
        try:
            octets = base64.b64decode(request.match_info["request"], validate=True)
        except (binascii.Error, ValueError):
            octets = b""  # malformed like any other: the answer says so
        return await self._answer(folder, octets)

    async def _answer(self, folder: AuthorityFolder, octets: bytes) -> web.Response:
        now_ms = self._clock_ms()
        responder = await asyncio.to_thread(folder.responder)
        if responder.responder.not_valid_after_utc.timestamp() * 1000 < now_ms:
            logger.error(
                "certificate of the responder has expired", authority=folder.name, remedy="govbus pki crl"
            )
        body = await asyncio.to_thread(
            lambda: responder.answer(
                octets, folder.register, this_update_ms=now_ms, next_update_ms=now_ms + OCSP_VALID_MS
            )
        )
        return web.Response(body=body, content_type="application/ocsp-response")


@contextlib.asynccontextmanager
async def serving(
    folders: Sequence[Path], clock_ms: Callable[[], int], *, host: str = LOOPBACK, port: int = DEFAULT_PORT
) -> AsyncIterator[str]:
    """Serve authorities, and give the URL.

    Args:
        folders: of the authorities.
        clock_ms: milliseconds since 1970.
        host: address to listen on.
        port: 0 for any that is free.

    Raises:
        ConfigError: if a folder cannot be used, or the address is taken.
    """
    server = StatusServer([AuthorityFolder(path) for path in folders], clock_ms)
    runner = web.AppRunner(server.application(), access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT_S)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as err:
            raise ConfigError(f"cannot listen on {host}:{port}: {err.strerror}") from err
        bound = runner.addresses[0][1]
        logger.info("certificate status served", host=host, port=bound)
        async with server.bounds.watching(runner):
            yield f"http://{host}:{bound}"
    finally:
        await runner.cleanup()
