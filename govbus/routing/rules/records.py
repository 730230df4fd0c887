"""Federal records: 36 CFR 1236.54 on the metadata of a record.

The regulation binds transfers of permanent records; that every document of the bus follows it is a choice of govbus.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from govbus.document.finding import Breach, Severity
from govbus.routing.rules.attachments import Finder, attachment_finder
from govbus.routing.rules.facts import DocumentCheck, DocumentFacts, TemplateFacts
from govbus.routing.rules.rule import Basis, Moment, Profile, Rule

TEXT_CHARACTERS_MAX: Final = 255
DESCRIPTION_CHARACTERS_MAX: Final = 10_000
DIGEST_ALGORITHMS: Final = {
    "sha-256": "sha256",
    "sha-384": "sha384",
    "sha-512": "sha512",
    "sha3-256": "sha3_256",
    "sha3-384": "sha3_384",
    "sha3-512": "sha3_512",
}
"""By IANA name, hashlib's; weaker ones (MD5, SHA-1) are refused."""
RETENTION_TYPES: Final = frozenset({"Permanent", "Temporary", "Unscheduled", "Creation_age", "Event_age"})
"""The last two are those of the machine-implementable General Records Schedules."""
DISPOSITIONS: Final = frozenset({"Transfer", "Destroy"})
AUTHORITY: Final = re.compile(
    r"DAA-[A-Z0-9]{3,4}-[0-9]{4}-[0-9]{4}(?:-[0-9]{4})?|NC?1-[A-Z0-9]+-[0-9]{2}-[0-9]+(?:, item .{1,40})?",
    re.ASCII,
)
"""Disposition authorities as NARA numbers them: in the Electronic Records Archives, and before."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_HEX = re.compile(r"[0-9a-f]+", re.ASCII)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s]+", re.ASCII)

RULES = (
    Rule(
        id="REC-1",
        citation="36 CFR 1236.54(c)(1), 1236.20(b)(1), Record ID",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation="Every record has an identifier. That no other record of the supplier has it cannot be judged by "
        "the router: the message log keeps nothing of a document's content, so that content can be erased. The "
        "catalogue of documents finds it afterwards, as a warning (govbus catalog findings).",
        accepted="record.record_id of 1 to 255 characters without control characters.",
        passing="record: {record_id: TA-2026-000018}",
        failing='record: {record_id: ""}',
    ),
    Rule(
        id="REC-2",
        citation="36 CFR 1236.54(c)(1), Records Schedule Item",
        severity=Severity.QUARANTINE,
        basis=Basis.NORM,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation=(
            "The record or its agreement names the records schedule that governs it; without one it is held. "
            "A schedule whose parts are not known or do not fit together is a warning, and so, under profile "
            "us-federal, is a disposition authority in no form that NARA numbers."
        ),
        accepted="A records schedule with an authority such as DAA-GRS-2017-0003-0002, in the record or the agreement.",
        passing="record: {records_schedule: {authority: N1-NU-93-8, retention_type: Permanent, years: null, "
        "event_type: null, final_disposition: Transfer}}",
        failing="record: {records_schedule: null}",
    ),
    Rule(
        id="REC-3",
        citation="36 CFR 1236.54(c)(2), Access and Use Restriction Status",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation=(
            "Access and use each have a restriction status of the list in force, and the specific restrictions of "
            "the list where the status is a restricted one."
        ),
        accepted="A status of the NARA authority list, with at least one specific restriction unless unrestricted.",
        passing="record: {use_restriction: {status: Restricted - Partly, specific: [Copyright]}}",
        failing="record: {access_restriction: {status: Restricted - Fully, specific: []}}",
    ),
    Rule(
        id="REC-4",
        citation="36 CFR 1236.54(d), Title, Description, Creator, Creation Date, and (c)(2), Rights Holder",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation=(
            "Every record has a title, a description and a creator whose agency is registered, and so is the "
            "publisher's. Its creation date is ce_time, which rule CE-1 asks for."
        ),
        accepted=(
            "title of 1 to 255 and description of 1 to 10,000 characters, a creator with name and registered "
            "organization, a registered publisher, rights_holder of 1 to 255 characters or none."
        ),
        passing="record: {title: Assessment}",
        failing="record: {creator: {name: Somebody, organization: nobody.example}}",
    ),
    Rule(
        id="REC-5",
        citation="36 CFR 1236.54(c)(1), Relation; Dublin Core hasPart, isPartOf",
        severity=Severity.WARN,
        basis=Basis.PROFILE,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation=(
            "Relations make sense among themselves: no record is both part and whole of another, none is related to "
            "itself, and none says the same twice."
        ),
        accepted="Relations to other records, each said once.",
        passing="record: {relations: [{rel: hasPart, id: TA-2026-000016}, {rel: references, id: TA-2026-000016}]}",
        failing="record: {relations: [{rel: hasPart, id: TA-2026-000016}, {rel: isPartOf, id: TA-2026-000016}]}",
    ),
    Rule(
        id="REC-6",
        citation="36 CFR 1236.54(e)(3), Message Digest",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation=(
            "Every digest matches the attachment that it names. The digest of a URI is checked for its form alone, "
            "because what the URI leads to is not part of the document."
        ),
        accepted="Digests by SHA-256 or better, in lower-case hexadecimal, of attachments in the payload or of URIs.",
        passing=(
            "schema: {type: record, name: Letter, namespace: tax, doc: A letter., fields: [\n"
            "  {name: scan, doc: Scan., type: {type: record, name: govbus.core.Attachment, doc: File., fields: [\n"
            "    {name: name, doc: Its name., type: string}, {name: media_type, doc: Its type., type: string},\n"
            "    {name: content, doc: Its content., type: bytes}]}}]}\n"
            "body: {case_id: null, amount: null, scan: {name: a.txt, media_type: text/plain, content: abc}}\n"
            "record: {digests: [{attachment: a.txt, alg: sha-256, "
            "hex: ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad}]}"
        ),
        failing=(
            "record: {digests: [{attachment: a.txt, alg: sha-256, "
            "hex: ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad}]}"
        ),
    ),
)
"""The rules of this family."""


def template_breaches(facts: TemplateFacts) -> Iterator[Breach]:
    """Yield what is wrong with the part that documents of one template share."""
    yield from _schedule(facts)
    yield from _restriction(facts, "access_restriction", "nara-access-restrictions")
    yield from _restriction(facts, "use_restriction", "nara-use-restrictions")
    yield from _agents(facts)


def document_checks(facts: TemplateFacts) -> Iterator[DocumentCheck]:
    """Yield what is left to look at in every document of the template."""
    find = attachment_finder(facts.schema.codec)

    def check(document: DocumentFacts) -> Iterable[Breach]:
        record = document.value["record"]
        record_id, title, description = record["record_id"], record["title"], record["description"]
        if (
            0 < len(record_id) <= TEXT_CHARACTERS_MAX
            and 0 < len(title) <= TEXT_CHARACTERS_MAX
            and 0 < len(description) <= DESCRIPTION_CHARACTERS_MAX
            and record_id.isprintable()
            and not (record_id.isspace() or title.isspace() or description.isspace())
            and not record["relations"]
            and not record["digests"]
        ):
            return ()
        return _record_breaches(record, document.value, find)

    yield check


def _record_breaches(record: Mapping[str, Any], value: Any, find: Finder) -> Iterator[Breach]:
    record_id = record["record_id"]
    if _CONTROL.search(record_id) is not None:
        yield Breach("REC-1", "record.record_id", "control characters are not allowed")
    yield from _length("REC-1", "record.record_id", record_id, TEXT_CHARACTERS_MAX)
    yield from _length("REC-4", "record.title", record["title"], TEXT_CHARACTERS_MAX)
    yield from _length("REC-4", "record.description", record["description"], DESCRIPTION_CHARACTERS_MAX)
    yield from _relations(record_id, record["relations"])
    if record["digests"]:
        yield from _digests(record["digests"], list(find(value)))


def _schedule(facts: TemplateFacts) -> Iterator[Breach]:
    own, agreed = facts.record["records_schedule"], facts.agreement.records_schedule
    if own is None and agreed is None:
        detail = f"neither the record nor agreement {facts.agreement.id} names a records schedule"
        yield Breach("REC-2", "record.records_schedule", detail)
        return
    if own is not None:
        place, parts = "record.records_schedule", own
    else:
        place, parts = "agreement.records_schedule", _parts_of(agreed)
    if not parts["authority"].strip():
        yield Breach("REC-2", f"{place}.authority", "expected the disposition authority")
    elif Profile.US_FEDERAL in facts.profiles and (AUTHORITY.fullmatch(parts["authority"]) is None):
        yield _warning(f"{place}.authority", "is in no form that NARA numbers authorities in")
    yield from _retention(place, parts)


def _parts_of(schedule: Any) -> dict[str, Any]:
    return {
        name: getattr(schedule, name)
        for name in ("authority", "retention_type", "years", "event_type", "final_disposition")
    }


def _retention(place: str, parts: Mapping[str, Any]) -> Iterator[Breach]:
    retention, years = parts["retention_type"], parts["years"]
    if retention not in RETENTION_TYPES:
        yield _warning(f"{place}.retention_type", f"expected one of {', '.join(sorted(RETENTION_TYPES))}")
    if parts["final_disposition"] not in DISPOSITIONS:
        yield _warning(f"{place}.final_disposition", "expected Transfer or Destroy")
    if retention == "Permanent" and parts["final_disposition"] == "Destroy":
        yield _warning(f"{place}.final_disposition", "a permanent record is not destroyed, expected Transfer")
    if years is not None and years < 0:
        yield _warning(f"{place}.years", "expected a number of years from 0")
    if years is None and retention in {"Creation_age", "Event_age"}:
        yield _warning(f"{place}.years", f"expected a number of years, because the retention is {retention}")
    if retention == "Event_age" and not parts["event_type"]:
        yield _warning(f"{place}.event_type", "expected the event that starts the retention")


def _warning(field: str, detail: str) -> Breach:
    return Breach("REC-2", field, detail, Severity.WARN)


def _restriction(facts: TemplateFacts, name: str, list_id: str) -> Iterator[Breach]:
    restriction, codes = facts.record[name], facts.codes(list_id)
    status = codes.get(restriction["status"], {})
    if status.get("kind") != "status":
        yield Breach("REC-3", f"record.{name}.status", f"expected a status of list {list_id}")
    elif status.get("effect") == "restricted" and not restriction["specific"]:
        yield Breach(
            "REC-3", f"record.{name}.specific", "expected at least one, because the status is restricted"
        )
    for index, specific in enumerate(restriction["specific"]):
        if codes.get(specific, {}).get("kind") != "specific":
            yield Breach(
                "REC-3",
                f"record.{name}.specific.{index}",
                f"expected a specific restriction of list {list_id}",
            )
    if status.get("effect") == "unrestricted" and restriction["specific"]:
        detail = "expected none, because the status is unrestricted"
        yield Breach("REC-3", f"record.{name}.specific", detail, Severity.WARN)


def _agents(facts: TemplateFacts) -> Iterator[Breach]:
    record = facts.record
    yield from _length("REC-4", "record.creator.name", record["creator"]["name"], TEXT_CHARACTERS_MAX)
    for field, agency in (
        ("record.creator.organization", record["creator"]["organization"]),
        ("record.publisher", record["publisher"]),
    ):
        if facts.directory.agency(agency) is None:
            yield Breach("REC-4", field, "expected the id of a registered agency")
    if record["rights_holder"] is not None:
        yield from _length("REC-4", "record.rights_holder", record["rights_holder"], TEXT_CHARACTERS_MAX)


def _length(rule: str, field: str, text: str, characters_max: int) -> Iterator[Breach]:
    if not text.strip():
        yield Breach(rule, field, f"is empty, expected 1 to {characters_max} characters")
    elif len(text) > characters_max:
        yield Breach(rule, field, f"is {len(text)} characters long, at most {characters_max} are allowed")


def _relations(record_id: str, relations: list[Mapping[str, Any]]) -> Iterator[Breach]:
    seen: set[tuple[str, str]] = set()
    opposite = {"hasPart": "isPartOf", "isPartOf": "hasPart"}
    for index, relation in enumerate(relations):
        kind, other = relation["rel"], relation["id"]
        place = f"record.relations.{index}"
        if not other.strip():
            yield Breach("REC-5", f"{place}.id", "expected the id of another record")
        elif other == record_id:
            yield Breach("REC-5", f"{place}.id", "a record is not related to itself")
        elif (kind, other) in seen:
            yield Breach("REC-5", place, "the same relation stands above already")
        elif (opposite.get(kind, ""), other) in seen:
            yield Breach("REC-5", place, f"{kind} contradicts {opposite[kind]} above, of the same record")
        seen.add((kind, other))


def _digests(digests: list[Mapping[str, Any]], attachments: list[Mapping[str, Any]]) -> Iterator[Breach]:
    """Yield every digest that is wrong; each attachment is hashed at most once by each algorithm."""
    counts = Counter(one["name"] for one in attachments)
    contents = {one["name"]: one["content"] for one in attachments}

    @functools.cache
    def digest_of(name: str, algorithm: str) -> str:
        return hashlib.new(algorithm, contents[name]).hexdigest()

    for index, digest in enumerate(digests):
        place, name = f"record.digests.{index}", digest["attachment"]
        algorithm = DIGEST_ALGORITHMS.get(digest["alg"])
        if algorithm is None:
            yield Breach("REC-6", f"{place}.alg", f"expected one of {', '.join(DIGEST_ALGORITHMS)}")
            continue
        size = 2 * hashlib.new(algorithm).digest_size
        if len(digest["hex"]) != size or _HEX.fullmatch(digest["hex"]) is None:
            yield Breach("REC-6", f"{place}.hex", f"expected {size} digits of lower-case hexadecimal")
        elif counts[name] > 1:
            yield Breach("REC-6", f"{place}.attachment", "several attachments of the payload have this name")
        elif counts[name] == 1:
            if digest["hex"] != digest_of(name, algorithm):
                yield Breach("REC-6", f"{place}.hex", "does not match the attachment that it names")
        elif _URI.fullmatch(name) is None:
            yield Breach("REC-6", f"{place}.attachment", "names no attachment of the payload, and no URI")
