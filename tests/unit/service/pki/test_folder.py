"""An authority in a folder: what it writes, what it issues, revokes and signs."""

from __future__ import annotations

import json
import stat

import pytest
from cryptography import x509

from govbus.document.encoding import time_text
from govbus.errors import ConfigError
from govbus.service.pki.folder import (
    CRL_DAYS,
    DAY_MS,
    RESPONDER_DAYS,
    RESPONDER_DAYS_MIN,
    AuthorityFolder,
    AuthorityPlan,
    serial_of,
)
from govbus.service.pki.register import Register
from govbus.signing.algorithms import Algorithm
from govbus.signing.certificates import Certificate, CertificateRole
from govbus.signing.issuing import private_key_new, request_pem

AT_MS = 1_795_466_700_000
URL = "http://ca.example:8089/"


def plan(name="Root", **changes) -> AuthorityPlan:
    return AuthorityPlan(
        **{"name": name, "algorithm": Algorithm.ES256, "days": 3650, "at_ms": AT_MS, **changes}
    )


@pytest.fixture
def folder(tmp_path) -> AuthorityFolder:
    return AuthorityFolder.create(tmp_path / "root", plan(path_length=1, url=URL))


def issue(folder: AuthorityFolder, *, role=CertificateRole.SEAL, **options) -> bytes:
    request = request_pem(private_key_new(Algorithm.ED25519), "Tax seal", "Tax")
    return folder.issue_for_request(request, role=role, days=30, at_ms=AT_MS, **options)


def crl_of(folder: AuthorityFolder) -> x509.CertificateRevocationList:
    return x509.load_der_x509_crl((folder.path / "ca.crl").read_bytes())


def number_of(folder: AuthorityFolder) -> int:
    return crl_of(folder).extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def test_private_files_are_their_owners_alone(folder):
    """Keys are 0600, and everything else may be read."""
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.path.iterdir() if path.is_file()}
    assert {"ca.key.pem", "ocsp.pem"} == {name for name, mode in modes.items() if mode == 0o600}
    assert not [name for name, mode in modes.items() if mode not in {0o600, 0o644}]


def test_an_authority_is_never_overwritten(folder):
    """A folder that has one is refused, and stays as it was."""
    before = (folder.path / "ca.key.pem").read_bytes()
    with pytest.raises(ConfigError, match="has an authority already"):
        AuthorityFolder.create(folder.path, plan())
    assert before == (folder.path / "ca.key.pem").read_bytes()


def test_an_authority_under_another(folder, tmp_path):
    """The chain leads to the root, the one above registers it, and addresses are those of the issuer."""
    under = AuthorityFolder.create(tmp_path / "issuing", plan("Issuing", url=URL), above=folder)
    leaf = Certificate.from_pem(issue(under))
    chain = (under.path / "chain.pem").read_bytes()
    middle, root = (Certificate.from_pem(one + b"-----END CERTIFICATE-----\n") for one in
                    chain.split(b"-----END CERTIFICATE-----\n")[:2])  # fmt: skip
    leaf.verify_issued_by(middle)
    middle.verify_issued_by(root)
    assert folder.register.is_issued(serial_of(str(under.path / "ca.cert.pem")))
    place = x509.load_der_x509_certificate(middle.der).extensions.get_extension_for_class(
        x509.CRLDistributionPoints
    )
    assert "http://ca.example:8089/root/ca.crl" == place.value[0].full_name[0].value


def test_a_key_with_a_password_needs_it(tmp_path):
    """Issuing asks for the password of the authority's key, and a wrong one keeps nothing."""
    folder = AuthorityFolder.create(tmp_path / "ca", plan(), secret=lambda: b"open sesame")
    pem = issue(folder, secret=lambda: b"open sesame")
    with pytest.raises(ConfigError, match="cannot be read"):
        issue(folder, secret=lambda: b"wrong")
    serial = x509.load_pem_x509_certificate(pem).serial_number
    with pytest.raises(ConfigError, match="cannot be read"):
        folder.revoke(serial, revoked_ms=AT_MS, reason=x509.ReasonFlags.unspecified, at_ms=AT_MS)
    assert folder.register.revoked(serial) is None


