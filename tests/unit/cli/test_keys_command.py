"""``govbus keys`` and ``govbus pki``: from a new key to a certificate, and to the next one."""

from __future__ import annotations

import json
import stat

import pytest
import yaml
from cryptography import x509
from typer.testing import CliRunner

from govbus.cli import keys, pki
from govbus.errors import ConfigError
from govbus.service.agency_profile import AgencyProfile
from govbus.signing.algorithms import Algorithm
from govbus.signing.signer import load_private_key


def run(app, *arguments, code=0, typed=None):
    result = CliRunner().invoke(app, [str(one) for one in arguments], input=typed)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert code == result.exit_code, result.output
    return result.output


@pytest.fixture
def ca(tmp_path):
    run(pki.app, "init", tmp_path / "ca", "--name", "Root", "--unencrypted")
    return tmp_path / "ca"


@pytest.fixture
def profile(tmp_path, ca):
    """An agency with a seal that has a password."""
    (tmp_path / "password").write_text("open sesame\n")
    run(
        keys.app, "generate", tmp_path / "seal.key.pem", "--subject", "Tax seal", "--organisation", "Tax",
        "--password-file", tmp_path / "password", "--algorithm", "ES256",
    )  # fmt: skip
    run(pki.app, "issue", ca, "--csr", tmp_path / "seal.csr.pem")
    fields = {
        "agency": "tax.example",
        "seal": {"key": "seal.key.pem", "certificate": "seal.cert.pem", "password_file": "password"},
        "authority": "ca/ca.cert.pem",
    }
    (tmp_path / "agency.yaml").write_text(yaml.safe_dump(fields))
    return tmp_path / "agency.yaml"


def test_a_new_key_is_encrypted_unless_one_says_otherwise(tmp_path):
    """Without an option the password is asked for, twice; the file is its owner's alone."""
    path = tmp_path / "seal.key.pem"
    run(keys.app, "generate", path, "--subject", "Tax", typed="secret\nsecret\n")
    assert b"ENCRYPTED" in path.read_bytes()
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    load_private_key(path.read_bytes(), name="it", password=b"secret")
    run(keys.app, "generate", tmp_path / "plain.key.pem", "--subject", "Tax", "--unencrypted")
    assert b"ENCRYPTED" not in (tmp_path / "plain.key.pem").read_bytes()


def test_a_password_from_a_variable(tmp_path, monkeypatch):
    """A password in a variable is used, and one that is not set is an error that leaves no key behind."""
    path = tmp_path / "seal.key.pem"
    options = ("--subject", "Tax", "--password-variable", "TEST_PASSWORD")
    with pytest.raises(ConfigError, match="TEST_PASSWORD is not set"):
        run(keys.app, "generate", path, *options)
    assert not path.exists()
    monkeypatch.setenv("TEST_PASSWORD", "secret")
    run(keys.app, "generate", path, *options)
    load_private_key(path.read_bytes(), name="it", password=b"secret")


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_certificate_for_every_algorithm(tmp_path, ca, algorithm):
    """A key of every pinned algorithm gets a certificate from its request, and shows as that."""
    run(
        keys.app, "generate", tmp_path / "k.key.pem", "--subject", "Tax", "--algorithm", algorithm,
        "--unencrypted",
    )  # fmt: skip
    run(pki.app, "issue", ca, "--csr", tmp_path / "k.csr.pem")
    (shown,) = json.loads(run(keys.app, "show", tmp_path / "k.cert.pem", "--json"))
    assert (algorithm, 730, None) == (shown["algorithm"], shown["days_left"], shown["problem"])


@pytest.mark.parametrize("name", ["seal.key.pem", "seal.csr.pem"])
def test_nothing_is_overwritten(tmp_path, name):
    """A key or request that is there stays, and the other file is not written either."""
    (tmp_path / name).write_bytes(b"precious")
    with pytest.raises(ConfigError, match="never overwritten"):
        run(keys.app, "generate", tmp_path / "seal.key.pem", "--subject", "Tax", "--unencrypted")
    assert [name] == [path.name for path in tmp_path.iterdir()]
    assert b"precious" == (tmp_path / name).read_bytes()


def test_keys_of_a_profile_are_shown(profile):
    """The keys of a profile are opened and shown; one that cannot be used is a finding with exit code 1."""
    (shown,) = json.loads(run(keys.app, "show", "--profile", profile, "--json"))
    assert ("seal", "tax.example/seal", True) == (shown["kind"], shown["kid"], shown["opens"])
    text = run(keys.app, "show", "--profile", profile)
    assert shown["thumbprint"] in text
    (profile.parent / "password").write_text("wrong\n")
    output = run(keys.app, "show", "--profile", profile, code=1)
    assert "cannot be read" in output
    assert "wrong" not in output


