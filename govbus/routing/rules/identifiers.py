"""Identifiers of agencies and documents, and tags of languages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from govbus.document.finding import Breach, Severity
from govbus.routing.rules.agency_ids import ParticipantUrn, external_id_breaches
from govbus.routing.rules.cloudevents import parse_time_ms
from govbus.routing.rules.facts import DocumentCheck, DocumentFacts, TemplateFacts
from govbus.routing.rules.language_tags import is_well_formed, language_iso639_1
from govbus.routing.rules.rule import Basis, Moment, Profile, Rule

__all__ = [
    "RULES",
    "ParticipantUrn",
    "document_checks",
    "external_id_breaches",
    "language_iso639_1",
    "template_breaches",
]

ID_SKEW_MS: Final = 5 * 60 * 1000
"""The time in an id may differ so far from the document's: an id is made when the document is, not after it."""
_UUID7 = re.compile(rb"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-7[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}")

RULES = (
    Rule(
        id="ID-1",
        citation="OMB Circular A-11 appendix C; ISO/IEC 6523; ISO 17442; X-Road message protocol",
        severity=Severity.REFUSE,
        basis=Basis.PROFILE,
        profile=Profile.CORE,
        moments=(Moment.REGISTRATION, Moment.DOCUMENT),
        explanation=(
            "The sending agency is registered and source is the URI of this origin. What an agency is called in "
            "other schemes (us-omb, us-cgac, iso6523, xroad, lei, uei) follows the scheme; a bureau or designator "
            "that is not in the list in force is a warning."
        ),
        accepted="ce_source https://<agency id>/<outbox> of a registered agency; external_ids as their schemes ask.",
        passing="agency: {external_ids: {us-omb: '015:45', us-cgac: '020'}}",
        failing="headers: {ce_source: https://court.example/main}",
    ),
    Rule(
        id="ID-2",
        citation="RFC 9562 section 5.7",
        severity=Severity.WARN,
        basis=Basis.PROFILE,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation=(
            "The id of a document is a UUIDv7 whose time is that of the document: within five minutes of "
            "ce_recordedtime or ce_time. Increasing ids let every index append."
        ),
        accepted="ce_id as a UUIDv7 made when the document is, with ce_recordedtime where ce_time lies further back.",
        passing="headers: {ce_id: 019ab2f1-5c4b-7c3e-8a1d-0f6e2b9d4c7a, ce_recordedtime: '2025-11-23T23:00:00Z'}\n"
        "time: '2025-11-23T00:00:00Z'",
        failing="headers: {ce_id: assessment-17}",
    ),
    Rule(
        id="LNG-1",
        citation="BCP 47 (RFC 5646 section 2.1)",
        severity=Severity.WARN,
        basis=Basis.NORM,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation=(
            "The language is a well-formed tag. Catalogues in DCAT-US 3.0 name the ISO 639-1 language that it begins "
            "with."
        ),
        accepted="record.language such as en, en-US or zh-Hant.",
        passing="record: {language: zh-Hant-TW}",
        failing="record: {language: en_US}",
    ),
)
"""The rules of this family."""

_NOT_UUID7 = (Breach("ID-2", "ce_id", "expected a UUIDv7"),)
_FAR = (
    Breach(
        "ID-2",
        "ce_id",
        f"its time is over {ID_SKEW_MS // 60_000} minutes from ce_time and from ce_recordedtime, if there is one",
    ),
)


def template_breaches(facts: TemplateFacts) -> Iterator[Breach]:
    """Yield what is wrong with the part that documents of one template share."""
    if not is_well_formed(facts.record["language"]):
        yield Breach("LNG-1", "record.language", "expected a BCP 47 language tag such as en-US")


def document_checks(_facts: TemplateFacts) -> Iterator[DocumentCheck]:
    """Yield what is left to look at in every document of the template: its id."""
    yield _check_id


def _check_id(facts: DocumentFacts) -> Iterable[Breach]:
    octets = facts.signed["ce_id"]
    if _UUID7.fullmatch(octets) is None:
        return _NOT_UUID7
    made_ms = int(octets[:8] + octets[9:13], 16)
    if -ID_SKEW_MS <= made_ms - facts.time_ms <= ID_SKEW_MS:
        return ()
    recorded_ms = parse_time_ms(facts.signed.get("ce_recordedtime", b""))
    return () if recorded_ms is not None and abs(made_ms - recorded_ms) <= ID_SKEW_MS else _FAR
