"""JSON messages: each rule of the NDR by a message that breaks it in one place, and hostile messages refused."""

import copy
import dataclasses
import json
import random
import re
import socket
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest

from govbus.routing.niem import bounds, json_message, json_validator
from govbus.routing.niem.json_message import json_breaches
from govbus.routing.niem.json_schema import compile_json

from . import samples

MODEL = compile_json(samples.JSON_FORMAT)
MEMORY_BYTES_MAX = 60_000_000
CASE = "case:CaseMessage"


def _octets(message):
    return message if isinstance(message, bytes) else json.dumps(message).encode()


def _judged(message, model=MODEL):
    return list(json_breaches(_octets(message), model, "body.message"))


def _rules(message):
    return [
        re.match(r"NDR 6\.0 (?:rule|section) ([0-9.-]+): ", breach.detail)[1] for breach in _judged(message)
    ]


def _changed(change):
    message = copy.deepcopy(samples.JSON_MESSAGE)
    change(message)
    return message


def _at(message, *path):
    for step in path:
        message = message[step]
    return message


def _put(*path_and_value):
    *path, name, value = path_and_value

    def change(message):
        _at(message, *path)[name] = value

    return change


def _without(*path):
    def change(message):
        del _at(message, *path[:-1])[path[-1]]

    return change


PARTY, PARTIES = (CASE, "party:Party", 0), (CASE, "party:Party")


def test_message_that_breaks_nothing():
    """A message with a term of its own, references and a pointer to its schema passes."""
    assert [] == _judged(samples.JSON_MESSAGE)


@pytest.mark.parametrize(
    "context",
    [samples.JSON_FORMAT.context_uri, [samples.JSON_FORMAT.context_uri, {"name": "party:PartyName"}]],
)
def test_context_by_its_registered_uri(context):
    """The registered URI stands for the registered context; nothing is fetched."""
    message = _changed(_put("@context", context))
    if isinstance(context, str):
        del message[CASE]["party:Party"][1]["name"]

    assert [] == _judged(message)


@pytest.mark.parametrize(
    ("rule", "change", "field"),
    [
        ("13-3", _put(CASE, "case:CaseFiledDate", "yesterday"), f"/{CASE}/case:CaseFiledDate"),
        ("13-3", _without(CASE, "case:CaseFiledDate"), f"/{CASE}"),
        ("13-3", _put(*PARTY, "party:PartyName", " Vogel"), f"/{CASE}/party:Party/0/party:PartyName"),
        ("13-3", _put(*PARTY, "party:PartyAge", "Vogel"), f"/{CASE}/party:Party/0/party:PartyAge"),
        ("13-4", _without("@context"), "/@context"),
        ("13-4", _put("@context", "context.jsonld"), "/@context"),
        ("13-4", _put("@context", "https://attacker.example/context.jsonld"), "/@context"),
        ("13-4", _put("@context", "party", "https://court.example/ns/party/2.0/"), "/@context"),
        ("13-4", _without("@context", "case"), "/@context"),
        ("13-2", _put("@context", 1), "/@context"),
        ("13-2", _put("@context", "bad", {"@id": 1}), ""),
        ("13-2", _put("@context", "@version", 7), ""),
        ("13-2", _put(*PARTY, "@id", 5), f"/{CASE}/party:Party/0/@id"),
        ("13-2", _put("@context", "x", {"@id": "case:x", "@context": {}}), "/@context"),
        ("13-2", _put("@context", "@import", "https://court.example/a"), "/@context"),
        ("13-2", _put(*PARTY, "@context", {}), f"/{CASE}/party:Party/0/@context"),
        ("13-5", _put(*PARTY, "party:Vogel", "x"), f"/{CASE}/party:Party/0/*"),
        ("13-5", _put(*PARTY, "foo:PartyName", "x"), f"/{CASE}/party:Party/0/*"),
        ("13-5", _put(*PARTY, "PartyName", "x"), f"/{CASE}/party:Party/0/*"),
        ("13-5", _put(*PARTY, "$schema", "x"), f"/{CASE}/party:Party/0/*"),
        ("13-5", _put(*PARTY, "@vogel", "x"), f"/{CASE}/party:Party/0/*"),
        ("13-6", _put(CASE, "party:Victim", "party:PartyAge", 42), f"/{CASE}"),
        (
            "13-7",
            _put(CASE, "party:Party", 1, "party:Address", "@id", "#A1"),
            f"/{CASE}/party:Party/1/party:Address",
        ),
        ("13-8", _put(CASE, "party:Charge", "@id", "#P1"), f"/{CASE}"),
        ("14.2.2", _put("party:Party", []), ""),
        ("14.2.2", lambda message: message.update({"party:Party": message.pop(CASE)}), ""),
    ],
)
def test_one_rule_broken(rule, change, field):
    """A message that breaks one rule in one place has a finding that names the rule and the place, and no values."""
    found = _judged(_changed(change))

    assert rule in _rules(_changed(change))
    assert {rule} >= set(_rules(_changed(change))) - {"13-3"}
    assert found[-1].rule == "NDR-13"
    assert any(breach.field.startswith(f"body.message{field}") for breach in found)
    assert not any(personal in " ".join(breach[1:3]) for breach in found for personal in samples.PERSONAL)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"[]",
        b'"text"',
        b"{",
        b"{'a': 1}",
        b"\xef\xbb\xbf{}",
        b'{"a": "\xff"}',
        '{"a": 1}'.encode("utf-16"),
        b'{"a": 1, "a": 1}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": ' + b"9" * 5_000 + b"}",
        b'{"a": 0.' + b"9" * 5_000 + b"}",
        b'{"a": "\\ud800"}',
        b'{"\\ud800": 1}',
        b"{} {}",
    ],
)
def test_no_json_object(octets):
    """What is no JSON object in UTF-8 that means one thing to every reader is refused by rule 13-1, unread."""
    assert ["13-1"] == _rules(octets)


