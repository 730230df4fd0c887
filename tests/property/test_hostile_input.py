"""Attacks by name, one a test: each is answered by a value, a finding or an error that callers await, in bounded work.

The campaigns of ``tests/fuzz`` look for attacks that nobody has named yet; they run on the same targets.
"""

import ast
import json
import struct
import time
import tracemalloc
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import govbus
from govbus.document.encoding import TIME_MS_MAX, TIME_MS_MIN, time_ms_from_text, time_text
from govbus.document.finding import Outcome
from govbus.document.record import BATCH, Envelope, Record, frame
from govbus.document.statement import Statement
from govbus.errors import (
    GovbusError,
    MetadataError,
    RuleError,
    SchemaError,
    SignatureError,
    UntrustedKeyError,
)
from govbus.message_log.note import Note
from govbus.routing.codes.files import read_code_list
from govbus.routing.decide import decide
from govbus.routing.directory.entries import entry_from_json
from govbus.routing.directory.files import DirectoryFiles
from govbus.routing.history import MemoryHistory
from govbus.routing.niem.json_message import json_breaches
from govbus.routing.niem.json_schema import compile_json
from govbus.routing.niem.xml_message import xml_breaches
from govbus.routing.niem.xml_schema import compile_xml
from govbus.routing.rules.cloudevents import parse_time_ms
from govbus.routing.yaml_text import YamlTextError, yaml_text
from govbus.schemas.codec import AvroCodec
from govbus.schemas.governance import documentation_breaches, schema_breaches
from govbus.service.router.batch import BatchRouter
from govbus.signing.certificates import Certificate
from govbus.signing.jws import DetachedSignature
from govbus.signing.verifier import VerifiedSignatures
from govbus.testing import example_keys
from govbus.testing.example_bus import BASE_AT_MS, BASE_BODY, BASE_RECORD, BUS, TAX, ExampleBus
from govbus.testing.example_documents import make_record
from govbus.testing.rule_examples import run_example
from tests.fuzz import documents, services
from tests.fuzz.targets import TARGETS, every_pattern
from tests.unit.routing.niem import samples

DEEP = 100_000
LARGE_BYTES = 10_000_000
MEMORY_FACTOR_MAX = 40
"""Bytes of memory for a byte of input, above a fixed amount."""
MEMORY_BYTES_FIXED = 30_000_000
GROWTH_MAX = 10.0
"""Of the time for an input four times as long; what grows with the square takes sixteen times as long."""
MEASURABLE_S = 0.05
"""Shorter times are noise on a busy machine."""
GIANT_ZIGZAG = b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"
"""2^63 - 1 as Avro writes a long."""


