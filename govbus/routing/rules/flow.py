"""Flows: order, cadence and expiry of documents, and tests kept apart from the real thing."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from typing import Final

from govbus.document.finding import Breach, Severity
from govbus.routing.directory.model import Agreement, Package, TrafficMode
from govbus.routing.rules.facts import DocumentCheck, DocumentFacts, TemplateFacts
from govbus.routing.rules.rule import Basis, Moment, Profile, Rule

DELIVERY_PAUSE_MS: Final = 3_600_000
"""Documents that follow each other more closely are one delivery, and so are those within a tenth of the interval."""
TEST_ATTRIBUTE: Final = "testmode"
"""CloudEvents attribute of a document that is not meant."""

RULES = (
    Rule(
        id="SEQ-1",
        citation="CloudEvents sequence extension; wire format, statement index",
        severity=Severity.REFUSE,
        basis=Basis.PROFILE,
        profile=Profile.CORE,
        moments=(Moment.FLOW,),
        explanation="Indexes of one origin are dense: a gap holds the document until the missing ones arrive, an index "
        "that was used is refused for another document.",
        accepted="The next index of the origin; where documents are missing, those first and then this one again.",
        passing="before: [{body: {amount: '10.00'}}]",
        failing="raw: {index: 7}",
    ),
    Rule(
        id="DRM-7",
        citation="FEA DRM 2.0, section 6.5 Frequency",
        severity=Severity.WARN,
        basis=Basis.PROFILE,
        profile=Profile.CORE,
        moments=(Moment.FLOW,),
        explanation="Deliveries under an agreement come as often as it says, within its tolerance. Documents that "
        "follow each other within an hour, or within a tenth of the interval where that is shorter, are one delivery.",
        accepted="A delivery about one interval of the agreement's frequency after the one before.",
        passing='agreement: {frequency: R/P1D}\nbefore: [{at: "2026-11-22T20:45:01Z"}]\nat: "2026-11-23T20:45:01Z"',
        failing='agreement: {frequency: R/P1D}\nbefore: [{at: "2026-11-19T20:45:01Z"}]\nat: "2026-11-23T20:45:01Z"',
    ),
    Rule(
        id="TST-1",
        citation="NIST SP 800-53 CM-4(1), SA-3(2); CloudEvents Kafka binding",
        severity=Severity.REFUSE,
        basis=Basis.PROFILE,
        profile=Profile.CORE,
        moments=(Moment.FLOW,),
        explanation="Tests are kept apart: a document with testmode passes only under an agreement in mode test, such "
        "an agreement carries nothing else, and its documents are delivered on test topics.",
        accepted="ce_testmode true under an agreement in mode test; no ce_testmode, or false, under all others.",
        passing="agreement: {mode: test}\nheaders: {ce_testmode: 'true'}",
        failing="headers: {ce_testmode: 'true'}",
    ),
    Rule(
        id="DED-1",
        citation="FEA DRM 2.0, section 6.2 Entity",
        severity=Severity.QUARANTINE,
        basis=Basis.PROFILE,
        profile=Profile.CORE,
        moments=(Moment.FLOW,),
        explanation="The keys of an entity resolve in the shared registry. Where a record contradicts what the "
        "registry holds, such as one source claiming one identifier for two records, it is held for a steward and "
        "links nothing.",
        accepted="An identifier that its source claims for one record only.",
        passing="scenario: registry-agrees",
        failing="scenario: registry-conflict",
    ),
)
"""The rules of this family."""

_INTERVAL = re.compile(
    r"R[0-9]*/P(?:([0-9]+)Y)?(?:([0-9]+)M)?(?:([0-9]+)W)?(?:([0-9]+)D)?"
    r"(?:T(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+)S)?)?",
    re.ASCII,
)
_DAY_MS: Final = 86_400_000
_UNITS_MS: Final = (365 * _DAY_MS, 30 * _DAY_MS, 7 * _DAY_MS, _DAY_MS, 3_600_000, 60_000, 1_000)
_BOOLEANS: Final = {"true": True, "false": False}


@functools.lru_cache(maxsize=1024)
def interval_ms(frequency: str) -> int | None:
    """Return the length of an ISO 8601 repeating interval such as ``R/P1D``; None for ``irregular``.

    A year counts as 365 days and a month as 30: tolerances are far wider than the difference.
    """
    match = _INTERVAL.fullmatch(frequency)
    if match is None:
        return None
    return (
        sum(int(number or 0) * unit for number, unit in zip(match.groups(), _UNITS_MS, strict=True)) or None
    )


def template_breaches(facts: TemplateFacts) -> Iterator[Breach]:
    """Yield what is wrong with the part that documents of one template share."""
    text = facts.attributes.get(TEST_ATTRIBUTE, "false")
    is_test = _BOOLEANS.get(text)
    agreement = facts.agreement
    if is_test is None:
        yield Breach("TST-1", "ce_testmode", "expected true or false")
    elif is_test != (agreement.mode is TrafficMode.TEST):
        expected = "true" if agreement.mode is TrafficMode.TEST else "false, or no such header"
        yield Breach(
            "TST-1",
            "ce_testmode",
            f"agreement {agreement.id} is in mode {agreement.mode}, so {expected} is expected",
        )


def document_checks(facts: TemplateFacts) -> Iterator[DocumentCheck]:
    """Yield what is left to look at in every document of the template."""
    expected_ms = interval_ms(frequency_of(facts.agreement, facts.package))
    if expected_ms is not None:
        yield functools.partial(_cadence_breaches, expected_ms=expected_ms)


def frequency_of(agreement: Agreement, package: Package | None) -> str:
    """Return the frequency that binds an exchange: the agreement's, or else its package's."""
    return agreement.frequency or (package.frequency if package is not None else "irregular")


def _cadence_breaches(facts: DocumentFacts, *, expected_ms: int) -> Iterable[Breach]:
    agreement = facts.template.agreement
    last_ms = facts.past.last_accepted_ms(facts.template.origin, agreement.id)
    return () if last_ms is None else cadence_breaches(facts.at_ms - last_ms, agreement, expected_ms)


def cadence_breaches(pause_ms: int, agreement: Agreement, expected_ms: int) -> Iterable[Breach]:
    """Return what is wrong with the pause before a document (rule DRM-7).

    Args:
        pause_ms: since the last document of the same origin under the same agreement.
        agreement: with the tolerance.
        expected_ms: from one delivery to the next.
    """
    if pause_ms < min(DELIVERY_PAUSE_MS, expected_ms // 10):
        return ()
    tolerance_ms = expected_ms * agreement.frequency_tolerance_percent // 100
    if pause_ms > expected_ms + tolerance_ms:
        word = "later"
    elif pause_ms < expected_ms - tolerance_ms:
        word = "sooner"
    else:
        return ()
    detail = (
        f"agreement {agreement.id} has a delivery every {expected_ms // 1000} s, "
        f"this one comes {word}, {pause_ms // 1000} s after the last document"
    )
    return (Breach("DRM-7", "ce_agreementid", detail),)