@pytest.mark.parametrize(
    ("octets", "word"),
    [
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "inside each other"),
        (b'{"a":' * 101 + b"1" + b"}" * 101, "inside each other"),
        (b'{"a": ' + b"[" * 400_000 + b"]" * 400_000 + b"}", "inside each other"),
        (b'{"a": [' + b"1," * 50_001 + b"1]}", "values"),
        (b'{"a": [' + b"[]," * 250_000 + b"1]}", "values"),
        (b'{"' + b"x" * (bounds.NAME_CHARACTERS_MAX + 1) + b'": 1}', "name of more"),
        (b'{"a": "' + b"x" * bounds.MESSAGE_BYTES_MAX + b'"}', "longer"),
    ],
)
def test_bounds(octets, word):
    """What is deeper, longer or more than a message may be is refused, in little memory."""
    tracemalloc.start()
    try:
        found = _judged(octets)
        memory = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert 1 == len(found)
    assert word in found[0].detail
    assert memory < MEMORY_BYTES_MAX


def test_nothing_is_fetched(monkeypatch):
    """No context, whatever it names, makes the bus open a connection."""
    opened = []
    monkeypatch.setattr(socket, "socket", lambda *a, **k: opened.append(a))
    monkeypatch.setattr(socket, "create_connection", lambda *a, **k: opened.append(a))

    for context in (
        "https://attacker.example/",
        {"@import": "https://attacker.example/"},
        ["file:///etc/passwd"],
    ):
        assert _judged(_changed(_put("@context", context)))
    assert [] == opened


@pytest.mark.parametrize(
    "context",
    [
        {f"t{n}": f"t{n + 1}:x" for n in range(600)},
        [{}] * 11,
        {"t": "x" * 501},
        {"a": "b:x", "b": "a:x"},
        {"a": {"@id": "case:a", "@context": {"a": {"@id": "case:a", "@context": {}}}}},
        {"case": None},
    ],
    ids=["terms", "contexts", "long value", "cycle", "scoped", "unset"],
)
def test_hostile_contexts(context):
    """A context that is too large, defines terms by each other or nests is refused; the work is bounded."""
    base = samples.JSON_MESSAGE["@context"]
    message = _changed(_put("@context", context if isinstance(context, list) else {**base, **context}))

    assert _rules(message)[0] in {"13-2", "13-4"}


def test_terms_that_build_on_each_other():
    """A long chain of terms is worked out, and each stays as long as the chain."""
    chain = {f"t{n}": f"t{n + 1}:x" for n in range(400)}
    assert [] == _judged(_changed(lambda message: message["@context"].update(chain)))


@pytest.mark.parametrize("failure", [RecursionError, KeyError, MemoryError])
def test_processor_that_fails(monkeypatch, failure):
    """Whatever the JSON-LD processor raises about a message becomes a finding."""

    def expand(*_args):
        raise failure

    monkeypatch.setattr(json_message.jsonld.JsonLdProcessor, "expand", expand)
    assert ["13-2"] == _rules(samples.JSON_MESSAGE)


