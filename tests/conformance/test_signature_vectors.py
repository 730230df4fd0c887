"""Signature vectors made by others: Wycheproof, RFC 8032, RFC 6979, FIPS 204, RFC 7520 and RFC 7797."""

import base64
import fnmatch
import hashlib
import hmac
import json
import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, utils

from govbus.document.encoding import from_base64url
from govbus.errors import AlgorithmError, SignatureError
from govbus.signing.algorithms import sign, verify
from govbus.signing.jws import DetachedSignature, signing_input


def _wycheproof(folder, name):
    return json.loads((folder / "vectors" / "wycheproof" / name).read_text())


@pytest.mark.conformance_set("vectors/wycheproof")
def test_wycheproof_ed25519(conformance_data, record_property):
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

    record_property("cases", checked)
    assert data["numberOfTests"] == checked == 151


@pytest.mark.conformance_set("vectors/wycheproof")
def test_wycheproof_ml_dsa_44(conformance_data, record_property):
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

    record_property("cases", checked)
    assert data["numberOfTests"] == checked == 180


@pytest.mark.conformance_set("vectors/cryptography-vectors")
def test_rfc_8032_ed25519(conformance_data, record_property):
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

    record_property("cases", len(lines))
    assert len(lines) == 200


@pytest.mark.conformance_set("vectors/jose-cookbook-rfc7520")
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


@pytest.mark.conformance_set("vectors/wycheproof")
def test_wycheproof_key_sets(conformance_data, record_property):
    """No JWS of the JWK file is a ``gb-sig``: keys come from certificates, and none of its algorithms is negotiated."""
    data = _wycheproof(conformance_data, "json_web_key_test.json")
    signatures = [case["jws"] for group in data["testGroups"] for case in group["tests"]]
    for signature in signatures:
        _require_refused(signature)

    record_property("cases", len(signatures))
    record_property(
        "left_out", "keys as JWK: govbus reads certificates alone, so valid cases are refused too"
    )
    assert data["numberOfTests"] == len(signatures) == 26


def _require_refused(compact):
    """Check that a compact JWS is refused as it is, and in the detached form of ``gb-sig``."""
    for octets in (compact, re.sub(r"\.[^.]*\.", "..", compact)):
        with pytest.raises((AlgorithmError, SignatureError)):
            DetachedSignature.from_bytes(octets.encode())


@pytest.mark.conformance_set("vectors/jose-cookbook-rfc7520")
def test_rfc_7520_signatures_are_refused(conformance_data, record_property):
    """The cookbook signs with algorithms outside the pinned list, or without ``b64``: none is a ``gb-sig``."""
    folder = conformance_data / "vectors/jose-cookbook-rfc7520"
    checked = 0
    for path in [*sorted((folder / "jws").glob("*.json")), folder / "curve25519/jws.json"]:
        output = json.loads(path.read_text())["output"]
        signatures = output["json"].get("signatures", [output["json"]])
        for one in signatures:
            _require_refused(f"{one.get('protected', '')}.x.{one['signature']}")
            checked += 1

    record_property("cases", checked)
    record_property("left_out", "jwk: govbus reads certificates, not JWK")
    assert checked == 11


@pytest.mark.conformance_set("vectors/cryptography-vectors")
@pytest.mark.parametrize(
    ("name", "key_class"), [("44", mldsa.MLDSA44PublicKey), ("65", mldsa.MLDSA65PublicKey)]
)
def test_ml_dsa_known_answers(conformance_data, record_property, name, key_class):
    """Signatures under a context hold with that context alone; govbus signs without one, so it refuses them."""
    path = conformance_data / f"vectors/cryptography-vectors/kat_MLDSA_{name}_det_pure.first10.rsp"
    cases = [
        dict(
            line.split(" = ", 1) if " = " in line else (line.removesuffix(" ="), "")
            for line in block.split("\n")
        )
        for block in re.findall(r"^count = .*?(?=^count|\Z)", path.read_text(), re.MULTILINE | re.DOTALL)
    ]
    for case in cases:
        message, context = bytes.fromhex(case["msg"]), bytes.fromhex(case["ctx"])
        key = key_class.from_public_bytes(bytes.fromhex(case["pk"]))
        signature = bytes.fromhex(case["sm"])[: -len(message) or None]
        key.verify(signature, message, context)
        if context:
            with pytest.raises(SignatureError):
                verify(key, signature, message)
        else:
            verify(key, signature, message)

    record_property("cases", len(cases))
    assert len(cases) == 11


