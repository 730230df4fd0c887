"""CloudEvents 1.0: the attributes in the headers of a record, and its Kafka binding."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from govbus.document.encoding import time_ms_from_text
from govbus.document.finding import Breach, Severity
from govbus.errors import MetadataError
from govbus.routing.rules.facts import DocumentCheck, DocumentFacts, TemplateFacts
from govbus.routing.rules.rule import Basis, Moment, Profile, Rule

CLOCK_SKEW_MAX_MS: Final = 300_000
"""How far an agency's clock may be ahead of the router's (AU-8 leaves the number to the organisation)."""
CLASSIFICATIONS: Final = ("public", "internal", "confidential", "restricted")
"""Values of ``ce_dataclassification``, each stricter than the one before."""
DATA_CATEGORIES: Final = ("non-pii", "non-sensitive-pii", "sensitive-pii", "phi")
"""Values of ``ce_datacategory``."""
DESCRIPTIVE_NAMES: Final = frozenset(
    {
        "title",
        "description",
        "summary",
        "name",
        "creator",
        "author",
        "comment",
        "comments",
        "note",
        "notes",
        "person",
        "address",
    }
)
"""Names of attributes that describe; what describes belongs into the record metadata inside the value."""
WORDS_MAX: Final = 3
"""Words of a header value before it counts as free text."""

RULES = (
    Rule(
        id="CE-1",
        citation="CloudEvents 1.0, Required Attributes; govbus metadata model",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation="Every required attribute is present, none that is there is empty, and specversion is 1.0.",
        accepted="Headers ce_specversion (1.0), ce_id, ce_source, ce_type, ce_time, ce_dataschema, "
        "ce_agreementid, ce_dataclassification, ce_datacategory and ce_accesslevel, none of them empty.",
        passing='headers: {ce_specversion: "1.0"}',
        failing="headers: {ce_datacategory: null}",
    ),
    Rule(
        id="CE-2",
        citation="CloudEvents 1.0, Naming Conventions and Type System",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation="Attribute names are a-z and 0-9, no value has control characters, and none stands twice.",
        accepted="Each ce_ header once, its name of a-z and 0-9, its value without control characters and "
        "noncharacters.",
        passing="headers: {ce_casefile: k-2026-17}",
        failing='raw: {add_header: [ce_type, "example.tax.assessment.v1"]}',
    ),
    Rule(
        id="CE-3",
        citation="CloudEvents 1.0, time; RFC 3339; NIST SP 800-53 AU-8",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation="time is an RFC 3339 time with an offset, and not further ahead of the bus's clock than clocks "
        "may differ (five minutes, which is govbus's choice).",
        accepted="A time such as 2026-11-23T20:45:00.123Z, not in the future.",
        passing='headers: {ce_time: "2026-11-23T21:45:00.123+01:00"}\nat: "2026-11-23T20:45:01Z"',
        failing='headers: {ce_time: "2026-11-23T20:45:00"}\nat: "2026-11-23T20:45:01Z"',
    ),
    Rule(
        id="CE-4",
        citation="CloudEvents 1.0, id and source",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.CORE,
        moments=(Moment.FLOW,),
        explanation="A source never uses one id for two different documents; the same document again is answered, "
        "not delivered again.",
        accepted="A new ce_id for every new document.",
        passing="before: [{body: {amount: '10.00'}}]\nbody: {amount: '20.00'}",
        failing="before: [{headers: {ce_id: 019ac0de-8b2a-7000-8000-000000000001}}]\n"
        "headers: {ce_id: 019ac0de-8b2a-7000-8000-000000000001}\nbody: {amount: '20.00'}",
    ),
    Rule(
        id="CE-5",
        citation="CloudEvents 1.0, dataschema and datacontenttype",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation="dataschema is an absolute URI of a registered schema and content-type is application/avro.",
        accepted="The URI of the package's schema from the directory, and content-type application/avro.",
        passing="headers: {content-type: application/avro}",
        failing="headers: {ce_dataschema: tax.assessment/1}",
    ),
    Rule(
        id="CE-6",
        citation="CloudEvents Kafka Protocol Binding 1.0, section 3.2",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation="Headers are UTF-8 with values, and a document is never a null value: no topic of documents is "
        "declared to take tombstones.",
        accepted="Binary mode: every attribute in a header ce_<name> as UTF-8, the document in the value.",
        passing="headers: {ce_casefile: Akte-ä-17}",
        failing="raw: {null_value: true}",
    ),
    Rule(
        id="CE-7",
        citation="CloudEvents dataclassification extension",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation="Classification, category, access level and regulations of the data are values that the bus "
        "knows; whoever is unsure how to interpret them must refuse.",
        accepted="dataclassification public, internal, confidential or restricted; datacategory non-pii, "
        "non-sensitive-pii, sensitive-pii or phi; dataregulation a comma list of registered codes.",
        passing="headers: {ce_dataclassification: restricted}",
        failing="headers: {ce_dataclassification: secret-ish}",
    ),
    Rule(
        id="CE-8",
        citation="CloudEvents 1.0, Privacy and Security",
        severity=Severity.WARN,
        basis=Basis.GUIDANCE,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation="Headers travel in the clear, so nothing in them describes: no titles, names or sentences, and "
        "subject is an opaque key.",
        accepted="Descriptions in the record metadata inside the value, and an opaque ce_subject without spaces.",
        passing="headers: {ce_subject: case-4711}",
        failing="headers: {ce_title: Assessment of a person by name}",
    ),
    Rule(
        id="CE-9",
        citation="CloudEvents recordedtime and expirytime extensions",
        severity=Severity.REFUSE,
        basis=Basis.GUIDANCE,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT, Moment.FLOW),
        explanation="recordedtime is not before time (a warning), and what has expired is not delivered: neither "
        "routed nor, where it expires on its way, applied by a consumer.",
        accepted="RFC 3339 times with ce_time <= ce_recordedtime, and ce_expirytime still to come.",
        passing='headers: {ce_time: "2026-11-23T20:45:00Z", ce_expirytime: "2026-11-24T00:00:00Z"}\n'
        'at: "2026-11-23T20:45:01Z"',
        failing='headers: {ce_time: "2026-11-23T20:45:00Z", ce_expirytime: "2026-11-23T20:45:00.500Z"}\n'
        'at: "2026-11-23T20:45:01Z"',
    ),
)
"""The rules of this family."""

_RFC3339 = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}:)(\d{2})(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)
_EMPTY: Final = "an attribute that is there may not be empty; leave it out"
"""Absent and empty mean the same to some readers and not to others, also where they hash what was signed."""
_LEAP_SECOND = "60"
_TIME_BYTES_MAX = 40


def parse_time_ms(octets: bytes) -> int | None:
    """Return the milliseconds since 1970 of an RFC 3339 time with an offset, or None where it is none.

    A leap second (RFC 3339 section 5.7) counts as the last millisecond before it.
    """
    if len(octets) == _PLAIN_BYTES and octets[23:] == b"Z" and octets[19:20] == b".":
        minute_ms = _minutes_ms.get(octets[:17])
        if (
            minute_ms is not None
            and octets[17:19].isdigit()
            and octets[20:23].isdigit()
            and octets[17:18] < b"6"
        ):
            return minute_ms + int(octets[17:19]) * 1000 + int(octets[20:23])
    time_ms = _parse_time_ms(octets)
    if time_ms is not None and len(octets) == _PLAIN_BYTES and octets[23:] == b"Z" and octets[17:19] != b"60":
        if len(_minutes_ms) >= _MINUTES_MAX:
            _minutes_ms.clear()
        _minutes_ms[octets[:17]] = time_ms - time_ms % 60_000
    return time_ms


_PLAIN_BYTES = len("2026-11-23T20:45:00.123Z")
_MINUTES_MAX = 1024
_minutes_ms: dict[bytes, int] = {}
"""Starts of minutes by the text up to the seconds: documents of one hour share sixty of them."""


def _parse_time_ms(octets: bytes) -> int | None:
    match = _RFC3339.fullmatch(octets.decode("ascii", "replace")) if len(octets) <= _TIME_BYTES_MAX else None
    if match is None:
        return None
    day, minute, second, fraction, offset = match.groups()
    if second == _LEAP_SECOND:
        second, fraction = "59", ".999"
    try:
        return time_ms_from_text(f"{day}T{minute}{second}{fraction or ''}{offset.upper()}")
    except MetadataError:
        return None


def time_ms_of(octets: bytes, at_ms: int) -> int:
    """Return ``ce_time`` in milliseconds since 1970; the time of the decision where it is none (rule CE-3)."""
    time_ms = parse_time_ms(octets)
    return at_ms if time_ms is None else time_ms


def template_breaches(facts: TemplateFacts) -> Iterator[Breach]:
    """Yield what is wrong with the part that documents of one template share."""
    attributes = facts.attributes
    yield from _known(attributes["dataclassification"], CLASSIFICATIONS, "ce_dataclassification")
    yield from _known(attributes["datacategory"], DATA_CATEGORIES, "ce_datacategory")
    regulations = facts.codes("data-regulations")
    for code in attributes.get("dataregulation", "").split(","):
        if code.strip() and code.strip() not in regulations:
            yield Breach("CE-7", "ce_dataregulation", "a regulation is not on the list of known codes")
    for name, text in attributes.items():
        if not text:
            yield Breach("CE-1", f"ce_{name}", _EMPTY)
        if name in DESCRIPTIVE_NAMES:
            yield Breach("CE-8", f"ce_{name}", "an attribute that describes belongs into the record metadata")
        elif name not in {"accesslevel", "cuibanner", "content-type"} and len(text.split()) > WORDS_MAX:
            yield Breach("CE-8", f"ce_{name}", "free text belongs into the record metadata")


def document_checks(_facts: TemplateFacts) -> Iterator[DocumentCheck]:
    """Yield what is left to look at in every document of the template."""
    yield _document_breaches


def _known(text: str, values: tuple[str, ...], field: str) -> Iterator[Breach]:
    if text not in values:
        yield Breach("CE-7", field, f"expected one of {', '.join(values)}")


def _document_breaches(facts: DocumentFacts) -> Iterable[Breach]:
    """Check the times and the subject; nearly always there is nothing to say."""
    signed = facts.signed
    subject = signed.get("ce_subject")
    if (
        facts.time_ms <= facts.at_ms + CLOCK_SKEW_MAX_MS
        and (facts.time_ms != facts.at_ms or parse_time_ms(signed["ce_time"]) is not None)
        and (subject is None or (subject != b"" and b" " not in subject and b"@" not in subject))
        and "ce_recordedtime" not in signed
        and "ce_expirytime" not in signed
    ):
        return ()
    return _document_findings(facts)


def _document_findings(facts: DocumentFacts) -> Iterator[Breach]:
    signed = facts.signed
    if parse_time_ms(signed["ce_time"]) is None:
        yield Breach("CE-3", "ce_time", "expected an RFC 3339 time with an offset")
    elif facts.time_ms > facts.at_ms + CLOCK_SKEW_MAX_MS:
        yield Breach("CE-3", "ce_time", "lies in the future by more than clocks may differ")
    if signed.get("ce_subject") == b"":
        yield Breach("CE-1", "ce_subject", _EMPTY)
    if b" " in signed.get("ce_subject", b"") or b"@" in signed.get("ce_subject", b""):
        yield Breach("CE-8", "ce_subject", "expected an opaque key without spaces and addresses")
    if "ce_recordedtime" in signed:
        recorded_ms = parse_time_ms(signed["ce_recordedtime"])
        if recorded_ms is None:
            yield Breach("CE-9", "ce_recordedtime", "expected an RFC 3339 time with an offset")
        elif recorded_ms < facts.time_ms:
            yield Breach("CE-9", "ce_recordedtime", "lies before ce_time", Severity.WARN)
    if "ce_expirytime" in signed:
        yield from expiry_breaches(signed["ce_expirytime"], facts.at_ms)


def expiry_breaches(octets: bytes, at_ms: int) -> Iterator[Breach]:
    """Yield a breach where ``ce_expirytime`` is no time, or has passed: asked by routers and again by consumers."""
    expiry_ms = parse_time_ms(octets)
    if expiry_ms is None:
        yield Breach("CE-9", "ce_expirytime", "expected an RFC 3339 time with an offset")
    elif expiry_ms < at_ms:
        yield Breach("CE-9", "ce_expirytime", "the document has expired")