def test_what_is_issued_is_registered_and_kept(folder):
    """The register knows every certificate, and a copy lies beside it."""
    pem = issue(folder, role=CertificateRole.OFFICER)
    serial = x509.load_pem_x509_certificate(pem).serial_number
    assert folder.register.is_issued(serial)
    assert pem == (folder.path / f"issued/{serial:x}.pem").read_bytes()


def test_revocation_has_its_date_and_a_new_list(folder):
    """A revocation counts from its date, stands in a list with the next number, and is there once."""
    serial = x509.load_pem_x509_certificate(issue(folder)).serial_number
    assert 1 == number_of(folder)
    since_ms = AT_MS - DAY_MS
    reason = x509.ReasonFlags.key_compromise
    folder.revoke(serial, revoked_ms=since_ms, reason=reason, at_ms=AT_MS)
    entry = crl_of(folder).get_revoked_certificate_by_serial_number(serial)
    assert entry is not None
    assert since_ms // 1000 == entry.revocation_date_utc.timestamp()
    assert 2 == number_of(folder)
    assert (AT_MS + CRL_DAYS * DAY_MS) // 1000 == crl_of(folder).next_update_utc.timestamp()
    with pytest.raises(ConfigError, match=f"is revoked since {time_text(since_ms)}"):
        folder.revoke(serial, revoked_ms=AT_MS, reason=reason, at_ms=AT_MS)


def test_what_cannot_be_revoked(folder):
    """A certificate of another authority, and a date that is still to come, are refused."""
    serial = x509.load_pem_x509_certificate(issue(folder)).serial_number
    reason = x509.ReasonFlags.unspecified
    with pytest.raises(ConfigError, match="not issued by this authority"):
        folder.revoke(serial + 1, revoked_ms=AT_MS, reason=reason, at_ms=AT_MS)
    with pytest.raises(ConfigError, match="in the future"):
        folder.revoke(serial, revoked_ms=AT_MS + 1, reason=reason, at_ms=AT_MS)
    assert 1 == number_of(folder)


@pytest.mark.parametrize(
    ("days", "is_renewed"),
    [(RESPONDER_DAYS - RESPONDER_DAYS_MIN - 1, False), (RESPONDER_DAYS - RESPONDER_DAYS_MIN, True)],
)
def test_the_responder_is_renewed_with_the_list(folder, days, is_renewed):
    """A responder's key with less than a month left is replaced when a list is signed, not before."""
    before = folder.responder().responder
    folder.sign_crl(at_ms=AT_MS + days * DAY_MS)
    assert is_renewed == (before != folder.responder().responder)
    assert 0o600 == stat.S_IMODE((folder.path / "ocsp.pem").stat().st_mode)


@pytest.mark.parametrize("line", ["nothing", '{"issued": "xyz", "subject": "a"}', '{"revoked": "1"}', "[]"])
def test_a_damaged_register_is_named(folder, line):
    """A line that is no fact stops the authority, with its number."""
    path = folder.path / "register.jsonl"
    issue(folder)
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(ConfigError, match=r"register\.jsonl, line 2"):
        Register.read(path)


def test_damaged_settings_are_named(folder):
    """A file without the address is named."""
    (folder.path / "authority.json").write_text(json.dumps({}))
    with pytest.raises(ConfigError, match=r"authority\.json"):
        issue(folder)


def test_serial_numbers(folder):
    """A file or hexadecimal digits name a certificate, anything else is refused."""
    serial = x509.load_pem_x509_certificate(issue(folder)).serial_number
    assert serial == serial_of(str(folder.path / f"issued/{serial:x}.pem"))
    assert 0xAB01 == serial_of("AB:01")
    with pytest.raises(ConfigError, match="neither a certificate file nor"):
        serial_of("no such file")
