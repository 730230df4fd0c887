"""Apache Avro: what a value and its schema must be."""

from __future__ import annotations

from collections.abc import Iterator

from govbus.document.finding import Breach, Severity
from govbus.routing.rules.facts import DocumentCheck, TemplateFacts
from govbus.routing.rules.rule import Basis, Moment, Profile, Rule

RULES = (
    Rule(
        id="AVR-1",
        citation="Apache Avro specification, Encodings",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation="The value decodes with the registered writer schema and nothing is left over.",
        accepted="",
        passing="",
        failing="",
    ),
    Rule(
        id="AVR-4",
        citation="Confluent wire format",
        severity=Severity.REFUSE,
        basis=Basis.PROFILE,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation="The frame's schema id, dataschema and the statement's schema hash name one registered schema.",
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
