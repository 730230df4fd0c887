"""Keys and certificates for the tests of signing, made fresh for every run."""

import pytest

from govbus.document.ids import AgencyId
from govbus.signing.algorithms import Algorithm
from govbus.signing.certificates import Certificate, CertificateRole, TrustedCertificate
from govbus.signing.issuing import CertificateAuthority
from govbus.signing.signer import KeySigner

NOW_MS = 1_795_466_700_000
DAY_MS = 86_400_000


class Trust:
    """A trust store that a test fills by hand."""

    def __init__(self):
        self.entries = {}

    def add(self, signer, agency, revoked_ms=None, role=CertificateRole.SEAL):
        certificate = signer.certificate
        self.entries[certificate.thumbprint] = TrustedCertificate(
            certificate, AgencyId.from_text(agency), revoked_ms, role
        )

    def certificate(self, thumbprint):
        return self.entries.get(thumbprint)


@pytest.fixture(scope="session")
def authority():
    """A certificate authority of this run."""
    return CertificateAuthority.create("govbus test CA", at_ms=NOW_MS - 10 * DAY_MS)


def make_signer(authority, subject, algorithm=Algorithm.ED25519, *, days_before=5, days_after=5):
    """Return a signer with a fresh key and a certificate valid around `NOW_MS`."""
    issued = authority.issue(
        subject,
        algorithm,
        not_before_ms=NOW_MS - days_before * DAY_MS,
        not_after_ms=NOW_MS + days_after * DAY_MS,
    )
    return KeySigner.from_pem(issued.key_pem, issued.certificate_pem, kid=f"{subject}/test")


@pytest.fixture(scope="session")
def signers(authority):
    """One signer for each pinned algorithm."""
    return {algorithm: make_signer(authority, "tax.example", algorithm) for algorithm in Algorithm}


@pytest.fixture
def trust(signers):
    """A trust store that binds every test signer to tax.example."""
    store = Trust()
    for signer in signers.values():
        store.add(signer, "tax.example")
    return store


@pytest.fixture(scope="session")
def certificate_of():
    """Read a certificate from PEM."""
    return Certificate.from_pem
