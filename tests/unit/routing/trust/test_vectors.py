"""The vectors of docs/specs/revocations.md: the code decides as they say, and openssl agrees about the material."""

import base64
import json
import runpy
import subprocess
from pathlib import Path

import pytest

from govbus.errors import UntrustedKeyError
from govbus.routing.trust.check import check_status
from govbus.routing.trust.path import issuers_of
from govbus.routing.trust.policy import RevocationMode, RevocationPolicy
from govbus.routing.trust.status import RevocationRecords
from govbus.signing.certificates import Certificate, CertificateRole, TrustedCertificate
from tests.unit.routing.trust.pki import TAX, signature_of

FOLDER = Path(__file__).parents[4] / "schemas" / "vectors"
VECTORS = json.loads((FOLDER / "revocations-v1.json").read_text(encoding="utf-8"))


def der(text):
    return base64.b64decode(text)


def pem(text):
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


def signatures():
    """Return a signature by the vectors' certificate."""
    issuers = issuers_of(
        pem(VECTORS["certificate"]),
        tuple(map(pem, VECTORS["chain"])),
        (pem(VECTORS["anchor"]),),
        CertificateRole.SEAL,
    )
    certificate = Certificate.from_der(der(VECTORS["certificate"]))
    return signature_of(TrustedCertificate(certificate, TAX, None, CertificateRole.SEAL, issuers))


@pytest.fixture(scope="module")
def records():
    """All records of the vectors; what cannot be read counts."""
    taken = RevocationRecords()
    for record in VECTORS["records"]:
        try:
            material = taken.add(der(record["value"]))
        except UntrustedKeyError:
            continue
        assert record["key"] == material.digest
    return taken


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["why"])
def test_decisions(case, records):
    """Each case has the finding that the vectors give, or none."""
    policy = RevocationPolicy(RevocationMode(VECTORS["policy"]["mode"]), VECTORS["policy"]["grace_hours"])
    state = records.state(case["revocations"])
    try:
        found = check_status(
            signatures(), policy, state, time_ms=case["statement_time"], at_ms=case["decided"]
        )
    except UntrustedKeyError as err:
        assert case["finding"] == f"{err.rule} R"
    else:
        assert case["finding"] == " ".join(f"{one.rule} {one.severity.value}" for one in found)


def test_file_is_what_the_generator_writes():
    """The vectors are made, not edited."""
    written = runpy.run_path(str(FOLDER / "generate_revocations.py"))["to_text"]()
    assert written == (FOLDER / "revocations-v1.json").read_text(encoding="utf-8")


def test_by_hand(tmp_path):
    """Stock openssl reads the lists, finds their signatures good, and comes to the same by the first two of them."""
    (tmp_path / "anchor.pem").write_text(pem(VECTORS["anchor"]))
    (tmp_path / "chain.pem").write_text(pem(VECTORS["chain"][0]))
    (tmp_path / "seal.pem").write_text(pem(VECTORS["certificate"]))
    lists = b""
    for number, issuer in ((0, "anchor"), (1, "chain"), (3, "chain")):
        (tmp_path / f"{number}.crl").write_bytes(der(VECTORS["records"][number]["value"]))
        done = _openssl(tmp_path, "crl", "-inform", "DER", "-in", f"{number}.crl", "-CAfile", f"{issuer}.pem")
        assert "verify OK" in done.stderr
        lists += done.stdout.encode() if number < 2 else b""
    (tmp_path / "lists.pem").write_bytes(lists)
    ask = ("verify", "-CAfile", "anchor.pem", "-untrusted", "chain.pem", "-crl_check_all")
    time_s = VECTORS["cases"][1]["statement_time"] // 1000
    done = _openssl(tmp_path, *ask, "-CRLfile", "lists.pem", "-attime", str(time_s), "seal.pem")
    assert "seal.pem: OK" in done.stdout
    late = _openssl(tmp_path, *ask, "-CRLfile", "lists.pem", "-attime", str(time_s + 86_401), "seal.pem")
    assert "CRL has expired" in late.stderr + late.stdout


def _openssl(folder, *arguments):
    return subprocess.run(  # fixed arguments
        ["openssl", *arguments],  # whichever is installed
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
