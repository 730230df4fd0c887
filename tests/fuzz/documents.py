"""Documents as strangers might send them: signed by an agency that means harm, or changed by somebody on the way.

What an agency signs itself reaches the rules, so most documents here are changed first and signed then.
"""

from __future__ import annotations

import functools
from decimal import Decimal
from typing import Any, Final

from govbus.document import topics
from govbus.document.decision import Receipt, SourcePosition
from govbus.document.finding import Finding, Outcome
from govbus.document.record import BATCH, PATH, SALT, SIGNATURE, STATEMENT, Record, frame
from govbus.errors import SchemaError
from govbus.routing.decide import decide
from govbus.routing.directory.model import Directory
from govbus.routing.exchange_place import ExchangePlace
from govbus.routing.history import MemoryHistory
from govbus.routing.rules.catalogue import RULES, explained
from govbus.routing.rules.facts import ProvenDocument
from govbus.routing.rules.judge import judge
from govbus.schemas.bundled import definition
from govbus.schemas.catalog import DocumentSchema
from govbus.schemas.core import encode_receipt
from govbus.service.delivered import Rejection, read_delivered
from govbus.service.router.batch import BatchRouter
from govbus.signing.verifier import VerifiedSignatures
from govbus.testing import example_keys
from govbus.testing.example_bus import (
    BASE_AT_MS,
    BASE_BODY,
    BASE_HEADERS,
    BASE_RECORD,
    BUS,
    COURT,
    ORIGIN,
    TAX,
    ExampleBus,
)
from govbus.testing.example_documents import make_record

from .material import HOSTILE_TEXTS, Choices, edited, value_of

ENTRY_BYTES_MAX: Final = 1_000_000
"""Of what the router writes about one record: Kafka's default limit."""
FIELD_CHARACTERS_MAX: Final = 300
DETAIL_CHARACTERS_MAX: Final = 500
CANARY: Final = "zqCANARYqz"
"""Stands in texts of a document that no finding may repeat."""

_ATTRIBUTES: Final = (
    *BASE_HEADERS,
    "ce_id",
    "ce_time",
    "ce_dataschema",
    "ce_subject",
    "ce_recordedtime",
    "ce_expirytime",
    "ce_cuibanner",
    "ce_dataregulation",
    "ce_testmode",
    "ce_title",
    "ce_audience",
    "ce_ismclassification",
    "ce_traceparent",
)
_LINES: Final = tuple(text for text in HOSTILE_TEXTS if text.isprintable() and text)
"""Texts that a header may have."""
_NAMES: Final = (
    "ce_\udcff",
    "ce_" + "a" * 65,
    "ce_A",
    "ce_",
    "",
    "gb-stmt",
    "gb-sig",
    "ce_id",
    "\u202e",
    "x" * 500,
)

SCHEMA: Final[dict[str, Any]] = {
    "type": "record",
    "name": "Assessment",
    "namespace": "tax",
    "doc": "A tax assessment with a field of every kind of type.",
    "fields": [
        {"name": "case_id", "doc": "Identifier of the case.", "type": "string"},
        {"name": "amount", "doc": "Amount in US dollars.", "type": "string"},
        {"name": "reason", "doc": "Why.", "type": ["null", "string"], "default": None},
        {
            "name": "notes",
            "doc": "Notes by topic.",
            "type": {"type": "map", "values": {"type": "array", "items": "string"}},
            "default": {},
        },
        {
            "name": "due",
            "doc": "When it is to be paid.",
            "type": [
                "null",
                {"type": "int", "logicalType": "date"},
                {"type": "long", "logicalType": "timestamp-micros"},
            ],
            "default": None,
        },
        {
            "name": "sum",
            "doc": "Amount as a number.",
            "type": {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 2},
            "default": "",
        },
        {
            "name": "original",
            "doc": "The message as it came, in single-object encoding.",
            "type": ["null", "bytes"],
            "default": None,
            "govbus.encoding": "avro-single-object",
        },
        {
            "name": "attachments",
            "doc": "Files that belong to it.",
            "type": {"type": "array", "items": definition("core/attachment/v1")},
            "default": [],
        },
    ],
}
"""Payload of the bus below: every kind of type that rules look into."""
BODY: Final[dict[str, Any]] = {**BASE_BODY, "sum": Decimal("10.00")}


@functools.cache
def directory() -> Directory:
    """Return a bus with every profile switched on."""
    agreement = {"cui": {"categories": ["PRVCY", "SP-TAX"], "dissemination": ["FED ONLY", "REL TO"]}}
    return ExampleBus.of({"schema": SCHEMA, "agreement": agreement}).directory()


def schema() -> DocumentSchema:
    """Return the schema of its documents."""
    return directory().schemas.schemas[0]


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape" if "\udcff" in text else "replace")


