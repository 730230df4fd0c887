"""The measured roles, each run in a process of its own: ``python -m bench.roles ROLE FOLDER SERVERS [ARGUMENT]``.

A role prints one JSON object: documents, seconds, CPU microseconds a document, peak memory.
"""

import asyncio
import json
import pickle
import resource
import sys
import time
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition as KafkaTopicPartition

from bench.material import BARE, COPY_IN, COPY_OUT, PARTITIONS, Bench, documents
from govbus.adapters.spool import Spool
from govbus.document.ids import Origin
from govbus.service.processes import clock_ms
from govbus.service.publisher import PublisherParts, SpoolPublisher


class Meter:
    """Wall and CPU time of a stretch."""

    def __init__(self):
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def result(self, count, **more):
        seconds, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {
            "documents": count,
            "docs_per_s": round(count / seconds),
            "cpu_us_per_doc": round(cpu / count * 1e6, 1),
            "peak_rss_mib": round(peak),
            **more,
        }


def records_of(bench):
    with (bench.folder / "records.pickle").open("rb") as file:
        return pickle.load(file)  # noqa: S301  # written by this run


async def bare_producer(bench, _):
    """Aiokafka's own `send`, acks=all, the same bytes."""
    records = records_of(bench)
    producer = AIOKafkaProducer(
        bootstrap_servers=bench.servers, acks="all", max_batch_size=512 * 1024, linger_ms=5
    )
    await producer.start()
    try:
        meter = Meter()
        futures = [
            await producer.send(
                BARE, one.value, key=one.key, headers=list(one.headers), partition=place % PARTITIONS
            )
            for place, one in enumerate(records)
        ]
        await asyncio.gather(*futures)
        return meter.result(len(records))
    finally:
        await producer.stop()


def _publish_spool(bench, batch):
    path = bench.folder / f"publish-{batch}.spool"
    return Spool.open(path, Origin.from_text(f"civil-registry.example/publish-{batch}"), next_index=0)


def fill(bench, argument):
    """The adapter's process: encode and put, once told to begin; prints its CPU time a document."""
    batch, count = argument.split(",")
    template = bench.template(Origin.from_text(f"civil-registry.example/publish-{batch}"))
    outgoing = documents(int(count))
    with _publish_spool(bench, batch) as spool:
        print("ready", flush=True)
        sys.stdin.readline()
        meter = Meter()
        for start in range(0, int(count), 1000):
            spool.put([template.encode(one) for one in outgoing[start : start + 1000]], at_ms=clock_ms())
        return meter.result(int(count))


