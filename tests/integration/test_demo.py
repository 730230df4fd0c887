"""The demo on a real Kafka, and the commands for people on what it leaves."""

import json
import shlex
import shutil

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
    "evidence",
]


def test_demo_and_what_to_try_next(tmp_path):
    """The demo counts up, its log verifies, and everything that it proposes to try works on what it left."""
    folder = tmp_path / "demo"
    govbus = commands_in(folder, timeout_s=240)

    try:
        summary = govbus("demo", "--folder", str(folder), "--persons", "60", "--bad", "88", "--keep")
        report = json.loads((folder / "report.json").read_text())
        authority = str(folder / "directory" / "certificates" / "authority.pem")
        proposed = [shlex.split(line)[1:] for line in summary.splitlines() if line.startswith("  govbus ")]
        tried = {" ".join(one[:2]): govbus(*one) for one in proposed if one[0] != "trace"}
        traced, erased = [one[1] for one in proposed if one[0] == "trace"]
        trace, trace_of_erased = govbus("trace", traced), govbus("trace", erased)
        listed = govbus("inbox", "list", "civil-registry.example", "--receipts")
        shown = govbus("inbox", "show", "population-register.example", traced, "--authority", authority)
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
    assert report["published"] == report["log_entries"]
    _check_evidence(report["evidence"], report["log_entries"] + 1)
    assert {traced, erased} == {
        report["evidence"]["bundle"]["document"],
        report["evidence"]["erasure"]["document"],
    }
    assert ["audit verify", "inbox list", "verify " + str(folder / "evidence.zip"), "witness show"] == sorted(
        tried
    )
    assert tried[f"verify {folder / 'evidence.zip'}"].splitlines()[-1].startswith("verified")
    assert "not covered      0 entries" in tried["audit verify"]
    assert "The log verifies" in tried["audit verify"]
    assert "bus.example/log/heads: size" in tried["witness show"]
    for word in ("spooled", "published", "accepted", "delivered", "duplicate", "receipt"):
        assert word in trace
    assert "records in the inbox of civil-registry.example" in listed
    assert "verified: signatures, hashes, schema and agreement hold" in shown
    assert "every document has its decision" in doctor
    assert "Example Court" in trace_of_erased
    assert "delivered" not in trace_of_erased
    assert "" == missing


def _check_evidence(evidence, entries):
    """Everything is covered, archived, handed over and checked, and one value is gone."""
    has_openssl = shutil.which("openssl") is not None
    assert [entries, entries] == [evidence["log_entries"], evidence["cosigned_entries"]]
    assert ["court", "state-archive"] == evidence["witnesses"]
    assert has_openssl == evidence["timestamp_authority"] == (evidence["timestamps"] > 0)
    assert (entries if has_openssl else 0) == evidence["stamped_entries"]
    assert evidence["archive"]["verified"] is True
    assert 2 == evidence["archive"]["segments"]
    assert evidence["bundle"]["verified"] is True
    assert ("verified" if has_openssl else "not run") == evidence["bundle"]["verify_sh"]
    assert evidence["erasure"]["erased"] is True
