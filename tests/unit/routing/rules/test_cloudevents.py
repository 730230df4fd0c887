"""Times, classifications and free text in the headers of a document."""

from types import SimpleNamespace

import pytest

from govbus.document.finding import Severity
from govbus.routing.rules.cloudevents import (
    CLOCK_SKEW_MAX_MS,
    document_checks,
    expiry_breaches,
    parse_time_ms,
    template_breaches,
)
from govbus.routing.rules.facts import DocumentFacts, ProvenDocument

AT_MS = 1_795_466_700_000
AT = b"2026-11-23T20:45:00.000Z"


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        (AT, AT_MS),
        (b"2026-11-23T20:45:00Z", AT_MS),
        (b"2026-11-23t20:45:00z", AT_MS),
        (b"2026-11-23T21:45:00+01:00", AT_MS),
        (b"2026-11-23T20:45:00.123456789Z", AT_MS + 123),
        (b"2016-12-31T23:59:60Z", 1_483_228_799_999),
    ],
)
def test_times_that_are_times(text, time_ms):
    """RFC 3339 in any of its forms, leap seconds included, gives milliseconds since 1970."""
    assert time_ms == parse_time_ms(text)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"2026-11-23",
        b"2026-11-23T20:45:00",
        b"2026-11-23 20:45:00Z",
        b"2026-11-23T20:45Z",
        b"2026-13-23T20:45:00Z",
        b"2026-11-23T20:45:00+0100",
        b"2026-11-23T20:45:00+25:00",
        b"20261123T204500Z",
        b"2026-W48-1T20:45:00Z",
        "\uff12\uff10\uff12\uff16-11-23T20:45:00Z".encode(),
        b"0000-01-01T00:00:00Z",
        b"2026-11-23T20:45:00." + b"0" * 100 + b"Z",
    ],
)
def test_times_that_are_not(text):
    """Without an offset, with parts missing or impossible, in other forms of ISO 8601: no time."""
    assert parse_time_ms(text) is None


def _facts(at_ms=AT_MS, **headers):
    signed = {"ce_time": AT, **headers}
    time_ms = parse_time_ms(signed["ce_time"])
    proven = ProvenDocument(signed, {}, b"", ())
    return DocumentFacts(None, proven, time_ms=at_ms if time_ms is None else time_ms, at_ms=at_ms, past=None)


def _found(facts):
    return [(one.rule, one.field, one.severity) for check in document_checks(None) for one in check(facts)]


def test_good_times():
    """A document of now, recorded later and not expired, gives no finding."""
    assert [] == _found(_facts())
    assert [] == _found(
        _facts(ce_recordedtime=b"2026-11-23T20:45:01Z", ce_expirytime=b"2026-12-01T00:00:00Z")
    )
    assert [] == _found(_facts(AT_MS - CLOCK_SKEW_MAX_MS))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (_facts(ce_time=b"yesterday"), ("CE-3", "ce_time", None)),
        (_facts(AT_MS - CLOCK_SKEW_MAX_MS - 1), ("CE-3", "ce_time", None)),
        (_facts(ce_recordedtime=b"2026-11-23T20:44:59Z"), ("CE-9", "ce_recordedtime", Severity.WARN)),
        (_facts(ce_recordedtime=b"later"), ("CE-9", "ce_recordedtime", None)),
        (_facts(ce_expirytime=b"2026-11-23T20:44:59Z"), ("CE-9", "ce_expirytime", None)),
        (_facts(ce_expirytime=b"never"), ("CE-9", "ce_expirytime", None)),
        (_facts(ce_subject=b"John Doe"), ("CE-8", "ce_subject", None)),
        (_facts(ce_subject=b"john@example"), ("CE-8", "ce_subject", None)),
    ],
)
def test_one_bad_header(facts, expected):
    """Each bad time or subject gives one finding that names its header."""
    assert [expected] == _found(facts)


def test_a_document_lives_to_its_expiry():
    """The moment of expiry itself is still good, the millisecond after is not."""
    assert [] == list(expiry_breaches(AT, AT_MS))
    assert ["CE-9"] == [one.rule for one in expiry_breaches(AT, AT_MS + 1)]


def _template_rules(**attributes):
    good = {"dataclassification": "internal", "datacategory": "non-pii", "accesslevel": "non-public"}
    facts = SimpleNamespace(attributes=good | attributes, codes=lambda _: {"PRIVACYACT": {}, "HIPAA": {}})
    return [one[:2] for one in template_breaches(facts)]


def test_known_values():
    """Known classifications, categories and regulations pass, several regulations with or without spaces."""
    assert [] == _template_rules()
    assert [] == _template_rules(
        dataregulation="PRIVACYACT, HIPAA", cuibanner="CUI//SP-PRVCY/SP-TAX//FED ONLY"
    )


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"dataclassification": "secret"}, ("CE-7", "ce_dataclassification")),
        ({"dataclassification": "Internal"}, ("CE-7", "ce_dataclassification")),
        ({"datacategory": "pii"}, ("CE-7", "ce_datacategory")),
        ({"dataregulation": "PRIVACYACT,GDPRISH"}, ("CE-7", "ce_dataregulation")),
        ({"title": "x"}, ("CE-8", "ce_title")),
        ({"remark": "this is a whole sentence"}, ("CE-8", "ce_remark")),
    ],
)
def test_unknown_values_and_free_text(attributes, expected):
    """Whoever is unsure how to interpret a value refuses; what describes is warned about."""
    assert [expected] == _template_rules(**attributes)
