"""Others that do not answer: said loudly, with since when, asked again later, and never a reason to stop."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from prometheus_client import Gauge

from govbus.document.encoding import time_text

logger = structlog.get_logger(__name__)


class Outage:
    """Whether one party answers, and when to ask it again."""

    def __init__(
        self, party: str, up: Gauge, clock_ms: Callable[[], int], *, pause_s: float, pause_s_max: float
    ) -> None:
        """Take the party as logs and metrics show it.

        Args:
            party: such as ``witness court``.
            up: 1 while it answers.
            clock_ms: milliseconds since 1970.
            pause_s: after the first failure; it doubles with each further one.
            pause_s_max: longest pause.
        """
        self._party = party
        self._up = up
        self._clock_ms = clock_ms
        self._pause_first_s = self.pause_s = pause_s
        self._pause_s_max = pause_s_max
        self.since_ms: int | None = None
        """Since when it has not answered, milliseconds since 1970; None while it does."""

    def fail(self, error: Exception) -> float:
        """Note that it did not answer as it should, and return after how many seconds to ask again."""
        if self.since_ms is None:
            self.since_ms, self.pause_s = self._clock_ms(), self._pause_first_s
        self._up.set(0)
        pause_s = self.pause_s
        logger.error(
            "no answer, going on without",
            party=self._party,
            since=time_text(self.since_ms),
            reason=str(error) or type(error).__name__,
            again_in_s=pause_s,
        )
        self.pause_s = min(2 * pause_s, self._pause_s_max)
        return pause_s

    def end(self) -> None:
        """Note that it answered."""
        self._up.set(1)
        if self.since_ms is not None:
            logger.warning("answers again", party=self._party, failed_since=time_text(self.since_ms))
            self.since_ms = None
