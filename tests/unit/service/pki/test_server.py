"""The status server: revocation lists and OCSP over HTTP, with openssl as the asking side."""

from __future__ import annotations

import asyncio
import base64
import subprocess

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from structlog.testing import capture_logs

from govbus.errors import ConfigError
from govbus.service.pki.folder import DAY_MS, AuthorityFolder, AuthorityPlan
from govbus.service.pki.server import serving
from govbus.service.processes import clock_ms
from govbus.signing.algorithms import Algorithm
from govbus.signing.certificates import CertificateRole
from govbus.signing.issuing import private_key_new, request_pem


class Pki:
    """An authority with a good and a revoked certificate."""

    def __init__(self, path) -> None:
        at_ms = clock_ms()
        self.path = path
        self.folder = AuthorityFolder.create(path / "ca", AuthorityPlan("Root", Algorithm.ES256, 365, at_ms))
        for name in ("good", "bad"):
            request = request_pem(private_key_new(Algorithm.ED25519), name)
            pem = self.folder.issue_for_request(request, role=CertificateRole.SEAL, days=30, at_ms=at_ms)
            (path / name).write_bytes(pem)
        self.folder.revoke(
            self.certificate("bad").serial_number,
            revoked_ms=at_ms,
            reason=x509.ReasonFlags.superseded,
            at_ms=at_ms,
        )

    def certificate(self, name: str) -> x509.Certificate:
        return x509.load_pem_x509_certificate((self.path / name).read_bytes())

    def request(self, name: str) -> bytes:
        issuer = x509.load_der_x509_certificate(self.folder.certificate_der())
        builder = ocsp.OCSPRequestBuilder().add_certificate(self.certificate(name), issuer, hashes.SHA1())  # noqa: S303  # RFC 5019
        return builder.build().public_bytes(Encoding.DER)


@pytest.fixture
def pki(tmp_path) -> Pki:
    return Pki(tmp_path)


@pytest.mark.parametrize(("name", "told"), [("good", "good: good"), ("bad", "bad: revoked")])
async def test_openssl_asks_and_believes(pki, name, told):
    """`openssl ocsp` accepts the signature of the responder, and reads the status."""
    async with serving([pki.folder.path], clock_ms, port=0) as url:
        verdict = await asyncio.to_thread(
            subprocess.run,
            ["openssl", "ocsp", "-issuer", "ca/ca.cert.pem", "-cert", name, "-url", f"{url}/ca/ocsp",
             "-CAfile", "ca/chain.pem"],
            cwd=pki.path, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert 0 == verdict.returncode, verdict.stderr
    assert "Response verify OK" in verdict.stderr + verdict.stdout
    assert told in verdict.stdout


async def test_ocsp_by_get(pki):
    """A request in the path, base64 with or without percent-encoding, is answered as a posted one."""
    async with serving([pki.folder.path], clock_ms, port=0) as url, aiohttp.ClientSession() as session:
        encoded = base64.b64encode(pki.request("bad")).decode()
        async with session.get(f"{url}/ca/ocsp/{encoded}") as answer:
            assert "application/ocsp-response" == answer.content_type
            found = ocsp.load_der_ocsp_response(await answer.read())
            assert ocsp.OCSPCertStatus.REVOKED == found.certificate_status
        async with session.get(f"{url}/ca/ocsp/!!!") as answer:
            found = ocsp.load_der_ocsp_response(await answer.read())
            assert ocsp.OCSPResponseStatus.MALFORMED_REQUEST == found.response_status


async def test_what_is_revoked_while_it_serves_is_told(pki):
    """The register and the list are read anew: a revocation needs no restart."""
    async with serving([pki.folder.path], clock_ms, port=0) as url, aiohttp.ClientSession() as session:
        pki.folder.revoke(
            pki.certificate("good").serial_number,
            revoked_ms=clock_ms(),
            reason=x509.ReasonFlags.unspecified,
            at_ms=clock_ms(),
        )
        async with session.post(f"{url}/ca/ocsp", data=pki.request("good")) as answer:
            found = ocsp.load_der_ocsp_response(await answer.read())
        async with session.get(f"{url}/ca/ca.crl") as answer:
            assert "application/pkix-crl" == answer.content_type
            crl = x509.load_der_x509_crl(await answer.read())
    assert ocsp.OCSPCertStatus.REVOKED == found.certificate_status
    assert 2 == len(crl)


async def test_certificates_and_unknown_names(pki):
    """The issuing certificate is served as DER; there is nothing under another name."""
    async with serving([pki.folder.path], clock_ms, port=0) as url, aiohttp.ClientSession() as session:
        async with session.get(f"{url}/ca/ca.cer") as answer:
            assert pki.folder.certificate_der() == await answer.read()
        async with session.get(f"{url}/other/ca.crl") as answer:
            assert 404 == answer.status


async def test_a_list_that_is_out_of_date_is_loud(pki):
    """It is served, because its reader judges it, and an error in the log says what to do."""
    late = lambda: clock_ms() + 400 * DAY_MS  # noqa: E731  # a clock
    async with serving([pki.folder.path], late, port=0) as url, aiohttp.ClientSession() as session:
        with capture_logs() as logs:
            async with session.get(f"{url}/ca/ca.crl") as answer:
                assert 200 == answer.status
            async with session.post(f"{url}/ca/ocsp", data=pki.request("good")) as answer:
                assert 200 == answer.status
    assert [
        "revocation list is out of date", "certificate of the responder has expired",
    ] == [entry["event"] for entry in logs if entry["log_level"] == "error"]  # fmt: skip


async def test_folders_that_cannot_be_served(pki, tmp_path):
    """A folder without an authority, two of one name, and a port that is taken are told."""
    for folders, what in (([tmp_path / "none"], "cannot be read"), ([pki.folder.path] * 2, "same name")):
        with pytest.raises(ConfigError, match=what):
            async with serving(folders, clock_ms, port=0):
                pass
    async with serving([pki.folder.path], clock_ms, port=0) as url:
        with pytest.raises(ConfigError, match="cannot listen"):
            async with serving([pki.folder.path], clock_ms, port=int(url.rsplit(":", 1)[1])):
                pass
