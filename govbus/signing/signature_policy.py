"""Which signatures a document must carry: what a package and an agreement ask for, and whether it was proven.

Three roles: the agency's *seal*; the *officer*, a person who answers for this one document; the *twin*, a second seal
by an ML-DSA key, which stays good where a quantum computer breaks the first. Implements ``docs/specs/signatures.md``,
signature policy (rule SEC-10).
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

from govbus.errors import SignatureError
from govbus.signing.algorithms import Algorithm
from govbus.signing.certificates import CertificateRole, TrustedCertificate

POLICY_RULE: Final = "SEC-10"
TWIN_ALGORITHMS: Final = frozenset({Algorithm.ML_DSA_44, Algorithm.ML_DSA_65, Algorithm.ML_DSA_87})
"""Algorithms of a twin's key: those that no known quantum algorithm breaks (FIPS 204)."""


class SignatureMode(enum.StrEnum):
    """What seal and twin are over."""

    ANY = "any"
    """The statement or a batch text, as the sender likes."""
    SINGLE = "single"
    """The statement: each document is signed by itself."""
    BATCH = "batch"
    """A batch text, which may be of one document."""


_OFFICER_BIT: Final = 1
_TWIN_BIT: Final = 2
_MODE_SHIFT: Final = 2
_MODES: Final = (SignatureMode.ANY, SignatureMode.SINGLE, SignatureMode.BATCH)


class ProvenSignature(NamedTuple):
    """A signature that holds, by a certificate of the origin's agency that was good at the statement's time."""

    trusted: TrustedCertificate
    is_over_batch: bool
    """Whether it is over the batch text, else over the statement itself."""

    @property
    def role(self) -> CertificateRole:
        """What the directory says that the certificate is for."""
        return self.trusted.role

    @property
    def algorithm(self) -> Algorithm:
        """The algorithm of its key."""
        return self.trusted.certificate.algorithm

    @property
    def thumbprint(self) -> str:
        """The ``x5t#S256`` of its certificate."""
        return self.trusted.certificate.thumbprint


@dataclass(frozen=True, slots=True)
class SignaturePolicy:
    """The signatures that documents carry besides the seal, which every document has."""

    is_officer_required: bool = False
    is_twin_required: bool = False
    mode: SignatureMode = SignatureMode.ANY

    @classmethod
    def from_bits(cls, bits: int) -> Self:
        """Return the policy that these bits are of; the inverse of `to_bits`."""
        return cls(bool(bits & _OFFICER_BIT), bool(bits & _TWIN_BIT), _MODES[bits >> _MODE_SHIFT])

    def to_bits(self) -> int:
        """Return the policy as four bits: how a spool keeps with a document how it is to be signed."""
        return (
            _MODES.index(self.mode) << _MODE_SHIFT
            | (_TWIN_BIT if self.is_twin_required else 0)
            | (_OFFICER_BIT if self.is_officer_required else 0)
        )

    def joined(self, other: SignaturePolicy) -> SignaturePolicy:
        """Return the policy that asks for what either asks for.

        Raises:
            ValueError: if one says single and the other batch.
        """
        if other in (NO_POLICY, self):
            return self
        modes = {self.mode, other.mode} - {SignatureMode.ANY}
        if len(modes) > 1:
            raise ValueError("one asks for a seal over the statement, the other for one over a batch")
        return SignaturePolicy(
            self.is_officer_required or other.is_officer_required,
            self.is_twin_required or other.is_twin_required,
            modes.pop() if modes else SignatureMode.ANY,
        )

    def unmet(self, seals: Sequence[Algorithm], *, has_officer: bool) -> Iterator[str]:
        """Yield in words what the policy asks for and nobody there can give.

        One signature stands for one role: an ML-DSA seal that stands alone is the seal, and nobody's twin.

        Args:
            seals: algorithms of the agency's seals, or of the keys that make them, each of a certificate of its own.
            has_officer: whether an officer signs.
        """
        if self.is_officer_required and not has_officer:
            yield "expected an officer's signature beside the seal"
        if self.is_twin_required and not (len(seals) > 1 and not TWIN_ALGORITHMS.isdisjoint(seals)):
            yield "expected a second seal by an ML-DSA key"

    def lacks(self, signatures: Sequence[ProvenSignature]) -> Iterator[str]:
        """Yield in words what the policy asks for and the signatures are not.

        Args:
            signatures: of one document, as `require_distinct_roles` left them: each certificate once, a seal among
                them.
        """
        seals = [one for one in signatures if one.role is CertificateRole.SEAL]
        if self.mode is SignatureMode.SINGLE and any(one.is_over_batch for one in seals):
            yield "expected the seal over the statement itself, found it over a batch"
        if self.mode is SignatureMode.BATCH and not all(one.is_over_batch for one in seals):
            yield "expected the seal over a batch, found it over the statement"
        yield from self.unmet([one.algorithm for one in seals], has_officer=len(seals) < len(signatures))

    def require(self, signatures: Sequence[ProvenSignature]) -> None:
        """Check signatures against the policy.

        Raises:
            SignatureError: naming the first that is missing or is over the wrong text (rule SEC-10).
        """
        for detail in self.lacks(signatures):
            raise policy_error(detail)


NO_POLICY: Final = SignaturePolicy()
"""Nothing but the seal, over statement or batch."""


def require_distinct_roles(signatures: Sequence[ProvenSignature]) -> None:
    """Check what holds for every document, whatever its package asks for.

    An officer signs the statement itself, because he answers for this document and not for what else a batch holds;
    a certificate signs once; the agency's seal is there.

    Raises:
        SignatureError: naming the first that is not so (rule SEC-10).
    """
    for one in signatures:
        if one.is_over_batch and one.role is CertificateRole.OFFICER:
            raise policy_error("an officer signs the statement itself, never a batch")
    if len({one.thumbprint for one in signatures}) < len(signatures):
        raise policy_error("two signatures are by one certificate")
    if all(one.role is CertificateRole.OFFICER for one in signatures):
        raise policy_error("expected the agency's seal, found an officer's signature alone")


def policy_error(detail: str) -> SignatureError:
    """Return the error of a document whose signatures hold, but are not the ones that it must carry."""
    return SignatureError(detail, rule=POLICY_RULE, field="gb-sig")
