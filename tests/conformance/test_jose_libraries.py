"""Our signatures by programs of others: two Python JOSE libraries, one in Node, and the openssl command line.

Each verifies what we sign over a statement, a batch text and a receipt, and refuses the same over other bytes. None of
them runs a line of ours: a certificate goes in as PEM, a signature as the text of ``gb-sig``.
"""

import base64
import json
import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives import serialization
from joserfc import jwk as joserfc_jwk
from joserfc import jws as joserfc_jws
from joserfc.errors import BadSignatureError
from joserfc.registry import HeaderParameter
from jwcrypto import jwk, jws

from govbus.document.decision import Receipt, SourcePosition
from govbus.document.finding import Outcome
from govbus.document.ids import AgencyId, Origin
from govbus.document.record import FRAME_BYTES
from govbus.document.statement import Statement
from govbus.schemas.core import encode_receipt
from govbus.signing.algorithms import Algorithm
from govbus.signing.batch import BatchText
from govbus.signing.issuing import CertificateAuthority
from govbus.signing.jws import BATCH_TYP, RECEIPT_TYP, STATEMENT_TYP, sign_detached
from govbus.signing.signer import KeySigner

from .node_tools import installed

AT_MS = 1_795_466_700_000
CLASSICAL = (Algorithm.ED25519, Algorithm.ES256, Algorithm.PS256)
POST_QUANTUM = (Algorithm.ML_DSA_44, Algorithm.ML_DSA_65, Algorithm.ML_DSA_87)
TIMEOUT_S = 120
ORIGIN = Origin(AgencyId("tax.example"), "main")


def _receipt_octets():
    source = SourcePosition("govbus.out.tax.example", 0, 0)
    receipt = Receipt(None, str(ORIGIN), 0, 64, bytes(32), Outcome.ACCEPTED, (), source, 0, AT_MS)
    return encode_receipt(receipt)[FRAME_BYTES:]


PAYLOADS = {
    STATEMENT_TYP: Statement(
        ORIGIN, 0, "govbus.out.tax.example", "A" * 43, "ab" * 32, 4, "A" * 43, AT_MS
    ).to_bytes(),
    BATCH_TYP: BatchText(str(ORIGIN), 0, 64, bytes(32)).to_bytes(),
}


@pytest.fixture(scope="module")
def payloads():
    """What is signed, by its ``typ``; the receipt is Avro, so any octets may be in it."""
    return PAYLOADS | {RECEIPT_TYP: _receipt_octets()}


@pytest.fixture(scope="module")
def signers():
    """A signer of each algorithm, under certificates of one authority."""
    authority = CertificateAuthority.create("Test", at_ms=AT_MS)
    found = {}
    for algorithm in Algorithm:
        issued = authority.issue(
            "tax.example", algorithm, not_before_ms=AT_MS, not_after_ms=AT_MS + 86_400_000
        )
        found[algorithm] = KeySigner.from_pem(issued.key_pem, issued.certificate_pem, kid="tax.example/seal")
    return found


def _spki(signer):
    return signer.certificate.public_key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _changed(payload):
    return payload[:-1] + bytes([payload[-1] ^ 1])


_KEY_TYPES = {Algorithm.ED25519: "OKP", Algorithm.ES256: "EC", Algorithm.PS256: "RSA"}


@pytest.mark.parametrize("algorithm", CLASSICAL)
def test_joserfc(signers, payloads, algorithm):
    """The Python library joserfc finds our signatures good, and those over other bytes bad."""
    key = joserfc_jwk.import_key(_spki(signers[algorithm]), _KEY_TYPES[algorithm])
    # ``iat`` in a JWS header is of JAdES (ETSI TS 119 182-1, section 5.1.11); the library wants to be told of it.
    registry = joserfc_jws.JWSRegistry(
        {"iat": HeaderParameter("Issued At", "int")}, algorithms=[str(algorithm)]
    )
    for typ, payload in payloads.items():
        signature = sign_detached(signers[algorithm], payload, typ=typ, at_ms=AT_MS)
        found = joserfc_jws.deserialize_compact(signature, key, registry=registry, payload=payload)
        assert (typ, False) == (found.headers()["typ"], found.headers()["b64"])
        with pytest.raises(BadSignatureError):
            joserfc_jws.deserialize_compact(signature, key, registry=registry, payload=_changed(payload))