def _header_changes(choices: Choices) -> dict[str, Any]:
    """Return headers to replace, leave out or add, as an example has them."""
    texts: dict[str, Any] = {}
    octets: dict[str, str] = {}
    for _ in range(choices.number(4)):
        name = choices.pick(_ATTRIBUTES)
        match choices.number(32):
            case 28:
                texts[name] = None
            case 29:
                octets[name] = choices.octets(choices.number(64)).hex()
            case 30:
                octets["ce_" + choices.text()[:80]] = b"1".hex()
            case 31:
                octets[name] = _octets(choices.text()).hex()
            case _:
                octets[name] = _octets(choices.pick(_LINES)).hex()
    return {"headers": texts, "header_bytes": octets}


def _value(choices: Choices) -> dict[str, Any]:
    """Return a value of the schema: the good one with some parts made up, or all of it."""
    made = value_of(schema().codec.definition, choices)
    record = {**BASE_RECORD, **{name: made["record"][name] for name in _some(list(made["record"]), choices)}}
    body = {**BODY, **{name: made["body"][name] for name in _some(list(made["body"]), choices)}}
    return {"record": record, "body": body}


def _encoded(value: Any) -> bytes:
    """Return the Avro bytes of a value; those of the good one where the value cannot be encoded."""
    try:
        return schema().codec.encode(value)
    except SchemaError:
        return schema().codec.encode({"record": BASE_RECORD, "body": BODY})


def _some(names: list[str], choices: Choices) -> list[str]:
    return [choices.pick(names) for _ in range(choices.number(6))]


def signed_record(choices: Choices, *, index: int = 0) -> Record:
    """Return an outbox record that the agency signed, whatever it says."""
    changes = _header_changes(choices)
    raw: dict[str, Any] = {"header_bytes": changes["header_bytes"]}
    avro = _encoded(_value(choices))
    if choices.number(4) == 1:
        avro = edited(avro, choices)
    raw["avro_replace"] = avro.hex()
    if choices.number(8) == 1:
        raw["signature_header"] = {
            choices.pick(("kid", "typ", "iat", "alg", "crit", "x5t#S256")): choices.value()
        }
    if choices.number(8) == 1:
        line = choices.pick(("origin", "index", "topic", "headers", "schema", "length", "value", "time"))
        raw["statement"] = {line: choices.octets(40).decode("ascii", "replace").replace("\ufffd", "-")}
    headers = {name: value for name, value in changes["headers"].items() if name not in raw["header_bytes"]}
    return make_record(
        {"headers": headers, "raw": raw}, schema(), index=index, offset=index, at_ms=BASE_AT_MS
    )


def tampered(record: Record, choices: Choices) -> Record:
    """Return a record as somebody on the way might leave it, most often untouched."""
    headers = list(record.headers)
    match choices.number(16):
        case 1:
            headers.append((choices.pick(_NAMES), choices.octets(16)))
        case 2:
            headers.append((choices.pick(_NAMES), None))  # type: ignore[arg-type]  # Kafka has such headers
        case 3:
            headers += [(choices.pick(_NAMES), b"")] * 2
        case 4:
            headers.append((BATCH, _batch(choices)))
            headers.append((PATH, bytes(32 * choices.number(34))))
        case 5:
            at = choices.number(len(headers))
            headers[at] = (headers[at][0], edited(headers[at][1], choices))
        case 6:
            del headers[choices.number(len(headers))]
        case 7:
            return record._replace(
                value=choices.pick((None, b"", bytes(4), edited(record.value or b"", choices)))
            )
        case 8:
            return record._replace(key=choices.pick((None, b"", choices.octets(30))))
        case 9:
            return record._replace(
                topic=choices.pick(("govbus.out.", "govbus.out.A", "x", topics.outbox(COURT)))
            )
        case _:
            return record
    return record._replace(headers=tuple(headers))


def _batch(choices: Choices) -> bytes:
    origin = choices.pick((ORIGIN, "a..b/x", "tax.example", "court.example/main"))
    text = f"govbus/batch/v1\norigin {origin}\nstart 0\nend 1\nroot {'A' * 43}\n".encode("ascii")
    return edited(text, choices) if choices.number(2) else text


@functools.cache
def _signer() -> Any:
    return example_keys.signer(BUS.text)


def decide_totally(octets: bytes) -> None:
    """Decide about records, write down what follows, and read it as a consumer does."""
    choices = Choices(octets)
    history = MemoryHistory()
    record = tampered(signed_record(choices), choices)
    decision = decide(record, directory(), history, at_ms=BASE_AT_MS)
    check_findings(decision.findings)
    again = decide(record, directory(), history, at_ms=BASE_AT_MS)
    if (decision.outcome, decision.findings) != (again.outcome, again.findings):
        raise AssertionError("two decisions about one record differ")
    router = BatchRouter(
        history=history,  # type: ignore[arg-type]  # a history in memory does as well
        verified=VerifiedSignatures(),
        signer=_signer(),
        name="fuzz",
        log_partition=0,
        receipt_run_documents_max=10,
    )
    batch = router.route([record, record], directory(), at_ms=BASE_AT_MS)
    size = sum(len(one.value or b"") for one in batch.records if one.topic == topics.MESSAGE_LOG)
    if size > 2 * ENTRY_BYTES_MAX:
        raise AssertionError(f"the log entries about one record take {size} bytes")
    for one in batch.records:
        if one.topic == topics.inbox(TAX):
            _deliver(Record(one.topic, 0, 0, 0, one.key, one.value, one.headers), is_good=True)


