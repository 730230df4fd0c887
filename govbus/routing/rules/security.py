"""Security: FIPS 199, signatures, keys, and what an agreement lets flow."""

from __future__ import annotations

from collections.abc import Iterator

from govbus.document.finding import Breach, Severity
from govbus.routing.rules.facts import DocumentCheck, TemplateFacts
from govbus.routing.rules.rule import Basis, Moment, Profile, Rule

RULES = (
    Rule(
        id="SEC-3",
        citation="NIST SP 800-53 AU-10; CloudEvents verifiability",
        severity=Severity.REFUSE,
        basis=Basis.PROFILE,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation=(
            "A signature by a key of the origin's agency covers a well-formed statement about exactly these "
            "bytes, headers, topic and key."
        ),
        accepted="",
        passing="",
        failing="",
    ),
    Rule(
        id="SEC-4",
        citation="FIPS 186-5, FIPS 204, NIST SP 800-131A",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation="The algorithm is one of the pinned ones and fits the certificate's key.",
        accepted="",
        passing="",
        failing="",
    ),
    Rule(
        id="SEC-6",
        citation="NIST SP 800-53 SC-17, SC-12",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation=(
            "The certificate is in the directory, issued by an approved anchor, bound to the agency, and "
            "valid and unrevoked at the statement's time."
        ),
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
