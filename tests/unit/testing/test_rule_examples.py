"""The harness of rule examples: its YAML, its merging, and every change it can make to bytes."""

import pytest

from govbus.document.finding import Outcome
from govbus.testing.example_documents import RAW_KEYS, avro_value, plain_value
from govbus.testing.example_yaml import example_fields, merged
from govbus.testing.rule_examples import KEYS, run_example

CHANGES = {
    "index: 7": ("SEQ-1", "index"),
    "statement: {length: '1'}": ("SEC-3", "value"),
    "statement: {origin: Tax.example/main}": ("SEC-3", "gb-stmt"),
    "avro_append: '00'": ("AVR-1", "value"),
    "avro_replace: 'ff'": ("AVR-1", "value"),
    "header_bytes: {ce_casefile: ff}": ("CE-6", "ce_casefile"),
    "headers_added: 64": ("LIM-1", "headers"),
    "signer: other-agency": ("SEC-6", "gb-sig"),
    "signer: unknown": ("SEC-6", "gb-sig"),
    "signer: foreign": ("SEC-6", "gb-sig"),
    "signer: expired-certificate": ("SEC-6", "gb-sig"),
    "signer: future-certificate": ("SEC-6", "gb-sig"),
    "signer: revoked-certificate": ("SEC-6", "gb-sig"),
    "signature_header: {alg: HS256}": ("SEC-4", "gb-sig"),
    "signature_header: {alg: ES256}": ("SEC-4", "gb-sig"),
    "signature_header: {b64: true}": ("SEC-3", "gb-sig"),
    "value_append: '00'": ("SEC-3", "value"),
    "value_replace: '0000000064'": ("SEC-3", "value"),
    "value_bytes: 900001": ("LIM-2", "value"),
    "null_value: true": ("CE-6", "value"),
    "schema_id: 999": ("AVR-4", "value"),
    "drop_header: gb-salt": ("SEC-3", "gb-salt"),
    "drop_header: [ce_casefile, ce_type]": ("CE-1", "ce_type"),
    "add_header: [ce_type, x]": ("CE-2", "ce_type"),
    "add_header: [[gb-salt, x], [other, y]]": ("SEC-3", "gb-salt"),
    "key: tax.example/other": ("SEC-3", "key"),
    "topic: govbus.out.court.example": ("SEC-3", "topic"),
    "signed_by: [officer]": ("SEC-10", "gb-sig"),
    "signature: strip": ("SEC-3", "gb-sig"),
    "signature: flip": ("SEC-3", "gb-sig"),
    "signature: small-order": ("SEC-3", "gb-sig"),
}
"""What each change leads to: the rule and the field that answer."""


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_the_bytes_breaks_one_rule(change):
    """Each change is found by the rule that is about it, and by that alone."""
    result = run_example(f"raw: {{{change}}}")

    assert [CHANGES[change]] == [(finding.rule, finding.field) for finding in result.findings]
    assert result.outcome in {Outcome.REFUSED, Outcome.QUARANTINED}


def test_every_change_is_tried():
    """No key of ``raw`` is without a test; algorithm and mode alone break nothing."""
    assert RAW_KEYS - {"algorithm", "mode"} == {change.partition(":")[0] for change in CHANGES}


@pytest.mark.parametrize("algorithm", ["ES256", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"])
def test_other_algorithms_are_as_good(algorithm):
    """The sender gets a certificate of the algorithm that an example asks for."""
    assert Outcome.ACCEPTED is run_example(f"raw: {{algorithm: {algorithm}}}").outcome


def test_a_wrong_directory_sends_nothing():
    """Where registration refuses, there is no document to decide about, and the findings say in which file."""
    result = run_example("agreement: {valid_to: 2020-01-01}")

    assert (None, ()) == (result.outcome, result.decisions)
    assert result.registration[0].field.startswith("agreements/tax-assessments.yaml: ")


def test_documents_before_have_the_next_indexes():
    """What is sent before uses up indexes, so that the example's own document comes in order."""
    result = run_example("before: [{}, {body: {amount: '7.00'}}]")

    assert [0, 1, 2] == [decision.statement.index for decision in result.decisions]
    assert {Outcome.ACCEPTED} == {decision.outcome for decision in result.decisions}


def test_a_schema_of_ones_own_needs_no_body():
    """Fields that the schema asks for and nobody states are filled in."""
    schema = """
schema:
  type: record
  name: Letter
  namespace: tax
  doc: A letter.
  fields:
    - {name: text, doc: Its text., type: string}
    - {name: pages, doc: Its pages., type: {type: array, items: int}}
    - {name: scan, doc: Its scan., type: bytes}
    - {name: note, doc: A note., type: ["null", string], default: null}
"""
    assert Outcome.ACCEPTED is run_example(schema).outcome
    assert Outcome.ACCEPTED is run_example(schema + "body: {scan: abc, pages: [1, 2]}").outcome


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("colour: red", "unknown keys"),
        ("raw: {colour: red}", "unknown keys in raw"),
        ("- a", "expected a mapping"),
        ("time: yesterday", "RFC 3339"),
        ("at: '2026-11-23'", "RFC 3339"),
    ],
)
def test_a_wrong_example_is_a_mistake(text, words):
    """An example that says nothing the harness knows fails loudly: it would pass for a good one."""
    with pytest.raises(ValueError, match=words):
        run_example(text)
    assert "colour" not in KEYS | RAW_KEYS


def test_scalars_are_what_they_look_like():
    """Days, codes and words stay text; numbers, truth and nothing do not."""
    fields = example_fields("{day: 2026-11-23, code: 115:11, no: no, id: 007, n: 7, t: true, z: null}")

    assert {
        "day": "2026-11-23",
        "code": "115:11",
        "no": "no",
        "id": "007",
        "n": 7,
        "t": True,
        "z": None,
    } == fields


def test_merging():
    """Mappings merge by name, lists are replaced, and null takes a name away."""
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 4}

    assert {"a": {"b": 1, "c": [3]}, "e": 5} == merged(base, {"a": {"c": [3]}, "d": None, "e": 5})
    assert {"a": {"b": 1, "c": [1, 2]}, "d": 4} == base


def test_values_of_every_type():
    """Plain values fit their type, and text becomes bytes where the schema has bytes, in whatever it lies."""
    schema = {
        "type": "record",
        "name": "r",
        "fields": [
            {"name": "kind", "type": {"type": "enum", "name": "k", "symbols": ["a", "b"]}},
            {"name": "sum", "type": {"type": "fixed", "name": "f", "size": 2}},
            {"name": "parts", "type": {"type": "map", "values": "bytes"}},
            {"name": "day", "type": {"type": "int", "logicalType": "date"}},
            {"name": "maybe", "type": ["null", "bytes"]},
            {"name": "left", "type": "string", "default": ""},
        ],
    }

    assert {"kind": "a", "sum": b"\0\0", "parts": {}, "day": 0, "maybe": None} == plain_value(schema)
    assert {"parts": {"x": b"y"}, "maybe": b"z", "kind": "b"} == avro_value(
        schema, {"parts": {"x": "y"}, "maybe": "z", "kind": "b"}
    )
    assert [b"a"] == avro_value({"type": "array", "items": "bytes"}, ["a"])
