"""Single objects in documents (AVR-5); the other rules of Avro are tested where they are judged."""

import base64

import pytest

from govbus.document.finding import Outcome
from govbus.routing.rules import avro
from govbus.routing.rules.avro import RULES
from govbus.testing.rule_examples import run_example

(AVR_5,) = (rule for rule in RULES if rule.id == "AVR-5")
GOOD = base64.b64decode(AVR_5.passing.rsplit("!!binary ", 1)[1].rstrip("}\n"))
"""The single object of the passing example."""


def findings(octets):
    """Return outcome and findings of the example with these bytes."""
    start = AVR_5.passing.rsplit("body:", 1)[0]
    result = run_example(f"{start}body: {{original: !!binary {base64.b64encode(octets).decode()}}}\n")
    return result.outcome, [(one.rule, one.field) for one in result.findings]


def test_good():
    """The single object of the example is accepted as it is."""
    assert findings(GOOD) == (Outcome.ACCEPTED, [])


@pytest.mark.parametrize(
    "octets",
    [
        GOOD[1:],
        GOOD + b"\x00",
        GOOD[:-1],
        GOOD[:2] + bytes(8) + GOOD[10:],
        b"\xc3\x02" + GOOD[2:],
        b"\x00",
    ],
    ids=["no marker", "bytes left over", "cut off", "unknown fingerprint", "other marker", "one byte"],
)
def test_broken(octets):
    """Broken in one place, it is refused, and the finding names the field."""
    assert findings(octets) == (Outcome.REFUSED, [("AVR-5", "body.original")])


def test_absent():
    """An optional single object may be absent."""
    start = AVR_5.passing.rsplit("body:", 1)[0]
    assert run_example(start).outcome is Outcome.ACCEPTED


def test_no_check_without_marks():
    """Documents whose schema has no marked field pay nothing for the rule."""
    result = run_example("{}")
    assert result.outcome is Outcome.ACCEPTED

    class Facts:
        class schema:  # noqa: N801  # as the attribute is called
            from govbus.schemas.codec import AvroCodec

            codec = AvroCodec(
                {"type": "record", "name": "x.Y", "fields": [{"name": "body", "type": "bytes"}]}
            )

    assert list(avro.document_checks(Facts)) == []


def test_examples_stand_for_their_rules():
    """Every rule of the family says what would be accepted and has both examples."""
    for rule in RULES:
        assert rule.accepted
        assert not run_example(rule.passing).of_rule(rule.id)
        assert run_example(rule.failing).of_rule(rule.id)
