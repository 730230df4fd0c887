"""One suite for every kind of signer: keys in files, encrypted or not, and keys on tokens."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from govbus.document.ids import Origin
from govbus.errors import ConfigError, SignatureError
from govbus.service.keys.making import KeyPlan, make_key
from govbus.service.keys.opening import open_private_key, open_signer
from govbus.signing.algorithms import Algorithm
from govbus.signing.batch import seal_batch
from govbus.signing.issuing import CertificateAuthority
from govbus.signing.jws import BATCH_TYP, STATEMENT_TYP, DetachedSignature, sign_detached
from tests.integration.tokens import tokens_or_skip

AT_MS = 1_767_225_600_000
DAY_MS = 86_400_000
FILE_KINDS = [("plain", one) for one in Algorithm] + [("encrypted", one) for one in Algorithm]
TOKEN_KINDS = [("token", one) for one in (Algorithm.ED25519, Algorithm.ES256, Algorithm.PS256)]
AUTHORITY = CertificateAuthority.create("Contract", at_ms=AT_MS - DAY_MS)


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return tokens_or_skip(tmp_path_factory.mktemp("contract"))


class Made:
    """A key and its certificate."""

    def __init__(self, reference, secret, folder, algorithm) -> None:
        self.reference, self.secret, self.algorithm = reference, secret, algorithm
        request = folder / "k.csr.pem"
        make_key(KeyPlan(reference, algorithm, "Tax", "Tax office", request, secret))
        self.certificate = folder / "k.cert.pem"
        self.certificate.write_bytes(
            AUTHORITY.issue_for_request(
                request.read_bytes(), not_before_ms=AT_MS, not_after_ms=AT_MS + DAY_MS
            )
        )

    def signer(self):
        return open_signer(self.reference, self.certificate, kid="tax/seal", secret=self.secret)


@pytest.fixture(params=FILE_KINDS + TOKEN_KINDS, ids=lambda one: f"{one[0]}-{one[1]}")
def made(request, tmp_path):
    kind, algorithm = request.param
    if kind == "token":
        tokens = request.getfixturevalue("tokens")
        label = f"contract-{algorithm.lower()}-{abs(hash(request.node.name)) % 10**6}"
        tokens.create(label)
        return Made(tokens.uri(label, "seal", "%01"), lambda: None, tmp_path, algorithm)
    password = b"open sesame" if kind == "encrypted" else None
    return Made(f"file:{tmp_path / 'k.key.pem'}", lambda: password, tmp_path, algorithm)


def test_a_signature_holds_over_its_message_and_no_other(made):
    """What the signer signs verifies under its certificate; another message does not."""
    signer = made.signer()
    assert (made.algorithm, "tax/seal") == (signer.certificate.algorithm, signer.kid)
    signature = DetachedSignature.from_bytes(
        sign_detached(signer, b"a statement\n", typ=STATEMENT_TYP, at_ms=AT_MS)
    )
    signature.verify(signer.certificate, b"a statement\n")
    with pytest.raises(SignatureError):
        signature.verify(signer.certificate, b"a statement!\n")


def test_a_batch_is_signed(made):
    """A batch text is signed like a statement."""
    signer = made.signer()
    sealed = seal_batch([signer], Origin.from_text("tax.example/main"), 0, [b"a\n", b"b\n"], at_ms=AT_MS)
    signature = DetachedSignature.from_bytes(sealed.signatures[0])
    assert BATCH_TYP == signature.typ
    signature.verify(signer.certificate, sealed.text)


def test_threads_share_a_signer(made):
    """Four threads sign at once, and every signature is the one of its own message."""
    signer = made.signer()
    messages = [b"%d\n" % number for number in range(16)]
    with ThreadPoolExecutor(4) as pool:
        signed = list(
            pool.map(lambda one: sign_detached(signer, one, typ=STATEMENT_TYP, at_ms=AT_MS), messages)
        )
    for message, octets in zip(messages, signed, strict=True):
        DetachedSignature.from_bytes(octets).verify(signer.certificate, message)


def test_the_certificate_of_another_key_is_refused(made):
    """A certificate of the same algorithm for another key does not open."""
    other = AUTHORITY.issue("other", made.algorithm, not_before_ms=AT_MS, not_after_ms=AT_MS + DAY_MS)
    made.certificate.write_bytes(other.certificate_pem)
    with pytest.raises(ConfigError, match="not the key of its certificate"):
        made.signer()


def test_a_key_is_made_once(made, tmp_path):
    """Making the key again is refused, and the first one still signs."""
    plan = KeyPlan(made.reference, made.algorithm, "Tax", "", tmp_path / "again.csr.pem", made.secret)
    with pytest.raises(ConfigError, match="never overwritten"):
        make_key(plan)
    assert not plan.request.exists()
    assert "tax/seal" == made.signer().kid


def test_no_signer_shows_its_key(made):
    """Neither signer nor key says anything secret about itself."""
    key = open_private_key(made.reference, secret=made.secret)
    for text in (repr(made.signer()), repr(key), str(key)):
        assert "PRIVATE" not in text
        assert "open sesame" not in text
