"""What the rules cost a document, beside decoding the same document once with fastavro, in one run."""

import io
import statistics
import time
from pathlib import Path

import fastavro

from govbus.cli.demo.government.invention import Inventor
from govbus.cli.demo.government.stage import document_text
from govbus.document.finding import Severity
from govbus.document.header_kind import kind_of
from govbus.document.ids import Origin
from govbus.document.record import Envelope, unframe
from govbus.document.statement import Statement
from govbus.routing.directory.build import build_directory
from govbus.routing.exchange_place import ExchangePlace, find_place
from govbus.routing.history import MemoryHistory
from govbus.routing.rules.cloudevents import time_ms_of
from govbus.routing.rules.facts import ProvenDocument
from govbus.routing.rules.judge import judge
from govbus.service.directory.publishing import read_folder
from govbus.service.document_builder import DocumentBuilder
from govbus.service.government_directory import write_government_directory
from govbus.signing.verifier import VerifiedSignatures, Verifier

ROUNDS = 7
_YEAR_MS = 365 * 86_400_000


def rule_cost(records, directory, at_ms: int) -> dict[str, float]:
    """Return what the rules cost outbox records that the bus accepts.

    Args:
        records: of one kind of document.
        directory: the version in force.
        at_ms: time of the decisions.
    """
    verifier = Verifier(directory, VerifiedSignatures())
    return _measured([_of_record(one, directory, verifier) for one in records], directory, at_ms)


def government_rule_cost(folder: Path, count: int, at_ms: int) -> dict[str, dict[str, float]]:
    """Return what the rules cost each kind of document of the sample government, by agreement.

    Args:
        folder: for the sample's directory; made.
        count: documents of each kind.
        at_ms: when they are made and decided on.
    """
    sample = write_government_directory(folder, at_ms=at_ms)
    content = read_folder(sample.folder).content
    directory = build_directory(content, version=1, issued_ms=at_ms, expires_ms=at_ms + _YEAR_MS)
    inventor = Inventor(1, at_ms=at_ms)
    figures = {}
    for agreement in sorted(directory.agreements.values(), key=lambda one: one.id):
        builder = DocumentBuilder(directory, Origin(agreement.supplier, "bench"), agreement)
        built = [
            builder.build(document_text(agreement, inventor, number), at_ms=at_ms)
            for number in range(1, count + 1)
        ]
        prepared = [_of_document(one, agreement, directory) for one in built]
        figures[agreement.id] = _measured(prepared, directory, at_ms)
    return figures


def _measured(prepared, directory, at_ms: int) -> dict[str, float]:
    """Return CPU microseconds a document of both, as medians of alternating rounds, and their ratio."""
    history = MemoryHistory()

    def decode():
        for place, proven in prepared:
            fastavro.schemaless_reader(io.BytesIO(proven.avro), place.schema.codec.parsed)

    def rules():
        for place, proven in prepared:
            time_ms = time_ms_of(proven.signed["ce_time"], at_ms)
            found = judge(proven, place, directory, history, time_ms=time_ms, at_ms=at_ms)
            if any(one.severity is not Severity.WARN for one in found):
                raise AssertionError(f"the material breaks rules: {found}")

    figures = {decode: [], rules: []}
    for _ in range(ROUNDS):
        for work, taken in figures.items():
            started = time.process_time()
            work()
            taken.append((time.process_time() - started) / len(prepared) * 1e6)
    decoding, judging = (statistics.median(taken) for taken in figures.values())
    return {
        "fastavro_decode_us": round(decoding, 2),
        "rules_us": round(judging, 2),
        "rules_to_fastavro_decode": round(judging / decoding, 3),
    }


def _of_record(record, directory, verifier):
    """Return what `decide` has in its hands when it comes to the rules about a record."""
    envelope = Envelope.from_headers(record.headers)
    statement = Statement.from_bytes(envelope.statement)
    frame_id, avro = unframe(record.value)
    place = find_place(frame_id, envelope, statement, directory)
    value = place.schema.codec.decode(avro)
    signatures = verifier.check_signatures(envelope, statement)
    return place, ProvenDocument(envelope.signed, value, avro, signatures, envelope.kind)


def _of_document(built, agreement, directory):
    """Return the same about a document as its sender built it."""
    document, template = built
    encoded = template.encode(document)
    package = directory.package(agreement.package.text)
    place = ExchangePlace(template.origin, agreement, package, template.schema)
    value = template.schema.codec.decode(encoded.avro)
    return place, ProvenDocument(encoded.signed, value, encoded.avro, (), kind_of(encoded.signed))
