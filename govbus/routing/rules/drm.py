"""FEA Data Reference Model 2.0: packages, parties, schemas, topics, data assets, query points."""

from __future__ import annotations

from collections.abc import Iterator

from govbus.document.finding import Breach, Severity
from govbus.routing.rules.facts import DocumentCheck, TemplateFacts
from govbus.routing.rules.rule import Basis, Moment, Profile, Rule

RULES = (
    Rule(
        id="DRM-1",
        citation="FEA DRM 2.0, section 6.4 Exchange Package; NIST SP 800-53 CA-3",
        severity=Severity.REFUSE,
        basis=Basis.PROFILE,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation=(
            "agreementid names an agreement that is active and in its validity, for a registered package "
            "that has this type of document."
        ),
        accepted="",
        passing="",
        failing="",
    ),
    Rule(
        id="DRM-2",
        citation="FEA DRM 2.0, section 6.4 Supplier and Consumer; NIST SP 800-53 AC-4",
        severity=Severity.REFUSE,
        basis=Basis.PROFILE,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation="The sender is the agreement's supplier, and every recipient is one of its consumers.",
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
