"""Limits of the wire format, and what happens where the router is at a loss."""

from __future__ import annotations

from collections.abc import Iterator

from govbus.document.finding import Breach, Severity
from govbus.routing.rules.facts import DocumentCheck, TemplateFacts
from govbus.routing.rules.rule import Basis, Moment, Profile, Rule

RULES = (
    Rule(
        id="LIM-1",
        citation="govbus wire format, limits",
        severity=Severity.REFUSE,
        basis=Basis.PROFILE,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation="Headers stay within the limits on number and size.",
        accepted="At most 64 headers with 32,768 bytes of names and values together.",
        passing="headers: {ce_casefile: k-1}",
        failing="raw: {headers_added: 64}",
    ),
    Rule(
        id="LIM-2",
        citation="govbus wire format, limits",
        severity=Severity.REFUSE,
        basis=Basis.PROFILE,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation="The value stays within the limit on size.",
        accepted="A value of at most 900,000 bytes; larger content is sent in parts or by reference with a digest.",
        passing="body: {reason: short}",
        failing="raw: {value_bytes: 900001}",
    ),
    Rule(
        id="INT-1",
        citation="govbus, internal",
        severity=Severity.QUARANTINE,
        basis=Basis.PROFILE,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation="The router met a document that it could not judge; it is held for a person, and others go on.",
        accepted="Nothing is wrong with the document as far as the bus knows; its operator has been told.",
        passing="body: {reason: anything that can be judged}",
        failing="scenario: defect-in-a-rule",
    ),
)
"""The rules of this family."""


def template_breaches(_facts: TemplateFacts) -> Iterator[Breach]:
    """Yield nothing: limits are checked while the record is read."""
    yield from ()


def document_checks(_facts: TemplateFacts) -> Iterator[DocumentCheck]:
    """Yield nothing: limits are checked while the record is read."""
    yield from ()
