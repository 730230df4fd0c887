"""What is known about the status of a certificate from the first records of ``govbus.revocations``.

The records are only ever added to, so their count names a state, and the status of a certificate is a pure function
of the certificate, those that issued it, and that count. It changes seldom: what a record changes is worked out once,
and a decision looks it up.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from cryptography import x509

from govbus.document.record import Record
from govbus.errors import UntrustedKeyError
from govbus.routing.trust.facts import facts_of, list_places, parsed_of, responder_places
from govbus.routing.trust.lists import RevocationList
from govbus.routing.trust.material import Material, Saying, Status
from govbus.routing.trust.policy import RevocationMode
from govbus.routing.trust.reading import read_material
from govbus.routing.trust.responses import OcspResponse
from govbus.signing.certificates import Certificate, TrustedCertificate
from govbus.signing.signature_policy import ProvenSignature

STATES_KEPT_MAX: Final = 64
"""States whose verdicts are remembered; a router needs one, an auditor those of a few partitions."""
NEVER_MS: Final = -(2**63)
ALWAYS_MS: Final = 2**63 - 1
CLEAR_KEPT_MAX: Final = 1024
"""Signatures of one sender that are remembered as clear in one state."""


class Known(NamedTuple):
    """What authorities have said about one certificate so far."""

    revoked_ms: int | None = None
    """The earliest moment that a revocation counts from; it cannot be taken back."""
    compromised_ms: int | None = None
    """The same, of revocations because somebody else may have the key."""
    on_hold_ms: int | None = None
    """Since when it is on hold; taken back by a later word that it is good."""
    said_ms: int = 0
    """Time of the last word about it (``thisUpdate``)."""
    next_update_ms: int | None = None
    """Until when the last word may be relied on; None where nobody has said anything."""


@dataclass(frozen=True, slots=True)
class PathStatus:
    """What is known about a certificate and all that issued it, anchors apart."""

    issuers: tuple[Certificate, ...]
    revoked_ms: int | None
    compromised_ms: int | None
    declared_until_ms: int | None
    """Until when the status of those that say where it is to be had is known; None where it is not known."""
    all_until_ms: int | None
    """Until when the status of all of them is known; None where it is not known."""
    is_declared: bool
    """Whether any of them says where its status is to be had."""


class _Change(NamedTuple):
    records: int
    """Number of records that it takes to know this."""
    known: Known


class RevocationRecords:
    """The records of the topic in their order; to be given to one reader of the topic and any number of deciders."""

    def __init__(self) -> None:
        self._count = 0
        self._lists: dict[bytes, list[tuple[int, RevocationList]]] = {}
        """By the issuer's name."""
        self._responses: dict[int, list[tuple[int, OcspResponse]]] = {}
        """By the serial number of what they are about."""
        self._digests: set[str] = set()
        self._changes: dict[tuple[str, str], tuple[int, tuple[_Change, ...]]] = {}
        """By thumbprints of certificate and issuer: up to which count it was looked at, and what changed when."""
        self._states: dict[int, RevocationState] = {}

    @property
    def count(self) -> int:
        """Records so far."""
        return self._count

    def take(self, record: Record) -> Material:
        """Take in the next record; one that cannot be read counts all the same.

        Raises:
            UntrustedKeyError: if it is no revocation list or OCSP response (rule SEC-11); it is then ignored.
        """
        return self.add(record.value or b"")

    def add(self, der: bytes) -> Material:
        """Take in the value of the next record; as `take`."""
        number = self._count + 1
        try:
            material = read_material(der)
            if material.digest not in self._digests:  # the same again says nothing new
                self._digests.add(material.digest)
                self._index(number, material)
        finally:
            self._count = number
        return material

    def has(self, digest: str) -> bool:
        """Return whether material with this hex SHA-256 is among the records."""
        return digest in self._digests

    def state(self, count: int | None = None) -> RevocationState:
        """Return what a decision goes by: the first `count` records, all unless given.

        Raises:
            ValueError: if there are not so many.
        """
        wanted = self._count if count is None else count
        known = self._states.get(wanted)
        if known is None:
            if not 0 <= wanted <= self._count:
                raise ValueError(f"{wanted} records of {self._count}")
            if len(self._states) >= STATES_KEPT_MAX:
                self._states.clear()
            known = self._states[wanted] = RevocationState(self, wanted)
        return known

    def known_of(self, subject: Certificate, issuer: Certificate, count: int) -> Known:
        """Return what the first `count` records say about a certificate."""
        key = (subject.thumbprint, issuer.thumbprint)
        looked, changes = self._changes.get(key, (0, (_Change(0, Known()),)))
        if looked < count:
            end = self._count
            changes = (*changes, *self._further(subject, issuer, changes[-1].known, looked, end))
            self._changes[key] = (end, changes)
        return changes[bisect_right(changes, count, key=lambda change: change.records) - 1].known

    def words_about(self, subject: Certificate, looked: int = 0) -> Sequence[tuple[int, Material]]:
        """Return the material that may be about a certificate, with its place in the order; unverified.

        Args:
            subject: the certificate.
            looked: only what comes after so many records.
        """
        facts = facts_of(subject)
        found: list[tuple[int, Material]] = []
        for known in (self._lists.get(facts.issuer_name, ()), self._responses.get(facts.serial, ())):
            found += known[bisect_right(known, looked, key=_place) :]
        return sorted(found, key=_place)

    def _index(self, number: int, material: Material) -> None:
        if isinstance(material, RevocationList):
            known = self._lists.setdefault(material.issuer_name, [])
            if known:
                material.share_entries(known[-1][1])
            known.append((number, material))
        elif isinstance(material, OcspResponse):
            for serial in material.serials:
                self._responses.setdefault(serial, []).append((number, material))

    def _further(
        self, subject: Certificate, issuer: Certificate, known: Known, looked: int, end: int
    ) -> list[_Change]:
        changes = []
        for number, material in self.words_about(subject, looked):
            if number > end:  # came in the meantime, by another thread
                break
            status = self._said(material, subject, issuer, number)
            if status is not None:
                known = _with(known, status)
                changes.append(_Change(number, known))
        return changes

    def _said(
        self, material: Material, subject: Certificate, issuer: Certificate, number: int
    ) -> Status | None:
        """Return what material says about a certificate, None where it does not hold or says nothing."""
        status = material.status_of(subject, issuer)
        if status is None or status.saying is Saying.UNKNOWN:
            return None
        try:
            material.verify(issuer)
            if isinstance(material, OcspResponse):
                self._require_unrevoked(material, issuer, number)
        except UntrustedKeyError:
            return None  # reported by whoever reads the topic; anybody may write to it
        return status

    def _require_unrevoked(self, response: OcspResponse, issuer: Certificate, number: int) -> None:
        """Check that no list before a response says that its responder had been revoked when it answered."""
        serial = response.responder_serial
        if serial is None:
            return
        for place, one in self._lists.get(facts_of(issuer).name, ()):
            revoked_ms = one.revoked_ms(serial)
            if place < number and revoked_ms is not None and revoked_ms <= response.produced_ms:
                one.verify(issuer)
                raise UntrustedKeyError(
                    "the responder was revoked", rule="SEC-11", field="govbus.revocations"
                )


