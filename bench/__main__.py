"""One run of all measurements on one embedded broker; prints a table and writes build/bench/report.json.

With batch seals, a stated signature policy, and certificates whose revocation list is on the bus; ``--plain`` leaves
policy and list out.
"""

import argparse
import asyncio
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from bench.material import COPY_IN, PARTITIONS, Bench, origins, set_up, signed_records
from bench.rule_cost import government_rule_cost, rule_cost
from bench.steps import router_steps
from govbus.service.directory.publishing import read_certificates, read_directory
from govbus.service.embedded_kafka import EmbeddedKafka
from govbus.service.processes import clock_ms
from govbus.service.sample_directory import BUS
from govbus.service.scanning import partitions_of

FOLDER = Path("build/bench")
DOCUMENTS = 40_000
INBOX = "govbus.in.population-register.example"


def role(bench, name, argument=""):
    """Run a role in its own process and return what it measured."""
    command = [sys.executable, "-m", "bench.roles", name, str(bench.folder), bench.servers, argument]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=180)
    return json.loads(done.stdout.strip().splitlines()[-1])


async def publish(bench, records):
    """Put records on their topic, as they are."""
    publisher = bench.transport.publisher()
    await publisher.start()
    try:
        for start in range(0, len(records), 4000):
            await publisher.publish(records[start : start + 4000])
    finally:
        await publisher.stop()


async def router_rate(bench, process, expected):
    """Watch the inbox grow while a router works off a backlog; return its rate between first and last delivery."""
    reader = bench.transport.subscriber(assign=await partitions_of(bench.transport, [INBOX]))
    await reader.start()
    first = None
    cpu = psutil.Process(process.pid)
    try:
        partitions = await partitions_of(bench.transport, [INBOX])
        until = time.perf_counter() + 120
        while time.perf_counter() < until:
            now = time.perf_counter()
            ends = sum((await reader.end_offsets(partitions)).values())
            used = sum(cpu.cpu_times()[:2])
            if ends and first is None:
                first = (now, ends, used)
            if ends >= expected:
                seconds, count = now - first[0], ends - first[1]
                peak = cpu.memory_info().rss / 2**20
                return {
                    "documents": count,
                    "docs_per_s": round(count / seconds),
                    "cpu_us_per_doc": round((used - first[2]) / count * 1e6, 1),
                    "rss_mib": round(peak),
                }
            await asyncio.sleep(0.02)
        raise TimeoutError("the router did not work off its backlog in two minutes")
    finally:
        await reader.stop()


def start_router(bench):
    """Start a router as in production."""
    sample = bench.sample
    command = [
        *(sys.executable, "-m", "govbus", "router", "--data", str(bench.folder / "router")),
        *("--key", str(sample.key(BUS)), "--certificate", str(sample.certificate(BUS))),
        *("--authority", str(sample.authority_certificate)),
    ]
    environment = {**os.environ, "GOVBUS_KAFKA__BOOTSTRAP_SERVERS": bench.servers}
    with (bench.folder / "router.log").open("wb") as output:
        return subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)


