"""Loud before a certificate expires: a key without a certificate signs nothing that anybody accepts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from govbus import telemetry
from govbus.document.encoding import time_text
from govbus.signing.signer import Signer

logger = structlog.get_logger(__name__)

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
WARNING_DAYS: Final = 30
"""From so many days before it expires, people are told every day."""
ALARM_DAYS: Final = 7
"""From so many days before, as an error."""
LOOK_INTERVAL_S: Final = 60.0


class CertificateAlarm:
    """Says which certificates expire soon: once a day, and once an hour on the last day and after it."""

    def __init__(self) -> None:
        self._said_ms: dict[str, int] = {}

    def look(self, kinds: Sequence[Sequence[Signer]], at_ms: int) -> None:
        """Set the metric of every key, and log where it is time to.

        A key that has a successor of its kind, whose certificate is good for longer, only sets its metric: the
        change-over is prepared.

        Args:
            kinds: keys, those of one kind together.
            at_ms: milliseconds since 1970.
        """
        for keys in kinds:
            for key in keys:
                left_ms = key.certificate.not_after_ms - at_ms
                telemetry.CERTIFICATE_EXPIRES_DAYS.labels(
                    kid=key.kid, thumbprint=key.certificate.thumbprint
                ).set(left_ms / DAY_MS)
            if keys:
                self._tell(max(keys, key=lambda one: one.certificate.not_after_ms), at_ms)

    def _tell(self, key: Signer, at_ms: int) -> None:
        left_ms = key.certificate.not_after_ms - at_ms
        if left_ms >= WARNING_DAYS * DAY_MS:
            return
        said_ms = self._said_ms.get(key.certificate.thumbprint)
        if said_ms is not None and at_ms - said_ms < (DAY_MS if left_ms > DAY_MS else HOUR_MS):
            return
        self._said_ms[key.certificate.thumbprint] = at_ms
        log = logger.error if left_ms < ALARM_DAYS * DAY_MS else logger.warning
        log(
            "certificate expires soon"
            if left_ms >= 0
            else "certificate has expired: nothing is signed with it",
            kid=key.kid,
            thumbprint=key.certificate.thumbprint,
            expires=time_text(key.certificate.not_after_ms),
            days_left=left_ms // DAY_MS,
            remedy="make the next key with: govbus keys rotate",
        )


async def watch_certificates(kinds: Sequence[Sequence[Signer]], clock_ms: Callable[[], int]) -> None:
    """Look at certificates now and every minute, until cancelled."""
    alarm = CertificateAlarm()
    while True:
        alarm.look(kinds, clock_ms())
        await asyncio.sleep(LOOK_INTERVAL_S)
