"""Whose certificates counted at a decision: the directory of that time and what was known of revocations then.

The table of all versions is small and can be sent to other processes; what is worked out from it stays where it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from govbus.audit.evidence.material import TrustAt
from govbus.document.encoding import TIME_MS_MAX
from govbus.document.ids import AgencyId
from govbus.errors import UntrustedKeyError
from govbus.routing.directory.model import Directory
from govbus.routing.trust.check import require_unrevoked
from govbus.routing.trust.policy import RevocationMode, RevocationPolicy
from govbus.routing.trust.status import RevocationRecords, RevocationState
from govbus.signing.certificates import Certificate, CertificateRole, TrustedCertificate
from govbus.signing.signature_policy import ProvenSignature


class Binding(NamedTuple):
    """One certificate of a directory version, by octets instead of by parsed objects."""

    der: bytes
    agency: str
    revoked_ms: int | None
    role: CertificateRole
    issuers: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class TrustTable:
    """Certificates of every directory version, and every record of revocation material."""

    versions: Mapping[int, tuple[RevocationPolicy, tuple[Binding, ...]]]
    revocations: tuple[bytes, ...] = ()
    """Values of the records of ``govbus.revocations``, in order."""
    bus: AgencyId | None = None
    """Who may order erasures besides a document's own agency."""

    @classmethod
    def of(cls, directories: Iterable[Directory], revocations: Sequence[bytes] = ()) -> TrustTable:
        """Return the table of some directory versions.

        Args:
            directories: verified against the governing authority.
            revocations: values of the records of ``govbus.revocations`` from the first on, in order.
        """
        known = list(directories)
        return cls(
            {
                directory.version: (
                    directory.revocation,
                    tuple(_binding(one) for one in directory.certificates.values()),
                )
                for directory in known
            },
            tuple(revocations),
            known[-1].bus if known else None,
        )

    def open(self) -> KnownTrust:
        """Return what answers by this table, to be used by one process."""
        return KnownTrust(self)


def _binding(trusted: TrustedCertificate) -> Binding:
    return Binding(
        trusted.certificate.der,
        trusted.agency.text,
        trusted.revoked_ms,
        trusted.role,
        tuple(issuer.der for issuer in trusted.issuers),
    )


class KnownTrust:
    """A `govbus.audit.evidence.material.Trust` by a table."""

    def __init__(self, table: TrustTable) -> None:
        """Read the revocation material; certificates are read when first asked for."""
        self._table = table
        self.bus = table.bus
        self._certificates: dict[bytes, Certificate] = {}
        self._stores: dict[int, dict[str, TrustedCertificate]] = {}
        self._records = RevocationRecords()
        for value in table.revocations:
            try:
                self._records.add(value)
            except UntrustedKeyError:
                continue  # counted all the same, as the router does

    def at(self, directory_version: int, revocations: int) -> TrustAt | None:
        """Return the trusted certificates as of a directory version and a number of revocation records."""
        version = self._table.versions.get(directory_version)
        if version is None or not 0 <= revocations <= self._records.count:
            return None
        policy, bindings = version
        store = self._stores.get(directory_version)
        if store is None:
            store = self._stores[directory_version] = self._read(bindings)
        return _KnownTrustAt(store, policy, self._records.state(revocations))

    def _read(self, bindings: Iterable[Binding]) -> dict[str, TrustedCertificate]:
        store: dict[str, TrustedCertificate] = {}
        for binding in bindings:
            certificate = self._certificate(binding.der)
            store[certificate.thumbprint] = TrustedCertificate(
                certificate,
                AgencyId.from_text(binding.agency),
                binding.revoked_ms,
                binding.role,
                tuple(self._certificate(der) for der in binding.issuers),
            )
        return store

    def _certificate(self, der: bytes) -> Certificate:
        certificate = self._certificates.get(der)
        if certificate is None:
            certificate = self._certificates[der] = Certificate.from_der(der)
        return certificate


@dataclass(frozen=True, slots=True)
class _KnownTrustAt:
    """What counted at one directory version and number of revocation records."""

    store: Mapping[str, TrustedCertificate]
    policy: RevocationPolicy
    state: RevocationState

    def certificate(self, thumbprint: str) -> TrustedCertificate | None:
        return self.store.get(thumbprint)

    def require_unrevoked(self, signatures: Sequence[ProvenSignature], *, time_ms: int) -> None:
        require_unrevoked(signatures, self.policy, self.state, time_ms=time_ms)

    def span_ms(self, trusted: TrustedCertificate) -> tuple[int, int]:
        certificates = (trusted.certificate, *trusted.issuers[:-1])
        first = max(one.not_before_ms for one in certificates)
        last = min(one.not_after_ms for one in certificates)
        revocations = [trusted.revoked_ms]
        if self.policy.mode is not RevocationMode.NONE:
            revocations.append(self.state.status_of(trusted).revoked_ms)
        for revoked_ms in revocations:
            if revoked_ms is not None:
                last = min(last, revoked_ms - 1)
        return max(0, first), min(last, TIME_MS_MAX)
