"""CloudEvents 1.0: the attributes in the headers of a record, and its Kafka binding."""

from __future__ import annotations

from collections.abc import Iterator

from govbus.document.finding import Breach, Severity
from govbus.routing.rules.facts import DocumentCheck, TemplateFacts
from govbus.routing.rules.rule import Basis, Moment, Profile, Rule

RULES = (
    Rule(
        id="CE-1",
        citation="CloudEvents 1.0, Required Attributes; govbus metadata model",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation="Every required attribute is present and not empty, and specversion is 1.0.",
        accepted="",
        passing="",
        failing="",
    ),
    Rule(
        id="CE-2",
        citation="CloudEvents 1.0, Naming Conventions and Type System",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation="Attribute names are a-z and 0-9, no value has control characters, and none stands twice.",
        accepted="",
        passing="",
        failing="",
    ),
    Rule(
        id="CE-4",
        citation="CloudEvents 1.0, id and source",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation=(
            "A source never uses one id for two different documents; the same document again is answered, "
            "not delivered again."
        ),
        accepted="",
        passing="",
        failing="",
    ),
    Rule(
        id="CE-5",
        citation="CloudEvents 1.0, dataschema and datacontenttype",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation="dataschema is an absolute URI of a registered schema and content-type is application/avro.",
        accepted="",
        passing="",
        failing="",
    ),
    Rule(
        id="CE-6",
        citation="CloudEvents Kafka Protocol Binding 1.0, section 3.2",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation="Headers are UTF-8 with values, and a document is never a null value.",
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