def test_rotation_makes_the_next_key_and_says_the_steps(profile, ca):
    """The next key has the old one's algorithm, name and password; done as the steps say, both open."""
    output = run(keys.app, "rotate", "--profile", profile)
    (request,) = profile.parent.glob("seal-2*.csr.pem")
    key = request.with_name(request.name.replace(".csr.", ".key."))
    certificate = request.with_name(request.name.replace(".csr.", ".cert."))
    for step in (
        str(request),
        str(key),
        str(certificate),
        "govbus directory apply",
        "agencies/tax.example.yaml",
    ):
        assert step in output
    assert "CN=Tax seal,O=Tax" == x509.load_pem_x509_csr(
        request.read_bytes()
    ).subject.rfc4514_string().replace("O=Tax,CN=Tax seal", "CN=Tax seal,O=Tax")
    run(pki.app, "issue", ca, "--csr", request)
    fields = yaml.safe_load(profile.read_text())
    next_seal = {"key": key.name, "certificate": certificate.name, "password_file": "password"}
    fields["seal"] = [fields["seal"], next_seal]
    profile.write_text(yaml.safe_dump(fields))
    opened = AgencyProfile.from_file(profile).signing_keys()
    assert opened.is_changing_over
    assert {Algorithm.ES256} == {one.certificate.algorithm for one in opened.kinds[0]}


def test_rotation_of_what_is_not_there(profile):
    """A profile without a twin, and a kind that there is not, are told."""
    for kind in ("twin", "officer"):
        with pytest.raises(ConfigError, match=f"no {kind}"):
            run(keys.app, "rotate", "--profile", profile, "--kind", kind)
    with pytest.raises(ConfigError, match="seal, twin or officer"):
        run(keys.app, "rotate", "--profile", profile, "--kind", "king")


def test_a_pin_on_the_command_line_is_refused(tmp_path):
    """A pkcs11: URI with a PIN in it makes nothing, and the error does not repeat it."""
    uri = "pkcs11:token=a;object=b;id=%01?module-path=/lib/x.so&pin-value=12345678"
    with pytest.raises(ConfigError, match="must not stand") as caught:
        run(keys.app, "generate", uri, "--subject", "Tax", "--csr", tmp_path / "csr")
    assert "12345678" not in str(caught.value)


def test_an_officer_with_a_fresh_key(tmp_path, ca):
    """`pki issue` without a request makes key and certificate, whose only use is to commit to content."""
    run(
        pki.app, "issue", ca, "--subject", "Officer", "--organisation", "Tax", "--key", tmp_path / "o.key.pem",
        "--role", "officer", "--unencrypted",
    )  # fmt: skip
    certificate = x509.load_pem_x509_certificate((tmp_path / "o.cert.pem").read_bytes())
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (False, True) == (usage.digital_signature, usage.content_commitment)


def test_a_certificate_that_begins_earlier(profile, ca):
    """The first valid moment can be given, for documents that wait for a key that was good then."""
    run(
        pki.app, "issue", ca, "--csr", profile.parent / "seal.csr.pem", "--out", profile.parent / "early.cert.pem",
        "--valid-from", "2026-01-02T03:04:05.000Z",
    )  # fmt: skip
    certificate = x509.load_pem_x509_certificate((profile.parent / "early.cert.pem").read_bytes())
    assert "2026-01-02T03:04:05+00:00" == certificate.not_valid_before_utc.isoformat()


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (("--role", "king", "--csr", "x"), "seal or officer"),
        ((), "expected --csr"),
        (("--subject", "a"), "--csr"),
    ],
)
def test_issuing_what_cannot_be(ca, options, what):
    """An unknown role, and neither request nor name for a fresh key, are told."""
    with pytest.raises(ConfigError, match=what):
        run(pki.app, "issue", ca, *options)


def test_revocation_from_a_date(profile, ca):
    """The list has the date that was given; an unknown reason is refused."""
    certificate = profile.parent / "seal.cert.pem"
    with pytest.raises(ConfigError, match="keyCompromise"):
        run(pki.app, "revoke", ca, certificate, "--reason", "boredom")
    since = "2026-01-02T03:04:05.000Z"
    run(pki.app, "revoke", ca, certificate, "--reason", "keyCompromise", "--since", since)
    serial = x509.load_pem_x509_certificate(certificate.read_bytes()).serial_number
    entry = x509.load_der_x509_crl((ca / "ca.crl").read_bytes()).get_revoked_certificate_by_serial_number(
        serial
    )
    assert "2026-01-02T03:04:05+00:00" == entry.revocation_date_utc.isoformat()
    run(pki.app, "crl", ca, "--days", "3")
    found = x509.load_der_x509_crl((ca / "ca.crl").read_bytes())
    assert 3 == (found.next_update_utc - found.last_update_utc).days
