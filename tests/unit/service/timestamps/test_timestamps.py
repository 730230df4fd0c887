"""Asking a real openssl authority over HTTP, and what else a server may answer."""

import asyncio
import subprocess
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from asn1crypto import tsp
from cryptography.hazmat.primitives.serialization import Encoding
from rfc3161_client import VerifierBuilder, decode_timestamp_response

from govbus.errors import ConfigError, TimestampError, TransportError
from govbus.message_log.timestamp import REPLY_TYPE, TIMESTAMP_BYTES_MAX, Timestamp
from govbus.service.openssl_tsa import CERTIFICATE_FILE, CHAIN_FILE, POLICY, OpensslTsa
from govbus.service.timestamps import TimestampAuthority, authority_of, read_anchors
from govbus.settings import TimestampAuthoritySettings
from govbus.testing.tsa import YEAR_MS, FakeTsa

TEXT = b"bus.example/log/heads\n7\nroot\n"


@pytest.fixture(scope="module", params=["p256", "rsa", "p256 with chain"])
def tsa(request, tmp_path_factory):
    kind, *rest = request.param.split(" ", 1)
    folder = tmp_path_factory.mktemp("tsa")
    with OpensslTsa(folder, key_kind=kind, sends_chain=bool(rest)) as authority:
        yield authority


def openssl_says(folder, text, der, *arguments):
    (folder / "text").write_bytes(text)
    (folder / "resp.tsr").write_bytes(der)
    done = subprocess.run(
        ["openssl", "ts", "-verify", "-data", "text", "-in", "resp.tsr", *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return "Verification: OK" in done.stdout + done.stderr and done.returncode == 0


@asynccontextmanager
async def server(answer):
    app = web.Application()
    app.router.add_post("/", answer)
    app.router.add_get("/elsewhere", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = site._server.sockets[0].getsockname()
    try:
        yield f"http://{host}:{port}/"
    finally:
        await runner.cleanup()


async def test_a_stamp_verifies_here_and_by_openssl(tsa, tmp_path):
    """The same bytes satisfy both, and neither takes them for another text."""
    der = await TimestampAuthority("tsa1", tsa.url, tsa.anchors).stamp(TEXT)

    stamp = Timestamp.from_response(der)
    assert stamp.time_ms == stamp.verify(TEXT, tsa.anchors, policies=[POLICY])
    assert 1000 == stamp.accuracy_ms
    assert openssl_says(tmp_path, TEXT, der, "-CAfile", tsa.ca_file)
    assert not openssl_says(tmp_path, TEXT + b"x", der, "-CAfile", tsa.ca_file)
    with pytest.raises(TimestampError, match="another text"):
        stamp.verify(TEXT + b"x", tsa.anchors)


@pytest.mark.parametrize("hash_name", ["sha384", "sha512"])
async def test_a_stronger_imprint_can_be_asked_for(tsa, tmp_path, hash_name):
    """What is stamped before SHA-256 falls must not hang on SHA-256."""
    der = await TimestampAuthority("tsa1", tsa.url, tsa.anchors).stamp(TEXT, hash_name=hash_name)

    assert hash_name == Timestamp.from_response(der).hash_name
    assert openssl_says(tmp_path, TEXT, der, "-CAfile", tsa.ca_file)


async def test_every_stamp_has_its_own_serial(tsa):
    """Two requests at the same time get two tokens."""
    authority = TimestampAuthority("tsa1", tsa.url, tsa.anchors)
    first, second = [Timestamp.from_response(await authority.stamp(TEXT)) for _ in range(2)]

    assert first.serial != second.serial


async def test_a_stamp_of_an_authority_that_is_not_trusted_is_refused(tsa):
    """The chain is checked before anything is returned, and the error names the authority as configured."""
    with pytest.raises(TimestampError, match="timestamp authority tsa1: no chain leads"):
        await TimestampAuthority("tsa1", tsa.url, FakeTsa.make().anchors).stamp(TEXT)
    with pytest.raises(TimestampError, match="policy"):
        await TimestampAuthority("tsa1", tsa.url, tsa.anchors, policies=["1.2.3"]).stamp(TEXT)


async def test_an_authority_that_is_down_is_told_apart_from_one_that_lies(tsa):
    """Out of order, and back again: an outage ends by itself."""
    authority = TimestampAuthority("tsa1", tsa.url, tsa.anchors)
    tsa.is_out_of_order = True
    try:
        with pytest.raises(TransportError, match="HTTP 503"):
            await authority.stamp(TEXT)
    finally:
        tsa.is_out_of_order = False
    assert await authority.stamp(TEXT)


async def test_a_server_that_is_not_there_is_an_outage():
    """And a password in the URL is not shown."""
    authority = TimestampAuthority("tsa1", "http://user:secret@127.0.0.1:9/", [], timeout_s=2)

    with pytest.raises(TransportError) as caught:
        await authority.stamp(TEXT)
    assert "tsa1" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"status": 404, "content_type": REPLY_TYPE}, "HTTP 404"),
        ({"content_type": "text/html", "body": b"<html>"}, "text/html"),
        ({"content_type": REPLY_TYPE, "body": bytes(TIMESTAMP_BYTES_MAX + 1)}, "65536"),
        ({"status": 302, "headers": {"Location": "/elsewhere"}}, "HTTP 302"),
    ],
    ids=["not found", "a web page", "too long", "sent elsewhere"],
)
async def test_an_answer_that_is_no_reply_is_an_outage(options, word):
    """Status, type and size are bounded before anything is read."""

    async def answer(_):
        return web.Response(**options)

    async with server(answer) as url:
        with pytest.raises(TransportError, match=word):
            await TimestampAuthority("tsa1", url, []).stamp(TEXT)


