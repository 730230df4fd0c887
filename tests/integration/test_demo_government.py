"""The government scenario on a real Kafka, and the checks that it proposes to try next."""

import json

import pytest

from .commands import commands_in

pytestmark = pytest.mark.kafka

DOCUMENTS = 5
AGREEMENTS = 11
FAMILIES = {
    *("CloudEvents", "FEA DRM", "Avro", "NIEM", "DCAT-US", "Records"),
    *("CUI", "Security", "Privacy", "Identifiers", "Flow", "Limits"),
}
PACKAGES = {
    *("business.registration", "civil.birth", "civil.marriage", "finance.payment-order"),
    *("justice.notarial-act", "justice.traffic-fine", "licensing.licence"),
    *("procurement.award", "procurement.notice"),
}


def test_government(tmp_path):
    """All nine kinds are delivered, every violation is answered by its rule, and the log verifies."""
    folder = tmp_path / "demo"
    govbus = commands_in(folder, timeout_s=180)

    size = ("--documents", str(DOCUMENTS))
    summary = govbus("demo", "--scenario", "government", "--folder", str(folder), *size)
    report = json.loads((folder / "government.json").read_text())
    offline = ("--directory", str(folder / "directory"), "--agreement", "births")
    good = govbus("check", "document", str(folder / "document.json"), *offline)
    wrong = json.loads(
        govbus("check", "document", str(folder / "wrong-document.json"), *offline, "--json", code=2)
    )

    assert [] == report["problems"]
    assert report["log_verified"] is True
    assert PACKAGES == set(report["kinds"])
    assert all(counts["documents"] >= DOCUMENTS for counts in report["kinds"].values())
    assert all(counts["deliveries"] >= counts["documents"] for counts in report["kinds"].values())
    assert FAMILIES == {one["family"] for one in report["rules"]}
    assert {"R", "Q", "W"} == {one["severity"] for one in report["rules"]}
    assert report["refused"] + report["quarantined"] + report["accepted"] == report["log_entries"]
    assert report["accepted"] > DOCUMENTS * AGREEMENTS
    assert all(one["refused"] for one in report["registration"])
    for word in ("civil.birth", "CUI-5", "36 CFR 1236.54", "procurement.notice", "govbus check document"):
        assert word in summary
    assert "would be accepted under agreement births" in good
    assert ["SEC-8"] == [one["rule"] for one in wrong["findings"]]
