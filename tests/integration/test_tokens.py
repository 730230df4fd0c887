"""Keys on a real PKCS#11 token: SoftHSM2, with openssl and our verifier as judges."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from govbus.document.encoding import from_base64url
from govbus.errors import ConfigError, SignerUnavailableError
from govbus.service.keys.opening import open_private_key, open_signer, token_secret
from govbus.service.keys.secrets import secret_from_variable
from govbus.service.keys.token import TokenLibrary, generate_token_key
from govbus.signing.algorithms import Algorithm, algorithm_of
from govbus.signing.issuing import CertificateAuthority, request_pem
from govbus.signing.jws import STATEMENT_TYP, DetachedSignature, sign_detached
from govbus.signing.key_uri import TokenKey, parse_key_reference
from tests.integration.tokens import PIN, Tokens, tokens_or_skip

AT_MS = 1_767_225_600_000
DAY_MS = 86_400_000
ON_TOKENS = (Algorithm.ED25519, Algorithm.ES256, Algorithm.PS256)


@pytest.fixture(scope="module")
def tokens(tmp_path_factory) -> Tokens:
    return tokens_or_skip(tmp_path_factory.mktemp("softhsm"))


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority.create("Token test", at_ms=AT_MS - DAY_MS)


class Sealed:
    """A token with one key and the certificate for it."""

    def __init__(
        self, tokens: Tokens, authority: CertificateAuthority, folder: Path, label: str, algorithm: Algorithm
    ) -> None:
        tokens.create(label)
        self.uri = tokens.uri(label, "seal", "%01")
        reference = parse_key_reference(self.uri)
        assert isinstance(reference, TokenKey)
        generate_token_key(reference, algorithm, token_secret(reference))
        request = request_pem(open_private_key(self.uri), label)
        self.certificate = folder / "seal.cert.pem"
        self.certificate.write_bytes(
            authority.issue_for_request(request, not_before_ms=AT_MS, not_after_ms=AT_MS + DAY_MS)
        )

    def signer(self):
        return open_signer(self.uri, self.certificate, kid="test/seal")


@pytest.fixture(params=ON_TOKENS, ids=str)
def sealed(request, tokens, authority, tmp_path) -> Sealed:
    label = f"{request.param.lower()}-{abs(hash(request.node.name)) % 10**9}"
    return Sealed(tokens, authority, tmp_path, label, request.param)


@pytest.fixture
def ed25519(tokens, authority, tmp_path, request) -> Sealed:
    return Sealed(tokens, authority, tmp_path, f"t{abs(hash(request.node.name)) % 10**9}", Algorithm.ED25519)


def test_a_jws_by_the_token_verifies_here_and_with_openssl(sealed, tmp_path):
    """A statement signed by the token holds for our verifier, and for the openssl command line."""
    signer = sealed.signer()
    octets = sign_detached(signer, b"govbus statement\n", typ=STATEMENT_TYP, at_ms=AT_MS)
    DetachedSignature.from_bytes(octets).verify(signer.certificate, b"govbus statement\n")

    protected, _, encoded = octets.partition(b"..")
    (tmp_path / "signed").write_bytes(protected + b".govbus statement\n")
    certificate = x509.load_der_x509_certificate(signer.certificate.der)
    (tmp_path / "key").write_bytes(
        certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    signature = from_base64url(encoded.decode("ascii"))
    options: list[str] = []
    match signer.certificate.algorithm:
        case Algorithm.ES256:
            from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

            signature = encode_dss_signature(
                int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
            )
            options = ["-digest", "sha256"]
        case Algorithm.PS256:
            options = [
                "-digest", "sha256", "-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:32",
            ]  # fmt: skip
    (tmp_path / "signature").write_bytes(signature)
    verdict = subprocess.run(
        ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key", "-rawin", "-in", "signed",
         "-sigfile", "signature", *options],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert 0 == verdict.returncode, verdict.stderr


def test_the_request_of_a_token_verifies_with_openssl(sealed, tmp_path):
    """A signing request made with the token's key is one that openssl accepts."""
    key = open_private_key(sealed.uri)
    (tmp_path / "csr").write_bytes(request_pem(key, "Tax", "Tax office"))
    verdict = subprocess.run(
        ["openssl", "req", "-verify", "-noout", "-in", "csr"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert 0 == verdict.returncode, verdict.stderr
    assert "verify OK" in verdict.stderr + verdict.stdout


def test_a_key_never_leaves_its_token(sealed):
    """The token marks the key as sensitive and not extractable, and nothing here gives it out."""
    import pkcs11

    key = open_private_key(sealed.uri)
    assert algorithm_of(key) in ON_TOKENS
    handle = key._handle._found()
    assert (True, False) == (handle[pkcs11.Attribute.SENSITIVE], handle[pkcs11.Attribute.EXTRACTABLE])
    with pytest.raises(ConfigError, match="never leaves"):
        key.private_bytes(None, None, None)
    assert PIN not in repr(key)


def test_a_token_whose_key_is_not_the_certificates_is_refused(tokens, authority, ed25519, tmp_path):
    """A certificate for another key of the same algorithm does not open as a signer."""
    other = authority.issue("other", not_before_ms=AT_MS, not_after_ms=AT_MS + DAY_MS)
    ed25519.certificate.write_bytes(other.certificate_pem)
    with pytest.raises(ConfigError, match="not the key of its certificate"):
        ed25519.signer()


def test_threads_share_a_token(sealed):
    """Signatures made by eight threads at once, through two signers of one token, all hold."""
    signers = [sealed.signer(), sealed.signer()]
    messages = [b"message %d" % number for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        signatures = list(
            pool.map(
                lambda one: sign_detached(signers[one[0] % 2], one[1], typ=STATEMENT_TYP, at_ms=AT_MS),
                enumerate(messages),
            )
        )
    for message, octets in zip(messages, signatures, strict=True):
        DetachedSignature.from_bytes(octets).verify(signers[0].certificate, message)


def test_a_token_that_is_pulled_out_says_so_and_goes_on_once_it_is_back(tokens, ed25519):
    """Signing fails with an error that asks to be tried again, and works by itself after that."""
    signer = ed25519.signer()
    tokens.pull_out()
    try:
        for _ in range(2):
            with pytest.raises(SignerUnavailableError, match="put the token in"):
                signer.sign(b"message")
    finally:
        tokens.put_back()
    sign = sign_detached(signer, b"message", typ=STATEMENT_TYP, at_ms=AT_MS)
    DetachedSignature.from_bytes(sign).verify(signer.certificate, b"message")


def test_signers_survive_that_another_one_starts_the_library_anew(tokens, ed25519, authority, tmp_path):
    """A token made after the library was loaded is found, and signers opened before it go on."""
    signer = ed25519.signer()
    (tmp_path / "later").mkdir()
    later = Sealed(tokens, authority, tmp_path / "later", "came-later", Algorithm.ED25519).signer()
    for one in (signer, later):
        sign = sign_detached(one, b"message", typ=STATEMENT_TYP, at_ms=AT_MS)
        DetachedSignature.from_bytes(sign).verify(one.certificate, b"message")


def test_the_pin_comes_from_file_or_variable(tokens, ed25519, monkeypatch):
    """A PIN is found where pin-source says, or with the caller's secret where the URI has none."""
    label = parse_key_reference(ed25519.uri).token
    monkeypatch.setenv("TEST_PIN", PIN)
    with _forgotten_login(tokens):
        open_private_key(tokens.uri(label, "seal", pin_source="env:TEST_PIN"))
    with _forgotten_login(tokens):
        open_private_key(tokens.uri(label, "seal", pin_source=""), secret=secret_from_variable("TEST_PIN"))


def test_a_wrong_or_missing_pin_is_an_error_without_a_second_try(tokens, ed25519, monkeypatch):
    """A wrong PIN is tried once, told without repeating it, and never taken for a token that is away."""
    label = parse_key_reference(ed25519.uri).token
    tries: list[str] = []
    monkeypatch.setenv("TEST_PIN", "0000-1111")

    def secret() -> bytes:
        tries.append("asked")
        return b"0000-1111"

    with _forgotten_login(tokens), pytest.raises(ConfigError, match="refuses the PIN") as caught:
        open_private_key(tokens.uri(label, "seal", pin_source=""), secret=secret)
    assert "0000-1111" not in str(caught.value)
    assert ["asked"] == tries
    with _forgotten_login(tokens), pytest.raises(ConfigError, match="asks for a PIN"):
        open_private_key(tokens.uri(label, "seal", pin_source=""))


def test_what_is_not_there_is_named(tokens, ed25519):
    """No such key, several keys, no such token and no such library are told apart."""
    reference = parse_key_reference(ed25519.uri)
    second = parse_key_reference(tokens.uri(reference.token, "other", "%02"))
    generate_token_key(second, Algorithm.ED25519, token_secret(second))
    with pytest.raises(ConfigError, match="has no private key nothing"):
        open_private_key(tokens.uri(reference.token, "nothing"))
    with pytest.raises(ConfigError, match="several private keys"):
        open_private_key(tokens.uri(reference.token))
    with pytest.raises(SignerUnavailableError, match="no token nowhere is present"):
        open_private_key(tokens.uri("nowhere", "seal"))
    with pytest.raises(ConfigError, match="cannot be used"):
        open_private_key("pkcs11:token=a?module-path=/nowhere/library.so")


def test_a_key_is_never_overwritten(ed25519):
    """A label or an id that the token has already makes no second key."""
    reference = parse_key_reference(ed25519.uri)
    with pytest.raises(ConfigError, match="never overwritten"):
        generate_token_key(reference, Algorithm.ED25519, token_secret(reference))


def test_keys_of_algorithms_that_tokens_do_not_know_are_not_made(tokens, ed25519):
    """An ML-DSA key is refused with where to make it instead."""
    label = parse_key_reference(ed25519.uri).token
    reference = parse_key_reference(tokens.uri(label, "twin", "%07"))
    with pytest.raises(ConfigError, match="make it in a file"):
        generate_token_key(reference, Algorithm.ML_DSA_65, token_secret(reference))


def _forgotten_login(tokens: Tokens):
    """Return a context that begins with a library where nobody is logged in."""
    library = TokenLibrary.load(tokens.library)
    with library.lock:
        library.drop()
    return library.lock


def _command(app, *arguments) -> str:
    from typer.testing import CliRunner

    result = CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)
    assert 0 == result.exit_code, result.output
    return result.output


def test_an_agency_moves_its_seal_from_a_file_onto_a_token(tokens, tmp_path, monkeypatch):
    """`keys rotate` makes the next key on a token; with its certificate in the profile both seals open and sign."""
    import yaml

    from govbus.cli import keys, pki
    from govbus.service.agency_profile import AgencyProfile

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEST_PIN", PIN)
    tokens.create("agency")
    _command(pki.app, "init", "ca", "--name", "Root", "--unencrypted")
    _command(keys.app, "generate", "seal.key.pem", "--subject", "Tax seal", "--unencrypted")
    _command(pki.app, "issue", "ca", "--csr", "seal.csr.pem")
    fields = {
        "agency": "tax.example",
        "seal": {"key": "seal.key.pem", "certificate": "seal.cert.pem"},
        "authority": "ca/ca.cert.pem",
    }
    (tmp_path / "agency.yaml").write_text(yaml.safe_dump(fields))
    uri = tokens.uri("agency", "seal-2027", "%27", pin_source="env:TEST_PIN")
    output = _command(keys.app, "rotate", "--key", uri, "--algorithm", "ES256")
    assert PIN not in output
    (request,) = tmp_path.glob("seal-2*.csr.pem")
    _command(pki.app, "issue", "ca", "--csr", request)
    fields["seal"] = [
        fields["seal"], {"key": uri, "certificate": request.name.replace(".csr.", ".cert.")},
    ]  # fmt: skip
    (tmp_path / "agency.yaml").write_text(yaml.safe_dump(fields))

    kinds = AgencyProfile.from_file(tmp_path / "agency.yaml").signing_keys().kinds
    assert [Algorithm.ED25519, Algorithm.ES256] == [one.certificate.algorithm for one in kinds[0]]
    for signer in kinds[0]:
        octets = sign_detached(signer, b"message", typ=STATEMENT_TYP, at_ms=AT_MS)
        DetachedSignature.from_bytes(octets).verify(signer.certificate, b"message")


def test_the_next_key_on_a_token_has_a_name_and_id_of_its_own(tokens, tmp_path, monkeypatch):
    """Rotating a key that lies on a token makes the next one on the same token, named with the date."""
    import yaml

    from govbus.cli import keys, pki
    from govbus.service.agency_profile import AgencyProfile

    monkeypatch.chdir(tmp_path)
    tokens.create("agency2")
    old = tokens.uri("agency2", "seal", "%01")
    _command(pki.app, "init", "ca", "--name", "Root", "--unencrypted")
    _command(keys.app, "generate", old, "--subject", "Tax seal", "--csr", "seal.csr.pem")
    _command(pki.app, "issue", "ca", "--csr", "seal.csr.pem")
    fields = {
        "agency": "tax.example",
        "seal": {"key": old, "certificate": "seal.cert.pem"},
        "authority": "ca/ca.cert.pem",
    }
    (tmp_path / "agency.yaml").write_text(yaml.safe_dump(fields))
    output = _command(keys.app, "rotate")
    (uri,) = {word for word in output.split() if word.startswith("pkcs11:") and "seal-2" in word}
    assert algorithm_of(open_private_key(uri)) is Algorithm.ED25519
    assert "tax.example/seal" == AgencyProfile.from_file(tmp_path / "agency.yaml").signers()[0].kid


def test_the_logs_ed25519_key_may_lie_on_a_token(tokens, tmp_path):
    """`log keys` takes a key on a token; what it signs verifies under the public key that auditors get."""
    from govbus.cli import keys, message_log
    from govbus.message_log.keys import LogPublicKeys

    tokens.create("log")
    uri = tokens.uri("log", "log", "%09")
    _command(keys.app, "generate", uri, "--subject", "Log", "--csr", tmp_path / "unused.csr.pem")
    password = tmp_path / "password"
    password.write_text("open sesame\n")
    _command(message_log.app, "keys", tmp_path / "log", "--ed25519", uri)
    assert not (tmp_path / "log" / message_log.ED25519_KEY).exists()
    private = message_log._private_keys(tmp_path / "log", uri, None)
    pems = [
        (tmp_path / "log" / name).read_bytes()
        for name in (message_log.ED25519_PUBLIC, message_log.ML_DSA_PUBLIC)
    ]
    public = LogPublicKeys.from_pem(*pems)
    message = b"checkpoint\n"
    public.ed25519.verify(private.ed25519.sign(message), message)
    with pytest.raises(ConfigError, match="never overwritten"):
        _command(message_log.app, "keys", tmp_path / "log", "--password-file", password)