async def test_an_answer_that_does_not_come_is_an_outage():
    """The bound on time holds."""
    given_up = asyncio.Event()

    async def answer(_):
        await given_up.wait()
        return web.Response()

    async with server(answer) as url:
        with pytest.raises(TransportError, match="TimeoutError"):
            await TimestampAuthority("tsa1", url, [], timeout_s=0.1).stamp(TEXT)
        given_up.set()


@pytest.mark.parametrize(
    ("kept", "word"),
    [
        ({"nonce": 1}, "another request"),
        ({}, "another request"),
        ({"text": b"another", "keeps_nonce": True}, "another text"),
    ],
    ids=["a nonce of its own", "no nonce", "another text"],
)
async def test_an_answer_to_another_request_is_refused(kept, word):
    """An authority, or whoever stands between, cannot answer with an old token or one for something else."""
    fake = FakeTsa.make()

    async def answer(request):
        asked = tsp.TimeStampReq.load(await request.read()).native
        nonce = asked["nonce"] if kept.get("keeps_nonce") else kept.get("nonce")
        body = fake.response(kept.get("text", TEXT), 30 * YEAR_MS, nonce=nonce)
        return web.Response(body=body, content_type=REPLY_TYPE)

    async with server(answer) as url:
        with pytest.raises(TimestampError, match=word):
            await TimestampAuthority("tsa1", url, fake.anchors).stamp(TEXT)


async def test_an_answer_by_a_weaker_hash_is_refused():
    """Asked for SHA-512, an authority may not answer over SHA-256."""
    fake = FakeTsa.make()

    async def answer(request):
        nonce = tsp.TimeStampReq.load(await request.read()).native["nonce"]
        return web.Response(body=fake.response(TEXT, 30 * YEAR_MS, nonce=nonce), content_type=REPLY_TYPE)

    async with server(answer) as url:
        authority = TimestampAuthority("tsa1", url, fake.anchors)
        assert await authority.stamp(TEXT)
        with pytest.raises(TimestampError, match="asked for sha512, got sha256"):
            await authority.stamp(TEXT, hash_name="sha512")


