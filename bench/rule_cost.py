"""What the rules cost a document, beside decoding the same document once with fastavro, in one run."""

import io
import statistics
import time

import fastavro

from govbus.document.record import Envelope, unframe
from govbus.document.statement import Statement
from govbus.routing.exchange_place import find_place
from govbus.routing.history import MemoryHistory
from govbus.routing.rules.cloudevents import time_ms_of
from govbus.routing.rules.facts import ProvenDocument
from govbus.routing.rules.judge import judge

ROUNDS = 7


def rule_cost(records, directory, at_ms: int) -> dict[str, float]:
    """Return CPU microseconds a document of both, as medians of alternating rounds, and their ratio.

    Args:
        records: outbox records that the bus accepts.
        directory: the version in force.
        at_ms: time of the decisions.
    """
    documents = [_prepared(one, directory) for one in records]
    history = MemoryHistory()

    def decode():
        for _, place, proven, _ in documents:
            fastavro.schemaless_reader(io.BytesIO(proven.avro), place.schema.codec.parsed)

    def rules():
        for _, place, proven, time_text in documents:
            time_ms = time_ms_of(time_text, at_ms)
            found = judge(proven, place, directory, history, time_ms=time_ms, at_ms=at_ms)
            if found:
                raise AssertionError(f"the material breaks rules: {found}")

    figures = {decode: [], rules: []}
    for _ in range(ROUNDS):
        for work, taken in figures.items():
            started = time.process_time()
            work()
            taken.append((time.process_time() - started) / len(documents) * 1e6)
    decoding, judging = (statistics.median(taken) for taken in figures.values())
    return {
        "fastavro_decode_us": round(decoding, 2),
        "rules_us": round(judging, 2),
        "rules_to_fastavro_decode": round(judging / decoding, 3),
    }


def _prepared(record, directory):
    """Return what `decide` has in its hands when it comes to the rules."""
    envelope = Envelope.from_headers(record.headers)
    statement = Statement.from_bytes(envelope.statement)
    frame_id, avro = unframe(record.value)
    place = find_place(frame_id, envelope, statement, directory)
    value = place.schema.codec.decode(avro)
    proven = ProvenDocument(envelope.signed, value, avro, envelope.signatures, envelope.kind)
    return record, place, proven, envelope.signed["ce_time"]
