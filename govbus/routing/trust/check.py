"""Whether the certificates behind a document's signatures were good when it was signed, as far as is known.

Two questions (``docs/specs/revocations.md``). Was a certificate revoked at the statement's time (rule SEC-6)? And is
what is known of it recent enough to decide by (rule SEC-11)?
"""

from __future__ import annotations

from collections.abc import Sequence

from govbus.document.encoding import time_text
from govbus.document.finding import Finding, Severity
from govbus.errors import UntrustedKeyError
from govbus.routing.trust.policy import RevocationMode, RevocationPolicy
from govbus.routing.trust.status import PathStatus, RevocationState
from govbus.signing.certificates import TrustedCertificate
from govbus.signing.signature_policy import ProvenSignature

STATUS_RULE = "SEC-11"


def require_unrevoked(
    signatures: Sequence[ProvenSignature], policy: RevocationPolicy, state: RevocationState, *, time_ms: int
) -> None:
    """Check that no certificate was revoked when the document was signed.

    This is all that a reader of later days asks: whether what was known was recent was the router's to judge.

    Args:
        signatures: that hold.
        policy: of the bus.
        state: what is known.
        time_ms: the statement's time.

    Raises:
        UntrustedKeyError: if one was (rule SEC-6).
    """
    if policy.mode is RevocationMode.NONE:
        return
    for signature in signatures:
        _require_unrevoked(signature.trusted, state.status_of(signature.trusted), time_ms)


def check_status(
    signatures: Sequence[ProvenSignature],
    policy: RevocationPolicy,
    state: RevocationState,
    *,
    time_ms: int,
    at_ms: int,
) -> tuple[Finding, ...]:
    """Check that every certificate was good when the document was signed, by what is known when it is decided on.

    Steps: (1) none was revoked at the statement's time; (2) none is revoked because somebody else may have its key:
    only the statement itself says that it is older, and whoever has the key can write that; (3) where the policy asks
    for a status, it is known and recent, or not longer out of date than the grace.

    Args:
        signatures: that hold.
        policy: of the bus.
        state: what is known.
        time_ms: the statement's time.
        at_ms: time of the decision.

    Returns:
        A warning for each certificate whose status is out of date, but within the grace.

    Raises:
        UntrustedKeyError: if one of them is not good (rule SEC-6), or its status is not known well enough (SEC-11).
    """
    mode = policy.mode
    if mode is RevocationMode.NONE or state.is_clear(signatures, mode, at_ms):
        return ()
    warnings: tuple[Finding, ...] = ()
    for signature in signatures:
        trusted = signature.trusted
        status = state.status_of(trusted)
        # Step 1.
        if status.revoked_ms is not None:
            _require_unrevoked(trusted, status, time_ms)
            # Step 2.
            if status.compromised_ms is not None and at_ms >= status.compromised_ms:
                raise _revoked(
                    trusted, "is revoked because its key may be known to others, so its time proves nothing"
                )
        # Step 3.
        if mode is RevocationMode.REQUIRED:
            until_ms = status.all_until_ms
        elif status.is_declared:
            until_ms = status.declared_until_ms
        else:
            continue
        if until_ms is None or at_ms > until_ms:
            warnings = (*warnings, _late(trusted, until_ms, at_ms, policy))
    return warnings


def _require_unrevoked(trusted: TrustedCertificate, status: PathStatus, time_ms: int) -> None:
    if status.revoked_ms is not None and time_ms >= status.revoked_ms:
        raise _revoked(trusted, "was revoked by its authority at the statement's time")


def _late(trusted: TrustedCertificate, until_ms: int | None, at_ms: int, policy: RevocationPolicy) -> Finding:
    """Return the warning about a status that is out of date.

    Raises:
        UntrustedKeyError: if the grace is over, or there never was a status (rule SEC-11).
    """
    thumbprint = trusted.certificate.thumbprint
    if until_ms is None:
        raise _unknown(f"nobody has said whether certificate {thumbprint} and those above it are revoked")
    detail = (
        f"what is known of certificate {thumbprint} and those above it is of before {time_text(until_ms)}"
    )
    if at_ms > until_ms + policy.grace_ms:
        raise _unknown(f"{detail}, longer ago than the {policy.grace_hours} hours of grace")
    return Finding(STATUS_RULE, Severity.WARN, "gb-sig", detail)


def _revoked(trusted: TrustedCertificate, detail: str) -> UntrustedKeyError:
    return UntrustedKeyError(
        f"certificate {trusted.certificate.thumbprint}, or one above it, {detail}",
        rule="SEC-6",
        field="gb-sig",
    )


def _unknown(detail: str) -> UntrustedKeyError:
    return UntrustedKeyError(detail, rule=STATUS_RULE, field="gb-sig")
