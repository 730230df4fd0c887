"""The log service on a real broker, with real witnesses and a real time stamping authority, all of them killed."""

import asyncio
import base64
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest

from govbus.audit.checkpoints import Checkpoints
from govbus.audit.report import AuditReport
from govbus.document import topics
from govbus.document.ids import AgencyId
from govbus.errors import MissingPartError
from govbus.message_log.heads import HEADS_KEY, TIMESTAMP_KEY, head_origin, partition_of_key
from govbus.message_log.keys import LogPublicKeys, log_origin
from govbus.message_log.policy import Policy
from govbus.message_log.tiles import TileTree, parse_path
from govbus.message_log.tree import CompactTree
from govbus.service.openssl_tsa import OpensslTsa
from govbus.service.scanning import scan
from govbus.service.timestamps import read_anchors
from govbus.signing.merkle import leaf_hash
from govbus.transport.base import OutRecord, TopicSpec
from govbus.transport.kafka import KafkaConnection, KafkaTransport

from .commands import commands_in

pytestmark = [pytest.mark.kafka, pytest.mark.crash]

BUS = AgencyId("bus.example")
HEADS = head_origin(BUS)
PARTITIONS = 3
WITNESSES = ("court", "press", "union")
START_TIMEOUT_S = 90
WAIT_S = 60
COMMAND_TIMEOUT_S = 60


def _free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


class Load(threading.Thread):
    """Entries that keep coming into every partition of the message log."""

    def __init__(self, servers):
        super().__init__(daemon=True)
        self.servers = servers
        self.stopping = threading.Event()
        self.sent = 0

    def run(self):
        asyncio.run(self._run())

    async def _run(self):
        publisher = KafkaTransport(KafkaConnection(self.servers, client_id="load")).publisher()
        await publisher.start()
        while not self.stopping.is_set():
            records = [
                OutRecord(
                    topics.MESSAGE_LOG,
                    number % PARTITIONS,
                    b"k",
                    b"entry %d" % (self.sent + number),
                    (),
                    None,
                )
                for number in range(20)
            ]
            await publisher.publish(records)
            self.sent += len(records)
            await asyncio.sleep(0.1)
        await publisher.stop()


