"""CloudEvents 1.0: the vectors of its DSSE extension as they are, and our binary mode told in its other formats."""

import base64
import hashlib
import io
import json
from datetime import UTC, datetime

import fastavro
import jsonschema
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from govbus.document.finding import Outcome
from govbus.document.statement import headers_hash
from govbus.errors import SignatureError
from govbus.signing.algorithms import verify
from govbus.testing.example_bus import ExampleBus
from govbus.testing.example_documents import make_record
from govbus.testing.rule_examples import run_example

pytestmark = pytest.mark.conformance_set("cloudevents")

DSSE_TYPE = "https://cloudevents.io/verifiability/dsse/v0.1"
TEST_KEY = (
    46950820868899156662930047687818585632848591499744589407958293238635476079160,
    5640078356564379163099075877009565129882514886557779369047442380624545832820,
)
"""X and Y of the P-256 key that the extension's text gives for its vectors."""
CORE_NAMES = ("id", "source", "specversion", "type", "datacontenttype", "dataschema", "subject", "time")
JSON_FORMS = ({"separators": (",", ":")}, {}, {"indent": 1}, {"indent": 2}, {"indent": 4})
"""Ways to write the JSON data; the extension's text fixes none."""


@pytest.fixture(scope="module")
def cases(conformance_data):
    return json.loads((conformance_data / "cloudevents/dsse-vectors.json").read_text())


def _envelope(case):
    envelope = json.loads(base64.b64decode(case["dssematerial"]))
    assert DSSE_TYPE == envelope["payloadType"]
    return base64.b64decode(envelope["payload"]), base64.b64decode(envelope["signatures"][0]["sig"])


def _is_signed(case):
    payload, signature = _envelope(case)
    key = ec.EllipticCurvePublicNumbers(*TEST_KEY, ec.SECP256R1()).public_key()
    signed = b" ".join((b"DSSEv1", b"%d" % len(DSSE_TYPE), DSSE_TYPE.encode(), b"%d" % len(payload), payload))
    try:
        verify(key, signature, signed)
    except SignatureError:
        return False
    return True


def _core(event, data):
    """Return the extension's digest over attributes and data."""
    values = {name: event.get(name, "") for name in CORE_NAMES}
    if values["time"]:
        values["time"] = datetime.fromisoformat(values["time"]).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    parts = [*(value.encode() for value in values.values()), data]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()


def _data_forms(event):
    if "data_base64" in event:
        return [base64.b64decode(event["data_base64"])]
    return [json.dumps(event["data"], **form).encode() for form in JSON_FORMS]


def _names(cases, holds):
    return {case["case"] for case in cases if holds(case)}


def test_which_signatures_hold(cases, record_property):
    """The signatures of six cases hold over their payload; 6a and 6b are broken as printed (trap 13)."""
    record_property("cases", len(cases))
    record_property("left_out", "6a, 6b: the signature does not hold and the payload ends in `}=`")

    assert ["1", "2", "3", "4", "5", "6a", "6b", "7"] == [case["case"] for case in cases]
    assert {"1", "2", "3", "4", "5", "7"} == _names(cases, _is_signed)
    assert {"6a", "6b"} == _names(cases, lambda case: _envelope(case)[0].endswith(b"}="))


def test_which_payloads_follow_the_text(cases, record_property):
    """Four payloads are the JSON of the text; 1 and 2 have the 32 bytes of an older draft (trap 13)."""
    record_property("left_out", "1, 2: their payload is the bare digest of an older draft")

    def is_json(case):
        try:
            return "core" in json.loads(_envelope(case)[0])
        except ValueError:
            return False

    assert {"3", "4", "5", "7"} == _names(cases, is_json)
    assert {"1", "2"} == _names(cases, lambda case: len(_envelope(case)[0]) == 32)


def test_which_digests_come_out(cases, record_property):
    """The digest of case 5, whose data are bytes, comes out; no usual way to write the JSON data gives the others."""
    record_property("left_out", "3, 4, 7: the text does not say in which bytes JSON data are hashed")
    usable = [case for case in cases if case["case"] in {"3", "4", "5", "7"}]

    def comes_out(case):
        core = base64.b64decode(json.loads(_envelope(case)[0])["core"])
        return core in {_core(case["event"], data) for data in _data_forms(case["event"])}

    assert {"5"} == _names(usable, comes_out)


