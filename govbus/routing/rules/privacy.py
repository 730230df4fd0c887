"""Privacy: OMB A-130 and the Privacy Act on personal data.

A steward marks fields that hold personal data in the payload's schema with the attribute ``govbus.pii``, whose values
are those of ``ce_datacategory``. What a document declares about itself must cover what its schema is marked with.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from govbus.document.finding import Breach, Severity
from govbus.routing.rules.facts import DocumentCheck, DocumentFacts, TemplateFacts
from govbus.routing.rules.rule import Basis, Moment, Profile, Rule
from govbus.schemas.catalog import DocumentSchema
from govbus.schemas.walk import join, parts

PII_ATTRIBUTE: Final = "govbus.pii"
"""Custom attribute of an Avro field that holds personal data."""
CARD_DIGITS_MIN, CARD_DIGITS_MAX = 13, 19
"""Digits of a payment card number (ISO/IEC 7812)."""
FIELDS_NAMED_MAX: Final = 5
"""Places that a finding names."""

RULES = (
    Rule(
        id="PRV-1",
        citation="OMB Circular A-130; NIST SP 800-53 PT-2, PT-3",
        severity=Severity.REFUSE,
        basis=Basis.PROFILE,
        profile=Profile.CORE,
        moments=(Moment.FLOW,),
        explanation="A document declares which category of personal data it holds, and authority and purpose of the "
        "agreement cover that category.",
        accepted="A ce_datacategory that is among the agreement's data_categories.",
        passing="agreement: {data_categories: [non-sensitive-pii, sensitive-pii]}\n"
        "headers: {ce_datacategory: sensitive-pii}",
        failing="agreement: {data_categories: [non-pii, non-sensitive-pii]}\n"
        "headers: {ce_datacategory: sensitive-pii}",
    ),
    Rule(
        id="PRV-2",
        citation="OMB Circular A-130; NIST SP 800-53 SI-12(1)",
        severity=Severity.REFUSE,
        basis=Basis.PROFILE,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation="What a document declares covers what its schema marks as personal data. A document that "
        "declares none, but holds what looks like a social security or payment card number, is held for a person.",
        accepted="The strictest category that the schema's govbus.pii marks name; and no such numbers in a document "
        "that is non-pii.",
        passing="headers: {ce_datacategory: non-pii}\nbody: {reason: nothing about anybody}",
        failing="headers: {ce_datacategory: non-pii}\nbody: {reason: concerning 078-05-1120}",
    ),
)
"""The rules of this family."""

_COVERS: Final[dict[str, frozenset[str]]] = {
    "non-pii": frozenset(),
    "non-sensitive-pii": frozenset({"non-sensitive-pii"}),
    "sensitive-pii": frozenset({"non-sensitive-pii", "sensitive-pii"}),
    "phi": frozenset({"non-sensitive-pii", "sensitive-pii", "phi"}),
}
_NUMBERS: Final = re.compile(
    rb"(?<![0-9])(?:[0-9]{3}-[0-9]{2}-[0-9]{4}|[0-9]{4}(?:[ -]?[0-9]{4}){2}[ -]?[0-9]{1,7})(?![0-9])"
)
_MAYBE_NUMBERS: Final = re.compile(
    rb"[0-9][0-9][0-9](?:-[0-9][0-9]-[0-9]{4}|[0-9][ -]?[0-9]{4}[ -]?[0-9]{4})"
)
"""Finds the beginning of whatever `_NUMBERS` finds in a tenth of its time, and a little else besides."""
_SSN: Final = re.compile(r"(?!000|666)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}", re.ASCII)
"""Social security numbers, and taxpayer numbers of the same form (areas 900 to 999)."""


def template_breaches(facts: TemplateFacts) -> Iterator[Breach]:
    """Yield what is wrong with the part that documents of one template share."""
    category = facts.attributes["datacategory"]
    if category not in facts.agreement.data_categories:
        allowed = ", ".join(sorted(facts.agreement.data_categories))
        yield Breach("PRV-1", "ce_datacategory", f"agreement {facts.agreement.id} covers {allowed}")
    covered = _COVERS.get(category)
    if covered is not None:
        open_fields = [place for place, mark in pii_marks(facts.schema) if mark not in covered]
        if open_fields:
            named = ", ".join(open_fields[:FIELDS_NAMED_MAX])
            yield Breach("PRV-2", "ce_datacategory", f"the schema marks {named} as more than {category}")


def document_checks(facts: TemplateFacts) -> Iterator[DocumentCheck]:
    """Yield what is left to look at in every document of the template."""
    if facts.attributes["datacategory"] == "non-pii":
        yield _number_breaches


def _number_breaches(facts: DocumentFacts) -> Iterable[Breach]:
    """Look for numbers of persons in a document that says it has none; the bytes first, because most have none."""
    if _MAYBE_NUMBERS.search(facts.avro) is None or _NUMBERS.search(facts.avro) is None:
        return ()
    return [
        Breach(
            "PRV-2",
            place,
            "holds what looks like a number of a person, and the document declares non-pii",
            Severity.QUARANTINE,
        )
        for place, text in _texts(facts.value, "", _field_names(facts.template.schema))
        if _has_number(text)
    ][:FIELDS_NAMED_MAX]


def _has_number(text: str) -> bool:
    for match in _NUMBERS.finditer(text.encode("utf-8", "replace")):
        number = match.group().decode("ascii")
        if _SSN.fullmatch(number) is not None or _is_card(re.sub("[ -]", "", number)):
            return True
    return False


def _is_card(digits: str) -> bool:
    """Return whether a number has a card's length and check digit (ISO/IEC 7812-1, Luhn)."""
    if not (digits.isdigit() and CARD_DIGITS_MIN <= len(digits) <= CARD_DIGITS_MAX) or len(set(digits)) == 1:
        return False
    odd = sum(map(int, digits[-1::-2]))
    even = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (odd + even) % 10 == 0


