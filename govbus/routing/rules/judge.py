"""Judges a proven and decoded document by every rule that is switched on for it.

What documents of one template share is judged once for each version of the directory and remembered with it; so a
document costs one look-up and the few checks that its template left for it.
"""

from __future__ import annotations

import marshal
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from govbus.document.finding import Finding
from govbus.document.ids import Origin
from govbus.routing.directory import Agreement, Directory, Package
from govbus.routing.rules.catalogue import FAMILIES, finding_of, is_active
from govbus.routing.rules.facts import (
    DOCUMENT_ATTRIBUTES,
    TEMPLATE_FIELDS,
    DocumentCheck,
    DocumentFacts,
    TemplateFacts,
)
from govbus.schemas.catalog import DocumentSchema

FINDINGS_MAX: Final = 20
"""Findings kept of one document; the sender mends these and sees the rest next time."""
VERDICTS_MAX: Final = 4096
"""Templates remembered for one version of the directory; each takes a few kilobytes."""


class Verdict(NamedTuple):
    """What the rules say of everything that documents of one template share."""

    facts: TemplateFacts
    findings: tuple[Finding, ...]
    checks: tuple[DocumentCheck, ...]
    """What is left to look at in every document."""


def judge(
    signed: Mapping[str, bytes],
    value: Mapping[str, Any],
    avro: bytes,
    *,
    origin: Origin,
    agreement: Agreement,
    package: Package,
    schema: DocumentSchema,
    directory: Directory,
    time_ms: int,
    at_ms: int,
    last_delivery: tuple[int, int] | None = None,
) -> tuple[Finding, ...]:
    """Return what the rules find in a document; empty where it breaks none.

    Args:
        signed: every ``ce_*`` header and ``content-type``, UTF-8.
        value: decoded, ``{"record": RecordMetadata, "body": payload}``.
        avro: the same as bytes, without the frame.
        origin: of the statement.
        agreement: that the document names, in force for this package and schema.
        package: of the agreement.
        schema: that the value was decoded with.
        directory: the version in force.
        time_ms: ``ce_time``.
        at_ms: time of the decision.
        last_delivery: start and end of the last delivery of this origin under this agreement, or None.
    """
    verdict = _verdict(signed, value["record"], origin, agreement, package, schema, directory, time_ms)
    if not verdict.checks:
        return verdict.findings
    facts = DocumentFacts(
        verdict.facts, signed, value, avro, time_ms=time_ms, at_ms=at_ms, last_delivery=last_delivery
    )
    profiles = directory.profiles | agreement.profiles
    findings = list(verdict.findings)
    for check in verdict.checks:
        for breach in check(facts):
            if is_active(breach.rule, profiles):
                findings.append(finding_of(breach))
                if len(findings) >= FINDINGS_MAX:
                    return tuple(findings)
    return tuple(findings)


def _verdict(
    signed: Mapping[str, bytes],
    record: Mapping[str, Any],
    origin: Origin,
    agreement: Agreement,
    package: Package,
    schema: DocumentSchema,
    directory: Directory,
    time_ms: int,
) -> Verdict:
    shared = [record[name] for name in TEMPLATE_FIELDS]
    key = (
        tuple(pair for pair in signed.items() if pair[0] not in DOCUMENT_ATTRIBUTES),
        marshal.dumps(shared, 2) if shared[-1] is None else repr(shared),
        directory.codes.epoch(time_ms),
    )
    verdicts = directory.verdicts
    verdict: Verdict | None = verdicts.get(key)
    if verdict is None:
        attributes = {
            name.removeprefix("ce_"): octets.decode("utf-8")
            for name, octets in signed.items()
            if name not in DOCUMENT_ATTRIBUTES
        }
        facts = TemplateFacts(
            attributes,
            dict(zip(TEMPLATE_FIELDS, shared, strict=True)),
            origin,
            agreement,
            package,
            schema,
            directory,
            time_ms,
        )
        if len(verdicts) >= VERDICTS_MAX:
            verdicts.clear()
        verdict = verdicts[key] = judge_template(facts)
    return verdict


def judge_template(facts: TemplateFacts) -> Verdict:
    """Return what the rules say of everything that documents of one template share."""
    profiles = facts.directory.profiles | facts.agreement.profiles
    findings: list[Finding] = []
    checks: list[DocumentCheck] = []
    for family in FAMILIES.values():
        for breach in family.template_breaches(facts):
            if is_active(breach.rule, profiles) and len(findings) < FINDINGS_MAX:
                findings.append(finding_of(breach))
        checks.extend(family.document_checks(facts))
    return Verdict(facts, tuple(findings), tuple(checks))