def test_times_of_one_moment_hash_alike(cases):
    """Cases 3 and 4 say one moment in two time zones, and have one payload."""
    third, fourth = (next(case for case in cases if case["case"] == name) for name in "34")

    assert third["event"]["time"] != fourth["event"]["time"]
    assert _envelope(third)[0] == _envelope(fourth)[0]


def test_absent_and_empty_are_two_things_here(cases):
    """The extension hashes absent and empty alike; our statement does not, and CE-1 refuses the empty one (trap 12)."""
    event = next(case["event"] for case in cases if case["case"] == "5")
    signed = {"ce_id": b"1", "ce_type": b"example.type"}

    assert _core(event, b"") == _core({**event, "subject": ""}, b"")
    assert headers_hash(signed) != headers_hash({**signed, "ce_subject": b""})
    for name in ("ce_subject", "ce_casefile", "ce_dataregulation"):
        result = run_example(f'headers: {{{name}: ""}}')
        assert [("CE-1", name)] == [(finding.rule, finding.field) for finding in result.findings]


@pytest.fixture(scope="module")
def record():
    """A document of the example bus, accepted as it is."""
    (schema,) = ExampleBus.of({}).directory().schemas.schemas
    example = {"headers": {"ce_subject": "case-4711"}, "raw": {}}
    return make_record(example, schema, index=0, offset=0, at_ms=1_795_466_700_000)


def _attributes(record):
    """Return the attributes of a record in binary mode (Kafka binding 3.2)."""
    named = {name[3:]: value.decode() for name, value in record.headers if name.startswith("ce_")}
    return {**named, "datacontenttype": dict(record.headers)["content-type"].decode()}


def test_our_documents_are_events_in_the_json_format(conformance_data, record):
    """What we send in binary mode, written in the JSON format, is valid by its schema."""
    schema = json.loads((conformance_data / "cloudevents/cloudevents.json").read_text())
    event = {**_attributes(record), "data_base64": base64.b64encode(record.value).decode()}
    validator = jsonschema.validators.validator_for(schema)(
        schema, format_checker=jsonschema.FormatChecker(["date-time", "uri", "uri-reference"])
    )

    assert [] == list(validator.iter_errors(event))
    assert list(validator.iter_errors({**event, "time": "2026-11-23"}))
    assert list(validator.iter_errors({**event, "subject": ""}))


def test_our_documents_are_events_in_the_avro_format(conformance_data, record):
    """What we send in binary mode goes through the Avro format unchanged."""
    schema = fastavro.parse_schema(
        json.loads((conformance_data / "cloudevents/cloudevents.avsc").read_text())
    )
    event = {"attribute": _attributes(record), "data": record.value}
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, schema, event)
    buffer.seek(0)

    assert event == fastavro.schemaless_reader(buffer, schema, None)


@pytest.mark.parametrize(
    ("example", "rule"),
    [
        ("headers: {content-type: application/cloudevents+avro}", "CE-5"),
        ("headers: {content-type: Application/CloudEvents+JSON; charset=utf-8}", "CE-5"),
        ("raw: {null_value: true}", "CE-6"),
        ("raw: {header_bytes: {ce_casefile: ff}}", "CE-6"),
        ("raw: {add_header: [ce_type, example.tax.assessment.v1]}", "CE-2"),
        ("raw: {header_bytes: {ce_Type: '61'}}", "CE-2"),
        ("raw: {header_bytes: {ce_casefile: '00'}}", "CE-2"),
        ("raw: {header_bytes: {ce_casefile: efbfbe}}", "CE-2"),
    ],
)
def test_binary_mode_alone_is_taken(example, rule):
    """Structured mode, tombstones, headers that are not UTF-8, doubled or misnamed ones are refused (traps 10, 11)."""
    result = run_example(example)

    assert (Outcome.REFUSED, [rule]) == (result.outcome, [finding.rule for finding in result.findings])
