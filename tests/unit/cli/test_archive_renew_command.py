"""``govbus archive renew`` and ``rehash`` against a real authority over HTTP."""

import json

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner

from govbus.cli.archive import app
from govbus.message_log.heads import TIMESTAMP_KEY
from govbus.service.openssl_tsa import OpensslTsa
from govbus.service.processes import clock_ms
from govbus.testing.tsa import FakeTsa
from tests.unit.audit.archive.conftest import ArchiveBus

DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def tsa(tmp_path_factory):
    with OpensslTsa(tmp_path_factory.mktemp("tsa"), valid_days=730) as authority:
        yield authority


@pytest.fixture
async def archive(tmp_path):
    """An archive of one segment, stamped by an authority whose certificate ends in 30 days."""
    bus = await ArchiveBus().start()
    now_ms = clock_ms()
    fake = FakeTsa.make(not_after_ms=now_ms + 30 * DAY_MS)
    await bus.send(3)
    await bus.route()
    text = await bus.sign()
    headers = [("gb-checkpoint", text.encode()), ("gb-tsa", b"first")]
    await bus.put("govbus.checkpoints", 0, TIMESTAMP_KEY, fake.response(text.encode(), now_ms), headers)
    await bus.archive(tmp_path / "archive")
    (tmp_path / "first.pem").write_bytes(fake.root.certificate.public_bytes(Encoding.PEM))
    return tmp_path / "archive"


def run(archive, *arguments, code=0):
    result = CliRunner().invoke(
        app, [arguments[0], str(archive), *map(str, arguments[1:])], catch_exceptions=False
    )
    assert code == result.exit_code, result.output
    return result.stdout


def trusted(archive, tsa):
    return "--tsa", tsa.url, "--tsa-ca", tsa.ca_file, "--tsa-ca", archive.parent / "first.pem"


def test_what_is_due_is_renewed_once(archive, tsa):
    """Due in 90 days, renewed by a real authority; afterwards nothing is due, and everything verifies."""
    first = json.loads(run(archive, "renew", *trusted(archive, tsa), "--json"))
    second = json.loads(run(archive, "renew", *trusted(archive, tsa), "--json"))
    checked = json.loads(run(archive, "renew", *trusted(archive, tsa), "--check", "--json"))

    assert (["renewals/00000001"], 1, False) == (first["paths"], first["segments"], first["is_due"])
    assert ([], []) == (second["paths"], second["failures"])
    assert (1, 0, []) == (checked["earlier_renewals"], checked["earlier_rehashes"], checked["problems"])


def test_what_is_due_and_not_renewed_is_told_by_the_exit_code(archive, tsa):
    """An authority that is down, and one that nobody asked."""
    tsa.is_out_of_order = True
    try:
        output = run(archive, "renew", *trusted(archive, tsa), code=1)
    finally:
        tsa.is_out_of_order = False

    assert "HTTP 503" in output
    assert "something is due and was not renewed" in output
    assert "something is due" in run(archive, "renew", *trusted(archive, tsa), "--check", code=1)
    assert not (archive / "renewals").exists()


def test_nothing_is_due_before_its_time(archive, tsa):
    """With fewer days ahead nothing is due; --all renews nevertheless."""
    assert "renewed: 0 segments" in run(archive, "renew", *trusted(archive, tsa), "--due-days", "7")
    assert "renewed: 1 segments" in run(archive, "renew", *trusted(archive, tsa), "--due-days", "7", "--all")


def test_a_renewal_that_changed_is_found(archive, tsa):
    """A file that was renewed and is not what it was: exit code 1, and its name."""
    run(archive, "renew", *trusted(archive, tsa))
    path = archive / "segments/00000001/checkpoints"
    path.write_bytes(path.read_bytes() + b"x")

    assert "wrong: segments/00000001/checkpoints is not what renewal 1 was made over" in run(
        archive, "renew", *trusted(archive, tsa), "--check", code=1
    )


def test_an_archive_is_hashed_again_and_checked(archive, tsa):
    """Under SHA-512, by a real authority; a value that changed afterwards is found."""
    written = json.loads(run(archive, "rehash", *trusted(archive, tsa), "--json"))

    assert ("rehash/00000001", 3) == (written["written"], written["entries"])
    run(archive, "renew", *trusted(archive, tsa), "--check", "--due-days", "7")
    path = archive / "segments/00000001/values"
    path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1]))
    output = run(archive, "renew", *trusted(archive, tsa), "--check", "--due-days", "7", code=1)
    assert "the value of entry 2 is not what was hashed under SHA-512" in output


def test_what_sha256_no_longer_proves_is_not_hashed_again(archive, tsa, monkeypatch):
    """After the certificate under the evidence has ended, SHA-512 would only repeat a claim; nothing is written."""
    ended = FakeTsa.make(not_after_ms=clock_ms() - DAY_MS)
    evidence = archive / "segments/00000001/evidence"
    (stamp,) = evidence.glob("*.tsr")
    (note,) = evidence.glob("*.note")
    text = note.read_text(encoding="utf-8").partition("\n\n")[0] + "\n"
    stamp.write_bytes(ended.response(text.encode(), clock_ms() - 2 * DAY_MS))
    (archive.parent / "first.pem").write_bytes(ended.root.certificate.public_bytes(Encoding.PEM))

    run(archive, "rehash", *trusted(archive, tsa), code=2)

    assert not (archive / "rehash").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("renew",),
        ("renew", "--tsa", "http://127.0.0.1:9/"),
        ("renew", "--tsa-ca", "missing.pem"),
        ("rehash",),
    ],
)
def test_what_cannot_be_checked_has_an_exit_code_of_its_own(archive, arguments, monkeypatch):
    """No authority that is trusted, or a file that cannot be read: nothing was established."""
    monkeypatch.delenv("GOVBUS_MESSAGE_LOG__TIMESTAMP_AUTHORITIES", raising=False)

    run(archive, *arguments, code=2)


def test_authorities_come_from_settings(archive, tsa, monkeypatch):
    """As the log service's do; past roots are added by --tsa-ca."""
    one = {"name": "tsa-a", "url": tsa.url, "ca_file": str(tsa.ca_file)}
    monkeypatch.setenv("GOVBUS_MESSAGE_LOG__TIMESTAMP_AUTHORITIES", json.dumps([one]))

    run(archive, "renew", "--tsa-ca", archive.parent / "first.pem")

    assert (archive / "renewals/00000001/tsa-a.tsr").exists()
