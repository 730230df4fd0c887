"""The past of every origin as a replay builds it up, with a bound on memory.

`decide` asks it about indexes and ids. What is recent stays in memory; the rest goes to a private temporary SQLite
database, which the operating system removes when the audit ends.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from govbus.document.finding import Outcome
from govbus.document.ids import Origin
from govbus.routing.history import OriginPast, Prior, findings_text, prior_of_row

FRESH_DOCUMENTS_MAX = 20_000
"""Decisions in memory before they go to disk."""
RUN_DOCUMENTS_MAX = 20_000
"""Documents that one receipt can cover (the bound of the router's setting)."""
FORGOTTEN_DOCUMENTS_MIN = 1000
"""A router may be set to remember so few decisions of an origin, never fewer."""

_SCHEMA = """
CREATE TABLE prior (
  origin INTEGER NOT NULL, number INTEGER NOT NULL, document_id TEXT NOT NULL, statement_hash BLOB NOT NULL,
  outcome TEXT NOT NULL, is_proven INTEGER NOT NULL, time_ms INTEGER NOT NULL, receipt_first INTEGER NOT NULL,
  record_offset INTEGER NOT NULL, agreement TEXT, findings TEXT,
  PRIMARY KEY (origin, number)) WITHOUT ROWID;
CREATE INDEX prior_document ON prior (origin, document_id) WHERE outcome = 'accepted';
"""
_SELECT = (
    "SELECT number, document_id, statement_hash, outcome, is_proven, time_ms, receipt_first, record_offset,"
    " agreement, findings FROM prior WHERE origin = ? "
)


class ReplayHistory:
    """A `govbus.routing.history.History` of any length."""

    def __init__(self) -> None:
        """Start with no past at all."""
        self._connection = sqlite3.connect("", isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=OFF")
        self._connection.execute("PRAGMA synchronous=OFF")
        self._connection.executescript(_SCHEMA)
        self._numbers: dict[Origin, int] = {}
        self._fresh: dict[Origin, OriginPast] = {}
        self._unkept: list[tuple[Any, ...]] = []
        self._next: dict[Origin, int] = {}
        self._greatest: dict[Origin, str] = {}
        self._accepted_ms: dict[tuple[Origin, str], int] = {}

    def close(self) -> None:
        """Give the temporary database back."""
        self._connection.close()

    def next_index(self, origin: Origin) -> int:
        """Return the index that the origin's next document must have."""
        return self._next.get(origin, 0)

    def at_index(self, origin: Origin, index: int) -> Prior | None:
        """Return what was decided about an index, or None."""
        fresh = self._fresh.get(origin)
        prior = fresh.at_index(index) if fresh is not None else None
        return prior if prior is not None else self._one(origin, "AND number = ?", index)

    def of_document(self, origin: Origin, document_id: str) -> Prior | None:
        """Return the accepted document with this id, or None."""
        if document_id > self._greatest.get(origin, ""):
            return None
        fresh = self._fresh.get(origin)
        prior = fresh.of_document(document_id) if fresh is not None else None
        if prior is not None:
            return prior
        return self._one(origin, "AND document_id = ? AND outcome = 'accepted'", document_id)

    def run(self, origin: Origin, receipt_first: int) -> Sequence[Prior]:
        """Return the accepted documents that one receipt covered."""
        priors: list[Prior] = []
        while len(priors) < RUN_DOCUMENTS_MAX:
            prior = self.at_index(origin, receipt_first + len(priors))
            if prior is None or prior.receipt_first != receipt_first:
                break
            priors.append(prior)
        return priors

    def remember(self, origin: Origin, prior: Prior) -> None:
        """Take a decision into the past."""
        fresh = self._fresh.get(origin)
        if fresh is None:
            fresh = self._fresh[origin] = OriginPast()
        fresh.remember(prior)
        self._next[origin] = max(self._next.get(origin, 0), prior.number + 1)
        if prior.outcome is Outcome.ACCEPTED and prior.document_id > self._greatest.get(origin, ""):
            self._greatest[origin] = prior.document_id
        number = self._numbers.setdefault(origin, len(self._numbers))
        outcome, is_proven = prior.outcome.value, int(prior.is_proven)
        findings = findings_text(prior.findings)
        self._unkept.append((number, *prior[:3], outcome, is_proven, *prior[5:-1], findings))
        if prior.agreement is not None:
            self._accepted_ms[origin, prior.agreement] = prior.time_ms
        if len(self._unkept) >= FRESH_DOCUMENTS_MAX:
            self._keep()

    def last_accepted_ms(self, origin: Origin, agreement: str) -> int | None:
        """Return when the last document of an origin under an agreement was accepted, or None before the first."""
        return self._accepted_ms.get((origin, agreement))

    def _keep(self) -> None:
        self._connection.execute("BEGIN")
        self._connection.executemany(
            "INSERT OR REPLACE INTO prior VALUES (?,?,?,?,?,?,?,?,?,?,?)", self._unkept
        )
        self._connection.execute("COMMIT")
        self._unkept.clear()
        self._fresh.clear()

    def _one(self, origin: Origin, condition: str, argument: object) -> Prior | None:
        number = self._numbers.get(origin)
        if number is None:
            return None
        row = self._connection.execute(_SELECT + condition, (number, argument)).fetchone()
        return None if row is None else prior_of_row(row)


class ShortHistory:
    """A past as a router remembers it that has forgotten what is long ago."""

    def __init__(self, past: ReplayHistory) -> None:
        """Look at a past and forget all but the last decisions of every origin."""
        self._past = past

    def next_index(self, origin: Origin) -> int:
        """Return the index that the origin's next document must have."""
        return self._past.next_index(origin)

    def at_index(self, origin: Origin, index: int) -> Prior | None:
        """Return what was decided about an index, or None where that is long ago."""
        return self._recent(origin, self._past.at_index(origin, index))

    def of_document(self, origin: Origin, document_id: str) -> Prior | None:
        """Return the accepted document with this id, or None where that is long ago."""
        return self._recent(origin, self._past.of_document(origin, document_id))

    def run(self, origin: Origin, receipt_first: int) -> Sequence[Prior]:
        """Return the accepted documents that one receipt covered."""
        return self._past.run(origin, receipt_first)

    def last_accepted_ms(self, origin: Origin, agreement: str) -> int | None:
        """Return when the last document under an agreement was accepted; a router never forgets that."""
        return self._past.last_accepted_ms(origin, agreement)

    def _recent(self, origin: Origin, prior: Prior | None) -> Prior | None:
        if prior is None or prior.number < self.next_index(origin) - FORGOTTEN_DOCUMENTS_MIN:
            return None
        return prior