async def signed_publish(bench, batch):
    """From documents in memory to the broker's acknowledgement, the spool's disk included.

    As in production: one process reads and puts (`govbus adapter run --no-publish`), another signs and publishes
    (`govbus adapter publish`).
    """
    count = 20_000 if int(batch) > 1 else 6_000
    with _publish_spool(bench, batch) as spool:
        parts = PublisherParts(
            spool,
            [bench.signer()],
            bench.transport,
            clock_ms,
            batch_documents_max=int(batch),
            idle_pause_s=0.005,
        )
        command = ("-m", "bench.roles", "fill", str(bench.folder), bench.servers, f"{batch},{count}")
        filler = await asyncio.create_subprocess_exec(
            sys.executable, *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        await filler.stdout.readline()
        stopping = asyncio.Event()
        publishing = asyncio.create_task(SpoolPublisher(parts).run(stopping))
        await asyncio.sleep(0.5)
        meter = Meter()
        filler.stdin.write(b"go\n")
        while spool.published_next < count:
            await asyncio.sleep(0.005)
        result = meter.result(count)
        stopping.set()
        await publishing
        put = json.loads(await filler.stdout.readline())
        await filler.wait()
    result["cpu_us_per_doc_by_step"] = {
        "encode and put": put["cpu_us_per_doc"],
        "sign and publish": result["cpu_us_per_doc"],
    }
    result["cpu_us_per_doc"] = round(result["cpu_us_per_doc"] + put["cpu_us_per_doc"], 1)
    return result


async def copy_loop(bench, setting):
    """The bare exactly-once copy loop: one transactional producer a partition, all at once."""
    records_a_transaction, how = setting.split(",")
    size, is_batched = int(records_a_transaction), how == "batches"
    total = len(records_of(bench))
    group = f"copy-{setting}"
    done = [0] * PARTITIONS

    async def copy(partition):
        source = KafkaTopicPartition(COPY_IN, partition)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=bench.servers,
            group_id=f"{group}-{partition}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_partition_fetch_bytes=4 * 1024 * 1024,
        )
        consumer.assign([source])
        producer = AIOKafkaProducer(
            bootstrap_servers=bench.servers,
            transactional_id=f"{group}-{partition}",
            max_batch_size=512 * 1024,
            max_request_size=8 * 1024 * 1024,
        )
        await consumer.start()
        await producer.start()
        try:
            await ready.wait()
            while done[partition] < total // PARTITIONS:
                taken = []
                while len(taken) < min(size, total // PARTITIONS - done[partition]):
                    polled = await consumer.getmany(timeout_ms=500, max_records=size - len(taken))
                    taken += polled.get(source, [])
                await producer.begin_transaction()
                await (_batched if is_batched else _sent)(producer, partition, taken)
                await producer.send_offsets_to_transaction(
                    {source: taken[-1].offset + 1}, f"{group}-{partition}"
                )
                await producer.commit_transaction()
                done[partition] += len(taken)
        finally:
            await consumer.stop()
            await producer.stop()

    ready = asyncio.Event()
    tasks = [asyncio.create_task(copy(partition)) for partition in range(PARTITIONS)]
    await asyncio.sleep(2)
    meter = Meter()
    ready.set()
    while sum(done) < total // PARTITIONS * PARTITIONS:
        await asyncio.sleep(0.005)
        for task in tasks:
            if task.done() and task.exception() is not None:
                raise task.exception()
    result = meter.result(sum(done))
    await asyncio.gather(*tasks)
    return result


async def _batched(producer, partition, taken):
    waiting, batch = [], producer.create_batch()
    for one in taken:
        headers = list(one.headers)
        if batch.append(timestamp=one.timestamp, key=one.key, value=one.value, headers=headers) is None:
            waiting.append(await producer.send_batch(batch, COPY_OUT, partition=partition))
            batch = producer.create_batch()
            batch.append(timestamp=one.timestamp, key=one.key, value=one.value, headers=headers)
    waiting.append(await producer.send_batch(batch, COPY_OUT, partition=partition))
    await asyncio.gather(*waiting)


async def _sent(producer, partition, taken):
    waiting = [
        await producer.send(COPY_OUT, one.value, key=one.key, headers=list(one.headers), partition=partition)
        for one in taken
    ]
    await asyncio.gather(*waiting)


async def latency(bench, rate):
    """From the spool to a read_committed reader of the inbox, at a steady rate for ten seconds."""
    from govbus.document.statement import Statement
    from govbus.service.scanning import partitions_of

    rate = int(rate)
    count = rate * 10
    origin = Origin.from_text(f"civil-registry.example/latency-{rate}")
    template = await asyncio.to_thread(bench.template, origin)
    outgoing = documents(count)
    partitions = await partitions_of(bench.transport, ["govbus.in.population-register.example"])
    reader = bench.transport.subscriber(assign=partitions)
    await reader.start()
    for partition, end in (await reader.end_offsets(partitions)).items():
        await reader.seek(partition, end)
    found = []

    async def read():
        while len(found) < count:
            for some in (await reader.poll(timeout_s=0.05, records_max=5000)).values():
                now_ms = clock_ms()
                for record in some:
                    statement = Statement.from_bytes(dict(record.headers)["gb-stmt"])
                    if statement.origin == origin:
                        found.append(now_ms - statement.time_ms)

    reading = asyncio.create_task(read())
    with Spool.open(bench.folder / f"latency-{rate}.spool", origin, next_index=0) as spool:
        publisher = SpoolPublisher(PublisherParts(spool, [bench.signer()], bench.transport, clock_ms))
        stopping = asyncio.Event()
        publishing = asyncio.create_task(publisher.run(stopping))
        await asyncio.sleep(0.5)
        step = max(1, rate // 100)
        due = time.perf_counter()
        for start in range(0, count, step):
            encoded = [template.encode(one) for one in outgoing[start : start + step]]
            await asyncio.to_thread(spool.put, encoded, at_ms=clock_ms())
            publisher.wake()
            due += step / rate
            await asyncio.sleep(max(0, due - time.perf_counter()))
        await asyncio.wait_for(reading, 60)
        stopping.set()
        await publishing
    await reader.stop()
    found.sort()
    return {
        "documents": count,
        "p50_ms": found[count // 2],
        "p99_ms": found[int(count * 0.99)],
        "max_ms": found[-1],
    }


ROLES = {
    "bare_producer": bare_producer,
    "signed_publish": signed_publish,
    "fill": fill,
    "copy_loop": copy_loop,
    "latency": latency,
}

if __name__ == "__main__":
    role, folder, servers, *argument = sys.argv[1:]
    outcome = ROLES[role](Bench(Path(folder), servers), argument[0] if argument else "")
    print(json.dumps(asyncio.run(outcome) if asyncio.iscoroutine(outcome) else outcome))
