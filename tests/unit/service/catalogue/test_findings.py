"""REC-1 over a flow: one supplier, one record_id, two documents, and no relation that says why."""

import pytest

from govbus.service.catalogue.findings import flow_findings


def _relation(rel, identifier):
    return {"relations": [{"rel": rel, "id": identifier}]}


def test_a_record_id_used_twice_is_found(bus, database):
    """The later document is named, with the earlier one; the record_id itself is not repeated."""
    bus.send(
        {"record": {"record_id": "R-1"}}, {"record": {"record_id": "R-2"}}, {"record": {"record_id": "R-1"}}
    )
    bus.index(database)

    (found,) = flow_findings(database)

    assert ("REC-1", "W", "record.record_id") == (
        found.finding.rule,
        found.finding.severity.value,
        found.finding.field,
    )
    assert "govbus.out.tax.example/0@2" == str(found.source)
    assert "R-1" not in found.finding.detail
    assert "36 CFR 1236" in found.to_json()["citation"]
    assert found.to_json()["accepted"]


@pytest.mark.parametrize("rel", ["replaces", "isVersionOf"])
def test_a_relation_between_them_explains_it(bus, database, rel):
    """A later document that replaces the record, or is a version of it, is no finding."""
    bus.send({"record": {"record_id": "R-1"}}, {"record": {"record_id": "R-1", **_relation(rel, "R-1")}})
    bus.index(database)

    assert [] == flow_findings(database)


@pytest.mark.parametrize(
    "relations", [_relation("references", "R-1"), _relation("isVersionOf", "R-9")], ids=["kind", "other"]
)
def test_another_relation_does_not(bus, database, relations):
    """A relation of another kind, or to another record, explains nothing."""
    bus.send({"record": {"record_id": "R-1"}}, {"record": {"record_id": "R-1", **relations}})
    bus.index(database)

    assert 1 == len(flow_findings(database))


def test_a_document_may_be_named_by_its_id(bus, database):
    """A relation to the other document's ce_id counts, from the later to the earlier one and the other way."""
    first, second = "018f0000-0000-7000-8000-000000000001", "018f0000-0000-7000-8000-000000000002"
    bus.send(
        {"headers": {"ce_id": first}, "record": {"record_id": "R-1"}},
        {"headers": {"ce_id": second}, "record": {"record_id": "R-1", **_relation("replaces", first)}},
        {
            "headers": {"ce_id": first[:-1] + "3"},
            "record": {"record_id": "R-2", **_relation("isVersionOf", first[:-1] + "4")},
        },
        {"headers": {"ce_id": first[:-1] + "4"}, "record": {"record_id": "R-2"}},
    )
    bus.index(database)

    assert [] == flow_findings(database)


def test_tests_are_compared_with_tests_alone(bus, database):
    """A test document may use the record_id of a real one."""
    test = {"headers": {"ce_testmode": "true", "ce_agreementid": "tax-assessments-test"}}
    decisions = bus.send({"record": {"record_id": "R-1"}}, test | {"record": {"record_id": "R-1"}})
    bus.index(database)

    assert ["accepted"] * 2 == [one.outcome.value for one in decisions], decisions
    assert [] == flow_findings(database)
    bus.send(test | {"record": {"record_id": "R-1"}})
    bus.index(database)
    assert 1 == len(flow_findings(database))
