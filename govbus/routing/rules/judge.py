"""Judges a proven and decoded document by every rule that is switched on for it.

What documents of one template share is judged once for each version of the directory and remembered with it; so a
document costs one look-up and the few checks that its template left for it.
"""

from __future__ import annotations

import marshal
from operator import itemgetter
from typing import Final, NamedTuple

from govbus.document.finding import Finding
from govbus.document.header_kind import DOCUMENT_HEADERS, kind_of
from govbus.routing.directory.model import Directory
from govbus.routing.entry_bounds import listed
from govbus.routing.exchange_place import ExchangePlace
from govbus.routing.history import History
from govbus.routing.rules.catalogue import FAMILIES, finding_of, is_active
from govbus.routing.rules.facts import (
    TEMPLATE_FIELDS,
    DocumentCheck,
    DocumentFacts,
    ProvenDocument,
    TemplateFacts,
)

VERDICTS_MAX: Final = 4096
"""Templates remembered for one version of the directory; each takes a few kilobytes."""
TEMPLATE_SIZE_MAX: Final = 8_192
"""Headers and shared fields of a template that is remembered; larger ones are judged anew each time.

So nobody fills the memory of a router with documents that each have another long text."""


shared_fields = itemgetter(*TEMPLATE_FIELDS)
"""Returns the `TEMPLATE_FIELDS` of record metadata as a tuple; the last one is the designation."""


class Verdict(NamedTuple):
    """What the rules say of everything that documents of one template share."""

    facts: TemplateFacts
    findings: tuple[Finding, ...]
    """All of them; what a document's entry lists is bounded."""
    checks: tuple[DocumentCheck, ...]
    """What is left to look at in every document."""


def judge(
    document: ProvenDocument,
    place: ExchangePlace,
    directory: Directory,
    past: History,
    *,
    time_ms: int,
    at_ms: int,
) -> tuple[Finding, ...]:
    """Return what the rules find in a document; empty where it breaks none.

    Args:
        document: as proven and decoded.
        place: where in the exchange it stands.
        directory: the version in force.
        past: what was decided before.
        time_ms: ``ce_time``, milliseconds since 1970.
        at_ms: time of the decision.
    """
    verdict = _verdict(document, place, directory, time_ms)
    if not verdict.checks:
        return listed(verdict.findings)
    facts = DocumentFacts(verdict.facts, document, time_ms=time_ms, at_ms=at_ms, past=past)
    found: list[Finding] | None = None
    for check in verdict.checks:
        for breach in check(facts):
            if is_active(breach.rule, verdict.facts.profiles):
                if found is None:
                    found = list(verdict.findings)
                found.append(finding_of(breach))
    return listed(verdict.findings if found is None else found)


def _verdict(document: ProvenDocument, place: ExchangePlace, directory: Directory, time_ms: int) -> Verdict:
    """Return the verdict on the document's template, remembered or made."""
    signed, shared = document.signed, shared_fields(document.value["record"])
    kind = document.kind or kind_of(signed)
    key = (
        kind,
        # A designation may hold a date, which marshal does not take.
        marshal.dumps(shared, 2) if shared[-1] is None else repr(shared),
        directory.codes.epoch(time_ms),
    )
    verdicts = directory.verdicts
    verdict: Verdict | None = verdicts.get(key)
    if verdict is None:
        attributes = {
            name.removeprefix("ce_"): octets.decode("utf-8")
            for name, octets in signed.items()
            if name not in DOCUMENT_HEADERS
        }
        record = dict(zip(TEMPLATE_FIELDS, shared, strict=True))
        facts = TemplateFacts(attributes, record, *place, directory, time_ms)
        verdict = judge_template(facts)
        if not kind.is_remembered or len(key[1]) + sum(map(len, signed.values())) > TEMPLATE_SIZE_MAX:
            return verdict
        if len(verdicts) >= VERDICTS_MAX:
            verdicts.clear()
        verdicts[key] = verdict
    return verdict


def judge_template(facts: TemplateFacts) -> Verdict:
    """Return what the rules say of everything that documents of one template share."""
    findings: list[Finding] = []
    checks: list[DocumentCheck] = []
    for family in FAMILIES.values():
        findings += [
            finding_of(breach)
            for breach in family.template_breaches(facts)
            if is_active(breach.rule, facts.profiles)
        ]
        checks.extend(family.document_checks(facts))
    return Verdict(facts, tuple(findings), tuple(checks))
