"""Rules REC-1 to REC-6: what a record says about itself, and the digests of what it carries."""

from __future__ import annotations

import hashlib
import time
from types import SimpleNamespace
from typing import Any

import pytest

from govbus.document.finding import Breach, Severity
from govbus.routing.codes import CodeLists
from govbus.routing.directory.model import RecordsSchedule
from govbus.routing.rules import records
from govbus.routing.rules.facts import TemplateFacts
from govbus.routing.rules.rule import Profile
from govbus.schemas.bundled import definition
from govbus.schemas.codec import AvroCodec

_TIME_MS = 1_795_466_700_000
_PLAIN = AvroCodec({"type": "record", "name": "Document", "fields": []})
_WITH_SCANS = AvroCodec(
    {
        "type": "record",
        "name": "Document",
        "fields": [{"name": "body", "type": {"type": "array", "items": definition("core/attachment/v1")}}],
    }
)
_SCHEDULE = {
    "authority": "DAA-GRS-2017-0003-0002",
    "retention_type": "Event_age",
    "years": 7,
    "event_type": "final action",
    "final_disposition": "Destroy",
}
_TEMPLATE = {
    "creator": {"name": "Assessment office", "organization": "tax.example"},
    "publisher": "tax.example",
    "rights_holder": None,
    "records_schedule": _SCHEDULE,
    "access_restriction": {"status": "Restricted - Fully", "specific": ["FOIA (b)(6) Personal Information"]},
    "use_restriction": {"status": "Unrestricted", "specific": []},
}
_RECORD = {
    "record_id": "TA-2026-17",
    "title": "Assessment TA-2026-17",
    "description": "A tax assessment.",
    "relations": [],
    "digests": [],
}


def _facts(
    codec: AvroCodec = _PLAIN,
    *,
    agreed: RecordsSchedule | None = None,
    profile: Profile = Profile.US_FEDERAL,
    **record: Any,
) -> TemplateFacts:
    agreement: Any = SimpleNamespace(id="tax-court", records_schedule=agreed, profiles=frozenset())
    directory: Any = SimpleNamespace(
        agency={"tax.example": "registered"}.get, codes=CodeLists.shipped(), profiles=frozenset({profile})
    )
    shared: Any = (agreement, None, SimpleNamespace(codec=codec), directory)
    return TemplateFacts({}, {**_TEMPLATE, **record}, None, *shared, _TIME_MS)  # type: ignore[arg-type]


def _shared(**kwargs: Any) -> list[tuple[str, str]]:
    return [(breach.rule, breach.field) for breach in records.template_breaches(_facts(**kwargs))]


def _own(codec: AvroCodec = _PLAIN, body: Any = None, **record: Any) -> list[Breach]:
    (check,) = records.document_checks(_facts(codec))
    document: Any = SimpleNamespace(value={"record": {**_RECORD, **record}, "body": body})
    return list(check(document))


def _places(**record: Any) -> list[tuple[str, str]]:
    return [(breach.rule, breach.field) for breach in _own(**record)]


def test_a_good_record_breaks_nothing():
    """The base of all tests here has no finding, so that each below is about its one change."""
    assert _shared() == []
    assert _own() == []


@pytest.mark.parametrize("record_id", ["", " ", "a\nb", "a\x9fb", "x" * 256])
def test_record_id(record_id: str):
    """1 to 255 characters, none of them a control character (REC-1)."""
    assert set(_places(record_id=record_id)) == {("REC-1", "record.record_id")}


def test_record_id_may_have_any_other_character():
    """A character that is not printable everywhere, such as a no-break space, is no control character."""
    assert _own(record_id="Akte\u00a0Ä-17") == []


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("title", ""),
        ("title", "\t "),
        ("title", "x" * 256),
        ("description", ""),
        ("description", "x" * 10_001),
    ],
)
def test_title_and_description(field: str, text: str):
    """A title has 1 to 255 characters, a description 1 to 10,000 (REC-4); the text itself is never repeated."""
    (breach,) = _own(**{field: text})
    assert (breach.rule, breach.field) == ("REC-4", f"record.{field}")
    assert "xx" not in breach.detail


def test_longest_texts_are_accepted():
    """The bounds belong to what is allowed."""
    assert _own(record_id="x" * 255, title="x" * 255, description="x" * 10_000) == []


