"""What the tests of the sending side share: a profile on disk, a spool, documents, and a broker that fails on cue."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from govbus.adapters.outgoing import DocumentIds, DocumentTemplate, EncodedDocument, OutgoingDocument
from govbus.adapters.spool import Spool
from govbus.document.ids import Origin
from govbus.errors import TransportError
from govbus.schemas.catalog import DocumentSchema
from govbus.schemas.codec import AvroCodec
from govbus.signing.issuing import CertificateAuthority
from govbus.signing.signer import KeySigner

AT_MS = 1_795_466_700_123
DAY_MS = 86_400_000


class ScriptedBroker:
    """A transport whose publishers keep what they are given, and fail where the script says so.

    ``failures`` holds, for the coming calls of ``publish``, an error or None; an error with ``arrived`` set lets that
    many records arrive before it is raised, as a broker does that dies before its answer.
    """

    def __init__(self):
        self.arrived = []
        self.failures = []
        self.started = 0
        self.stopped = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.start_failures = []

    def publisher(self):
        return _ScriptedPublisher(self)


class _ScriptedPublisher:
    def __init__(self, broker):
        self.broker = broker

    async def start(self):
        self.broker.started += 1
        if self.broker.start_failures:
            raise self.broker.start_failures.pop(0)

    async def stop(self):
        self.broker.stopped += 1

    async def publish(self, records):
        await self.broker.gate.wait()
        failure = self.broker.failures.pop(0) if self.broker.failures else None
        if failure is not None:
            self.broker.arrived += records[: getattr(failure, "arrived", 0)]
            raise failure
        self.broker.arrived += records
        return list(range(len(records)))


def lost(arrived=0):
    """Return the error of a broker that went away after so many records."""
    error = TransportError("kafka: publish: gone")
    error.arrived = arrived
    return error


@pytest.fixture
def broker():
    return ScriptedBroker()


@pytest.fixture(scope="session")
def origin() -> Origin:
    return Origin.from_text("tax.example/main")


@pytest.fixture(scope="session")
def issued():
    authority = CertificateAuthority.create("Test authority", at_ms=AT_MS - DAY_MS)
    return authority.issue("tax.example", not_before_ms=AT_MS - DAY_MS, not_after_ms=AT_MS + DAY_MS)


@pytest.fixture(scope="session")
def signer(issued) -> KeySigner:
    return KeySigner.from_pem(issued.key_pem, issued.certificate_pem, kid="tax.example/seal")


@pytest.fixture(scope="session")
def template(origin) -> DocumentTemplate:
    record = {"type": "record", "name": "Meta", "fields": [{"name": "record_id", "type": "string"}]}
    body = {"type": "record", "name": "Body", "fields": [{"name": "text", "type": ["null", "string"]}]}
    fields = [{"name": "record", "type": record}, {"name": "body", "type": body}]
    codec = AvroCodec({"type": "record", "name": "Doc", "namespace": "test", "fields": fields})
    schema = DocumentSchema(100, "https://bus.example/schemas/test/1", "test", 1, codec)
    return DocumentTemplate(
        origin, "example.test.v1", "test-2026", "internal", "non-pii", "non-public", schema
    )


@pytest.fixture
def encoded(template) -> Callable[[int], list[EncodedDocument]]:
    ids = DocumentIds()

    def make(count):
        return [
            template.encode(
                OutgoingDocument(ids.new(AT_MS), None, AT_MS, {"record_id": str(n)}, {"text": "x"})
            )
            for n in range(count)
        ]

    return make


@pytest.fixture
def spool_path(tmp_path: Path) -> Path:
    return tmp_path / "main.spool"


@pytest.fixture
def spool(spool_path, origin):
    with Spool.open(spool_path, origin, next_index=0) as opened:
        yield opened


@pytest.fixture(name="lost")
def _lost():
    return lost


@pytest.fixture
def until():
    """Waits for something to become true."""

    async def wait(condition, timeout_s=5.0):
        end = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < end, "it did not happen in time"
            await asyncio.sleep(0.002)

    return wait
