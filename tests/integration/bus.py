"""A whole bus for integration tests: a broker of its own, and real processes that a test may kill."""

import asyncio
import csv
import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import yaml

from govbus.audit.verify import verify
from govbus.cli.demo.febrl import CIVIL_REGISTRY, HEALTH_FUND, mapping_fields
from govbus.cli.demo.stage import set_up
from govbus.document import topics
from govbus.document.finding import Outcome
from govbus.document.ids import AgencyId
from govbus.document.statement import Statement
from govbus.schemas.core import decode_log_entry
from govbus.service.directory.publishing import read_certificates, read_directory
from govbus.service.sample_directory import BUS, POPULATION_REGISTER
from govbus.service.scanning import scan
from govbus.service.tracing import receipt_of
from govbus.transport.kafka import KafkaConnection, KafkaTransport

LAYOUTS = {layout.agency: layout for layout in (CIVIL_REGISTRY, HEALTH_FUND)}
START_TIMEOUT_S = 90
LISTEN_TIMEOUT_S = 20


class Bus:
    """One broker, one directory, and processes by name."""

    def __init__(self, kafka, folder):
        self.kafka = kafka
        self.folder = folder
        self.servers = kafka.start(START_TIMEOUT_S)
        self.transport = KafkaTransport(KafkaConnection(self.servers, client_id="test"))
        self.stage = asyncio.run(set_up(folder, self.servers, self.transport))
        self.commands = {}
        self.processes = {}
        self.environment = {
            **os.environ,
            "GOVBUS_KAFKA__BOOTSTRAP_SERVERS": self.servers,
            "GOVBUS_DATA_FOLDER": str(folder),
            "GOVBUS_ROUTER__SESSION_TIMEOUT_S": "2",
        }
        (folder / "logs").mkdir()

    def add_router(self, name):
        sample = self.stage.sample
        self.add(
            name,
            *("router", "--name", name, "--data", str(self.folder / name)),
            *("--key", str(sample.key(BUS)), "--certificate", str(sample.certificate(BUS))),
            *("--authority", str(sample.authority_certificate)),
        )

    def add_log_service(self):
        keys = ("--keys", str(self.folder / "log-keys"), "--bus", str(BUS))
        self.add("log", "log", "serve", *keys, "--data", str(self.folder / "log"))

    def add_register(self):
        self.add(
            "register",
            *("registry", "serve", "population", "--agency", str(POPULATION_REGISTER)),
            *("--authority", str(self.stage.sample.authority_certificate)),
            *("--database", str(self.stage.register_file)),
        )

    def add_agency(self, agency):
        """Add an agency whose CSV file grows while it is being sent."""
        layout = LAYOUTS[agency]
        home = self.folder / agency
        mapping = home / "mapping.yaml"
        mapping.write_text(yaml.safe_dump(mapping_fields(layout)), encoding="utf-8")
        columns = [layout.number_column, *layout.columns.values()]
        (home / "persons.csv").write_text(layout.delimiter.join(columns) + "\n", encoding="utf-8")
        self.add(
            agency,
            *("adapter", "run", str(mapping), str(home / "persons.csv")),
            *(
                "--profile",
                str(home / "agency.yaml"),
                "--agreement",
                self.stage.sample.agreement(AgencyId(agency)),
            ),
            *("--next-index", "0", "--follow", "--interval-s", "0.1"),
        )

    def append(self, agency, first, count):
        """Append persons to an agency's file."""
        layout = LAYOUTS[agency]
        with (self.folder / agency / "persons.csv").open("a", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter=layout.delimiter, lineterminator="\n")
            for number in range(first, first + count):
                row = dict.fromkeys(layout.columns, "x") | {"soc_sec_id": str(1_000_000 + number)}
                writer.writerow(
                    [f"{layout.number_prefix}{number:06d}", *(row[name] for name in layout.columns)]
                )

    def add(self, name, *arguments):
        self.commands[name] = [sys.executable, "-m", "govbus", *arguments]

    def start(self, *names):
        for name in names or self.commands:
            with (self.folder / "logs" / f"{name}.log").open("ab") as output:
                self.processes[name] = subprocess.Popen(
                    self.commands[name], env=self.environment, stdout=output, stderr=subprocess.STDOUT
                )

    def signal(self, name, number):
        self.processes[name].send_signal(number)

    def restart(self, name):
        """Kill a process and start it again at once."""
        self.signal(name, signal.SIGKILL)
        self.processes[name].wait(10)
        self.start(name)

    def stop(self, *names):
        """Ask processes to stop, each once it can be asked; return their exit codes by name."""
        chosen = {name: self.processes.pop(name) for name in names or list(self.processes)}
        for process in chosen.values():
            _wait_until_it_listens(process)
            process.send_signal(signal.SIGTERM)
        return {name: process.wait(30) for name, process in chosen.items()}

    def kill_all(self):
        for process in self.processes.values():
            process.kill()
            process.wait(10)

    def log_of(self, name):
        return (self.folder / "logs" / f"{name}.log").read_text("utf-8", "replace")

    def require_running(self):
        for name, process in self.processes.items():
            assert process.poll() is None, f"{name} ended:\n{self.log_of(name)[-2000:]}"

    def records(self, *names):
        """Return every committed record of some topics."""

        async def read():
            return [record async for record in scan(self.transport, names)]

        return asyncio.run(read())

    def entries(self):
        """Return every log entry."""
        return [decode_log_entry(record.value) for record in self.records(topics.MESSAGE_LOG)]

    def inbox(self, agency):
        """Return documents and receipts of an inbox."""
        records = self.records(topics.inbox(AgencyId(str(agency))))
        receipts = [
            (dict(one.headers)["ce_id"], receipt_of(one)) for one in records if receipt_of(one) is not None
        ]
        return [one for one in records if receipt_of(one) is None], receipts

    def wait(self, condition, timeout_s, what):
        until = time.monotonic() + timeout_s
        while not condition():
            self.require_running()
            assert time.monotonic() < until, f"{what} did not come in {timeout_s} s"
            time.sleep(0.5)

    def audit(self):
        """Return the auditor's report on everything."""

        async def check():
            authority = read_certificates(self.stage.sample.authority_certificate)
            reader = await read_directory(self.transport, authority)
            versions = {number: reader.at(number) for number in range(1, reader.current.version + 1)}
            return await verify(
                self.transport, bus=reader.current.bus, keys=self.stage.log_keys.public, directories=versions
            )

        return asyncio.run(check())


def accepted_by_origin(entries):
    """Return for each origin how often each index was accepted."""
    accepted = defaultdict(Counter)
    for entry in entries:
        if entry.decision is Outcome.ACCEPTED:
            statement = Statement.from_bytes(entry.statement)
            accepted[str(statement.origin)][statement.index] += 1
    return accepted


def covered_by_origin(receipts):
    """Return for each origin by which receipts each index is covered; a receipt sent again is one receipt."""
    covered = defaultdict(lambda: defaultdict(set))
    for identifier, receipt in receipts:
        if receipt.decision is Outcome.ACCEPTED:
            for index in range(receipt.index, receipt.index + receipt.count):
                covered[receipt.origin][index].add(identifier)
    return covered


def _wait_until_it_listens(process):
    """Wait until a process that was just started catches SIGTERM; before that, the signal ends it as it would any."""
    until_s = time.monotonic() + LISTEN_TIMEOUT_S
    status = Path(f"/proc/{process.pid}/status")
    while status.exists() and process.poll() is None and time.monotonic() < until_s:
        caught = next(line for line in status.read_text().splitlines() if line.startswith("SigCgt:"))
        if int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1:
            return
        time.sleep(0.05)