class LogBench:
    """A broker, the log service, three witnesses and one authority, each to be killed by name."""

    def __init__(self, servers, folder):
        self.folder = folder
        self.servers = servers
        self.transport = KafkaTransport(KafkaConnection(servers, client_id="test"))
        self.govbus = commands_in(folder, timeout_s=COMMAND_TIMEOUT_S)
        self.processes, self.commands = {}, {}
        self.http_port, self.tsa_port = _free_port(), _free_port()
        self.keys = folder / "keys"
        self.govbus("log", "keys", str(self.keys))
        log_lines = self.govbus("log", "vkeys", str(self.keys), "--bus", str(BUS))
        witness_lines = ""
        (folder / "logs.policy").write_text(log_lines + "quorum none\n", encoding="utf-8")
        for name in WITNESSES:
            home, port = folder / name, _free_port()
            url = ("--url", f"http://127.0.0.1:{port}", "--policy-name", name)
            lines = self.govbus("witness", "keys", str(home), "--name", f"{name}.example/w", *url)
            witness_lines += lines
            serve = ("witness", "serve", "--keys", str(home), "--logs", str(folder / "logs.policy"))
            self.commands[name] = (*serve, "--http", f"127.0.0.1:{port}")
        policy = f"{log_lines}{witness_lines}group two 2 {' '.join(WITNESSES)}\nquorum two\n"
        (folder / "witnesses.policy").write_text(policy, encoding="utf-8")
        self.policy = Policy.from_text(policy)
        self.commands["log"] = (
            *("log", "serve", "--keys", str(self.keys), "--bus", str(BUS), "--data", str(folder / "log")),
            *("--witnesses", str(folder / "witnesses.policy"), "--http", f"127.0.0.1:{self.http_port}"),
        )
        self.public = LogPublicKeys.from_pem(
            (self.keys / "log-ed25519.pub.pem").read_bytes(),
            (self.keys / "log-ml-dsa-44.pub.pem").read_bytes(),
        )

    def tsa(self):
        return OpensslTsa(self.folder / "tsa", port=self.tsa_port)

    @property
    def environment(self):
        authority = {
            "name": "tsa1",
            "url": f"http://127.0.0.1:{self.tsa_port}",
            "ca_file": str(self.folder / "tsa" / "ca.pem"),
            "timeout_s": 5,
        }
        return {
            **os.environ,
            "GOVBUS_KAFKA__BOOTSTRAP_SERVERS": self.servers,
            "GOVBUS_DATA_FOLDER": str(self.folder),
            "GOVBUS_MESSAGE_LOG__CHECKPOINT_INTERVAL_S": "0.3",
            "GOVBUS_MESSAGE_LOG__WITNESS_INTERVAL_S": "0.3",
            "GOVBUS_MESSAGE_LOG__TIMESTAMP_INTERVAL_S": "1",
            "GOVBUS_MESSAGE_LOG__TIMESTAMP_AUTHORITIES": json.dumps([authority]),
        }

    def start(self, *names):
        for name in names:
            with (self.folder / f"{name}.log").open("ab") as output:
                command = [sys.executable, "-m", "govbus", *self.commands[name]]
                self.processes[name] = subprocess.Popen(
                    command, env=self.environment, stdout=output, stderr=subprocess.STDOUT
                )

    def kill(self, name):
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait(10)

    def kill_all(self):
        for name in list(self.processes):
            self.kill(name)

    def stop(self, name):
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(30)

    async def create_topics(self):
        administrator = self.transport.administrator()
        await administrator.start()
        await administrator.create_topics(
            [TopicSpec(topics.MESSAGE_LOG, PARTITIONS, 1, {}), TopicSpec(topics.CHECKPOINTS, 1, 1, {})]
        )
        await administrator.stop()

    def records(self, topic):
        async def read():
            return [record async for record in scan(self.transport, [topic])]

        return asyncio.run(read())

    def wait(self, what, condition):
        """Wait until a condition on the records of the checkpoints topic holds; return what it returned."""
        until_s = time.monotonic() + WAIT_S
        while not (found := condition(self.records(topics.CHECKPOINTS))):
            for name, process in self.processes.items():
                assert process.poll() is None, (self.folder / f"{name}.log").read_text("utf-8")[-3000:]
            assert time.monotonic() < until_s, what + (self.folder / "log.log").read_text("utf-8")[-3000:]
            time.sleep(0.3)
        return found

    def opened(self, records):
        verifiers = self.public.verifiers(HEADS)
        return [
            self.policy.open(one.value, log_verifiers=verifiers) for one in records if one.key == HEADS_KEY
        ]

    def wait_for_cosigned(self, names, beyond):
        """Wait until a head checkpoint of over `beyond` entries is cosigned by exactly these; return its size."""

        def found(records):
            sizes = [
                one.checkpoint.size
                for one in self.opened(records)
                if one.is_quorum and {each.name.partition("-")[0] for each in one.cosignatures} == set(names)
            ]
            return max((size for size in sizes if size > beyond), default=0)

        return self.wait(f"no head checkpoint cosigned by {names} beyond {beyond}\n", found)

    def wait_for_timestamps(self, beyond):
        """Wait until there are more timestamps than `beyond`; return how many."""
        return self.wait("no timestamp\n", lambda records: max(0, _stamped(records) - beyond)) + beyond

    def newest(self):
        return max((one.checkpoint.size for one in self.opened(self.records(topics.CHECKPOINTS))), default=0)

    def read(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/{path}", timeout=10) as answer:
            return answer.read()


def _stamped(records):
    return sum(one.key == TIMESTAMP_KEY for one in records)


class HttpTiles:
    """Tiles of one log as its web server has them."""

    def __init__(self, bench, origin):
        self._bench, self._origin = bench, origin

    def read(self, path):
        parse_path(path)
        try:
            return self._bench.read(f"{self._origin}/{path}")
        except urllib.error.HTTPError as err:
            raise MissingPartError(path) from err


def test_witnesses_authority_and_service_are_killed(embedded_kafka_factory, tmp_path):
    """Two of three witnesses keep the quorum, nobody who is away stops signing, and everything verifies at the end."""
    servers = embedded_kafka_factory().start(START_TIMEOUT_S)
    bench = LogBench(servers, tmp_path)
    asyncio.run(bench.create_topics())
    load = Load(servers)
    court, press, union = WITNESSES
    try:
        with bench.tsa():
            load.start()
            bench.start(*WITNESSES, "log")
            size = bench.wait_for_cosigned({court, press, union}, 0)
            stamped = bench.wait_for_timestamps(0)
            # One witness dies: the others are the quorum. The service dies, too, and goes on.
            bench.kill("union")
            size = bench.wait_for_cosigned({court, press}, size)
            bench.kill("log")
            bench.start("log")
            size = bench.wait_for_cosigned({court, press}, size)
            bench.start("union")
            size = bench.wait_for_cosigned({court, press, union}, size)
            # Two are away: no quorum, and checkpoints go on.
            bench.kill("court")
            bench.kill("press")
            newest = bench.newest()
            bench.wait("signing stopped\n", lambda _: bench.newest() > newest + 10)
            bench.kill("log")
            bench.start("log")
            bench.start("court", "press")
            size = bench.wait_for_cosigned({court, press, union}, newest)
            stamped = _stamped(bench.records(topics.CHECKPOINTS))
        # The authority is away: signing and witnessing go on.
        size = bench.wait_for_cosigned({court, press, union}, size)
        bench.kill("log")
        bench.start("log")
        bench.wait_for_cosigned({court, press, union}, size)
        stamped = _stamped(bench.records(topics.CHECKPOINTS))
        with bench.tsa():
            bench.wait_for_timestamps(stamped)
            load.stopping.set()
            load.join()
            bench.wait("not all entries are signed\n", lambda records: _signed(records) == load.sent)
            bench.wait_for_cosigned({court, press, union}, bench.newest() - 1)
            _check_http(bench)
            status = json.loads(
                bench.govbus(
                    "log",
                    "status",
                    "--bus",
                    str(BUS),
                    "--data",
                    str(tmp_path / "log"),
                    "--json",
                    "--witnesses",
                    str(tmp_path / "witnesses.policy"),
                )
            )
            assert (bench.newest(), []) == (status["head"]["size"], status["missing"])
            assert bench.newest() == status["quorum"]["size"]
            assert ["tsa1"] == list(status["timestamps"])
            assert 0 == bench.stop("log")
    finally:
        load.stopping.set()
        bench.kill_all()
    _check_topic(bench, load)


def _signed(records):
    """Return how many entries the newest checkpoints of all partitions cover."""
    sizes = {}
    for record in records:
        number = partition_of_key(record.key)
        if number is not None:
            sizes[number] = int(record.value.split(b"\n")[1])
    return sum(sizes.values())


def _check_http(bench):
    """Read trees from tiles over HTTP: their roots are the signed ones, and the head checkpoint has its quorum."""
    for number in range(PARTITIONS):
        origin = log_origin(BUS, number)
        _, size, root, *_ = bench.read(f"{origin}/checkpoint").decode().split("\n")
        assert base64.b64decode(root) == TileTree(HttpTiles(bench, origin), int(size)).root()
    opened = bench.policy.open(bench.read(f"{HEADS}/checkpoint"), log_verifiers=bench.public.verifiers(HEADS))
    assert opened.is_quorum
    tree = TileTree(HttpTiles(bench, HEADS), opened.checkpoint.size)
    assert opened.checkpoint.root == tree.root()


def _check_topic(bench, load):
    """Recompute everything from the topics, as a stranger with the public keys does."""
    report = AuditReport()
    anchors = read_anchors(bench.folder / "tsa" / "ca.pem")
    checkpoints = Checkpoints(BUS, bench.public, report, policy=bench.policy, timestamp_anchors=anchors)
    for record in bench.records(topics.CHECKPOINTS):
        checkpoints.take(record)
    entries = bench.records(topics.MESSAGE_LOG)
    for number in range(PARTITIONS):
        replay = checkpoints.replay(number)
        for record in entries:
            if record.partition == number:
                replay.append(record)
        replay.finish()
    checkpoints.finish()
    assert [] == [finding.to_text() for finding in report.findings]
    assert (load.sent, 0) == (len(entries), report.entries_after_checkpoint)
    assert report.heads == report.heads_witnessed == bench.newest()
    assert report.timestamps == _stamped(bench.records(topics.CHECKPOINTS)) > 1
    tree = CompactTree()
    for record in _entries_of_heads(bench):
        tree.append(leaf_hash(record))
    assert report.head_root == tree.root().hex()


def _entries_of_heads(bench):
    """Return the head tree's entries by the rule alone: note texts, in order, larger than the last of their origin."""
    last = {}
    for record in bench.records(topics.CHECKPOINTS):
        if record.key.isdigit():
            text = record.value.partition(b"\n\n")[0] + b"\n"
            origin, size, _ = text.split(b"\n", 2)
            if int(size) > last.get(origin, 0):
                last[origin] = int(size)
                yield text