@pytest.mark.parametrize("algorithm", POST_QUANTUM)
def test_jwcrypto(signers, payloads, algorithm):
    """The Python library jwcrypto finds our ML-DSA signatures good, and those over other bytes bad."""
    key = jwk.JWK.from_pem(_spki(signers[algorithm]))
    for typ, payload in payloads.items():
        signature = sign_detached(signers[algorithm], payload, typ=typ, at_ms=AT_MS)
        for octets, is_good in ((payload, True), (_changed(payload), False)):
            token = jws.JWS()
            token.allowed_algs = [str(algorithm)]
            token.deserialize(signature.decode("ascii"))
            if is_good:
                token.verify(key, str(algorithm), detached_payload=octets)
                assert token.is_valid
            else:
                with pytest.raises(jws.InvalidJWSSignature):
                    token.verify(key, str(algorithm), detached_payload=octets)


@pytest.mark.parametrize("algorithm", CLASSICAL)
def test_jose_in_node(signers, payloads, algorithm, tmp_path):
    """The JavaScript library jose finds our signatures good, and those over other bytes or of another kind bad."""
    node, folder = installed("jose")
    signer, cases, expected = signers[algorithm], [], []
    for typ, payload in payloads.items():
        signature = sign_detached(signer, payload, typ=typ, at_ms=AT_MS).decode("ascii")
        for octets, wanted in ((payload, typ), (_changed(payload), typ), (payload, "JWT")):
            cases.append(
                {
                    "spki": _spki(signer).decode("ascii"),
                    "alg": str(algorithm),
                    "typ": wanted,
                    "jws": signature,
                    "payload": base64.b64encode(octets).decode("ascii"),
                }
            )
            expected.append(octets is payload and wanted == typ)
    file = tmp_path / "cases.json"
    file.write_text(json.dumps(cases), encoding="utf-8")
    result = subprocess.run(
        [node, "check.js", str(file)],
        check=False,
        cwd=folder,
        capture_output=True,
        timeout=TIMEOUT_S,
        text=True,
    )

    assert "" == result.stderr
    assert expected == json.loads(result.stdout)


OPENSSL_OPTIONS = {
    Algorithm.ED25519: ("-rawin",),
    Algorithm.ES256: ("-rawin", "-digest", "sha256"),
    Algorithm.PS256: (
        "-rawin",
        "-digest",
        "sha256",
        "-pkeyopt",
        "rsa_padding_mode:pss",
        "-pkeyopt",
        "rsa_pss_saltlen:32",
        "-pkeyopt",
        "rsa_mgf1_md:sha256",
    ),
}
"""What ``openssl pkeyutl -verify`` is told besides key, text and signature."""


@pytest.mark.parametrize("algorithm", CLASSICAL)
def test_openssl_command_line(signers, payloads, algorithm, tmp_path):
    """The openssl command finds our signatures good, over the base64url header, a dot and the bytes as they are."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not there")
    key, text, raw = tmp_path / "key.pem", tmp_path / "text", tmp_path / "signature"
    key.write_bytes(_spki(signers[algorithm]))
    for typ, payload in payloads.items():
        signature = sign_detached(signers[algorithm], payload, typ=typ, at_ms=AT_MS)
        protected, _, encoded = signature.split(b".")
        octets = base64.urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4))
        raw.write_bytes(_der(octets) if algorithm is Algorithm.ES256 else octets)
        command = [openssl, "pkeyutl", "-verify", "-pubin", "-inkey", key, *OPENSSL_OPTIONS[algorithm]]
        for message, is_good in ((payload, True), (_changed(payload), False)):
            text.write_bytes(protected + b"." + message)
            result = subprocess.run(
                [*command, "-in", text, "-sigfile", raw], check=False, capture_output=True, timeout=TIMEOUT_S
            )
            assert is_good == (result.returncode == 0), (typ, result.stderr)


def _der(signature):
    """Return R and S of 32 octets each as the DER sequence that openssl takes (RFC 3279, section 2.2.3)."""
    parts = b""
    for octets in (signature[:32], signature[32:]):
        number = octets.lstrip(b"\x00") or b"\x00"
        number = b"\x00" + number if number[0] & 0x80 else number
        parts += bytes([2, len(number)]) + number
    return bytes([0x30, len(parts)]) + parts