async def test_a_request_that_openssl_refuses_is_told(tsa):
    """A real refusal, with its reason."""
    config = tsa.folder / "openssl.cnf"
    before = config.read_text(encoding="utf-8")
    config.write_text(before.replace("digests = sha256,", "digests ="), encoding="utf-8")
    try:
        with pytest.raises(TimestampError, match="refused: rejection, bad_alg"):
            await TimestampAuthority("tsa1", tsa.url, tsa.anchors).stamp(TEXT)
    finally:
        config.write_text(before, encoding="utf-8")


async def test_tokens_verify_by_another_implementation(tsa):
    """Sigstore's client accepts what is accepted here; where a chain is sent, it stops at the order of the set."""
    der = await TimestampAuthority("tsa1", tsa.url, tsa.anchors).stamp(TEXT)
    if len(Timestamp.from_response(der).certificates) > 1:
        with pytest.raises(ValueError, match="InvalidSetOrdering"):
            decode_timestamp_response(der)
        return
    verifier = VerifierBuilder().add_root_certificate(tsa.anchors[0]).build()

    assert verifier.verify_message(decode_timestamp_response(der), TEXT)


@pytest.mark.parametrize("hash_name", ["sha256", "sha512"])
def test_openssl_and_we_agree_about_tokens_of_other_times(tmp_path, hash_name):
    """A token of 2000 under a root that still holds: good at its own time for both; turned by one bit for none."""
    fake = FakeTsa.make(not_before_ms=29 * YEAR_MS, not_after_ms=31 * YEAR_MS, hash_name=hash_name)
    der = fake.response(TEXT, 30 * YEAR_MS)
    (tmp_path / "ca.pem").write_bytes(fake.root.certificate.public_bytes(Encoding.PEM))
    at = ("-CAfile", "ca.pem", "-attime", str(30 * YEAR_MS // 1000))

    assert 30 * YEAR_MS == Timestamp.from_response(der).verify(TEXT, fake.anchors)
    assert openssl_says(tmp_path, TEXT, der, *at)
    assert not openssl_says(tmp_path, TEXT, der, "-CAfile", "ca.pem")
    turned = der[:-1] + bytes([der[-1] ^ 1])
    assert not openssl_says(tmp_path, TEXT, turned, *at)
    with pytest.raises(TimestampError, match="signature"):
        Timestamp.from_response(turned).verify(TEXT, fake.anchors)


async def test_an_authority_is_made_from_settings(tsa):
    """Name, URL, root, and certificates between."""
    settings = TimestampAuthoritySettings(
        name="tsa1",
        url=tsa.url,
        ca_file=tsa.ca_file,
        chain_file=tsa.folder / CHAIN_FILE,
        policies=(POLICY,),
    )

    authority = authority_of(settings)

    assert ("tsa1", tsa.anchors) == (authority.name, authority.anchors)
    assert await authority.stamp(TEXT)


def test_files_without_certificates_are_told(tmp_path):
    """A missing file, and one with something else in it."""
    for name, octets in (("missing.pem", None), ("other.pem", b"no certificate")):
        if octets is not None:
            (tmp_path / name).write_bytes(octets)
        with pytest.raises(ConfigError, match=name):
            read_anchors(tmp_path / name)


def test_an_authority_keeps_its_keys(tmp_path):
    """Opened again, the folder gives the same authority, and its private key is for its owner alone."""
    with OpensslTsa(tmp_path) as first:
        anchors = first.anchors
        with pytest.raises(ConfigError, match="expected one of"):
            OpensslTsa(tmp_path / "other", key_kind="dsa")
    with OpensslTsa(tmp_path) as second:
        assert anchors == second.anchors
    with pytest.raises(ConfigError, match="not running"):
        _ = second.url
    assert 0o600 == (tmp_path / "tsa.key.pem").stat().st_mode & 0o777
    assert read_anchors(tmp_path / CERTIFICATE_FILE)
