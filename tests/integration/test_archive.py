"""A running bus is archived in two goes with a kill in between; the archive alone then says what was decided."""

import shutil
import signal
import subprocess
import sys
import time

import pytest

from govbus.audit.archive.documents import DocumentKind
from govbus.audit.archive.reader import Archive
from govbus.audit.archive.values import frames_of, pack_frame
from govbus.audit.history import ReplayHistory
from govbus.audit.judge import demanded_entry
from govbus.document import topics
from govbus.routing.decide import decide, prior_of
from govbus.routing.directory.records import DirectoryReader
from govbus.schemas.core import decode_log_entry
from govbus.service.directory.publishing import read_certificates
from govbus.service.sample_directory import BUS, CIVIL_REGISTRY, HEALTH_FUND
from govbus.signing.verifier import VerifiedSignatures

from .bus import Bus

pytestmark = pytest.mark.kafka

ROWS = 400
AGENCIES = (str(CIVIL_REGISTRY), str(HEALTH_FUND))
TIMEOUT_S = 120


class Commands:
    """The archive's commands, as an operator and an auditor run them."""

    def __init__(self, bus, folder):
        self.bus = bus
        self.folder = folder
        self.keys = ("--log-keys", str(bus.folder / "log-keys"))
        self.trust = (*self.keys, "--authority", str(bus.stage.sample.authority_certificate))

    def start_writing(self):
        arguments = ("archive", "write", str(self.folder), "--bus", str(BUS), *self.keys, "--close")
        return subprocess.Popen(
            [sys.executable, "-m", "govbus", *arguments],
            env=self.bus.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def write(self):
        process = self.start_writing()
        output, errors = process.communicate(timeout=TIMEOUT_S)
        assert 0 == process.returncode, output + errors
        return output

    def verify(self, *, code=0, folder=None):
        environment = dict(self.bus.environment)
        environment["GOVBUS_KAFKA__BOOTSTRAP_SERVERS"] = "127.0.0.1:1"  # an auditor has no bus
        done = subprocess.run(
            [sys.executable, "-m", "govbus", "archive", "verify", str(folder or self.folder), *self.trust],
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert code == done.returncode, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def bus(embedded_kafka_factory, tmp_path):
    """A bus with two agencies whose files grow, a router and a log service."""
    bus = Bus(embedded_kafka_factory(), tmp_path / "bus")
    bus.add_router("router-1")
    bus.add_log_service()
    for agency in AGENCIES:
        bus.add_agency(agency)
    yield bus
    bus.kill_all()


def _checkpointed(bus, entries):
    """Wait until so many entries are decided and signed."""

    def is_signed():
        sizes = {}
        for record in bus.records(topics.CHECKPOINTS):
            if record.key.isdigit():
                sizes[record.key] = int(record.value.split(b"\n")[1])
        return sum(sizes.values()) >= entries

    bus.wait(is_signed, TIMEOUT_S, f"checkpoints over {entries} entries")


def test_archive_of_a_running_bus(bus, tmp_path):
    """Two goes, one of them killed; whole again; and one thing after the other that is changed is found."""
    commands = Commands(bus, tmp_path / "archive")
    bus.start()
    for agency in AGENCIES:
        bus.append(agency, 0, ROWS)
    _checkpointed(bus, 2 * ROWS)
    commands.write()
    first = Archive(commands.folder).last().manifest
    for agency in AGENCIES:
        bus.append(agency, ROWS, ROWS)
    _checkpointed(bus, 4 * ROWS)
    _kill_while_it_prepares(commands)
    commands.verify()
    commands.write()
    report = commands.verify()

    assert 2 * ROWS <= first.entries
    assert "The archive is whole" in report
    _require_all_there(bus, commands.folder)
    _require_same_decisions(bus, commands.folder)
    _tamper(commands, tmp_path / "copy")


def _kill_while_it_prepares(commands):
    """Kill a writer as soon as it has begun a segment."""
    process = commands.start_writing()
    until = time.monotonic() + TIMEOUT_S
    while process.poll() is None and time.monotonic() < until:
        if any((commands.folder / ".staging").glob("0*/segments/*/documents")):
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.005)
    process.communicate(timeout=TIMEOUT_S)


def _require_all_there(bus, folder):
    """Every entry that checkpoints cover, and every outbox record, is in the archive byte for byte."""
    archived = {}
    for segment in Archive(folder).segments():
        for one in segment:
            archived.setdefault(one.partition, []).append(one)
    records = {(one.topic, one.partition, one.offset): one for one in _outbox_records(bus)}
    log = {}
    for record in bus.records(topics.MESSAGE_LOG):
        log.setdefault(record.partition, []).append(record.value)
    for partition, ones in archived.items():
        assert log[partition][: len(ones)] == [one.octets for one in ones]
        for one in ones:
            entry = decode_log_entry(one.octets)
            assert one.record(entry) == records[entry.source]
            assert DocumentKind.DOCUMENT is one.unpack().kind
    assert 4 * ROWS <= sum(map(len, archived.values()))


def _outbox_records(bus):
    return bus.records(*(topics.OUT_PREFIX + agency for agency in AGENCIES))


def _require_same_decisions(bus, folder):
    """Deciding again about what the archive holds gives the entries of the log."""
    reader = DirectoryReader(read_certificates(bus.stage.sample.authority_certificate))
    archive = Archive(folder)
    for record in archive.records("directory"):
        reader.apply(record)
    history, verified = ReplayHistory(), VerifiedSignatures()
    for segment in archive.segments():
        for one in segment:
            entry = decode_log_entry(one.octets)
            record = one.record(entry)
            directory = reader.at(entry.directory_version)
            decision = decide(record, directory, history, at_ms=entry.time_ms, verified=verified)
            assert entry == demanded_entry(decision, record, entry, is_in_run=True)
            prior = prior_of(decision, time_ms=entry.time_ms, receipt_first=entry.receipt_first or 0)
            if prior is not None:
                history.remember(decision.statement.origin, prior)
    history.close()


def _tamper(commands, copy):
    """Change one thing in a copy at a time; the report names it."""
    for name, change in (
        ("segments/00000001/documents", _flip),
        ("segments/00000001/values", _change_value),
        ("segments/00000001/checkpoints", _flip),
        ("segments/00000001/manifest", _flip),
        ("segments/00000002/directory", lambda path: path.write_bytes(b"\0")),
        (f"tiles/{BUS}/log/heads/checkpoint", _flip),
        (f"tiles/{BUS}/log/heads/tile/0/009", lambda path: path.write_bytes(bytes(8192))),
    ):
        shutil.copytree(commands.folder, copy)
        change(copy / name)
        report = commands.verify(code=1, folder=copy)
        shutil.rmtree(copy)
        assert name in report, report


def _flip(path):
    octets = path.read_bytes()
    middle = len(octets) // 2
    path.write_bytes(octets[:middle] + bytes([octets[middle] ^ 1]) + octets[middle + 1 :])


def _change_value(path):
    first, *rest = frames_of(path.read_bytes())
    path.write_bytes(b"".join(map(pack_frame, [first[:-1] + bytes([first[-1] ^ 1]), *rest])))
