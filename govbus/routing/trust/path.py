"""The way from a certificate to an anchor of the bus (RFC 5280 section 6.1, rule SEC-6).

The directory gives the certificates in between, so nothing is searched for and nothing is fetched. What does not
depend on time is looked at once, when a directory is built: names, signatures, basic constraints, path length, key
usage, name and policy constraints, critical extensions. What does is three integers of every certificate.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Coroutine, Iterable
from datetime import UTC, datetime
from typing import Any, Final

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.authority import CertTrustAnchor
from pyhanko_certvalidator.errors import PathError, ValidationError
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.policy_decl import (
    CertRevTrustPolicy,
    RevocationCheckingPolicy,
    RevocationCheckingRule,
)
from pyhanko_certvalidator.validate import async_validate_path

from govbus.errors import RuleError, UntrustedKeyError
from govbus.routing.trust.facts import facts_of, key_usage_of, parsed_of
from govbus.signing.certificates import Certificate, CertificateRole

CHAIN_CERTIFICATES_MAX: Final = 8
"""Between a certificate and its anchor."""
# Whether something was revoked depends on time and material, and is looked at for every decision (`status`).
_UNCHECKED: Final = CertRevTrustPolicy(
    RevocationCheckingPolicy(RevocationCheckingRule.NO_CHECK, RevocationCheckingRule.NO_CHECK)
)


@functools.lru_cache(maxsize=4096)
def certificate_of(pem: str) -> Certificate:
    """Return the certificate; versions of a directory differ little, and parsing is slow.

    Raises:
        RuleError: if it cannot be parsed, or its key is outside the pinned list.
    """
    return Certificate.from_pem(pem)


@functools.lru_cache(maxsize=4096)
def issuers_of(
    pem: str, chain: tuple[str, ...], anchors: tuple[str, ...], role: CertificateRole
) -> tuple[Certificate, ...]:
    """Return the certificates that stand above one, nearest first, the anchor last.

    Args:
        pem: the certificate of an agency.
        chain: those between it and an anchor, nearest first; each issued the one before.
        anchors: of the bus.
        role: what is signed with it.

    Raises:
        UntrustedKeyError: if no anchor issued it, or a certificate on the way may not do what it is there for (rule
            SEC-6).
        AlgorithmError: if a key on the way is outside the pinned list (rule SEC-4).
    """
    certificate = certificate_of(pem)
    way = [certificate, *map(certificate_of, chain)]
    for one in way:
        _require_readable(one)
    require_usage(certificate, role)
    for subject, issuer in itertools.pairwise(way):
        subject.verify_issued_by(issuer)
    anchor = _anchor_of(way[-1], anchors)
    if anchor is None:
        raise UntrustedKeyError(
            f"certificate {way[-1].subject} was not issued by an anchor of the bus", rule="SEC-6"
        )
    _require_length(way, anchor)
    _validate(way, anchor)
    return (*way[1:], anchor)


def require_usage(certificate: Certificate, role: CertificateRole) -> None:
    """Check that a certificate is for signing documents in a role (RFC 5280 section 4.2.1.3, ETSI EN 319 412-2).

    A seal's key may have no key usage at all, which restricts nothing; an officer's must say that it commits to
    content, because that is what tells a signature under a document from one that logs somebody in.

    Raises:
        UntrustedKeyError: if it is for something else (rule SEC-6).
    """
    usage = key_usage_of(parsed_of(certificate))
    if role is CertificateRole.OFFICER:
        is_good = usage is not None and usage.content_commitment
    else:
        is_good = usage is None or usage.digital_signature or usage.content_commitment
    if not is_good:
        wanted = "contentCommitment" if role is CertificateRole.OFFICER else "digitalSignature"
        raise UntrustedKeyError(
            f"certificate {certificate.subject} is not for a {role}: its key usage lacks {wanted}",
            rule="SEC-6",
        )


def _require_readable(certificate: Certificate) -> None:
    """Read everything that is looked up later, so that what is odd about a certificate is refused here."""
    try:
        facts_of(certificate)
    except Exception as err:  # the library raises many kinds, all meaning the same here
        raise UntrustedKeyError(
            f"certificate {certificate.subject} has extensions that cannot be read", rule="SEC-6"
        ) from err


def _anchor_of(last: Certificate, anchors: Iterable[str]) -> Certificate | None:
    """Return the first anchor that issued a certificate, or is that certificate itself."""
    for pem in anchors:
        try:
            anchor = certificate_of(pem)
            last.verify_issued_by(anchor)
        except RuleError:
            continue
        return anchor
    return None


def _require_length(way: list[Certificate], anchor: Certificate) -> None:
    """Check the anchor's own path length, which path validation leaves to whoever trusts it (RFC 5280 section 6.2)."""
    parsed = parsed_of(anchor)
    longest = parsed.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
    if longest is not None and len(way) - 1 > longest:
        raise UntrustedKeyError(
            f"certificate {way[0].subject} does not lead to the anchor {anchor.subject}: its path length is {longest}",
            rule="SEC-6",
        )


def _validate(way: list[Certificate], anchor: Certificate) -> None:
    """Validate a path at a moment when all of it is valid."""
    first_ms = max(one.not_before_ms for one in way)
    if first_ms > min(one.not_after_ms for one in way):
        raise UntrustedKeyError(
            f"certificate {way[0].subject} and those that issued it are never valid at the same time",
            rule="SEC-6",
        )
    parsed = [asn1_x509.Certificate.load(one.der, strict=True) for one in way]
    root = asn1_x509.Certificate.load(anchor.der, strict=True)
    context = ValidationContext(
        trust_roots=[root],
        allow_fetching=False,
        moment=datetime.fromtimestamp(first_ms // 1000, UTC),
        revinfo_policy=_UNCHECKED,
    )
    path = ValidationPath(CertTrustAnchor(root), list(reversed(parsed[1:])), parsed[0])
    try:
        _result_of(async_validate_path(context, path))
    except (PathError, ValidationError, ValueError, TypeError) as err:
        raise UntrustedKeyError(
            f"certificate {way[0].subject} does not lead to the anchor {anchor.subject}: {err}", rule="SEC-6"
        ) from err


def _result_of(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that waits for nothing, which it does not where nothing is fetched."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    finally:
        coroutine.close()
    raise AssertionError("path validation waited for something")