def test_a_schedule_in_record_or_agreement():
    """One of the two names the records schedule; without any the document is held (REC-2)."""
    agreed = RecordsSchedule("DAA-GRS-2017-0003-0002", "Permanent", "Transfer")
    assert _shared(records_schedule=None, agreed=agreed) == []
    (breach,) = records.template_breaches(_facts(records_schedule=None))
    assert (breach.rule, breach.field, breach.severity) == ("REC-2", "record.records_schedule", None)


@pytest.mark.parametrize(
    "authority",
    [
        "DAA-GRS-2017-0006-0007",
        "DAA-0064-2021-0003",
        "N1-370-90-3, item 1501-16a",
        "NC1-207-79-6, item 8b(1)(g)",
        "N1-NU-93-8",
    ],
)
def test_known_forms_of_authorities(authority: str):
    """The examples that NARA gives are recognised."""
    assert _shared(records_schedule={**_SCHEDULE, "authority": authority}) == []


@pytest.mark.parametrize("authority", ["GRS 3.2", "N1-370", "DAA-GRS-17-1-1", "N1-370-90-3,", "xN1-NU-93-8"])
def test_unknown_forms_of_authorities_are_warnings(authority: str):
    """Under us-federal an unknown form is a warning; elsewhere other authorities number otherwise."""
    schedule = {**_SCHEDULE, "authority": authority}
    (breach,) = records.template_breaches(_facts(records_schedule=schedule))
    assert (breach.field, breach.severity) == ("record.records_schedule.authority", Severity.WARN)
    assert _shared(records_schedule=schedule, profile=Profile.CORE) == []


def test_an_empty_authority_holds_the_document():
    """A schedule without its item is none."""
    (breach,) = records.template_breaches(_facts(records_schedule={**_SCHEDULE, "authority": " "}))
    assert (breach.field, breach.severity) == ("record.records_schedule.authority", None)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"retention_type": "Forever"}, "retention_type"),
        ({"final_disposition": "Shred"}, "final_disposition"),
        ({"years": -1}, "years"),
        ({"years": None}, "years"),
        ({"event_type": None}, "event_type"),
        ({"retention_type": "Permanent"}, "final_disposition"),
    ],
)
def test_parts_of_a_schedule_fit_together(change: dict[str, Any], field: str):
    """What the machine-implementable schedules do not know, or what contradicts itself, is a warning."""
    breaches = list(records.template_breaches(_facts(records_schedule={**_SCHEDULE, **change})))
    assert [(breach.rule, breach.field, breach.severity) for breach in breaches] == [
        ("REC-2", f"record.records_schedule.{field}", Severity.WARN)
    ]


@pytest.mark.parametrize("field", ["access_restriction", "use_restriction"])
@pytest.mark.parametrize(
    ("status", "specific", "place"),
    [
        ("Secret", [], "status"),
        ("Other", [], "status"),
        ("Restricted - Possibly", [], "specific"),
        ("Restricted - Fully", ["Unrestricted"], "specific.0"),
        ("Restricted - Fully", ["Other", "Because"], "specific.1"),
        ("Unrestricted", ["Other"], "specific"),
    ],
)
def test_restrictions(field: str, status: str, specific: list[str], place: str):
    """Status and specific restrictions are of the list in force, and restricted says what restricts (REC-3)."""
    assert _shared(**{field: {"status": status, "specific": specific}}) == [
        ("REC-3", f"record.{field}.{place}")
    ]


def test_undetermined_needs_nothing_specific():
    """A status that is not restricted stands alone."""
    assert _shared(access_restriction={"status": "Undetermined", "specific": []}) == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"creator": {"name": "", "organization": "tax.example"}}, "record.creator.name"),
        ({"creator": {"name": "A", "organization": "x.example"}}, "record.creator.organization"),
        ({"publisher": ""}, "record.publisher"),
        ({"rights_holder": ""}, "record.rights_holder"),
        ({"rights_holder": "x" * 256}, "record.rights_holder"),
    ],
)
def test_agents(change: dict[str, Any], field: str):
    """Creator and publisher are of registered agencies, and who holds rights has a name (REC-4)."""
    assert _shared(**change) == [("REC-4", field)]


