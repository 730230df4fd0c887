"""The demo on a real Kafka, and the commands for people on what it leaves."""

import json

import pytest

from .commands import commands_in

pytestmark = pytest.mark.kafka

KEYS = [
    "published",
    "accepted",
    "refused",
    "duplicates_answered",
    "delivered",
    "receipts",
    "entities",
    "precision",
    "recall",
    "docs_per_s",
    "latency_p50_ms",
    "latency_p99_ms",
    "log_entries",
    "log_verified",
]


def test_demo_and_what_to_try_next(tmp_path):
    """The demo counts up, its log verifies, and trace, inbox, send, doctor and audit work on what it left."""
    folder = tmp_path / "demo"
    govbus = commands_in(folder, timeout_s=240)

    try:
        summary = govbus("demo", "--folder", str(folder), "--persons", "60", "--bad", "88", "--keep")
        report = json.loads((folder / "report.json").read_text())
        authority = str(folder / "directory" / "certificates" / "authority.pem")
        audit = ("audit", "verify", "--authority", authority, "--log-keys", str(folder / "log-keys"))
        traced = next(line.split()[-1] for line in summary.splitlines() if "govbus trace" in line)
        trace = govbus("trace", traced)
        listed = govbus("inbox", "list", "civil-registry.example", "--receipts")
        shown = govbus("inbox", "show", "population-register.example", traced, "--authority", authority)
        verified = json.loads(govbus(*audit, "--json"))
        doctor = govbus("doctor", "--authority", authority)
        body = ("--set", "body.surname=Smith", "--set", "record.record_id=1")
        profile = ("--profile", str(folder / "civil-registry.example" / "agency.yaml"))
        govbus("send", *body, *profile, "--agreement", "nothing", code=1)
        missing = govbus("trace", "no-such-document", code=1)
    finally:
        govbus("kafka", "stop")

    assert KEYS == list(report)
    assert report["log_verified"] is True
    assert 2 * 60 + 4 == report["accepted"] == report["delivered"]
    assert 88 == sum(report["refused"].values())
    assert 10 <= len(report["refused"])
    assert (25, 1.0) == (report["duplicates_answered"], report["precision"])
    assert report["published"] == report["log_entries"] == verified["log_entries"]
    assert verified["log_verified"] is True
    for word in ("spooled", "published", "accepted", "delivered", "duplicate", "receipt"):
        assert word in trace
    assert "records in the inbox of civil-registry.example" in listed
    assert "verified: signatures, hashes, schema and agreement hold" in shown
    assert "every document has its decision" in doctor
    assert "" == missing
