"""`govbus audit verify` and `fsck` on an archive: options, output and exit codes."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from govbus.audit.archive import layout
from govbus.audit.archive.values import frames_of, pack_frame
from govbus.cli import app
from govbus.cli.public_keys import ED25519_PUBLIC, ML_DSA_PUBLIC
from govbus.testing import example_keys
from tests.unit.audit.archive.conftest import ArchiveBus


@pytest.fixture
def files(tmp_path):
    """An archive, and what an auditor holds."""

    async def make():
        bus = await ArchiveBus().start()
        await bus.send(5)
        await bus.route()
        await bus.sign()
        await bus.archive(tmp_path / "archive")
        return bus

    bus = asyncio.run(make())
    keys = tmp_path / "keys"
    keys.mkdir()
    for name, pem in zip((ED25519_PUBLIC, ML_DSA_PUBLIC), bus.keys.public.to_pem(), strict=True):
        (keys / name).write_bytes(pem)
    (tmp_path / "authority.pem").write_bytes(example_keys.authority().certificate_pem)
    return tmp_path


def _run(files, command, *options):
    arguments = ["audit", command, "--log-keys", str(files / "keys"), "--archive", str(files / "archive")]
    if command == "verify":
        arguments += ["--authority", str(files / "authority.pem")]
    else:
        arguments += ["--bus", "bus.example"]
    return CliRunner().invoke(app, [*arguments, "--processes", "1", *options])


@pytest.mark.parametrize("options", [("verify",), ("verify", "--level", "evidence"), ("fsck",)])
def test_whole_archive(files, options):
    """An archive as it was written ends with exit code 0 and says what was established."""
    done = _run(files, *options)

    assert 0 == done.exit_code, done.output
    assert "The log verifies" in done.stdout


def test_json(files):
    """With --json, standard output is one JSON object."""
    done = _run(files, "verify", "--json", "--since", "2026-01-01T00:00:00Z", "--agency", "tax.example")

    report = json.loads(done.stdout)
    assert (True, 5, 5) == (report["log_verified"], report["log_entries"], report["operator_only"])
    assert any("checked: from 2026-01-01" in note for note in report["notes"])


def test_findings(files):
    """A value that was changed ends with exit code 1 and is named with its place."""
    path = files / "archive" / layout.segment_path(1) / layout.VALUES
    frames = list(frames_of(path.read_bytes()))
    frames[3] = frames[3][:-1] + bytes([frames[3][-1] ^ 1])
    path.write_bytes(b"".join(map(pack_frame, frames)))

    done = _run(files, "verify", "--level", "evidence")
    assert 1 == done.exit_code
    assert "value: govbus.log/0 entry 3 (tax.example/main index 3)" in done.stdout


@pytest.mark.parametrize(
    "options",
    [
        ("--since", "yesterday"),
        ("--agency", "no.such"),
        ("--policy", "MISSING"),
        ("--tsa-ca", "KEYS"),
        ("--checkpoint", "MISSING"),
    ],
)
def test_what_cannot_be_checked(files, options):
    """What cannot be read, or does not fit, ends with exit code 2 and says why on standard error."""
    name, value = options
    value = {"MISSING": str(files / "missing"), "KEYS": str(files / "keys" / ED25519_PUBLIC)}.get(
        value, value
    )

    done = _run(files, "verify", name, value)
    assert 2 == done.exit_code
    assert "govbus: " in done.stderr
