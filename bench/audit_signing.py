"""Signing throughput: each algorithm from a file, Ed25519 and P-256 from a PKCS#11 token, alone and in batches."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from cryptography.hazmat.primitives import serialization

from govbus.document.ids import AgencyId, Origin
from govbus.service.keys.opening import open_private_key
from govbus.signing.algorithms import Algorithm
from govbus.signing.batch import seal_batch
from govbus.signing.issuing import CertificateAuthority
from govbus.signing.jws import STATEMENT_TYP, sign_detached
from govbus.signing.signer import KeySigner
from govbus.testing.example_archive import AT_MS, BODY_BYTES
from govbus.testing.example_log import DocumentMaker

SECONDS = 1.0
BATCH = 64
PIN, TOKEN = "4711-0815", "bench"
_DAY_MS = 86_400_000
_ORIGIN = Origin(AgencyId("agency-0.example"), "main")
_LIBRARIES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)


def signing_rates():
    """Return documents a second for each signer, one by one and in batches of 64."""
    authority = CertificateAuthority.create("authority", Algorithm.ED25519, at_ms=AT_MS - _DAY_MS)
    issued = {
        algorithm: authority.issue(
            "agency-0.example", algorithm, not_before_ms=AT_MS - _DAY_MS, not_after_ms=AT_MS + _DAY_MS
        )
        for algorithm in (Algorithm.ED25519, Algorithm.ES256, Algorithm.PS256, Algorithm.ML_DSA_44)
    }
    files = {
        algorithm: KeySigner.from_pem(one.key_pem, one.certificate_pem, kid=str(algorithm))
        for algorithm, one in issued.items()
    }
    twin = files[Algorithm.ML_DSA_44]
    chosen = {f"file {algorithm}": [signer] for algorithm, signer in files.items()}
    chosen["file Ed25519 with ML-DSA-44 twin"] = [files[Algorithm.ED25519], twin]
    statements = [
        made.statement
        for made in DocumentMaker(_ORIGIN, [files[Algorithm.ED25519]], AT_MS, b"x" * BODY_BYTES).documents(
            BATCH
        )
    ]
    with tempfile.TemporaryDirectory() as folder:
        for algorithm in (Algorithm.ED25519, Algorithm.ES256):
            signer = _on_token(Path(folder), algorithm, issued[algorithm], files[algorithm])
            if signer is not None:
                chosen[f"pkcs11 (SoftHSM2) {algorithm}"] = [signer]
                chosen[f"pkcs11 (SoftHSM2) {algorithm} with ML-DSA-44 twin"] = [signer, twin]
        return {
            name: {"single": _single(signers, statements), f"batch_{BATCH}": _batched(signers, statements)}
            for name, signers in chosen.items()
        }


def _single(signers, statements):
    def sign():
        for statement in statements[:16]:
            for signer in signers:
                sign_detached(signer, statement, typ=STATEMENT_TYP, at_ms=AT_MS)
        return 16

    return _rate(sign)


def _batched(signers, statements):
    def sign():
        seal_batch(signers, _ORIGIN, 0, statements, at_ms=AT_MS)
        return len(statements)

    return _rate(sign)


def _rate(sign):
    """Return documents a second of one process."""
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < SECONDS:
        done += sign()
    return round(done / (time.perf_counter() - started))


def _on_token(folder, algorithm, issued, in_file):
    """Return the same key on a token of SoftHSM2; None where that is not installed or cannot take it."""
    library = next((path for path in _LIBRARIES if Path(path).exists()), None)
    if library is None or shutil.which("softhsm2-util") is None:
        return None
    tokens, pin = folder / "tokens", folder / "pin"
    if not tokens.exists():
        tokens.mkdir()
        pin.write_text(PIN + "\n")
        (folder / "softhsm2.conf").write_text(f"directories.tokendir = {tokens}\nlog.level = ERROR\n")
        os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
        _util("--init-token", "--free", "--label", TOKEN, "--so-pin", "87654321", "--pin", PIN)
    key = serialization.load_pem_private_key(issued.key_pem, None)
    file = folder / f"{algorithm}.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    name = str(algorithm)
    try:
        _util(
            *("--import", str(file), "--token", TOKEN, "--label", name, "--id", _ids[algorithm], "--pin", PIN)
        )
    except subprocess.CalledProcessError:
        return None
    uri = f"pkcs11:token={TOKEN};object={name}?module-path={library}&pin-source=file:{pin}"
    return KeySigner.of_pair(open_private_key(uri), in_file.certificate, kid=name)


_ids = {Algorithm.ED25519: "A1", Algorithm.ES256: "A2"}


def _util(*arguments):
    subprocess.run(["softhsm2-util", *arguments], check=True, capture_output=True)