@pytest.mark.conformance_set("vectors/cryptography-vectors")
def test_rfc_6979_ecdsa(conformance_data, record_property):
    """The P-256 signatures over SHA-256 hold as ES256; those over other digests and the wrong ones do not."""
    text = (conformance_data / "vectors/cryptography-vectors/ecdsa_rfc6979.txt").read_text()
    pem = re.search(
        r"^PublicKey=P-256_PUB\n(-----BEGIN.*?-----END PUBLIC KEY-----)", text, re.MULTILINE | re.DOTALL
    ).group(1)
    key = serialization.load_pem_public_key(pem.encode())
    good = 0
    blocks = [
        dict(re.findall(r"^(\w+) = (.*)$", block, re.MULTILINE))
        for block in text.split("\n\n")
        if "\nKey = P-256_PUB" in block
    ]
    for block in blocks:
        r, s = utils.decode_dss_signature(bytes.fromhex(block["Output"]))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        message = block["Input"].strip('"').encode()
        if block["DigestVerify"] == "SHA256" and "Result" not in block:
            verify(key, signature, message)
            good += 1
        else:
            with pytest.raises(SignatureError):
                verify(key, signature, message)

    record_property("cases", len(blocks))
    record_property("left_out", "other curves: their keys are outside the pinned list")
    assert (20, 2) == (len(blocks), good)


RFC_SIGNATURES = {
    "RFC 7515 A.3": (
        ec.EllipticCurvePublicNumbers(
            int.from_bytes(from_base64url("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"), "big"),
            int.from_bytes(from_base64url("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"), "big"),
            ec.SECP256R1(),
        ).public_key(),
        "eyJhbGciOiJFUzI1NiJ9",
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    ),
    "RFC 8037 A.4": (
        ed25519.Ed25519PublicKey.from_public_bytes(
            from_base64url("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
        ),
        "eyJhbGciOiJFZERTQSJ9",
        "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    ),
}
"""Key, header, payload and signature of the examples whose algorithm is one of ours."""


@pytest.mark.parametrize("name", RFC_SIGNATURES)
def test_examples_of_jws_that_are_signed_as_we_sign(name):
    """The octets of ES256 (RFC 7515) and Ed25519 (RFC 8037) signatures are the ones that we make and take."""
    key, protected, payload, signature = RFC_SIGNATURES[name]
    octets = signing_input(protected.encode(), payload.encode())

    verify(key, from_base64url(signature), octets)
    with pytest.raises(SignatureError):
        verify(key, from_base64url(signature), octets + b"A")
    _require_refused(f"{protected}.{payload}.{signature}")


@pytest.mark.conformance_set("vectors/jose-cookbook-rfc7520")
def test_cookbook_ed25519_holds_as_octets(conformance_data):
    """The cookbook's Ed25519 signature holds over its text; as a ``gb-sig`` it is refused by its name, EdDSA."""
    file = conformance_data / "vectors/jose-cookbook-rfc7520/curve25519/jws.json"
    case = json.loads(file.read_text())
    key = ed25519.Ed25519PublicKey.from_public_bytes(from_base64url(case["input"]["key"]["x"]))
    protected, payload, signature = case["output"]["compact"].split(".")

    verify(key, from_base64url(signature), signing_input(protected.encode(), payload.encode()))


ML_DSA = (mldsa.MLDSA44PrivateKey, mldsa.MLDSA65PrivateKey, mldsa.MLDSA87PrivateKey)


@pytest.mark.parametrize("key_class", ML_DSA)
def test_ml_dsa_hedged_signatures_without_a_context(key_class):
    """We sign hedged, so no two signatures are alike, and each holds; one under a context does not (FIPS 204, 5.2)."""
    key = key_class.from_seed_bytes(bytes(range(32)))
    first, second = sign(key, b"text"), sign(key, b"text")

    assert first != second
    for one in (first, second):
        verify(key.public_key(), one, b"text")
    key.public_key().verify(first, b"text", b"")
    with pytest.raises(SignatureError):
        verify(key.public_key(), key.sign(b"text", b"context"), b"text")


def test_every_file_of_the_vectors_is_accounted_for(conformance_data):
    """Each file, or each folder of many, is named in the README beside what is done with it, or why nothing is."""
    readme = (Path(__file__).parent / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `([^`]+)` \|", readme, re.MULTILINE)
    folder = conformance_data / "vectors"
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}

    assert [] == [name for name in named if not any(fnmatch.fnmatch(file, name) for file in files)]
    assert [] == sorted(file for file in files if not any(fnmatch.fnmatch(file, name) for name in named))
