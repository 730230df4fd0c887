"""Tests of reading an agency profile."""

from __future__ import annotations

import pytest

from govbus.errors import ConfigError, SpoolError
from govbus.service.agency_profile import AgencyProfile
from govbus.signing.algorithms import Algorithm
from govbus.signing.issuing import CertificateAuthority, private_key_new, private_key_pem

AT_MS = 1_795_466_700_123

PROFILE = """
agency: tax.example
spool: outbox/main.spool
seal: {key: seal.key.pem, certificate: seal.cert.pem}
authority: authority.pem
"""


@pytest.fixture
def folder(tmp_path, issued):
    (tmp_path / "agency.yaml").write_text(PROFILE)
    (tmp_path / "seal.key.pem").write_bytes(issued.key_pem)
    (tmp_path / "seal.cert.pem").write_bytes(issued.certificate_pem)
    authority = CertificateAuthority.create("Authority", at_ms=AT_MS)
    (tmp_path / "authority.pem").write_bytes(authority.certificate_pem)
    return tmp_path


def _change(folder, *replacements):
    text = PROFILE
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    (folder / "agency.yaml").write_text(text)
    return folder / "agency.yaml"


def test_profile(folder, signer):
    """A profile names the origin, and its files lie beside it."""
    profile = AgencyProfile.from_file(folder / "agency.yaml")
    assert "tax.example/main" == str(profile.origin)
    (seal,) = profile.signers()
    assert ("tax.example/seal", signer.certificate.thumbprint) == (seal.kid, seal.certificate.thumbprint)
    assert ["CN=Authority"] == [one.subject for one in profile.authority_certificates()]
    with profile.open_spool(next_index=7) as spool:
        assert (folder / "outbox/main.spool", 7) == (spool.path, spool.stats(AT_MS).next_index)
    with pytest.raises(SpoolError, match="older"):
        profile.open_spool(next_index=8)


def test_twin_and_absolute_paths(folder, tmp_path):
    """A twin signs too; absolute paths stay as they are; bounds reach the spool."""
    issued = CertificateAuthority.create("T", at_ms=AT_MS).issue(
        "tax.example", Algorithm.ML_DSA_44, not_before_ms=AT_MS, not_after_ms=AT_MS + 10_000
    )
    (tmp_path / "t.key").write_bytes(issued.key_pem)
    (tmp_path / "t.pem").write_bytes(issued.certificate_pem)
    twin = f"twin: {{key: {tmp_path}/t.key, certificate: {tmp_path}/t.pem, kid: q}}"
    twin = f"{twin}\nbounds: {{documents_max: 5}}\nauthority:"
    profile = AgencyProfile.from_file(_change(folder, ("authority:", twin)))
    signers = profile.signers()
    assert [Algorithm.ED25519, Algorithm.ML_DSA_44] == [one.certificate.algorithm for one in signers]
    assert "q" == signers[1].kid
    with profile.open_spool(next_index=0) as spool:
        assert 5 == spool.limits.documents_max


def test_key_with_a_password(folder, monkeypatch):
    """The password of a key comes from an environment variable, never from the file."""
    key = private_key_new(Algorithm.ED25519)
    (folder / "seal.key.pem").write_bytes(private_key_pem(key, b"secret"))
    path = _change(folder, ("seal: {", "seal: {password_variable: TEST_SEAL_PASSWORD, "))
    with pytest.raises(ConfigError, match="environment variable TEST_SEAL_PASSWORD is not set"):
        AgencyProfile.from_file(path).signers()
    monkeypatch.setenv("TEST_SEAL_PASSWORD", "wrong")
    with pytest.raises(ConfigError, match="cannot be read"):
        AgencyProfile.from_file(path).signers()
    monkeypatch.setenv("TEST_SEAL_PASSWORD", "secret")
    with pytest.raises(ConfigError, match="is not the key of its certificate"):
        AgencyProfile.from_file(path).signers()


@pytest.mark.parametrize(
    ("replacement", "what"),
    [
        (("tax.example", "Tax"), "agency.yaml, agency: .*agency id must be dotted lower-case labels"),
        (("tax.example", "[1]"), "agency.yaml, agency:"),
        (("authority: authority.pem", ""), "agency.yaml, authority: field required"),
        (("seal: {", "seal: {password: x, "), "agency.yaml, seal.0.password: extra inputs"),
        (("spool:", "outbox: A/B\nspool:"), "agency.yaml, outbox: outbox must be"),
        (("agency: tax.example", "agency: ["), "agency.yaml cannot be read"),
        ((PROFILE, ""), "agency.yaml, the whole file"),
    ],
)
def test_bad_profile(folder, replacement, what):
    """A profile that cannot be used is refused with its place in the file."""
    with pytest.raises(ConfigError, match=what):
        AgencyProfile.from_file(_change(folder, replacement))


def test_missing_files(folder):
    """A missing profile, key or certificate is named, with what to do."""
    with pytest.raises(ConfigError, match="name one with --profile"):
        AgencyProfile.from_file(folder / "none.yaml")
    profile = AgencyProfile.from_file(folder / "agency.yaml")
    (folder / "seal.key.pem").unlink()
    with pytest.raises(
        ConfigError, match="seal.key.pem cannot be read: .*; check the paths in the agency profile"
    ):
        profile.signers()
    (folder / "authority.pem").write_text("nothing")
    with pytest.raises(ConfigError, match="authority.pem holds no PEM certificate"):
        profile.authority_certificates()