@pytest.mark.parametrize(
    ("relations", "field"),
    [
        ([("isPartOf", "TA-2026-17")], "record.relations.0.id"),
        ([("references", "")], "record.relations.0.id"),
        ([("replaces", "A"), ("replaces", "A")], "record.relations.1"),
        ([("hasPart", "A"), ("isPartOf", "A")], "record.relations.1"),
        ([("isPartOf", "A"), ("references", "B"), ("hasPart", "A")], "record.relations.2"),
    ],
)
def test_relations(relations: list[tuple[str, str]], field: str):
    """Relations do not contradict each other, lead elsewhere, and are said once (REC-5)."""
    assert _places(relations=[{"rel": rel, "id": other} for rel, other in relations]) == [("REC-5", field)]


def test_relations_that_make_sense():
    """A record may be part of one, have others as parts, and reference what it is part of."""
    relations = [("isPartOf", "A"), ("references", "A"), ("hasPart", "B"), ("hasPart", "C")]
    assert _places(relations=[{"rel": rel, "id": other} for rel, other in relations]) == []


def _scan(name: str, content: bytes) -> dict[str, Any]:
    return {"name": name, "media_type": "text/plain", "content": content}


def _digest(attachment: str, alg: str = "sha-256", content: bytes = b"abc") -> dict[str, str]:
    algorithm = records.DIGEST_ALGORITHMS.get(alg, "sha256")
    return {"attachment": attachment, "alg": alg, "hex": hashlib.new(algorithm, content).hexdigest()}


@pytest.mark.parametrize("alg", records.DIGEST_ALGORITHMS)
def test_digests_that_match(alg: str):
    """Every algorithm of the list is checked against the attachment's content (REC-6)."""
    body = [_scan("a.txt", b"abc"), _scan("b.txt", b"xyz")]
    assert _own(_WITH_SCANS, body, digests=[_digest("a.txt", alg), _digest("b.txt", alg, b"xyz")]) == []


@pytest.mark.parametrize(
    ("digest", "field"),
    [
        (_digest("a.txt", content=b"abd"), "record.digests.0.hex"),
        (_digest("A.txt"), "record.digests.0.attachment"),
        (_digest("a.txt", "md5"), "record.digests.0.alg"),
        (_digest("a.txt", "sha-1"), "record.digests.0.alg"),
        (_digest("a.txt", "SHA-256"), "record.digests.0.alg"),
        ({**_digest("a.txt"), "hex": _digest("a.txt")["hex"].upper()}, "record.digests.0.hex"),
        ({**_digest("a.txt"), "hex": _digest("a.txt")["hex"][:-2]}, "record.digests.0.hex"),
        ({**_digest("a.txt"), "hex": ""}, "record.digests.0.hex"),
        ({**_digest("https://files.example/a"), "hex": "zz"}, "record.digests.0.hex"),
    ],
)
def test_digests_that_do_not(digest: dict[str, str], field: str):
    """Another content, an attachment that is not there, a weak algorithm or another form is refused (REC-6)."""
    breaches = _own(_WITH_SCANS, [_scan("a.txt", b"abc")], digests=[digest])
    assert [(breach.rule, breach.field) for breach in breaches] == [("REC-6", field)]


def test_a_digest_of_a_uri_is_checked_for_its_form_alone():
    """What a URI leads to is not part of the document."""
    assert _own(digests=[_digest("https://files.example/a"), _digest("urn:uuid:1")]) == []


def test_two_attachments_of_one_name_cannot_be_told_apart():
    """A digest that names both is refused, even where it matches one of them."""
    body = [_scan("a.txt", b"abc"), _scan("a.txt", b"xyz")]
    (breach,) = _own(_WITH_SCANS, body, digests=[_digest("a.txt")])
    assert (breach.rule, breach.field) == ("REC-6", "record.digests.0.attachment")


def test_attachments_may_go_without_digests():
    """Digests are asked for where checksums are used; the signature covers the attachments anyway."""
    assert _own(_WITH_SCANS, [_scan("a.txt", b"abc")]) == []


def test_many_digests_of_one_attachment_hash_it_once():
    """A hostile list of digests costs the list, not the list times the attachment."""
    body, digests = [_scan("a.txt", bytes(4_000_000))], [_digest("a.txt", content=b"abc")] * 2_000
    began = time.perf_counter()
    assert len(_own(_WITH_SCANS, body, digests=digests)) == 2_000
    assert time.perf_counter() - began < 2.0