def _place(one: tuple[int, Material]) -> int:
    return one[0]


def _with(known: Known, status: Status) -> Known:
    """Return what is known once one more word was taken in; the order of words of the same time does not matter."""
    revoked_ms, compromised_ms = known.revoked_ms, known.compromised_ms
    on_hold_ms, said_ms = known.on_hold_ms, max(known.said_ms, status.this_update_ms)
    if status.saying is Saying.REVOKED:
        revoked_ms = min(status.revoked_ms, revoked_ms if revoked_ms is not None else status.revoked_ms)
        if status.is_compromised:
            before_ms = compromised_ms if compromised_ms is not None else status.revoked_ms
            compromised_ms = min(status.revoked_ms, before_ms)
    elif status.this_update_ms >= known.said_ms:
        on_hold_ms = status.revoked_ms if status.saying is Saying.ON_HOLD else None
    next_update_ms = max(status.next_update_ms, known.next_update_ms or 0)
    return Known(revoked_ms, compromised_ms, on_hold_ms, said_ms, next_update_ms)


class RevocationState:
    """The first so many records: what decisions of one moment rest on."""

    __slots__ = ("_clear", "_known", "_records", "count")

    def __init__(self, records: RevocationRecords, count: int) -> None:
        self._records = records
        self._known: dict[str, PathStatus] = {}
        self._clear: dict[int, tuple[Sequence[ProvenSignature], RevocationMode, int]] = {}
        """By identity of signatures, which are kept so that it stays theirs: until when they are clear."""
        self.count = count
        """How many records they are."""

    def status_of(self, trusted: TrustedCertificate) -> PathStatus:
        """Return what is known about a certificate of the directory; after the first time a dictionary lookup."""
        known = self._known.get(trusted.certificate.thumbprint)
        if known is None or known.issuers is not trusted.issuers:
            known = self._known[trusted.certificate.thumbprint] = self._status_of(trusted)
        return known

    def is_clear(self, signatures: Sequence[ProvenSignature], mode: RevocationMode, at_ms: int) -> bool:
        """Return whether no certificate is revoked at all, and what the mode asks for is known and recent.

        There is then nothing to say, at whichever time they signed. Documents of one sender share their signatures
        (`VerifiedSignatures.shared`), so it is worked out once for the very same ones.
        """
        known = self._clear.get(id(signatures))
        if known is None or known[0] is not signatures or known[1] is not mode:
            if len(self._clear) >= CLEAR_KEPT_MAX:
                self._clear.clear()
            until_ms = min((self._clear_until_ms(one.trusted, mode) for one in signatures), default=NEVER_MS)
            known = self._clear[id(signatures)] = (signatures, mode, until_ms)
        return at_ms <= known[2]

    def _clear_until_ms(self, trusted: TrustedCertificate, mode: RevocationMode) -> int:
        status = self.status_of(trusted)
        if status.revoked_ms is not None:
            return NEVER_MS
        if mode is RevocationMode.NONE or (mode is RevocationMode.DECLARED and not status.is_declared):
            return ALWAYS_MS
        is_all = mode is RevocationMode.REQUIRED
        until_ms = status.all_until_ms if is_all else status.declared_until_ms
        return NEVER_MS if until_ms is None else until_ms

    def _status_of(self, trusted: TrustedCertificate) -> PathStatus:
        way = (trusted.certificate, *trusted.issuers)
        found = [
            (is_declared(subject), self._records.known_of(subject, issuer, self.count))
            for subject, issuer in itertools.pairwise(way)
        ]
        declared = [known for is_one, known in found if is_one]
        revoked = [one.revoked_ms for _, one in found] + [one.on_hold_ms for _, one in found]
        return PathStatus(
            trusted.issuers,
            min((one for one in revoked if one is not None), default=None),
            min((one.compromised_ms for _, one in found if one.compromised_ms is not None), default=None),
            _until(declared),
            _until([known for _, known in found]),
            bool(declared),
        )


def is_declared(certificate: Certificate) -> bool:
    """Return whether a certificate says where its status is to be had."""
    parsed: x509.Certificate = parsed_of(certificate)
    return bool(list_places(parsed) or responder_places(parsed))


def _until(known: Sequence[Known]) -> int | None:
    """Return until when all of some words may be relied on, None where one is missing."""
    ends = [one.next_update_ms for one in known if one.next_update_ms is not None]
    return min(ends) if ends and len(ends) == len(known) else None


NOTHING_KNOWN: Final = RevocationRecords().state()
"""The state before the first record."""
