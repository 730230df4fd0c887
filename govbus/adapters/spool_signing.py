"""Which keys sign which of the documents that wait, and how: one by one or in batches.

Documents are taken in index order and cut into runs: of the same keys, because those depend on the statements' time,
and of the same way of signing, because a batch is of consecutive documents.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple, Self

from govbus.document.ids import Origin
from govbus.errors import ConfigError, SignerUnavailableError, SpoolError
from govbus.signing.signature_policy import SignatureMode, SignaturePolicy
from govbus.signing.signer import Signer, Signers, officer_at, signers_at

ALONE_DOCUMENTS_MAX: Final = 64
"""Documents that are signed one by one and kept in one row."""


class Unsealed(NamedTuple):
    """Consecutive documents that wait for their signatures."""

    statements: list[bytes]
    signings: bytes
    """Of each a byte, what it asks for: `SignaturePolicy.to_bits`."""

    def cut(self, start: int, end: int) -> Self:
        """Return the documents at places [start, end)."""
        return type(self)(self.statements[start:end], self.signings[start:end])


class Keys(NamedTuple):
    """Who signs a run of documents."""

    seals: Sequence[Signer]
    """The agency's seal, and its twin where it has one: they sign everything."""
    officer: Signer | None
    """Signs the documents that ask for it."""


def signing_runs(
    signers: Signers, origin: Origin, segments: Iterable[tuple[int, Unsealed]]
) -> list[tuple[Keys, Unsealed]]:
    """Return runs of documents that the same keys sign, in order.

    Args:
        signers: who signs.
        origin: whose documents they are.
        segments: time and documents of each, in index order.

    Raises:
        SpoolError: if there is no signer.
        ConfigError: if the first documents ask for a signature that no key can make.
        SignerUnavailableError: if no key can sign the first documents at the moment. Of either kind those behind
            others are left: what comes before can go, and the next call says what is wrong.
    """
    runs: list[tuple[Keys, list[bytes], bytearray]] = []
    for time_ms, documents in segments:
        try:
            keys = _keys_for(signers, origin, time_ms, documents.signings)
        except (SignerUnavailableError, ConfigError):
            if runs:
                break
            raise
        if not runs or runs[-1][0] != keys:
            runs.append((keys, [], bytearray()))
        runs[-1][1].extend(documents.statements)
        runs[-1][2].extend(documents.signings)
    return [(keys, Unsealed(statements, bytes(signings))) for keys, statements, signings in runs]


def _keys_for(signers: Signers, origin: Origin, time_ms: int, signings: bytes) -> Keys:
    """Return who signs the documents of one time; an officer is asked only where one of them wants him."""
    seals = signers_at(signers, time_ms)
    if not seals:
        raise SpoolError("no signer was given", remedy="name the agency's seal key and certificate")
    policies = [SignaturePolicy.from_bits(bits) for bits in set(signings)]
    wants_officer = any(policy.is_officer_required for policy in policies)
    keys = Keys(seals, officer_at(signers, time_ms) if wants_officer else None)
    for policy in policies:
        require_keys(policy, keys, f"documents of {origin} wait")
    return keys


def require_keys(policy: SignaturePolicy, keys: Keys, consequence: str) -> None:
    """Check that keys can make every signature that a policy asks for.

    Raises:
        ConfigError: naming the first that they cannot make (rule SEC-10).
    """
    algorithms = [signer.certificate.algorithm for signer in keys.seals]
    for detail in policy.unmet(algorithms, has_officer=keys.officer is not None):
        raise ConfigError(
            f"{consequence}: {detail} (SEC-10), and there is no key for it",
            remedy="name officer and twin, each with key and certificate, in the agency profile",
        )


def mode_runs(documents: Unsealed, batch_max: int) -> Iterator[tuple[bool, Unsealed]]:
    """Yield consecutive documents that are signed one by one (True), or under one batch (False).

    Args:
        documents: in index order.
        batch_max: documents under one batch; 1 signs each by itself, unless it asks for a batch.
    """
    bits = documents.signings
    modes = {one: SignaturePolicy.from_bits(one).mode for one in set(bits)}
    alone = {
        one: mode is SignatureMode.SINGLE or (batch_max == 1 and mode is SignatureMode.ANY)
        for one, mode in modes.items()
    }
    start = 0
    while start < len(bits):
        is_alone = alone[bits[start]]
        end = min(start + (ALONE_DOCUMENTS_MAX if is_alone else batch_max), len(bits))
        if len(alone) > 1:
            end = next((at for at in range(start, end) if alone[bits[at]] is not is_alone), end)
        # A batch of one would only add to a signature, so it is made where somebody asks for it.
        is_single = end - start == 1 and modes[bits[start]] is not SignatureMode.BATCH
        yield is_alone or is_single, documents.cut(start, end)
        start = end
