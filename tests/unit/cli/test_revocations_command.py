"""``govbus revocations`` on a broker in memory."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from govbus.cli import revocations as command
from govbus.document import topics
from govbus.errors import ConfigError, UntrustedKeyError
from govbus.service import wiring
from govbus.service.directory.publishing import publish_directory
from govbus.service.processes import clock_ms
from govbus.signing.issuing import CertificateAuthority
from govbus.signing.signer import KeySigner
from govbus.testing import example_keys
from govbus.testing.example_bus import ExampleBus
from govbus.transport.base import TopicSpec
from govbus.transport.memory import MemoryTransport

DAY_MS = 86_400_000


@pytest.fixture
def authority_file(tmp_path, monkeypatch):
    """A bus that wants the status of all certificates; the file of its governing authority."""
    transport = MemoryTransport()
    monkeypatch.setattr(wiring, "transport_of", lambda *_, **__: transport)
    now_ms = clock_ms()
    root = CertificateAuthority.create("Governing authority", at_ms=now_ms - DAY_MS)
    key = root.issue("authority", not_before_ms=now_ms - DAY_MS, not_after_ms=now_ms + DAY_MS)
    file = tmp_path / "authority.pem"
    file.write_bytes(key.certificate_pem)

    async def publish():
        administrator = transport.administrator()
        await administrator.start()
        await administrator.create_topics(
            [TopicSpec(name, 1, 1, {}) for name in (topics.DIRECTORY, topics.REVOCATIONS)]
        )
        await administrator.stop()
        signer = KeySigner.from_pem(key.key_pem, key.certificate_pem, kid="authority")
        bus = ExampleBus.of({"bus": {"revocation": {"mode": "required"}}})
        await publish_directory(transport, bus.files, signer, authority=(), at_ms=now_ms)

    asyncio.run(publish())
    return file


def run(*arguments):
    return CliRunner().invoke(command.app, list(map(str, arguments)), catch_exceptions=False)


def crl(days=1):
    return example_keys.authority().crl(this_update_ms=clock_ms(), next_update_ms=clock_ms() + days * DAY_MS)


def test_import_and_list(authority_file, tmp_path):
    """What nobody has said anything about is unknown; an imported list makes it good, once."""
    before = run("list", "--authority", authority_file, "--json")
    assert 1 == before.exit_code
    assert {"unknown"} == {one["state"] for one in json.loads(before.output)["certificates"]}
    (tmp_path / "list.crl").write_bytes(crl())
    assert (
        "published, by CN=Example root"
        in run("import", tmp_path / "list.crl", "--authority", authority_file).output
    )
    assert "known already" in run("import", tmp_path / "list.crl", "--authority", authority_file).output
    after = run("list", "--authority", authority_file, "--json")
    assert 0 == after.exit_code
    found = json.loads(after.output)
    assert (1, {"good"}) == (found["records"], {one["state"] for one in found["certificates"]})
    table = run("list", "--authority", authority_file)
    assert "CN=tax.example" in table.output
    assert "1 records of revocation material" in table.output


def test_pem_is_imported_too(authority_file, tmp_path):
    """Authorities hand out lists in either form."""
    import base64

    text = base64.encodebytes(crl()).decode()
    (tmp_path / "list.pem").write_text(f"-----BEGIN X509 CRL-----\n{text}-----END X509 CRL-----\n")
    assert "published" in run("import", tmp_path / "list.pem", "--authority", authority_file).output


def test_list_of_a_stranger_is_not_published(authority_file, tmp_path):
    """What no authority of the directory answers for stays where it is."""
    stranger = CertificateAuthority.create("Stranger", at_ms=clock_ms())
    times = {"this_update_ms": clock_ms(), "next_update_ms": clock_ms() + DAY_MS}
    (tmp_path / "list.crl").write_bytes(stranger.crl(**times))
    with pytest.raises(UntrustedKeyError, match="CN=Stranger, not by CN=Example root"):
        run("import", tmp_path / "list.crl", "--authority", authority_file)


@pytest.mark.parametrize("content", [None, b"-----BEGIN X509 CRL-----\nx\n-----END X509 CRL-----\n"])
def test_file_that_cannot_be_read(authority_file, tmp_path, content):
    """A file that is missing or broken is named."""
    if content is not None:
        (tmp_path / "list.crl").write_bytes(content)
    with pytest.raises(ConfigError, match="cannot be read|expected a revocation list"):
        run("import", tmp_path / "list.crl", "--authority", authority_file)


def test_late_and_stale(authority_file, tmp_path):
    """A status within the grace is late, beyond it stale, and both are said by the exit code."""
    for days, state in ((-3, "stale"), (-0.5, "late")):
        now_ms = clock_ms()
        der = example_keys.authority().crl(
            this_update_ms=now_ms - 5 * DAY_MS, next_update_ms=now_ms + int(days * DAY_MS)
        )
        (tmp_path / "list.crl").write_bytes(der)
        run("import", tmp_path / "list.crl", "--authority", authority_file)
        found = run("list", "--authority", authority_file, "--json")
        assert 1 == found.exit_code
        assert {state} == {one["state"] for one in json.loads(found.output)["certificates"]}
