"""Stock Confluent clients on real topics: they find the bus's schemas in its registry and read its documents."""

import re
import subprocess
import time

import pytest
from confluent_kafka import Consumer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from govbus.document import topics
from govbus.document.record import unframe
from govbus.schemas.core import LOG_ENTRY_ID, RECEIPT_ID
from govbus.service.sample_directory import CIVIL_REGISTRY, POPULATION_REGISTER

from .bus import Bus

pytestmark = pytest.mark.kafka

DOCUMENTS = 5
TIMEOUT_S = 60


@pytest.fixture
def bus(embedded_kafka_factory, tmp_path):
    """A bus whose civil registry sent a few documents, and a schema registry on it."""
    made = Bus(embedded_kafka_factory(), tmp_path / "bus")
    made.add_router("router")
    made.add_agency(str(CIVIL_REGISTRY))
    authority = str(made.stage.sample.authority_certificate)
    made.add("schemas", *("schema-registry", "serve", "--port", "0", "--authority", authority))
    made.append(str(CIVIL_REGISTRY), 0, DOCUMENTS)
    try:
        made.start()
        made.wait(lambda: len(made.inbox(POPULATION_REGISTER)[0]) == DOCUMENTS, TIMEOUT_S, "documents")
        made.wait(lambda: url_of(made), TIMEOUT_S, "the schema registry")
        yield made
    finally:
        made.kill_all()


def url_of(bus):
    found = re.search(r"schema registry at (\S+)", bus.log_of("schemas"))
    return found and found[1]


def consumed(bus, topic, count):
    """Return the first messages of a topic as a stock consumer gets them."""
    consumer = Consumer(
        {
            "bootstrap.servers": bus.servers,
            "group.id": f"test-{topic}",
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
    )
    try:
        consumer.subscribe([topic])
        messages, until = [], time.monotonic() + TIMEOUT_S
        while len(messages) < count:
            assert time.monotonic() < until, f"{len(messages)} of {count} messages came"
            message = consumer.poll(1.0)
            if message is not None:
                assert message.error() is None
                messages.append(message)
        return messages
    finally:
        consumer.close()


def test_stock_clients_read_the_bus(bus):
    """Documents, receipts and log entries are read with nothing but the registry's URL."""
    by_id = {schema.id: schema.codec for schema in bus.stage.directory.schemas.schemas}
    with SchemaRegistryClient({"url": url_of(bus)}) as client:
        deserialize = AvroDeserializer(client)

        def values(topic, count):
            context = SerializationContext(topic, MessageField.VALUE)
            messages = consumed(bus, topic, count)
            return [(*unframe(one.value()), deserialize(one.value(), context)) for one in messages]

        documents = values(topics.inbox(POPULATION_REGISTER), DOCUMENTS)
        assert all(value == by_id[schema_id].decode(avro) for schema_id, avro, value in documents)
        assert {value["record"]["publisher"] for *_, value in documents} == {str(CIVIL_REGISTRY)}
        (receipt,) = values(topics.inbox(CIVIL_REGISTRY), 1)
        assert (receipt[0], receipt[2]["decision"]) == (RECEIPT_ID, "accepted")
        entries = values(topics.MESSAGE_LOG, DOCUMENTS)
        assert {(schema_id, value["decision"]) for schema_id, _, value in entries} == {
            (LOG_ENTRY_ID, "accepted")
        }

    check = [*bus.commands["schemas"][:3], "schema-registry", "check", url_of(bus)]
    authority = str(bus.stage.sample.authority_certificate)
    result = subprocess.run(
        [*check, "--authority", authority], env=bus.environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "versions are there" in result.stdout
    assert bus.stop("schemas") == {"schemas": 0}