def _texts(value: Any, place: str, fields: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield every text of a decoded value and where it stands; the schema bounds the depth.

    Keys of maps are texts of the sender's as well, so the place counts them instead of naming them.
    """
    match value:
        case str():
            yield place, value
        case dict():
            for number, (name, part) in enumerate(value.items()):
                is_field = name in fields
                inside = join(place, name if is_field else number)
                if not is_field:
                    yield inside, name
                yield from _texts(part, inside, fields)
        case list():
            for number, part in enumerate(value):
                yield from _texts(part, join(place, number), fields)
        case _:
            pass


@functools.lru_cache(maxsize=1024)
def _field_names(schema: DocumentSchema) -> frozenset[str]:
    """Return the name of every field in a schema."""
    return frozenset(part.node["name"] for part in parts(schema.codec.definition) if part.kind == "field")


@functools.lru_cache(maxsize=1024)
def pii_marks(schema: DocumentSchema) -> tuple[tuple[str, str], ...]:
    """Return every field of the payload that is marked as personal data, with its mark."""
    return tuple(_marks(schema.codec.definition, ""))


def _marks(schema: Any, place: str) -> Iterator[tuple[str, str]]:
    match schema:
        case list():
            for branch in schema:
                yield from _marks(branch, place)
        case {"type": "record", "fields": list(fields)}:
            for field in fields:
                inside = f"{place}.{field['name']}" if place else str(field["name"])
                mark = field.get(PII_ATTRIBUTE)
                if isinstance(mark, str):
                    yield inside, mark
                yield from _marks(field["type"], inside)
        case {"type": "array", "items": items}:
            yield from _marks(items, place)
        case {"type": "map", "values": values}:
            yield from _marks(values, place)
        case {"type": dict() | list() as inner}:
            yield from _marks(inner, place)
        case _:
            pass
