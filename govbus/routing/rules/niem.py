"""NIEM Naming and Design Rules 6.0: names in schemas, XML and JSON messages in payloads.

How each rule of the NDR is checked stands in `govbus.routing.niem` and in ``docs/niem.md``. A finding names the NDR's
own rule. NDR 6.0, section 6, knows no conformance of tools, so nothing here claims any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from govbus.document.finding import Breach, Severity
from govbus.routing.directory.model import NiemFormat
from govbus.routing.niem.formats import document_breaches
from govbus.routing.rules.facts import DocumentCheck, DocumentFacts, TemplateFacts
from govbus.routing.rules.niem_examples import EXAMPLES
from govbus.routing.rules.rule import Basis, Moment, Profile, Rule

RULES: tuple[Rule, ...] = (
    Rule(
        id="NDR-7",
        citation="NIEM NDR 6.0, rules 7-16, 7-17, 7-19, 7-38, 7-53, 8-1, 8-4, 8-7, 8-8",
        severity=Severity.WARN,
        basis=Basis.GUIDANCE,
        profile=Profile.NIEM,
        moments=(Moment.REGISTRATION,),
        explanation="A payload schema that says it is NIEM (govbus.niem) has names and definitions in the form of "
        "NIEM, and says from which namespace, version and language they are.",
        accepted="Names in upper camel case with a representation term at the end, a definition of every component, "
        "and a namespace that is an absolute URI ending in its version.",
        passing=EXAMPLES["NDR-7"].passing,
        failing=EXAMPLES["NDR-7"].failing,
    ),
    Rule(
        id="NDR-12",
        citation="NIEM NDR 6.0, rules 12-1, 12-2, 12-7, 12-8, 12-12, 12-13, 12-14, 12-15",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.NIEM,
        moments=(Moment.REGISTRATION, Moment.DOCUMENT),
        explanation="An XML message in a payload is valid against the schema of its registered message format, and its "
        "references, augmentations and URIs are as the NDR asks.",
        accepted="One message object that the registered XML Schema accepts, without a document type declaration, "
        "whose references lead to elements of the message.",
        passing=EXAMPLES["NDR-12"].passing,
        failing=EXAMPLES["NDR-12"].failing,
    ),
    Rule(
        id="NDR-13",
        citation="NIEM NDR 6.0, rules 13-1 to 13-8",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.NIEM,
        moments=(Moment.REGISTRATION, Moment.DOCUMENT),
        explanation="A JSON message in a payload is a JSON-LD object that is valid against the schema of its "
        "registered message format, and its context maps every prefix of the model.",
        accepted="One JSON object with a context, whose keys are JSON-LD keywords or properties of the registered "
        "JSON Schema, and whose objects with one @id agree.",
        passing=EXAMPLES["NDR-13"].passing,
        failing=EXAMPLES["NDR-13"].failing,
    ),
)
"""The rules of this family."""


def template_breaches(_facts: TemplateFacts) -> Iterator[Breach]:
    """Yield what is wrong with the part that documents of one template share: messages are all their own."""
    yield from ()


def document_checks(facts: TemplateFacts) -> Iterator[DocumentCheck]:
    """Yield what is left to look at in every document of the template: one check for each message format."""
    if Profile.NIEM in facts.profiles:
        for message_format in facts.package.niem:
            yield _message_check(message_format)


def _message_check(message_format: NiemFormat) -> Callable[[DocumentFacts], Iterable[Breach]]:
    def check(facts: DocumentFacts) -> Iterable[Breach]:
        return document_breaches(facts.value, message_format)

    return check
