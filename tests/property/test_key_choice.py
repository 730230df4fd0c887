"""Whatever keys, directory and time there are: the key that is chosen is one that verifiers accept."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from govbus.document.ids import AgencyId
from govbus.errors import SignerUnavailableError, UntrustedKeyError
from govbus.service.keys.rotation import SETTLE_MS, SigningKeys
from govbus.signing.certificates import TrustedCertificate
from govbus.signing.issuing import CertificateAuthority
from govbus.signing.signer import KeySigner

AT_MS = 1_795_466_700_000
HOUR_MS = 3_600_000
TAX, OTHER = AgencyId("tax.example"), AgencyId("other.example")
_AUTHORITY = CertificateAuthority.create("Choice", at_ms=AT_MS - 1000 * HOUR_MS)
_SPANS = ((-9, 3), (-6, 0), (-3, 6), (0, 9), (3, 12))


def _signer(number: int, span: tuple[int, int]) -> KeySigner:
    begin, end = (AT_MS + hours * HOUR_MS for hours in span)
    issued = _AUTHORITY.issue(f"key {number}", not_before_ms=begin, not_after_ms=end)
    return KeySigner.from_pem(issued.key_pem, issued.certificate_pem, kid=str(number))


SIGNERS = [_signer(number, span) for number, span in enumerate(_SPANS)]
TIMES = st.integers(AT_MS - 12 * HOUR_MS, AT_MS + 15 * HOUR_MS)
BINDINGS = st.dictionaries(
    st.integers(0, len(SIGNERS) - 1),
    st.tuples(st.sampled_from([TAX, TAX, TAX, OTHER]), st.none() | TIMES),
)


@dataclass
class Version:
    issued_ms: int
    bound: dict[str, TrustedCertificate]

    def certificate(self, thumbprint: str) -> TrustedCertificate | None:
        return self.bound.get(thumbprint)


def accepted(signer: KeySigner, version: Version, time_ms: int) -> bool:
    """Say whether a verifier would accept the signer, by the verifier's own check."""
    trusted = version.certificate(signer.certificate.thumbprint)
    if trusted is None or trusted.agency != TAX:
        return False
    try:
        trusted.require_valid_at(time_ms)
    except UntrustedKeyError:
        return False
    return True


@given(
    st.lists(st.sampled_from(SIGNERS), min_size=1, max_size=4, unique_by=lambda one: one.kid),
    st.lists(st.tuples(TIMES, BINDINGS), min_size=1, max_size=4),
    st.lists(TIMES, min_size=1, max_size=5),
)
def test_the_chosen_key_is_one_that_verifiers_accept(signers, versions, times):
    """A key is chosen exactly where one is accepted, and it is accepted; the newest, unless it is new to routers."""
    current: list[Version] = []
    keys = SigningKeys(TAX, [signers], directory=lambda: current[-1])
    for issued_ms, bindings in sorted(versions, key=lambda one: one[0]):
        bound = {
            SIGNERS[number].certificate.thumbprint: TrustedCertificate(
                SIGNERS[number].certificate, agency, revoked_ms
            )
            for number, (agency, revoked_ms) in bindings.items()
        }
        current.append(Version(issued_ms, bound))
        for time_ms in times:
            good = [one for one in signers if accepted(one, current[-1], time_ms)]
            try:
                (chosen,) = keys.signers_at(time_ms)
            except SignerUnavailableError:
                assert not good
                continue
            assert chosen in good
            if time_ms - issued_ms >= SETTLE_MS:
                newest = max(one.certificate.not_before_ms for one in good)
                assert newest == chosen.certificate.not_before_ms
