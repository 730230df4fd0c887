"""The witness as a process: a socket, and a thread for the keys and the memory.

Nobody is asked who he is: whoever brings a checkpoint that a known log signed gets the same answer (C2SP
``tlog-witness``). What it takes is bounded in size, time and number instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple, TypeVar

import structlog
from aiohttp import web

from govbus import telemetry
from govbus.errors import ConfigError
from govbus.message_log.policy import Policy
from govbus.message_log.witness import (
    REQUEST_BYTES_MAX,
    TEXT_CONTENT_TYPE,
    UNPROCESSABLE,
    Answer,
    Decision,
    Latest,
    Received,
    Witness,
)
from govbus.service.http_bounds import ConnectionBounds
from govbus.service.witness.keys import WitnessKeys
from govbus.service.witness.store import WitnessStore

logger = structlog.get_logger(__name__)

DEFAULT_HTTP: Final = "127.0.0.1:7380"
IN_FLIGHT_MAX: Final = 64
"""Requests at work or waiting; one more is told to come back. Each takes about a millisecond and a disk write."""
BODY_TIMEOUT_S: Final = 10.0
KEEPALIVE_TIMEOUT_S: Final = 75.0
SHUTDOWN_TIMEOUT_S: Final = 5.0

T = TypeVar("T")


class HttpPlace(NamedTuple):
    """Where the witness listens."""

    host: str
    port: int
    """0 for any that is free."""

    @classmethod
    def from_text(cls, text: str) -> HttpPlace:
        """Read ``host:port``; an IPv6 address stands in brackets.

        Raises:
            ConfigError: if it is anything else.
        """
        host, colon, port = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not colon or not host or not (port.isascii() and port.isdigit() and int(port) < 65_536):  # noqa: PLR2004  # ports
            raise ConfigError(f"expected host:port, such as {DEFAULT_HTTP}, found {text[:80]!r}")
        return cls(host, int(port))


class WitnessApi:
    """The handlers of one witness; its thread is the only one that signs and writes."""

    def __init__(
        self,
        witness: Witness,
        store: WitnessStore,
        thread: ThreadPoolExecutor,
        *,
        clock_ms: Callable[[], int],
    ) -> None:
        self._witness = witness
        self._store = store
        self._thread = thread
        self._clock_ms = clock_ms
        self._in_flight = 0

    def routes(self) -> list[web.RouteDef]:
        """Return every path that is served; submission and monitoring prefix are the same."""
        return [
            web.post("/add-checkpoint", self.add_checkpoint),
            web.post("/sign-subtree", self.sign_subtree),
            web.get("/{origin_hash:[0-9a-f]{64}}/checkpoint", self.checkpoint),
        ]

    async def add_checkpoint(self, request: web.Request) -> web.Response:
        """Cosign a checkpoint."""
        return await self._posted(request, self._add_checkpoint)

    async def sign_subtree(self, request: web.Request) -> web.Response:
        """Cosign a subtree."""
        return await self._posted(request, self._witness.sign_subtree)

    async def checkpoint(self, request: web.Request) -> web.Response:
        """Give monitors the latest checkpoint of a log."""
        latest = await self._call(lambda: self._store.latest_by_hash(request.match_info["origin_hash"]))
        if latest is None:
            return _response(Answer(404, "this witness never cosigned a checkpoint of that log\n"))
        return _response(Answer(200, latest.note))

    async def _posted(self, request: web.Request, work: Callable[[bytes], Answer]) -> web.Response:
        call = request.path.removeprefix("/")
        if self._in_flight >= IN_FLIGHT_MAX:
            answer = Answer(503, "too many requests at once\n")
        else:
            self._in_flight += 1
            try:
                answer = await self._answer(request, work)
            finally:
                self._in_flight -= 1
        telemetry.WITNESS_REQUESTS.labels(call, str(answer.status)).inc()
        return _response(answer)

    async def _answer(self, request: web.Request, work: Callable[[bytes], Answer]) -> Answer:
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                octets = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return Answer(413, f"a request has at most {REQUEST_BYTES_MAX} bytes\n")
        except TimeoutError:
            return Answer(408, "the request did not arrive in time\n")
        try:
            return await self._call(lambda: work(octets))
        except sqlite3.Error:
            logger.exception("the memory of the witness cannot be used")
            return Answer(500, "the witness cannot use its memory\n")

    async def _call(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _add_checkpoint(self, octets: bytes) -> Answer:
        received = self._witness.receive(octets)
        if isinstance(received, Answer):
            return received
        origin, at_s = received.checkpoint.origin, self._clock_ms() // 1000
        decision = self._store.decide(origin, lambda known: self._witness.decide(received, known, at_s=at_s))
        if decision.latest is not None:
            export_latest(origin, decision.latest)
        if decision.answer.status == UNPROCESSABLE:
            self._keep_refused(received, decision, at_s)
        return decision.answer

    def _keep_refused(self, received: Received, decision: Decision, at_s: int) -> None:
        checkpoint = received.checkpoint
        reason = decision.answer.body.rstrip("\n")
        note = received.note.to_text()
        if not self._store.keep_refused(checkpoint, note, is_fork=decision.is_fork, reason=reason, at_s=at_s):
            return
        facts = {"origin": checkpoint.origin, "size": checkpoint.size, "reason": reason}
        if decision.is_fork:
            telemetry.WITNESS_FORKS.labels(checkpoint.origin).inc()
            logger.error("a log has two histories: it signed two trees of one size", **facts)
        else:
            logger.warning(
                "a signed checkpoint is not shown to have grown from the one cosigned before", **facts
            )


@contextlib.asynccontextmanager
async def running_witness(
    keys: WitnessKeys,
    store: WitnessStore,
    policy: Policy,
    place: HttpPlace,
    *,
    clock_ms: Callable[[], int],
    is_every_log_key_required: bool = False,
) -> AsyncIterator[str]:
    """Run a witness while the context lasts.

    Args:
        keys: of the witness.
        store: its memory, opened for these keys; closed by the caller.
        policy: its logs are the ones that are served.
        place: where to listen.
        clock_ms: time of this machine, milliseconds since 1970.
        is_every_log_key_required: ask for signatures by all of a log's keys.

    Yields:
        The URL: submission prefix and monitoring prefix.

    Raises:
        ConfigError: if the policy names no log, or the socket cannot be used.
    """
    if not policy.logs:
        raise ConfigError("the witness knows no log", remedy="list one in the file: log <verifier key>")
    witness = Witness(keys.ml_dsa_44, keys.ed25519, policy.log_verifiers, is_every_log_key_required)
    for origin, latest in store.all_latest().items():
        export_latest(origin, latest)
    with ThreadPoolExecutor(1, thread_name_prefix="witness") as thread:
        bounds = ConnectionBounds()
        application = web.Application(
            client_max_size=REQUEST_BYTES_MAX, middlewares=[bounds.middleware, _guard]
        )
        application.add_routes(WitnessApi(witness, store, thread, clock_ms=clock_ms).routes())
        runner = web.AppRunner(
            application,
            access_log=None,
            keepalive_timeout=KEEPALIVE_TIMEOUT_S,
            shutdown_timeout=SHUTDOWN_TIMEOUT_S,
        )
        await runner.setup()
        try:
            url = await _listen(runner, place)
            async with bounds.watching(runner):
                yield url
        finally:
            await runner.cleanup()


def export_latest(origin: str, latest: Latest) -> None:
    """Set the metrics of one log."""
    telemetry.WITNESS_LOG_SIZE.labels(origin).set(latest.size)
    telemetry.WITNESS_COSIGNED_TIME_SECONDS.labels(origin).set(latest.time_s)


@web.middleware
async def _guard(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException:
        raise
    except Exception:
        logger.exception("a request to the witness failed", method=request.method)
        return _response(Answer(500, "the witness failed\n"))


def _response(answer: Answer) -> web.Response:
    headers = {"Retry-After": "1"} if answer.status == 503 else None  # noqa: PLR2004  # Service Unavailable
    charset = "utf-8" if answer.content_type == TEXT_CONTENT_TYPE else None
    return web.Response(
        status=answer.status,
        body=answer.body.encode("utf-8"),
        content_type=answer.content_type,
        charset=charset,
        headers=headers,
    )


async def _listen(runner: web.AppRunner, place: HttpPlace) -> str:
    site = web.TCPSite(runner, place.host, place.port)
    try:
        await site.start()
    except OSError as err:
        raise ConfigError(f"cannot listen on {place.host} port {place.port}: {err.strerror}") from err
    host = f"[{place.host}]" if ":" in place.host else place.host
    return f"http://{host}:{runner.addresses[0][1]}"