def peak_bytes(work):
    """Return the memory that some work takes at its peak."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def refused(work, *errors):
    """Do some work that has to end in one of the errors, in memory that the input bounds."""
    with pytest.raises(errors) as caught:
        work()
    assert len(str(caught.value)) < 2_000
    return caught.value


# Everything at once: hypothesis on every target of the campaigns.

SLOW = {"directory_files", "directory_records", "schema_registry", "niem_formats", "contracts"}


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_any_bytes_at_any_entry_point(name):
    """Whatever bytes come in, what comes out is a value or an error that callers await, in bounded memory."""

    @settings(
        max_examples=15 if name in SLOW else 60,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        st.one_of(
            st.binary(max_size=600), st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace"))
        )
    )
    def attack(octets):
        TARGETS[name](octets)

    assert peak_bytes(attack) < 60_000_000


# Records.


def routed(*records):
    """Return what a router writes about records of the example bus."""
    router = BatchRouter(
        history=MemoryHistory(),
        verified=VerifiedSignatures(),
        signer=example_keys.signer(BUS.text),
        name="router",
        log_partition=0,
        receipt_run_documents_max=10,
    )
    return router.route(records, documents.directory(), at_ms=BASE_AT_MS)


def good_record(**example):
    schema = documents.schema()
    example = {"body": {"sum": documents.BODY["sum"]}, **example}
    return make_record(example, schema, index=0, offset=0, at_ms=BASE_AT_MS)


def test_the_record_that_is_attacked_here_is_good():
    """Without an attack the record is accepted, so that what is refused below is refused for the attack."""
    decision = decide(good_record(), documents.directory(), MemoryHistory(), at_ms=BASE_AT_MS)

    assert (Outcome.ACCEPTED, ()) == (decision.outcome, decision.findings)


ODD_NAMES = ["ce_\udcff", "ce_\udcc3(", "ce_\x00", "ce_\u202e", "ce_" + "a" * 30_000]


@pytest.mark.parametrize("name", ODD_NAMES, ids=ascii)
@pytest.mark.parametrize(
    "headers", [lambda name: [(name, b"1")], lambda name: [(name, b"1")] * 2, lambda name: [(name, None)]]
)
def test_odd_header_names_do_not_stop_a_router(name, headers):
    """A name that is no UTF-8, once, twice or without a value, gives an entry and a receipt like any other."""
    record = good_record()
    batch = routed(record._replace(headers=(*record.headers, *headers(name))))
    ((_, outcome),) = batch.outcomes

    assert Outcome.REFUSED.value == outcome
    assert batch.rules.keys() <= {"CE-2", "CE-6", "LIM-1"}
    assert 2 == len(batch.records)


@pytest.mark.parametrize(
    "name", ["ce_id", "gb-stmt", "gb-sig", "gb-salt", "gb-path", "gb-batch", "x", "ce_x"]
)
def test_a_header_of_ten_megabytes(name):
    """A header of 10 MB is refused by its length, without a look at its content."""
    headers = ((name, b"a" * LARGE_BYTES),)

    error = refused(lambda: Envelope.from_headers(headers), MetadataError)
    assert "LIM-1" == error.rule
    assert 100_000 > peak_bytes(lambda: refused(lambda: Envelope.from_headers(headers), MetadataError))


def test_a_flood_of_headers():
    """A million headers are refused by their number."""
    headers = (("ce_a", b""),) * 1_000_000

    assert "LIM-1" == refused(lambda: Envelope.from_headers(headers), MetadataError).rule


def test_a_value_of_ten_megabytes():
    """A value over the limit is refused by its length."""
    record = good_record()._replace(value=frame(100, bytes(LARGE_BYTES)))
    decision = decide(record, documents.directory(), MemoryHistory(), at_ms=BASE_AT_MS)

    assert ["LIM-2"] == [finding.rule for finding in decision.findings]


@pytest.mark.parametrize(
    "read",
    [Statement.from_bytes, DetachedSignature.from_bytes, Note.from_bytes],
    ids=["statement", "signature", "note"],
)
@pytest.mark.parametrize("unit", [b"a", b"A.", b"\n", b"\xe2\x80\x94 ", b"\xff", b"govbus/statement/v1\n"])
def test_texts_of_ten_megabytes(read, unit):
    """A text of 10 MB in a signed place is refused without work on it."""
    octets = unit * (LARGE_BYTES // len(unit))

    assert 1_000_000 > peak_bytes(lambda: refused(lambda: read(octets), GovbusError))


@pytest.mark.parametrize(
    "field", ["title", "description", "rights", "language", "data_asset", "record_id", "publisher"]
)
@pytest.mark.parametrize("unit", ["a", "a-", "//", "1", "\u202e", " ", "\x00", "\U0010ffff"], ids=ascii)
def test_a_field_of_half_a_megabyte(field, unit):
    """A field of the record metadata as large as a value may be is judged in bounded memory, and not repeated."""
    text = unit * (500_000 // len(unit.encode()))
    record = good_record(record={field: text})
    decisions = []
    peak = peak_bytes(
        lambda: decisions.append(decide(record, documents.directory(), MemoryHistory(), at_ms=BASE_AT_MS))
    )

    documents.check_findings(decisions[0].findings)
    assert peak < MEMORY_BYTES_FIXED + MEMORY_FACTOR_MAX * len(record.value)


def test_large_templates_are_not_remembered():
    """Documents that each have another long text in a shared field leave nothing in the memory of a router."""
    directory = ExampleBus.of({}).directory()
    schema = directory.schemas.schemas[0]
    for number in range(20):
        record = make_record(
            {"record": {"rights": f"{number} " * 5_000}}, schema, index=0, offset=number, at_ms=BASE_AT_MS
        )
        decide(record, directory, MemoryHistory(), at_ms=BASE_AT_MS)
    assert 0 == len(directory.verdicts)
    decide(
        make_record({}, schema, index=0, offset=99, at_ms=BASE_AT_MS),
        directory,
        MemoryHistory(),
        at_ms=BASE_AT_MS,
    )
    assert 1 == len(directory.verdicts)


def test_keys_of_maps_are_not_repeated():
    """A number of a person in a map, or in a key of one, is found; the finding counts the key and does not name it."""
    for notes in ({"Zbigniew 078-05-1120": []}, {"Zbigniew": ["078-05-1120"]}):
        record = good_record(headers={"ce_datacategory": "non-pii"}, body={**documents.BODY, "notes": notes})
        findings = decide(record, documents.directory(), MemoryHistory(), at_ms=BASE_AT_MS).findings

        assert ["PRV-2"] == [finding.rule for finding in findings]
        assert findings[0].field.startswith("body.notes.0")
        assert "Zbigniew" not in findings[0].field


@pytest.mark.parametrize("text", ["\x00", "\x1b[2J", "\x7f", "\x85", "\ufdd0", "\uffff"], ids=ascii)
def test_control_characters_in_headers(text):
    """Control and non-characters in a signed header are refused, and not repeated."""
    record = good_record(raw={"header_bytes": {"ce_casefile": f"a{text}b".encode().hex()}})
    findings = decide(record, documents.directory(), MemoryHistory(), at_ms=BASE_AT_MS).findings

    assert ["CE-2"] == [finding.rule for finding in findings]
    assert findings[0].detail.isprintable()


@pytest.mark.parametrize("octets", [b"\xed\xa0\x80", b"\xc0\x80", b"\xff", b"\xf4\x90\x80\x80", b"\xc3"])
def test_headers_that_are_no_utf8(octets):
    """Surrogates, overlong forms and cut sequences in a signed header are refused."""
    record = good_record(raw={"header_bytes": {"ce_casefile": octets.hex()}})
    findings = decide(record, documents.directory(), MemoryHistory(), at_ms=BASE_AT_MS).findings

    assert ["CE-6"] == [finding.rule for finding in findings]


@pytest.mark.parametrize("origin", ["a..b/x", "-a/x", "tax.example", "tax.example/", "a" * 150 + "/x"])
def test_a_batch_of_an_odd_origin_is_refused_by_a_rule(origin):
    """A batch text whose origin is none is refused by SEC-3; nobody takes it for a defect of the bus."""
    record = good_record()
    batch = f"govbus/batch/v1\norigin {origin}\nstart 0\nend 1\nroot {'A' * 43}\n".encode()
    decision = decide(
        record._replace(headers=(*record.headers, (BATCH, batch))),
        documents.directory(),
        MemoryHistory(),
        at_ms=BASE_AT_MS,
    )

    assert ["SEC-3"] == [finding.rule for finding in decision.findings]


# Times.


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_offsets_that_lead_out_of_the_calendar(text):
    """A time that has no year in UTC is no time, because nobody could write it down."""
    refused(lambda: time_ms_from_text(text), MetadataError)
    assert parse_time_ms(text.encode()) is None


@given(st.integers(TIME_MS_MIN, TIME_MS_MAX))
def test_every_time_is_written_as_it_is_read(time_ms):
    """From the year 1 to 9999 a time and its text are each other's, with four digits of the year."""
    assert time_ms == time_ms_from_text(time_text(time_ms)) == parse_time_ms(time_text(time_ms).encode())
    assert len("2026-11-23T20:45:00.123Z") == len(time_text(time_ms))


