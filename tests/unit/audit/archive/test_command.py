"""``govbus archive``: exit codes and reports, for people and for machines."""

import json

import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner

from govbus.audit.archive import layout
from govbus.audit.archive.reader import Archive
from govbus.cli import app
from govbus.message_log.keys import LogKeys
from govbus.service.archive import writing
from govbus.service.archive.segments import Written


@pytest.fixture
async def given(bus, tmp_path):
    """An archive of two segments, and the options that trust its keys."""
    for _ in range(2):
        await bus.go_on()
        await bus.archive(tmp_path / "archive")
    for name, pem in zip(layout.LOG_KEY_FILES, bus.keys.public.to_pem(), strict=True):
        (tmp_path / name).write_bytes(pem)
    (certificate,) = bus.authority
    pem = x509.load_der_x509_certificate(certificate.der).public_bytes(Encoding.PEM)
    (tmp_path / "authority.pem").write_bytes(pem)
    return tmp_path / "archive", ["--log-keys", str(tmp_path), "--authority", str(tmp_path / "authority.pem")]


def _run(*arguments):
    return CliRunner().invoke(app, ["archive", *map(str, arguments)])


async def test_verify(given):
    """A whole archive gives exit code 0, for all of it or some segments."""
    folder, trust = given
    whole = _run("verify", folder, *trust, "--processes", 1, "--json")
    some = _run("verify", folder, *trust, "--processes", 1, "--segment", "2..2", "--json")

    assert (0, 0) == (whole.exit_code, some.exit_code)
    assert [1, 2] == json.loads(whole.stdout)["segments"]
    assert [2, 2] == json.loads(some.stdout)["segments"]


async def test_verify_finds(given):
    """An archive that was changed gives exit code 1, and names the file."""
    folder, trust = given
    (folder / "segments/00000001/documents").write_bytes(b"other")
    done = _run("verify", folder, *trust, "--processes", 1)

    assert 1 == done.exit_code
    assert "segments/00000001/documents" in done.stdout


@pytest.mark.parametrize("segment", ["3", "1..3", "0", "2..1", "x", "1-2"])
async def test_verify_nothing(given, segment):
    """Segments that are not there, or cannot be read as such, give exit code 2."""
    folder, trust = given

    assert 2 == _run("verify", folder, *trust, "--segment", segment).exit_code


async def test_import(given, tmp_path):
    """An import gives exit code 0, also again; a fork is refused with 2; a source that is not whole gives 1."""
    folder, trust = given
    codes = [_run("import", folder, tmp_path / "copy", *trust, "--processes", 1).exit_code for _ in range(2)]
    (folder / "segments/00000002/documents").write_bytes(b"other")
    codes.append(_run("import", folder, tmp_path / "elsewhere", *trust, "--processes", 1).exit_code)
    (folder / "segments/00000002/manifest").write_bytes(
        (folder / "segments/00000002/manifest").read_bytes().replace(b"missing 0", b"missing 1")
    )
    codes.append(_run("import", folder, tmp_path / "copy", *trust, "--processes", 1).exit_code)

    assert [0, 0, 1, 2] == codes
    assert [1, 2] == Archive(tmp_path / "copy").numbers


@pytest.mark.parametrize("every", ["", "6", "h", "0h", "6w", "-1h"])
def test_every(tmp_path, every):
    """A span that cannot be read gives exit code 2 before anything is done."""
    done = _run("write", tmp_path, "--bus", "bus.example", "--log-keys", tmp_path, "--every", every)

    assert 2 == done.exit_code
    assert "--every" in done.output


def test_write_prints_its_report_alone(tmp_path, monkeypatch):
    """A warning on the way, such as of a timestamp that is missing, does not stand before the JSON."""

    async def write_archive(*_, **__):
        structlog.get_logger("archive").warning("no timestamp covers the segment yet")
        return Written(segments=1, entries=5, unproven=1)

    monkeypatch.setattr(writing, "write_archive", write_archive)
    monkeypatch.setenv("GOVBUS_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1")
    for name, pem in zip(layout.LOG_KEY_FILES, LogKeys.generate().public.to_pem(), strict=True):
        (tmp_path / name).write_bytes(pem)
    logging_before = structlog.get_config()
    try:
        done = _run("write", tmp_path / "a", "--bus", "bus.example", "--log-keys", tmp_path, "--json")
    finally:
        structlog.configure(**logging_before)

    assert 0 == done.exit_code
    assert (1, 5) == (json.loads(done.stdout)["segments"], json.loads(done.stdout)["entries"])
    assert "no timestamp covers the segment yet" in done.stderr