def _model(schema, **changes):
    base = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}
    fields = {"schemas": {"m.json": json.dumps({**base, **schema}).encode()}, "main": "m.json", "root": None}
    return compile_json(dataclasses.replace(samples.JSON_FORMAT, **{**fields, **changes}))


def _valid(schema, value):
    message = {"@context": dict(samples.JSON_FORMAT.context), "case:a": value}
    found = _judged(message, _model({"properties": {"case:a": schema}}))
    return not any("13-3" in breach.detail for breach in found)


def test_recursion_without_end():
    """A schema that refers to itself without going into the message ends in a finding."""
    schema = {"$ref": "#/properties/case:a/allOf/0", "allOf": [{"$ref": "#/properties/case:a"}]}
    assert not _valid(schema, 1)


def test_schema_that_doubles_the_work(monkeypatch):
    """References are counted over the whole message, so that doubling at every level ends soon."""
    monkeypatch.setattr(json_validator, "REFERENCES_MAX", 5_000)
    node = {"allOf": [{"properties": {"case:a": {"$ref": "#/properties/case:a"}}}] * 2}
    value = 1
    for _ in range(40):
        value = {"case:a": value}

    assert not _valid(node, value)
    assert _valid(node, {"case:a": {"case:a": 1}})


def test_unique_items_in_linear_time():
    """Uniqueness of objects is decided by hashing: thousands are compared, and as JSON Schema compares them."""
    assert _valid({"uniqueItems": True}, [{"@value": n} for n in range(20_000)])
    assert _valid(
        {"uniqueItems": True}, [1, True, "1", [1], {"@value": 1}, 0, False, ["array"], ["boolean", True]]
    )
    for twice in ([1, 1.0], [{"@value": 1}, {"@value": 1.0}], [[1, {}], [1, {}]], [None, None]):
        assert not _valid({"uniqueItems": True}, twice)


def test_long_texts_and_slow_keywords():
    """A text that is too long for a quadratic pattern, or for a format, does not match it; short ones do."""
    quadratic, linear = {"pattern": "^.*x.*y$"}, {"pattern": "^[a-z]+$"}

    assert _valid(quadratic, "axby")
    assert not _valid(quadratic, "x" * 300 + "y")
    assert _valid(linear, "x" * 100_000)
    assert _valid({"format": "uri"}, "https://court.example/")
    assert not _valid({"format": "uri"}, "https://court.example/" + "a" * 2_000)
    assert _valid({"patternProperties": {"^case:.*$": {"type": "integer"}}}, {"case:a": 1})
    assert not _valid({"patternProperties": {"^case:.*$": {"type": "integer"}}}, {"case:a": "x"})


def test_true_is_not_one():
    """Rule 13-6 tells true from 1, and takes an equal value twice."""
    schema = {"properties": {"case:b": {"type": ["boolean", "integer"]}, "case:c": {}, "case:d": {}}}
    base = {"@context": dict(samples.JSON_FORMAT.context)}

    for other, expected in ((1, 1), (True, 0)):
        message = {**base, "case:c": {"@id": "#x", "case:b": True}, "case:d": {"@id": "#x", "case:b": other}}
        found = _judged(message, _model(schema))
        assert expected == len([breach for breach in found if "13-6" in breach.detail])


def test_many_objects_with_one_id():
    """References to one object are many in a message; each is looked at once."""
    many = [{"@id": "#P1"}] * 10_000
    assert [] == _judged(_changed(lambda message: message[CASE]["party:Party"].extend(many)))


def test_threads_judge_alike():
    """Messages judged at the same time have the findings that each has alone: an auditor judges them one by one."""
    messages = [
        samples.JSON_MESSAGE,
        _changed(_put(*PARTY, "party:Vogel", "x")),
        _changed(_put(CASE, "party:Charge", "@id", "#P1")),
        _changed(_put("party:Party", [])),
    ]
    alone = [_judged(message) for message in messages]
    assert 4 == len({str(found) for found in alone})

    def differing(seed):
        chosen = random.Random(seed)
        picked = [chosen.randrange(len(messages)) for _ in range(25)]
        return [number for number in picked if alone[number] != _judged(messages[number])]

    with ThreadPoolExecutor(6) as pool:
        assert [[]] * 6 == list(pool.map(differing, range(6)))