# JSON.


def deep_json(opening, closing="", inner=""):
    return opening * DEEP + inner + closing * DEEP


@pytest.mark.parametrize("text", [deep_json("["), deep_json("[", "]"), deep_json('{"a":', "}", "1")])
@pytest.mark.parametrize("kind", ["bus", "agency", "package", "agreement", "codes"])
def test_deep_nesting_in_an_entry(kind, text):
    """A published entry that nests a hundred thousand deep is no entry."""
    refused(lambda: entry_from_json(kind, text.encode()), ValueError)


@pytest.mark.parametrize(
    "number", ["1" * 5_000, "-" + "9" * 5_000, "1e999", "-1e999", "NaN", "1e-999", "0." + "1" * 9_000]
)
def test_giant_numbers_in_an_entry(number):
    """Numbers that no machine has are refused or wrong in their place; nothing is multiplied out."""
    text = f'{{"id": "bus.example", "name": {number}, "frequency_tolerance_percent": {number}}}'

    refused(lambda: entry_from_json("agreement", text.encode()), ValueError)


def test_a_flood_of_names_in_an_entry():
    """Two hundred thousand unknown names are refused in a short text, in memory that the input bounds."""
    text = json.dumps({f"name {number}": number for number in range(200_000)}).encode()
    texts = []
    peak = peak_bytes(lambda: texts.append(str(refused_any(lambda: entry_from_json("agency", text)))))

    assert len(texts[0]) < 2_000
    assert peak < MEMORY_BYTES_FIXED + 10 * MEMORY_FACTOR_MAX * len(text)


