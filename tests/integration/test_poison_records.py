"""Records that no client would send, put on a real broker byte by byte: they are delivered, and what follows too."""

import asyncio

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest

from govbus.testing.record_batches import RawRecord, record_batch
from govbus.transport.base import TopicPartition, TopicSpec
from govbus.transport.kafka import KafkaConnection, KafkaTransport

pytestmark = pytest.mark.kafka

TOPIC = "poison"


async def _produce(servers, batch):
    """Send a batch as it is."""
    client = AIOKafkaClient(bootstrap_servers=servers)
    await client.bootstrap()
    await client.force_metadata_update()
    try:
        request = ProduceRequest(
            required_acks=-1, timeout=5000, topics=[(TOPIC, [(0, batch)])], transactional_id=None
        )
        response = await client.send(client.get_random_node(), request)
        assert 0 == response.topics[0][1][0][1]
    finally:
        await client.close()


async def _read(servers):
    transport = KafkaTransport(KafkaConnection(servers))
    administrator = transport.administrator()
    await administrator.start()
    await administrator.create_topics([TopicSpec(TOPIC, 1, 1, {})])
    await administrator.stop()
    good = [RawRecord(b"k", b"%d" % number, ((b"ce_id", b"1"),)) for number in range(3)]
    odd = [RawRecord(b"k", b"odd", ((b"ce_\xff", b"1"),)), RawRecord(b"k", b"null", ((b"ce_id", None),))]
    for batch in ([good[0]], [good[1], odd[0]], [odd[1], good[2]]):
        await _produce(servers, record_batch(batch))
    subscriber = transport.subscriber(assign=[TopicPartition(TOPIC, 0)])
    await subscriber.start()
    found = []
    async with asyncio.timeout(30):
        while len(found) < 5:
            for records in (await subscriber.poll(timeout_s=0.3, records_max=100)).values():
                found += records
    rest = await subscriber.poll(timeout_s=0.5, records_max=100)
    await subscriber.stop()
    return found, rest


def test_odd_header_names_do_not_stop_a_partition(embedded_kafka_factory):
    """Each record comes once, in order; an odd name keeps its bytes as a lone surrogate, a null value stays null."""
    found, rest = asyncio.run(_read(embedded_kafka_factory().start(90)))

    assert [b"0", b"1", b"odd", b"null", b"2"] == [record.value for record in found]
    assert list(range(5)) == [record.offset for record in found]
    assert (("ce_\udcff", b"1"),) == tuple(found[2].headers)
    assert (("ce_id", None),) == tuple(found[3].headers)
    assert {} == rest