def _deliver(record: Record, *, is_good: bool = False) -> None:
    delivered = read_delivered(record, directory(), VerifiedSignatures())
    if isinstance(delivered, Rejection) and (
        is_good or delivered.rule not in RULES or delivered.rule == "INT-1"
    ):
        raise AssertionError(f"delivered record rejected: {delivered.rule} {delivered.reason}")


def deliver_totally(octets: bytes) -> None:
    """Read a record as a consumer does who trusts nobody."""
    choices = Choices(octets)
    record = signed_record(choices)
    key = dict(record.headers).get("ce_id", b"")
    inbox = record._replace(topic=topics.inbox(COURT), key=key)
    _deliver(tampered(inbox, choices))


def headers_totally(octets: bytes) -> None:
    """Decide about a record whose headers are nearly anything."""
    choices = Choices(octets)
    names = (*_ATTRIBUTES, *_NAMES, STATEMENT, SALT, SIGNATURE, BATCH, PATH)
    headers = []
    for _ in range(choices.number(80)):
        name = (
            choices.pick(names)
            if choices.number(4)
            else choices.octets(40).decode("utf-8", "surrogateescape")
        )
        value = (None, b"", bytes(16), choices.octets(40), b"a" * 40_000)[choices.number(5)]
        headers.append((name, value))
    record = Record("govbus.out.tax.example", 0, 0, 0, b"tax.example/main", frame(100, b""), tuple(headers))  # type: ignore[arg-type]
    decision = decide(record, directory(), MemoryHistory(), at_ms=BASE_AT_MS)
    if not decision.findings:
        raise AssertionError("nothing was found")
    check_findings(decision.findings)


def judge_totally(octets: bytes) -> None:
    """Judge a decoded document by every rule, with texts in it that no finding may repeat."""
    choices = Choices(octets)
    avro = _encoded(_value(choices))
    try:
        value = schema().codec.decode(avro)
    except SchemaError:
        return  # such as a date after the year 9999
    if choices.number(2):
        value = {"record": _with_canary_record(value["record"]), "body": _with_canary(value["body"])}
    signed = {name: text.encode("utf-8") for name, text in BASE_HEADERS.items()}
    signed |= {
        "ce_id": b"1",
        "ce_time": b"2026-11-23T20:45:00Z",
        "ce_dataschema": schema().uri.encode("ascii"),
    }
    for _ in range(choices.number(5)):
        signed[choices.pick(_ATTRIBUTES)] = choices.text().encode("utf-8", "replace")
    avro = _encoded(value)
    bus = directory()
    agreement = bus.agreement("tax-assessments")
    package = bus.package("tax.assessment")
    assert agreement is not None  # the example bus has them
    assert package is not None
    document = ProvenDocument(signed, value, avro, ())
    place = ExchangePlace(ORIGIN, agreement, package, schema())
    found = judge(
        document, place, bus, MemoryHistory(), time_ms=BASE_AT_MS, at_ms=BASE_AT_MS + choices.number(2**31)
    )
    check_findings(found)


def _with_canary(value: Any) -> Any:
    """Return a value with the canary in every text and every key."""
    match value:
        case str():
            return f"{CANARY}{value}"
        case dict():
            return {
                (name if name in _FIELDS else f"{CANARY}{name}"): _with_canary(one)
                for name, one in value.items()
            }
        case list():
            return [_with_canary(one) for one in value]
        case _:
            return value


_FIELDS = {field["name"] for field in SCHEMA["fields"]} | {"name", "media_type", "content"}


def _with_canary_record(record: dict[str, Any]) -> dict[str, Any]:
    return {**record, "title": CANARY, "description": f"{CANARY}{record['description']}"}


def check_findings(findings: tuple[Finding, ...]) -> None:
    """Check that findings are ones of our rules, short, sendable, and repeat no canary."""
    for one in findings:
        if one.rule not in RULES or one.rule == "INT-1":
            raise AssertionError(f"not judged by a rule: {one}")
        if len(one.field) > FIELD_CHARACTERS_MAX or len(one.detail) > DETAIL_CHARACTERS_MAX:
            raise AssertionError(
                f"a long finding of {one.rule}: {len(one.field)} and {len(one.detail)} characters"
            )
        if CANARY in one.field or CANARY in one.detail:
            raise AssertionError(f"a finding of {one.rule} repeats the document: {one}")
    encode_receipt(
        Receipt(
            document_id=None,
            origin=None,
            index=None,
            count=1,
            statement_hash=None,
            decision=Outcome.REFUSED,
            findings=explained(findings),
            source=SourcePosition("x", 0, 0),
            log_partition=0,
            time_ms=0,
        )
    )


def seeds() -> list[bytes]:
    """Return series of choices that reach the rules."""
    return [
        b"",
        bytes(64),
        bytes(range(256)),
        *(bytes([0, number]) * 40 for number in range(1, len(HOSTILE_TEXTS))),
    ]