def refused_any(work):
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # what it says is looked at by the caller
        work()
    return caught.value


def jws(header):
    from govbus.document.encoding import base64url

    text = header if isinstance(header, str) else json.dumps(header)
    return base64url(text.encode()).encode() + b".." + b"A" * 86


JWS_HEADER = {
    "alg": "Ed25519",
    "b64": False,
    "crit": ["b64"],
    "iat": 1,
    "kid": "k",
    "typ": "govbus-statement",
    "x5t#S256": "A" * 43,
}


@pytest.mark.parametrize(
    "header",
    [
        json.dumps(JWS_HEADER)[:-1] + ', "alg": "ES256"}',
        json.dumps(JWS_HEADER)[:-1] + ', "iat": ' + "9" * 5_000 + "}",
        json.dumps({**JWS_HEADER, "kid": "k" * 2_000}),
        "[" * 700,
        '{"a":' * 150,
        json.dumps({**JWS_HEADER, "iat": 1e308}),
        json.dumps({**JWS_HEADER, "iat": True}),
        json.dumps({**JWS_HEADER, "alg": ["Ed25519"]}),
        json.dumps({**JWS_HEADER, "alg": {}}),
    ],
    ids=["twice", "giant", "long", "deep array", "deep object", "float", "boolean", "list", "object"],
)
def test_hostile_headers_of_signatures(header):
    """A protected header with a name twice, giant numbers, deep nesting or other types is refused."""
    assert JWS_HEADER["kid"] == DetachedSignature.from_bytes(jws(JWS_HEADER)).kid
    refused(lambda: DetachedSignature.from_bytes(jws(header)), SignatureError)


# YAML.


