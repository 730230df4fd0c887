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
        accepted="",
        passing="",
        failing="",
    ),
    Rule(
        id="LIM-2",
        citation="govbus wire format, limits",
        severity=Severity.REFUSE,
        basis=Basis.PROFILE,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation="The value stays within the limit on size.",
        accepted="",
        passing="",
        failing="",
    ),
    Rule(
        id="INT-1",
        citation="govbus, internal",
        severity=Severity.QUARANTINE,
        basis=Basis.PROFILE,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation="The router met a document that it could not judge; it is held for a person, and others go on.",
        accepted="",
        passing="",
        failing="",
    ),
)
"""The rules of this family."""


def template_breaches(_facts: TemplateFacts) -> Iterator[Breach]:
    """Yield what is wrong with the part that documents of one template share."""
    yield from ()


def document_checks(_facts: TemplateFacts) -> Iterator[DocumentCheck]:
    """Yield what is left to look at in every document of the template."""
    yield from ()
