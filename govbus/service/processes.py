"""What every long-running process shares: it runs until SIGTERM or SIGINT asks it to stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import time
from collections.abc import Awaitable, Callable

import structlog

from govbus.errors import Disposition, GovbusError

logger = structlog.get_logger(__name__)

RETRY_PAUSE_S = 0.5
RETRY_PAUSE_S_MAX = 10.0
SETTLED_S = 30.0
"""A service that ran this long had started well; the next pause is short again."""


GARBAGE_YOUNG_OBJECTS = 100_000
"""New containers before the collector looks for cycles among them; Python's own number is 700."""
GARBAGE_ROUNDS = (50, 100)
"""Rounds among the young before the middle-aged are looked at, and of those before all are."""


def relax_garbage_collection() -> None:
    """Have the cycle collector look less often: a process that turns over documents makes objects, not cycles.

    With Python's own numbers it walks the same live documents again and again, which takes a fifth of the router's
    time. Objects without cycles, which are nearly all, go at once as ever; cycles, such as those that exceptions
    make, wait longer, a few megabytes at most.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_YOUNG_OBJECTS, *GARBAGE_ROUNDS)


def clock_ms() -> int:
    """Return the time of this machine, milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def run_until_stopped(
    serve: Callable[[asyncio.Event], Awaitable[object]], *, is_retrying: bool = True
) -> None:
    """Run a service until it ends or a signal asks it to.

    Args:
        serve: takes the event that asks it to stop, and returns once it has stopped.
        is_retrying: start it again, after a pause, when what stopped it is expected to pass, such as a broker that is
            not there yet.

    Raises:
        GovbusError: what the service raised and trying again does not help.
    """

    async def supervise() -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt instead
                loop.add_signal_handler(number, stopping.set)
        if is_retrying:
            await _serve_again_and_again(serve, stopping)
        else:
            await serve(stopping)

    asyncio.run(supervise())


async def _serve_again_and_again(
    serve: Callable[[asyncio.Event], Awaitable[object]], stopping: asyncio.Event
) -> None:
    pause_s = RETRY_PAUSE_S
    while not stopping.is_set():
        started_s = time.monotonic()
        try:
            await serve(stopping)
        except GovbusError as err:
            match err.disposition:
                case Disposition.RETRY:
                    logger.warning("starting again soon", reason=str(err), pause_s=pause_s)
                case Disposition.HALT | Disposition.QUARANTINE:
                    raise
        else:
            return
        if time.monotonic() - started_s > SETTLED_S:
            pause_s = RETRY_PAUSE_S
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), pause_s)
        pause_s = min(2 * pause_s, RETRY_PAUSE_S_MAX)