def bomb(levels, width):
    """Return a few lines of YAML that stand for width^levels values."""
    lines = ["a0: &a0 [x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels + 1)]
    return ("\n".join(lines) + "\n").encode()


def test_aliases_of_aliases():
    """A file of a kilobyte that stands for 10^9 values is refused; an alias in measure is not."""
    assert [["x"], ["x"]] == yaml_text(bomb(1, 2))["a1"]
    error = refused(lambda: yaml_text(bomb(9, 10)), YamlTextError)
    assert "aliases" in str(error)
    assert 10_000_000 > peak_bytes(lambda: refused(lambda: yaml_text(bomb(200, 10)), YamlTextError))


def test_a_code_list_of_aliases():
    """Codes that share one long list by an alias are bounded too: a further line would be a thousand further values."""
    shared = "x: &x [" + ", ".join(["word"] * 3_000) + "]\n"
    codes = "".join(f"      c{number}: {{name: a, more: *x}}\n" for number in range(3_000))
    text = f"{shared}list: a\ntitle: a\neditions:\n  - codes:\n{codes}"

    found, problems = read_code_list(text.encode())
    assert found is None
    assert "aliases" in str(problems[0])


@pytest.mark.parametrize(
    "octets",
    [
        b"[" * DEEP,
        b"{a: " * DEEP,
        b"- " * DEEP,
        b"? " * DEEP,
        b"&a [*a]",
        b"&a {b: *a}",
        b'a: "\\UFFFFFFFF"',
        b'a: "\\U00110000"',
        b'a: "\\ud800"',
        b'"\\udfff": a',
        b"a: 1\na: 2",
        b"a: \x00",
        b"\xff\xfe\x00",
        b"{[a]: b}",
        b"--- a\n--- b",
        b"%YAML " + b"9" * 5_000 + b".1\n---\na",
        b"*" + b"a" * 100_000,
    ],
    ids=lambda octets: repr(octets[:16]),
)
def test_hostile_yaml(octets):
    """Deep nesting, values inside themselves, escapes beyond Unicode and names that stand twice are no YAML of ours."""
    refused(lambda: yaml_text(octets), YamlTextError)


@pytest.mark.parametrize(
    "text", ["!!python/object/apply:os.system [x]", "!!binary aGk=", "!!int 12", "2026-01-01", "no"]
)
def test_tags_of_yaml_make_nothing(text):
    """A tag makes no object: every scalar is its text."""
    assert yaml_text(f"a: {text}".encode())["a"] in (["x"], yaml.load(text, yaml.BaseLoader))  # noqa: S506


def test_problems_of_a_code_list_are_short():
    """Names and codes of a file are cut where a problem names them."""
    octets = yaml.safe_dump({"list": "a", "title": "a", "editions": [], "n" * 100_000: "\x85"}).encode()

    _, problems = read_code_list(octets)
    assert problems
    assert all(len(str(problem)) < 1_000 for problem in problems)


def test_surrogates_in_a_code_list():
    """Half of a pair, which JSON can write and UTF-8 cannot, is no text of a code list."""
    edition = {
        "from": "2026-01-01",
        "source": "s",
        "source_date": "2026-01-01",
        "codes": {"A": {"name": "\ud800"}},
    }
    text = json.dumps({"list": "a", "title": "a", "editions": [edition]})

    refused(lambda: entry_from_json("codes", text.encode()), ValueError)
    assert read_code_list(text.encode())[0] is None


# Schemas.

EVIL_SCHEMAS = {
    "deep arrays": json.loads('{"type":"array","items":' * 400 + '"int"' + "}" * 400),
    "deep unions": json.loads("[" * 400 + '"int"' + "]" * 400),
    "deep records": json.loads(
        '{"type":"record","name":"A","fields":[{"name":"f","type":' * 300 + '"int"' + "}]}" * 300
    ),
    "wide union": [{"type": "fixed", "name": f"F{number}", "size": 1} for number in range(20_000)],
    "a branch too many": [{"type": "fixed", "name": f"F{number}", "size": 1} for number in range(101)],
    "giant fixed": {"type": "fixed", "name": "F", "size": 10**400},
    "giant precision": {"type": "bytes", "logicalType": "decimal", "precision": 10**9},
    "zero size items": {"type": "array", "items": {"type": "record", "name": "E", "fields": []}},
    "contains itself": {"type": "record", "name": "R", "fields": [{"name": "r", "type": ["null", "R"]}]},
    "a union in a union": {
        "type": "record",
        "name": "R",
        "fields": [{"name": "r", "type": ["int", ["null", "string"]]}],
    },
    "long name": {"type": "fixed", "name": "N" * 100_000, "size": 1},
    "surrogates": {"type": "fixed", "name": "\ud800", "size": 1},
    "objects for words": {"type": {"type": {}}, "name": [], "fields": {}},
}


def doubling(levels):
    """Return a schema whose values have 2^levels places: each record has two of the one before."""
    schema = {"type": "record", "name": "R0", "fields": [{"name": "a", "type": "int"}]}
    for level in range(1, levels):
        fields = [{"name": "a", "type": schema}, {"name": "b", "type": f"R{level - 1}"}]
        schema = {"type": "record", "name": f"R{level}", "fields": fields}
    return schema


@pytest.mark.parametrize("name", [*EVIL_SCHEMAS, "doubling"])
def test_hostile_schemas(name):
    """A schema that would keep a reader busy is refused when it is registered and when a codec is made of it."""
    definition = doubling(35) if name == "doubling" else EVIL_SCHEMAS[name]

    breaches = schema_breaches(definition)
    assert breaches
    assert all(
        len(f"{one.field} {one.detail}") < 3_000 for one in [*breaches, *documentation_breaches(definition)]
    )
    if name != "long name":  # which costs a reader nothing
        refused(lambda: AvroCodec(definition), SchemaError)


# Avro values.


def codec(kind, **more):
    return AvroCodec(
        {"type": "record", "name": "R", "fields": [{"name": "f", "type": {"type": kind, **more}}]}
    )


@pytest.mark.parametrize(
    ("reader", "avro"),
    [
        (codec("array", items="int"), GIANT_ZIGZAG),
        (codec("array", items="int"), GIANT_ZIGZAG + bytes(1_000)),
        (codec("map", values="int"), GIANT_ZIGZAG + bytes(1_000)),
        (codec("string"), GIANT_ZIGZAG + bytes(1_000)),
        (codec("bytes"), GIANT_ZIGZAG + bytes(1_000)),
        (codec("array", items="boolean"), b"\x80" * 20),
        (codec("array", items="int"), b"\x01\x00" * 1_000),
        (codec("array", items="int"), b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" + bytes(1_000)),
        (codec("map", values="int"), b"\x04\x02a\x00\x02a\x00\x00"),
        (codec("string"), b"\x01"),
        (codec("string"), b"\x02\xff"),
        (
            codec("bytes", logicalType="decimal", precision=1_000, scale=2),
            b"\xc0\x84\x3d" + b"\x7f" * 500_000,
        ),
        (codec("int", logicalType="date"), b"\xfe\xff\xff\xff\x0f"),
        (codec("long", logicalType="timestamp-micros"), GIANT_ZIGZAG),
        (codec("long"), b"\xff" * 1_000),
        (codec("enum", name="E", symbols=["A"]), b"\x01"),
    ],
)
def test_giant_counts_in_avro(reader, avro):
    """Counts, lengths and digits beyond the bytes that are there are refused before anything is built."""
    error = refused(lambda: reader.decode(avro), SchemaError)
    assert "AVR-1" == error.rule
    assert 2_000_000 > peak_bytes(lambda: refused(lambda: reader.decode(avro), SchemaError))


def test_many_small_items_are_bounded():
    """As many items as a value has bytes are refused before they fill the memory."""
    reader = codec("array", items="boolean")
    avro = b"\x80\x89\x7a" + bytes(1_000_000)

    peak = peak_bytes(lambda: refused(lambda: reader.decode(avro), SchemaError))
    assert peak < MEMORY_BYTES_FIXED


@pytest.mark.parametrize("size", [0, 1, 10, 48, 49, 60])
def test_record_batches_shorter_than_their_header(size):
    """A batch that says to be shorter than its own header is damaged; reading it again and again would never end."""
    from aiokafka.errors import CorruptRecordException

    from govbus.transport.base import TopicPartition
    from govbus.transport.kafka.tolerant import read_batches

    octets = struct.pack(">qi", 0, size - 12) + bytes(49)
    with pytest.raises(CorruptRecordException):
        read_batches(octets, TopicPartition("govbus.out.tax.example", 0), 0, [])


def test_a_certificate_with_a_broken_subject():
    """A certificate that parses until somebody asks for its subject is no certificate."""
    der = Certificate.from_pem(example_keys.issued(TAX.text).certificate_pem).der
    for at in range(len(der)):
        octets = der[:at] + bytes([der[at] ^ 0x1F]) + der[at + 1 :]
        try:
            Certificate.from_der(octets)
        except RuleError as err:
            assert isinstance(err, UntrustedKeyError | SignatureError)


def test_long_names_in_an_xml_message():
    """The XML library cuts the place of a mistake after some bytes, inside a character too: a finding all the same."""
    for length in range(60, 130):
        message = samples.XML_MESSAGE.replace("party:PartyName", f"party:Par{chr(0xC5C5) * length}")

        assert message != samples.XML_MESSAGE
        assert list(xml_breaches(message.encode(), compile_xml(samples.XML_FORMAT), "body.message"))


@pytest.mark.parametrize(
    "document",
    [
        '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb">'
        + "".join(f'<!ENTITY b{n} "{f"&b{n - 1};" * 10}">' for n in range(1, 10))
        + "]><a>&b9;</a>",
        '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><a/>',
        "<a>" * DEEP + "</a>" * DEEP,
        "<a>" + "<b/>" * DEEP + "</a>",
        "<a " + " ".join(f'a{n}="1"' for n in range(50_000)) + "/>",
        "<a " + " ".join(f'xmlns:a{n}="urn:{n}"' for n in range(20_000)) + "/>",
    ],
    ids=["billion laughs", "external entity", "external DTD", "deep", "wide", "attributes", "namespaces"],
)
def test_hostile_xml(document):
    """Entities, outside files, deep nesting and floods are refused in memory that the message bounds."""
    octets = document.encode()
    found = []
    peak = peak_bytes(
        lambda: found.extend(xml_breaches(octets, compile_xml(samples.XML_FORMAT), "body.message"))
    )

    assert {"NDR-12"} == {breach.rule for breach in found}
    assert peak < MEMORY_BYTES_FIXED + MEMORY_FACTOR_MAX * len(octets)


@pytest.mark.parametrize(
    "text",
    [
        deep_json("["),
        deep_json('{"a":', "}", "1"),
        '{"a": ' + "9" * 5_000 + "}",
        '{"a": 1, "a": 2}',
        json.dumps({"@context": {f"t{n}": f"t{n + 1}:x" for n in range(10_000)}}),
        json.dumps({f"name {n}": n for n in range(50_000)}),
        json.dumps({"@context": "http://127.0.0.1:9/context.jsonld"}),
    ],
    ids=[
        "deep array",
        "deep object",
        "giant number",
        "twice",
        "chain of terms",
        "flood of names",
        "remote context",
    ],
)
def test_hostile_json_messages(text):
    """Deep nesting, giant numbers, floods and contexts from elsewhere are refused in bounded memory."""
    octets = text.encode()
    found = []
    model = compile_json(samples.JSON_FORMAT)
    peak = peak_bytes(lambda: found.extend(json_breaches(octets, model, "body.message")))

    assert {"NDR-13"} == {breach.rule for breach in found}
    assert peak < MEMORY_BYTES_FIXED + MEMORY_FACTOR_MAX * len(octets)


@pytest.mark.parametrize("value", [["AVRO"], {}, 1, True, None, "\ud800", "9" * 5_000])
@pytest.mark.parametrize("field", ["schema", "schemaType", "id", "version", "references", "metadata"])
def test_odd_values_in_a_body_for_the_schema_registry(field, value):
    """A value of another type than a client would send is answered as the client's mistake, not as the registry's."""
    status = services.answer_status("POST", "/subjects/tax/versions", {"schema": '"int"', field: value})

    assert status < 500


# Regular expressions.

PATTERNS = every_pattern(["govbus"])
METHODS = ("fullmatch", "match", "search", "findall", "finditer", "sub", "split")
UNITS = [
    *(
        "a",
        "1",
        " ",
        "-",
        ".",
        "/",
        "_",
        "=",
        "\n",
        "(",
        "[",
        "\\",
        "|",
        "'",
        '"',
        "A",
        "T",
        "\u00e9",
        "*",
        "@",
    ),
    *(
        "a-",
        "a.",
        "1-",
        "1.",
        "1 ",
        "//",
        "A,",
        "a:",
        "0:",
        "x-a-",
        "a@",
        "P1",
        "..a",
        "R1/P",
        "%41",
        "&a;",
        "A B ",
    ),
    *(
        "[[REDACTED",
        "SP-A/",
        "1234 1234 ",
        "078-05-",
        "http://a/",
        "urn:a:",
        "a=b&",
        "2026-",
        "T0:",
        "<a>",
        "]]",
    ),
]
TAILS = ("", "!", "\x00", "\n")


def used_methods(name):
    """Return how a pattern is asked, by the calls in the module that it stands in and in those that import it."""
    word = name.rpartition(".")[2]
    found = set()
    for path in Path(govbus.__file__).parent.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if word not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if (
                isinstance(node, ast.Attribute)
                and node.attr in METHODS
                and isinstance(node.value, ast.Name)
                and node.value.id == word
            ):
                found.add(node.attr)
    return found or {"fullmatch"}


def seconds_of(pattern, method, text):
    subject = text.encode() if isinstance(pattern.pattern, bytes) else text
    ask = getattr(pattern, method)
    arguments = ("", subject) if method == "sub" and isinstance(subject, str) else (subject,)
    if method == "sub" and isinstance(subject, bytes):
        arguments = (b"", subject)
    begin = time.perf_counter()
    result = ask(*arguments)
    if method == "finditer":
        list(result)
    return time.perf_counter() - begin


@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_no_pattern_is_catastrophic(name):
    """No regular expression takes much more than four times as long for a text four times as long."""
    pattern = PATTERNS[name]
    for method in used_methods(name):
        for unit in UNITS:
            for tail in TAILS:
                seconds = MEASURABLE_S
                for length in (64, 1_024, 4_096, 16_384):
                    text = (unit * length)[:length] + tail
                    now = seconds_of(pattern, method, text)
                    if (
                        now > GROWTH_MAX * seconds
                    ):  # once more: the machine may have been busy with something else
                        now = seconds_of(pattern, method, text)
                    assert now <= GROWTH_MAX * seconds, (method, unit, tail, length)
                    seconds = max(now, MEASURABLE_S)


def test_patterns_are_found():
    """The search for patterns finds those that strangers' texts meet."""
    assert len(PATTERNS) > 50
    assert {"govbus.document.ids._AGENCY", "govbus.signing.jws._SHAPE"} <= PATTERNS.keys()


# Directory files.


def test_hostile_files_of_a_directory():
    """Whatever stands in one of the files, the folder has a problem at that file and nothing is raised."""
    files = dict(ExampleBus.of({}).files._files)
    for content in (b"[" * DEEP, bomb(9, 10), b"\xff", b"", b"a: b: c", b'"\\ud800"', b"x" * 1_000_000):
        read = DirectoryFiles({**files, "agencies/court.example.yaml": content}, at_ms=BASE_AT_MS)

        assert any("agencies/court.example.yaml" in problem.place for problem in read.problems)


def test_names_that_stand_twice_in_a_schema_file():
    """A payload schema with a name twice is refused: readers of JSON differ on which of the two counts."""
    files = dict(ExampleBus.of({}).files._files)
    text = (
        files["schemas/v1.avsc"].decode().replace('"type": "record"', '"type": "record", "type": "record"', 1)
    )
    read = DirectoryFiles({**files, "schemas/v1.avsc": text.encode()}, at_ms=BASE_AT_MS)

    assert ["packages/tax.assessment.yaml"] == [problem.place for problem in read.problems]


# Findings.


def test_everything_that_is_found_can_be_sent():
    """Findings about the worst headers fit into log entries and receipts, whatever the headers say."""
    record = Record(
        "govbus.out.tax.example", 0, 0, 0, b"tax.example/main", None, (("\udcff" * 100, None),) * 2
    )
    batch = routed(record)

    assert 2 == len(batch.records)
    assert all(len(one.value or b"") < 2_000 for one in batch.records)


def test_one_example_of_everything_wrong():
    """A document that breaks many rules at once has at most as many findings as are kept, each of a rule."""
    result = run_example(
        json.dumps(
            {
                "headers": {
                    "ce_cuibanner": "CUI" + "/" * 1_900,
                    "ce_dataregulation": "," * 20_000 + "X" * 500,
                },
                "record": {
                    name: "\u202e" * 300 for name in BASE_RECORD if isinstance(BASE_RECORD[name], str)
                },
                "body": dict.fromkeys(BASE_BODY, ""),
            }
        )
    )

    assert 0 < len(result.decisions[-1].findings) <= 20
    documents.check_findings(result.decisions[-1].findings)
