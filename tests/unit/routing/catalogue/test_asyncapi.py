"""The AsyncAPI document: each topic a channel, each agency's part an operation, messages as they stand on topics."""

import json

from govbus.routing.catalogue.asyncapi import asyncapi_document
from govbus.testing.example_bus import ExampleBus
from govbus.testing.rich_example import RICH_EXAMPLE

DOCUMENT = asyncapi_document(ExampleBus.of(RICH_EXAMPLE).directory(), broker="kafka:9092")


def test_topics_are_channels():
    """Outboxes, inboxes, publication and test topics of the agreements, and the bus's own."""
    assert {
        "govbus.out.tax.example",
        "govbus.in.tax.example",
        "govbus.in.court.example",
        "govbus.pub.tax.rates",
        "govbus.test.in.court.example",
        "govbus.log",
        "govbus.checkpoints",
        "govbus.quarantine",
        "govbus.directory",
    } == {one["address"] for one in DOCUMENT["channels"].values()}


def test_operations_are_what_each_agency_does():
    """The supplier sends to its outbox and receives receipts; the consumer receives; an auditor reads."""
    operations = {key: one["action"] for key, one in DOCUMENT["operations"].items()}

    assert "send" == operations["tax.example.send.govbus.out.tax.example"]
    assert {
        "tax.example.receive.govbus.in.tax.example",
        "court.example.receive.govbus.in.court.example",
        "court.example.receive.govbus.pub.tax.rates",
        "auditor.receive.govbus.log",
    } < {key for key, action in operations.items() if action == "receive"}
    sent = DOCUMENT["operations"]["tax.example.send.govbus.out.tax.example"]["messages"]
    assert len(sent) == len({one["$ref"] for one in sent}) == 3


def test_messages_have_headers_and_the_whole_schema():
    """A message names its attributes with the values that are fixed, and carries shared metadata and payload."""
    message = DOCUMENT["components"]["messages"]["tax.assessment.v2"]
    headers = message["headers"]["properties"]

    assert "https://bus.example/schemas/tax.assessment/2" == headers["ce_dataschema"]["const"]
    assert ["example.tax.assessment.v1"] == headers["ce_type"]["enum"]
    assert ["tax-assessments", "tax-assessments-test"] == headers["ce_agreementid"]["enum"]
    assert {"gb-stmt", "gb-sig", "ce_accesslevel"} < set(message["headers"]["required"])
    assert "application/vnd.apache.avro;version=1.9.0" == message["payload"]["schemaFormat"]
    assert ["record", "body"] == [field["name"] for field in message["payload"]["schema"]["fields"]]
    assert "confluent" == message["bindings"]["kafka"]["schemaIdPayloadEncoding"]


def test_every_reference_leads_somewhere():
    """Each ``$ref`` names something that is in the document."""
    references = {text.split('"')[0] for text in json.dumps(DOCUMENT).split('"$ref": "#/')[1:]}
    assert references
    for reference in references:
        inner = DOCUMENT
        for step in reference.split("/"):
            inner = inner[step]
