"""The commands of agency and auditor: receipts kept in a file give away a tail that was dropped."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from govbus.cli import app
from govbus.cli.public_keys import ED25519_PUBLIC, ML_DSA_PUBLIC
from govbus.service import wiring
from govbus.testing import example_keys

from .bus import LAND
from .operator import Operator


@pytest.fixture
def files(bus, tmp_path, monkeypatch):
    """What the agency kept, what the auditor holds, and the archive that the operator wrote after he dropped a tail."""
    monkeypatch.setattr(wiring, "transport_of", lambda *_, **__: bus.transport())
    kept = CliRunner().invoke(app, ["inbox", "receipts", LAND.text, "--output", str(tmp_path / "kept")])
    assert (0, f"wrote 3 receipts to {tmp_path / 'kept'}") == (kept.exit_code, kept.stdout.strip())
    operator = Operator(bus)
    operator.drop_tail(LAND)
    operator.sign_again()
    (tmp_path / "archive").mkdir()
    asyncio.run(bus.archive(tmp_path / "archive"))
    (tmp_path / "keys").mkdir()
    pems = bus.stage.log_keys.public.to_pem()
    for name, pem in zip((ED25519_PUBLIC, ML_DSA_PUBLIC), pems, strict=True):
        (tmp_path / "keys" / name).write_bytes(pem)
    (tmp_path / "authority.pem").write_bytes(example_keys.authority().certificate_pem)
    return tmp_path


def _verify(files, *options):
    arguments = ["audit", "verify", "--log-keys", str(files / "keys"), "--archive", str(files / "archive")]
    arguments += ["--authority", str(files / "authority.pem"), "--processes", "1", "--json"]
    return CliRunner().invoke(app, [*arguments, *options])


def test_without_receipts_nothing_is_found(files):
    """By the operator's word alone the archive verifies, and the report counts what only he vouches for."""
    done = _verify(files)

    report = json.loads(done.stdout)
    assert (0, 31, 31) == (done.exit_code, report["log_entries"], report["operator_only"])


def test_with_receipts_the_dropped_document_is_named(files):
    """Exit code 1, and the finding names origin and index; the other receipts vouch for what they are about."""
    done = _verify(files, "--receipts", str(files / "kept"))

    assert 1 == done.exit_code
    report = json.loads(done.stdout)
    assert [("receipt", "held receipt", "land.example/main", 6)] == [
        (one["check"], one["topic"], one["origin"], one["index"]) for one in report["findings"]
    ]
    assert [("receipts", "land.example", 6)] == [
        (one["material"], one["by"], one["entries"]) for one in report["coverage"]
    ]


@pytest.mark.parametrize("level", ["evidence", "full"])
def test_what_cannot_be_compared(files, level):
    """Receipts on the level of evidence, or a file that is none of receipts: exit code 2, nothing is established."""
    (files / "noise").write_bytes(b"\x00\x00\x00\x05noise")
    name = {"evidence": "kept", "full": "noise"}[level]
    done = _verify(files, "--level", level, "--receipts", str(files / name))

    assert (2, "") == (done.exit_code, done.stdout)
    assert ("--level full" if level == "evidence" else "follow docs/specs/archive.md") in done.stderr
