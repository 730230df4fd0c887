"""Privacy: OMB A-130 and the Privacy Act on personal data."""

from __future__ import annotations

from collections.abc import Iterator

from govbus.document.finding import Breach
from govbus.routing.rules.facts import DocumentCheck, TemplateFacts
from govbus.routing.rules.rule import Rule

RULES: tuple[Rule, ...] = ()
"""The rules of this family."""


def template_breaches(_facts: TemplateFacts) -> Iterator[Breach]:
    """Yield what is wrong with the part that documents of one template share."""
    yield from ()


def document_checks(_facts: TemplateFacts) -> Iterator[DocumentCheck]:
    """Yield what is left to look at in every document of the template."""
    yield from ()
