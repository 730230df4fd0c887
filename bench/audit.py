"""`make bench-audit`: verification against openssl and against bare reading, memory by size, signing by signer.

All in one run on the same cores; what counts are the ratios. Prints a table and writes build/bench-audit/report.json.
"""

import argparse
import json
import multiprocessing
import os
import re
import shutil
import statistics
import subprocess
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.audit_reading import read_archive
from bench.audit_signing import signing_rates
from govbus.testing.example_archive import BODY_BYTES, ORIGINS, senders, write_archive

FOLDER = Path("build/bench-audit")
PROCESSES = 2
ROUNDS = 5
SINGLE_DOCUMENTS, SINGLE_SEGMENT = 65_536, 4_096
BATCH_DOCUMENTS, BATCH_SEGMENT = 524_288, 32_768
BATCH = 64
SMALL_DOCUMENTS, LARGE_DOCUMENTS = 100_000, 2_000_000
TARGET_SINGLE, TARGET_BATCH, GOAL_BATCH = 0.85, 0.35, 0.5


def openssl_verifications():
    """Return Ed25519 verifications a second of ``openssl speed`` on all cores of the run."""
    command = ["openssl", "speed", "-multi", str(PROCESSES), "-seconds", "3", "ed25519"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(re.findall(r"EdDSA \(Ed25519\).* ([0-9.]+)$", done.stdout, re.MULTILINE)[-1])


def _write(job):
    folder, who, documents, batch, segment = job
    write_archive(folder, who, documents, batch=batch, segment_entries=segment)


def write_archives(who, sizes):
    """Write the archives side by side."""
    context = multiprocessing.get_context("fork")
    running = [
        context.Process(target=_write, args=((FOLDER / name, who, *size),)) for name, size in sizes.items()
    ]
    for process in running:
        process.start()
    for process in running:
        process.join()


def verification(who, console):
    """Return rates in rounds: openssl, single, bare reading, batch, one after the other."""
    rounds = []
    for number in range(ROUNDS):
        with console.status(f"round {number + 1} of {ROUNDS}"):
            found = {
                "openssl": openssl_verifications(),
                "single": read_archive(FOLDER / "single", who.table, processes=PROCESSES, is_hash_only=False),
                "root_only": read_archive(
                    FOLDER / "batch", who.table, processes=PROCESSES, is_hash_only=True
                ),
                "batch": read_archive(FOLDER / "batch", who.table, processes=PROCESSES, is_hash_only=False),
            }
            found["single_to_openssl"] = round(found["single"]["docs_per_s"] / found["openssl"], 3)
            for name, rate in (
                ("batch_to_root_only", "docs_per_s"),
                ("batch_to_root_only_cpu", "docs_per_cpu_s"),
            ):
                found[name] = round(found["batch"][rate] / found["root_only"][rate], 3)
            rounds.append(found)
    return rounds


def memory(who, console, *, is_large):
    """Return the most memory that a process held, by documents."""
    sizes = [SMALL_DOCUMENTS, BATCH_DOCUMENTS] + ([LARGE_DOCUMENTS] if is_large else [])
    found = {}
    for documents in sizes:
        folder = FOLDER / ("batch" if documents == BATCH_DOCUMENTS else f"memory-{documents}")
        with console.status(f"memory with {documents:,} documents"):
            if documents != BATCH_DOCUMENTS:
                write_archive(folder, who, documents, batch=BATCH)
            found[documents] = read_archive(folder, who.table, processes=PROCESSES, is_hash_only=False)
            if documents != BATCH_DOCUMENTS:
                shutil.rmtree(folder)
    return found


def _rates(found):
    return f"{found['docs_per_s']:,} ({found['docs_per_cpu_s']:,})"


def show(console, report):
    """Print the tables."""
    table = Table("round", "openssl", "single", "ratio", "root only", f"batch {BATCH}", "ratio")
    for number, found in enumerate(report["rounds"], start=1):
        table.add_row(
            str(number),
            f"{found['openssl']:,.0f}",
            _rates(found["single"]),
            str(found["single_to_openssl"]),
            _rates(found["root_only"]),
            _rates(found["batch"]),
            str(found["batch_to_root_only"]),
        )
    console.print("documents a second, both processes together (a second of processor time in brackets)")
    console.print(table)
    ratios = report["ratios"]
    console.print(f"single_to_openssl (median): {ratios['single_to_openssl']}, target {TARGET_SINGLE}")
    console.print(
        f"batch_to_root_only (median): {ratios['batch_to_root_only']}, target {TARGET_BATCH}, goal {GOAL_BATCH}; "
        f"by processor time {ratios['batch_to_root_only_cpu']}"
    )
    for documents, found in report["memory"].items():
        console.print(f"peak memory of a process with {documents:,} documents: {found['peak_mib']} MiB")
    table = Table("signer", "one by one/s", f"batches of {BATCH}/s")
    for name, rates in report["signing_docs_per_s"].items():
        table.add_row(name, f"{rates['single']:,}", f"{rates[f'batch_{BATCH}']:,}")
    console.print(table)


def main():
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="measure memory with two million documents, too")
    arguments = parser.parse_args()
    console = Console(soft_wrap=True, highlight=False)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    who = senders()
    with console.status("writing archives"):
        write_archives(
            who,
            {
                "single": (SINGLE_DOCUMENTS, 1, SINGLE_SEGMENT),
                "batch": (BATCH_DOCUMENTS, BATCH, BATCH_SEGMENT),
            },
        )
    report = {
        "parameters": {
            "body_bytes": BODY_BYTES,
            "origins": ORIGINS,
            "processes": PROCESSES,
            "cpus": os.cpu_count(),
        },
        "rounds": verification(who, console),
        "memory": memory(who, console, is_large=arguments.large),
        "signing_docs_per_s": signing_rates(),
    }
    report["ratios"] = {
        name: statistics.median(one[name] for one in report["rounds"])
        for name in ("single_to_openssl", "batch_to_root_only", "batch_to_root_only_cpu")
    }
    (FOLDER / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    show(console, report)
    for name in ("single", "batch"):
        shutil.rmtree(FOLDER / name)
    console.print(f"figures in {FOLDER / 'report.json'}")


if __name__ == "__main__":
    main()
