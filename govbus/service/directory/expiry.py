"""Loud before the directory expires: after that nobody may decide by it, and the bus stands still."""

from __future__ import annotations

import structlog

from govbus import telemetry
from govbus.document.encoding import time_text
from govbus.routing.directory.model import Directory

logger = structlog.get_logger(__name__)

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
WARNING_DAYS = 30
"""From so many days before it expires, people are told every day."""
ALARM_DAYS = 7
"""From so many days before, as an error."""


class ExpiryAlarm:
    """Says that a directory expires soon: once a day, and once an hour on the last day and after it."""

    def __init__(self) -> None:
        self._said_ms: int | None = None
        self._version = 0

    def look(self, directory: Directory, at_ms: int) -> None:
        """Set the metric, and log where it is time to.

        Args:
            directory: the version in force.
            at_ms: milliseconds since 1970.
        """
        left_ms = directory.expires_ms - at_ms
        telemetry.DIRECTORY_EXPIRES_SECONDS.set(left_ms / 1000)
        if left_ms >= WARNING_DAYS * DAY_MS:
            return
        interval_ms = DAY_MS if left_ms > DAY_MS else HOUR_MS
        is_new = directory.version != self._version
        if self._said_ms is not None and not is_new and at_ms - self._said_ms < interval_ms:
            return
        self._said_ms, self._version = at_ms, directory.version
        log = logger.error if left_ms < ALARM_DAYS * DAY_MS else logger.warning
        log(
            "directory expires soon" if left_ms >= 0 else "directory has expired: nothing is decided by it",
            version=directory.version,
            expires=time_text(directory.expires_ms),
            days_left=left_ms // DAY_MS,
            remedy="the governing authority publishes it anew with: govbus directory apply",
        )