def measure(bench, console, *, with_policies):
    """Return every figure."""
    asyncio.run(set_up(bench, with_policies=with_policies))
    figures = {}
    with console.status("signing the material") as status:
        per_origin = DOCUMENTS // PARTITIONS
        by_origin = [
            signed_records(bench, origin, per_origin, 64, f"material-{place}")
            for place, origin in enumerate(origins())
        ]
        records = [one for four in zip(*by_origin, strict=True) for one in four]
        (bench.folder / "records.pickle").write_bytes(pickle.dumps(records))
        status.update("bare producer")
        figures["bare_producer"] = role(bench, "bare_producer")
        for batch in (1, 64):
            status.update(f"signed publish, batches of {batch}")
            figures[f"signed_publish_{batch}"] = role(bench, "signed_publish", str(batch))
        status.update("bare copy loop")
        asyncio.run(
            publish(
                bench,
                [
                    one._replace(topic=COPY_IN, partition=place % PARTITIONS)
                    for place, one in enumerate(records)
                ],
            )
        )
        figures["copy_2000_batches"] = role(bench, "copy_loop", "2000,batches")
        figures["copy_500_send"] = role(bench, "copy_loop", "500,send")
        status.update("router")
        asyncio.run(publish(bench, records))
        router = start_router(bench)
        try:
            figures["router"] = asyncio.run(router_rate(bench, router, DOCUMENTS))
            for rate in (100, 1000):
                status.update(f"latency at {rate} documents/s")
                figures[f"latency_{rate}"] = role(bench, "latency", str(rate))
        finally:
            router.send_signal(signal.SIGTERM)
            router.wait(30)
        status.update("router by step")
        reader = asyncio.run(
            read_directory(bench.transport, read_certificates(bench.sample.authority_certificate))
        )
        figures["rule_cost"] = rule_cost(by_origin[0], reader.current, clock_ms())
        figures["government_rule_cost"] = government_rule_cost(bench.folder / "government", 200, clock_ms())
        figures["router_steps_cpu_us"] = router_steps(
            by_origin[0],
            reader.current,
            bench.signer(BUS),
            bench.folder,
            clock_ms(),
            revocations=bench.revocations,
        )
    bare, best = figures["bare_producer"]["docs_per_s"], figures["copy_2000_batches"]["docs_per_s"]
    figures["ratios"] = {
        "publish_batch_to_bare_producer": round(figures["signed_publish_64"]["docs_per_s"] / bare, 3),
        "publish_single_to_bare_producer": round(figures["signed_publish_1"]["docs_per_s"] / bare, 3),
        "router_to_best_copy_loop": round(figures["router"]["docs_per_s"] / best, 3),
        "rules_to_fastavro_decode": figures["rule_cost"]["rules_to_fastavro_decode"],
    }
    return figures


def show(console, figures):
    """Print the table."""
    table = Table("what", "docs/s", "CPU µs/doc", "memory MiB")
    for name, found in figures.items():
        if "docs_per_s" in found:
            memory = found.get("peak_rss_mib", found.get("rss_mib"))
            table.add_row(name, f"{found['docs_per_s']:,}", str(found["cpu_us_per_doc"]), str(memory))
    console.print(table)
    for rate in (100, 1000):
        found = figures[f"latency_{rate}"]
        console.print(f"latency at {rate}/s: p50 {found['p50_ms']} ms, p99 {found['p99_ms']} ms")
    for name, ratio in figures["ratios"].items():
        console.print(f"{name}: {ratio}")
    console.print("rules, CPU µs a document, beside decoding it once with fastavro:")
    kinds = {"civil.person (1 KiB body)": figures["rule_cost"], **figures["government_rule_cost"]}
    for kind, found in kinds.items():
        console.print(
            f"  {found['rules_us']:>8}  of {found['fastavro_decode_us']:>6}: "
            f"{found['rules_to_fastavro_decode']:>7}  {kind}"
        )
    console.print("router, CPU µs a document by step:")
    for name, microseconds in figures["router_steps_cpu_us"].items():
        console.print(f"  {microseconds:>6}  {name}")


def main():
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plain", action="store_true", help="without signature policy and revocation list")
    with_policies = not parser.parse_args().plain
    console = Console(soft_wrap=True, highlight=False)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    kafka = EmbeddedKafka(FOLDER / "kafka")
    try:
        figures = measure(Bench(FOLDER, kafka.start(90)), console, with_policies=with_policies)
    finally:
        kafka.stop(20)
    parameters = {
        "documents": DOCUMENTS,
        "body_bytes": 1024,
        "partitions": PARTITIONS,
        "with_policies": with_policies,
        "cpus": os.cpu_count(),
    }
    report = FOLDER / "report.json"
    report.write_text(json.dumps({"parameters": parameters, **figures}, indent=2) + "\n")
    show(console, figures)
    console.print(f"figures in {report}")


if __name__ == "__main__":
    main()
