"""Findings never repeat what a document says: a receipt, a log entry and a quarantine note outlive the document."""

import json

import pytest

from govbus.testing.example_bus import BASE_BODY, BASE_HEADERS, BASE_RECORD
from govbus.testing.rule_examples import run_example

CANARIES = (
    "Zbigniew Testperson, 078-05-1120, zbigniew@person.example",
    "zbigniew-078-05-1120",
    "ZBIGNIEW//SP-ZBIGNIEW//REL TO ZBIGNIEW",
)


def _texts(value, path=()):
    """Yield the path of every text in nested values."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _texts(part, (*path, name))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _texts(part, (*path, number))
    elif isinstance(value, str) or value is None:
        yield path


def _replaced(value, path, text):
    """Return nested values with the text at one path."""
    if not path:
        return text
    if isinstance(value, list):
        return [
            _replaced(one, path[1:], text) if number == path[0] else one for number, one in enumerate(value)
        ]
    return {**value, path[0]: _replaced(value[path[0]], path[1:], text)}


PLACES = [
    (part, path)
    for part, value in (("headers", BASE_HEADERS), ("record", BASE_RECORD), ("body", BASE_BODY))
    for path in _texts(value)
    if path[0] != "sc"  # enums: no other text can stand there
]
EXTRA = [
    ("headers", (name,))
    for name in (
        "ce_cuibanner",
        "ce_dataregulation",
        "ce_recordedtime",
        "ce_expirytime",
        "ce_subject",
        "ce_testmode",
        "ce_title",
        "ce_classification",
        "ce_encryption",
    )
]


@pytest.mark.parametrize("canary", CANARIES)
@pytest.mark.parametrize(("part", "path"), [*PLACES, *EXTRA], ids=lambda value: str(value)[:60])
def test_a_finding_never_repeats_a_value(part, path, canary):
    """Whatever text stands wherever it can, no finding has any word of it."""
    base = {"headers": BASE_HEADERS, "record": BASE_RECORD, "body": BASE_BODY}[part]
    value = {**base, path[0]: canary} if path[0] not in base else _replaced(base, path, canary)
    result = run_example(json.dumps({part: value}))

    told = " ".join(f"{one.field} {one.detail}" for one in result.findings).lower()
    assert "zbigniew" not in told
    assert "078" not in told


def test_some_of_them_are_found():
    """The canaries do break rules, so that the silence is not that of nobody speaking."""
    broken = set()
    for part, path in EXTRA:
        result = run_example(json.dumps({part: {path[0]: CANARIES[0]}}))
        broken |= {one.rule for one in result.findings}

    assert broken >= {"CUI-1", "CE-7", "CE-8", "CE-9", "TST-1", "SEC-9"}
