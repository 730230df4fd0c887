"""What a document builder derives, what it takes, and what it asks for."""

import hashlib
from dataclasses import replace

import pytest

from govbus.document.ids import AgencyId, Origin
from govbus.errors import ConfigError, SchemaError
from govbus.routing.directory.model import AgreementStatus
from govbus.service.document_builder import DocumentBuilder, IncompleteDocumentError
from govbus.service.government_agreements import AGREEMENTS
from govbus.service.sending import DocumentText


def built(government, agreement_id, **changes):
    return government.builder(agreement_id).build(
        government.text(agreement_id, **changes), at_ms=government.at_ms
    )


def derived(government, agreement_id, **changes):
    return built(government, agreement_id, **changes).document.metadata


@pytest.mark.parametrize("agreement_id", [agreement["id"] for agreement in AGREEMENTS])
def test_two_fields_are_enough(government, agreement_id):
    """With record_id, description and payload, every other field of the metadata comes from the directory."""
    document, template = built(government, agreement_id)
    agreement = government.directory.agreement(agreement_id)
    record = template.schema.codec.decode(template.encode(document).avro)["record"]

    assert "X-1" == record["title"]
    assert agreement.supplier.text == record["publisher"] == record["creator"]["organization"]
    assert "en" == record["language"]
    assert {
        "c": agreement.impact.c.name,
        "i": agreement.impact.i.name,
        "a": agreement.impact.a.name,
    } == record["sc"]
    assert record["topics"] == [
        {"taxonomy": one.taxonomy, "topic": one.topic}
        for one in government.directory.package(agreement.package.text).topics
    ]
    assert record["data_asset"].startswith(f"{agreement.supplier}/")
    assert record["records_schedule"] is None


def test_what_is_given_stands(government):
    """Whatever the sender says replaces what would be derived."""
    given = {
        "title": "A title",
        "creator": {"name": "Registrar", "organization": "civil-registry.example"},
        "language": "da",
        "sc": {"c": "MOD", "i": "LOW", "a": "LOW"},
    }

    assert given.items() <= derived(government, "births", record=given).items()


def test_asset_of_the_supplier(government):
    """Where the package's data asset is somebody else's, the supplier's own on the same topic is taken."""
    assert "tax.example/refunds" == derived(government, "tax-refunds")["data_asset"]
    record = derived(government, "contractor-payments")

    assert ("procurement.example/invoices", "procurement.example") == (
        record["data_asset"],
        record["publisher"],
    )
    assert (["023:10"], ["023:000"]) == (record["bureau_code"], record["program_code"])


def test_marking_of_the_asset(government):
    """A document from a marked data asset carries its banner and who controls it, unless its sender leaves them out."""
    document = built(government, "tax-refunds").document
    plain = built(government, "tax-refunds", attributes={"cuibanner": ""}).document

    assert "CUI//SP-TAX" == document.attributes["cuibanner"]
    assert "Tax Office" == document.metadata["designation"]["controlled_by"]
    assert "cuibanner" not in plain.attributes
    assert plain.metadata.get("designation") is None


def test_tests_are_marked(government):
    """Documents under an agreement in mode test say that they are tests."""
    assert {"testmode": "true"} == built(government, "licences-test").document.attributes
    assert {} == built(government, "licences").document.attributes


def test_digests(government):
    """Attachments in the payload get their digests; digests that are given stand."""
    given = [{"attachment": "https://notary-chamber.example/a", "alg": "sha-512", "hex": "00" * 64}]
    content = b"Act 1842/2026: formation of Northwind Ferries LLC.\n"

    assert [
        {"attachment": "act-1842-2026.txt", "alg": "sha-256", "hex": hashlib.sha256(content).hexdigest()}
    ] == derived(government, "notarial-acts")["digests"]
    assert given == derived(government, "notarial-acts", record={"digests": given})["digests"]


