"""Outsiders before a real router on Kafka: forgeries are refused by their rules, genuine documents go through."""

import asyncio
import json
import time
from dataclasses import replace

import pytest

from govbus.cli.demo.stage import workbench
from govbus.document import topics
from govbus.document.encoding import base64url, from_base64url
from govbus.document.finding import Outcome
from govbus.document.record import BATCH, PATH, SIGNATURE, STATEMENT
from govbus.document.statement import Statement, statement_hash
from govbus.signing.batch import BatchText
from govbus.signing.jws import signing_input
from tests.integration.bus import Bus

pytestmark = pytest.mark.kafka

WAIT_S = 90


@pytest.fixture
def bus(embedded_kafka_factory, tmp_path):
    """A broker, a router and a log service."""
    bus = Bus(embedded_kafka_factory(), tmp_path)
    bus.add_router("router-1")
    bus.add_log_service()
    try:
        bus.start()
        yield bus
    finally:
        bus.kill_all()


def _with_header(name, change):
    def tamper(record):
        headers = [(one, change(octets) if one == name else octets) for one, octets in record.headers]
        return record._replace(headers=tuple(headers))

    return tamper


def _protected(draft, **fields):
    """Sign again over a protected header that says something else."""

    def tamper(record):
        found = dict(record.headers)
        header = json.loads(from_base64url(found[SIGNATURE].split(b".")[0].decode()))
        octets = base64url(json.dumps(header | fields, separators=(",", ":")).encode()).encode()
        signature = draft.signer.sign(signing_input(octets, found[STATEMENT]))
        signed = octets + b".." + base64url(signature).encode()
        return _with_header(SIGNATURE, lambda _: signed)(record)

    return replace(draft, tamper=tamper)


def _long_path(record):
    statement = dict(record.headers)[STATEMENT]
    origin = str(Statement.from_bytes(statement).origin)
    text = BatchText(origin, 0, 1, statement_hash(statement)).to_bytes()
    return record._replace(headers=(*record.headers, (BATCH, text), (PATH, bytes(33 * 32))))


def _small_order(octets):
    neutral = bytes([1, *bytes(63)])
    return octets.split(b"..")[0] + b".." + base64url(neutral).encode()


FORGERIES = {
    "key of another agency": ("SEC-6", lambda draft, bench: replace(draft, signer=bench.foreign_signer)),
    "unknown key": ("SEC-6", lambda draft, bench: replace(draft, signer=bench.unknown_signer)),
    "expired": ("SEC-6", lambda draft, bench: replace(draft, signer=bench.expired_signer)),
    "replayed": (
        "SEC-3",
        lambda draft, bench: replace(
            draft, tamper=lambda record: record._replace(topic=topics.outbox(bench.foreign_agency))
        ),
    ),
    "header": ("SEC-3", lambda draft, _: replace(draft, tamper=_with_header("ce_type", lambda _: b"x.v1"))),
    "index": (
        "SEC-3",
        lambda draft, _: replace(
            draft, tamper=_with_header(STATEMENT, lambda one: one.replace(b"length ", b"length 1"))
        ),
    ),
    "gap": ("SEQ-1", lambda draft, _: replace(draft, index=7)),
    "path": ("SEC-3", lambda draft, _: replace(draft, tamper=_long_path)),
    "small order": ("SEC-3", lambda draft, _: replace(draft, tamper=_with_header(SIGNATURE, _small_order))),
    "crit": ("SEC-3", lambda draft, _: _protected(draft, crit=["b64", "exp"], exp=1)),
    "alg": ("SEC-4", lambda draft, _: _protected(draft, alg="ML-DSA-44")),
    "mac": ("SEC-4", lambda draft, _: _protected(draft, alg="HS256")),
    "none": ("SEC-4", lambda draft, _: _protected(draft, alg="none")),
    "lines": ("SEC-3", lambda draft, _: replace(draft, rewrite=lambda octets: octets + b"note 1\n")),
}


def test_wrong_key_or_another_agency_s_key__and_every_other_forgery_before_a_real_router(bus):
    """Each ends by its rule, the genuine document that it was made of is accepted after it, and the log verifies."""
    bench = workbench(bus.stage, int(time.time() * 1000))
    drafts = {name: bench.draft(number) for number, name in enumerate(FORGERIES)}
    forged = {name: change(drafts[name], bench).to_record() for name, (_, change) in FORGERIES.items()}
    genuine = [draft.to_record() for draft in drafts.values()]

    async def publish():
        publisher = bus.transport.publisher()
        await publisher.start()
        for record in (*forged.values(), *genuine):
            await publisher.publish([record])
        await publisher.stop()

    asyncio.run(publish())
    bus.wait(lambda: len(bus.entries()) == 2 * len(FORGERIES), WAIT_S, "a decision about every record")

    outcomes = {name: [] for name in FORGERIES}
    ids = {dict(draft.signed)["ce_id"].decode(): name for name, draft in drafts.items()}
    for entry in sorted(bus.entries(), key=lambda entry: entry.decision is Outcome.ACCEPTED):
        # Headers that cannot be read give no id: that is the oversize path alone.
        outcomes[ids.get(entry.document_id, "path")].append([one.rule for one in entry.findings])
    assert {name: [[rule], []] for name, (rule, _) in FORGERIES.items()} == outcomes
    bus.wait(lambda: bus.audit().is_clean, WAIT_S, "a checkpoint over every entry")
    report = bus.audit()
    assert len(FORGERIES) == report.outcomes["accepted"]
