"""Signature vectors made by others: Wycheproof, RFC 8032, FIPS 204 and RFC 7797."""

import base64
import hashlib
import hmac
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa

from govbus.document.encoding import from_base64url
from govbus.errors import AlgorithmError, SignatureError
from govbus.signing.algorithms import verify
from govbus.signing.jws import DetachedSignature, signing_input


def _wycheproof(folder, name):
    return json.loads((folder / "vectors" / "wycheproof" / name).read_text())


def test_wycheproof_ed25519(conformance_data):
    """Every Wycheproof Ed25519 signature is accepted or refused as the file says."""
    data = _wycheproof(conformance_data, "ed25519_test.json")
    checked = 0
    for group in data["testGroups"]:
        key = ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(group["publicKey"]["pk"]))
        for case in group["tests"]:
            message, signature = bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"])
            if case["result"] == "valid":
                verify(key, signature, message)
            else:
                with pytest.raises(SignatureError):
                    verify(key, signature, message)
            checked += 1

    assert data["numberOfTests"] == checked == 151


def test_wycheproof_ml_dsa_44(conformance_data):
    """Every Wycheproof ML-DSA-44 signature without a context is accepted or refused as the file says."""
    data = _wycheproof(conformance_data, "mldsa_44_verify_test.json")
    checked = 0
    for group in data["testGroups"]:
        try:
            key = mldsa.MLDSA44PublicKey.from_public_bytes(bytes.fromhex(group["publicKey"]))
        except ValueError:
            assert all(case["result"] == "invalid" for case in group["tests"])
            checked += len(group["tests"])
            continue
        for case in group["tests"]:
            checked += 1
            message, signature = bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"])
            if case["result"] == "valid" and not case.get("ctx"):
                verify(key, signature, message)
            else:
                with pytest.raises(SignatureError):
                    verify(key, signature, message)

    assert data["numberOfTests"] == checked == 180


def test_rfc_8032_ed25519(conformance_data):
    """The signatures of the RFC 8032 authors' list verify, and not over another message."""
    text = (conformance_data / "vectors/cryptography-vectors/ed25519_sign.input.first200").read_text()
    lines = text.splitlines()
    for line in lines:
        _, public, message, signature_and_message, _ = line.split(":")
        key = ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
        signature = bytes.fromhex(signature_and_message)[:64]
        verify(key, signature, bytes.fromhex(message))
        with pytest.raises(SignatureError):
            verify(key, signature, bytes.fromhex(message) + b"\x00")

    assert len(lines) == 200


@pytest.mark.parametrize("name", ["hmac-sha2_b64_false.json", "4.2.hmac-sha2_b64_false.json"])
def test_rfc_7797_signing_input(conformance_data, name):
    """The bytes that are signed are the ones of RFC 7797, and its symmetric algorithm is refused by name."""
    path = conformance_data / "vectors/jose-cookbook-rfc7520/rfc7797" / name
    vector = json.loads(path.read_text())
    # The file's "signing" part contradicts its "output", which is the text of the RFC.
    output = vector["output"]["json_flat"]
    protected = output["protected"].encode()
    octets = signing_input(protected, vector["input"]["payload"].encode())
    key = base64.urlsafe_b64decode(vector["input"]["key"]["k"] + "==")

    assert from_base64url(output["signature"]) == hmac.digest(key, octets, hashlib.sha256)
    with pytest.raises((AlgorithmError, SignatureError)):
        DetachedSignature.from_bytes(protected + b".." + output["signature"].encode())
