"""What every long-running process shares: it runs until SIGTERM or SIGINT asks it to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable


def clock_ms() -> int:
    """Return the time of this machine, milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def run_until_stopped(serve: Callable[[asyncio.Event], Awaitable[object]]) -> None:
    """Run a service until it ends or a signal asks it to.

    Args:
        serve: takes the event that asks it to stop, and returns once it has stopped.
    """

    async def supervise() -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt instead
                loop.add_signal_handler(number, stopping.set)
        await serve(stopping)

    asyncio.run(supervise())
