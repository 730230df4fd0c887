"""Waiting until everything in the log is vouched for by others than its operator."""

from __future__ import annotations

import asyncio
import contextlib

from govbus.audit.evidence.coverage import Coverage
from govbus.cli.demo.stage import Stage
from govbus.document import topics
from govbus.service.auditing.verifying import Request
from govbus.service.scanning import scan

PATIENCE_S = 30.0

_MISSING = {
    "quorum": "the witnesses' quorum vouches for {found:,} of {wanted:,} log entries",
    "timestamp": "time stamps vouch for {found:,} of {wanted:,} log entries",
}
"""What to say of each kind of material that is waited for."""


async def wait_until_covered(stage: Stage, request: Request, entries: int) -> list[str]:
    """Wait until cosignatures and, where the auditor knows an authority, time stamps cover so many log entries.

    Returns:
        What does not cover them when patience ends; nothing in a good run.

    Raises:
        TransportError: if the broker fails.
    """
    covering = _Covering(stage, request, entries)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            await covering.follow()
    return covering.missing()


class _Covering:
    """Follows the topic of checkpoints as an auditor does."""

    def __init__(self, stage: Stage, request: Request, entries: int) -> None:
        self._transport = stage.transport
        self._entries = entries
        self._wanted = ["quorum", *(["timestamp"] if request.timestamp_anchors else [])]
        self._coverage = Coverage(
            stage.directory.bus,
            request.keys,
            policy=request.policy,
            timestamp_anchors=request.timestamp_anchors,
        )

    async def follow(self) -> None:
        """Return once everything is covered."""
        stopping = asyncio.Event()
        async for record in scan(self._transport, [topics.CHECKPOINTS], follow=True, stopping=stopping):
            self._coverage.take(record)
            if not self.missing():
                stopping.set()

    def missing(self) -> list[str]:
        found = dict.fromkeys(self._wanted, 0)
        for one in self._coverage.covered():
            if one.material in found:
                found[one.material] = max(found[one.material], sum(one.sizes.values()))
        return [
            _MISSING[material].format(found=count, wanted=self._entries)
            for material, count in found.items()
            if count < self._entries
        ]