def test_attributes_of_the_template(government):
    """A document may be stricter or wider than its package: classification, category and access level."""
    attributes = {
        "dataclassification": "internal",
        "datacategory": "non-pii",
        "accesslevel": "restricted public",
    }
    document, template = built(government, "licences", attributes={**attributes, "correlationid": "7"})

    assert ("internal", "non-pii", "restricted public") == (
        template.classification,
        template.category,
        template.access_level,
    )
    assert {"correlationid": "7"} == document.attributes


def test_everything_missing_is_named_at_once(government):
    """What only the sender can say is asked for in one error, each field with its rule."""
    agreement = replace(government.directory.agreement("births"), records_schedule=None)
    builder = DocumentBuilder(government.directory, Origin(agreement.supplier, "main"), agreement)
    text = government.text(
        "births", record={"record_id": None, "description": None, "data_asset": "no.example/x"}
    )
    with pytest.raises(IncompleteDocumentError) as caught:
        builder.build(text, at_ms=government.at_ms)

    assert [
        ("REC-1", "record.record_id"),
        ("REC-4", "record.description"),
        ("LNG-1", "record.language"),
        ("REC-3", "record.access_restriction"),
        ("REC-3", "record.use_restriction"),
        ("DCAT-3", "record.rights"),
        ("REC-2", "record.records_schedule"),
    ] == [(one.rule, one.field) for one in caught.value.missing]
    assert "record.record_id: expected an identifier" in caught.value.message


def test_unclear_asset(government):
    """A supplier with two data assets on the topic is asked which one the record is from."""
    directory = government.directory
    other = replace(directory.asset("procurement.example/invoices"), id="procurement.example/invoices-of-old")
    wider = replace(directory, assets={**directory.assets, other.id: other})
    with pytest.raises(
        IncompleteDocumentError, match=r"record.data_asset: expected the id of the data asset"
    ):
        government.builder("contractor-payments", wider).build(
            government.text("contractor-payments"), at_ms=government.at_ms
        )


def test_public_needs_no_rights(government):
    """A public document from an asset that says nothing of rights and restrictions is complete."""
    directory = government.directory
    asset = directory.asset("procurement.example/notices")
    bare = replace(asset, rights=None, access_restriction=None, use_restriction=None)
    builder = government.builder(
        "procurement-notices", replace(directory, assets={**directory.assets, bare.id: bare})
    )
    record = builder.build(government.text("procurement-notices"), at_ms=government.at_ms).document.metadata

    assert {"status": "Unrestricted", "specific": []} == record["access_restriction"]
    assert record.get("rights") is None


def test_value_that_does_not_fit_is_located(government):
    """A payload that is none of the schema is refused with its place, before anything is spooled."""
    with pytest.raises(SchemaError) as caught:
        built(government, "births", body={"registered_on": "yesterday"})

    assert ("AVR-1", "body.registered_on") == (caught.value.rule, caught.value.field)


def test_package_that_is_missing(government):
    """An agreement on a package that is not there builds nothing."""
    directory = replace(government.directory, packages={})
    with pytest.raises(ConfigError, match=r"package civil.birth of agreement births is not in the directory"):
        government.builder("births", directory)


def test_agreement_state_is_not_the_builders_concern(government):
    """A suspended agreement still builds: whether documents may flow is for the rules to say."""
    agreement = replace(government.directory.agreement("births"), status=AgreementStatus.SUSPENDED)
    builder = DocumentBuilder(
        government.directory, Origin(AgencyId("civil-registry.example"), "main"), agreement
    )
    document, template = builder.build(government.text("births"), at_ms=government.at_ms, document_id="x")

    assert ("x", "births") == (document.document_id, template.agreement_id)


def test_avro_values_pass(government):
    """Values as Avro readers return them are taken like those of JSON, so that programs need not write texts."""
    document, template = built(government, "births")
    body = template.schema.codec.decode(template.encode(document).avro)["body"]
    again = government.builder("births").build(
        DocumentText({"record_id": "X-1", "description": "An example."}, body, None, {}),
        at_ms=government.at_ms,
    )

    assert template.encode(document).avro == again.template.encode(again.document).avro
