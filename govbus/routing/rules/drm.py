"""FEA Data Reference Model 2.0: packages, parties, schemas, topics, data assets, query points.

The DRM is an abstract model without a conformance clause, so these rules ask for what it names to be there, and are
govbus's own choice of how.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from govbus.document.encoding import time_text
from govbus.document.finding import Breach, Severity
from govbus.routing.directory.model import Agreement, AgreementStatus, Package, TopicReference
from govbus.routing.patterns import ABSOLUTE_URI
from govbus.routing.rules.facts import DocumentCheck, TemplateFacts
from govbus.routing.rules.rule import Basis, Moment, Profile, Rule

_URI: Final = re.compile(ABSOLUTE_URI, re.ASCII)

RULES = (
    Rule(
        id="DRM-1",
        citation="FEA DRM 2.0, section 6.4 Exchange Package; NIST SP 800-53 CA-3",
        severity=Severity.REFUSE,
        basis=Basis.PROFILE,
        profile=Profile.CORE,
        moments=(Moment.REGISTRATION, Moment.DOCUMENT),
        explanation=(
            "agreementid names an agreement that is active and in its validity, for a registered package "
            "that has this type of document."
        ),
        accepted="The id of an agreement that is active today, for the package and type of this document.",
        passing="agreement: {status: active, valid_to: 2030-12-30}",
        failing="agreement: {status: suspended}",
    ),
    Rule(
        id="DRM-2",
        citation="FEA DRM 2.0, section 6.4 Supplier and Consumer; NIST SP 800-53 AC-4",
        severity=Severity.REFUSE,
        basis=Basis.PROFILE,
        profile=Profile.CORE,
        moments=(Moment.REGISTRATION, Moment.DOCUMENT),
        explanation="The sender is the agreement's supplier, and every recipient is one of its consumers.",
        accepted="An agreement whose supplier is the agency that sends.",
        passing="agreement: {supplier: {agency: tax.example}}",
        failing="agreement: {supplier: {agency: court.example}}",
    ),
    Rule(
        id="DRM-3",
        citation="FEA DRM 2.0, section 6.5 attributes; NIST SP 800-53 CA-3 and SP 800-47",
        severity=Severity.REFUSE,
        basis=Basis.PROFILE,
        profile=Profile.CORE,
        moments=(Moment.REGISTRATION,),
        explanation=(
            "A package has identifier, name, description, classification, frequency, steward, types and schemas. An "
            "agreement has both parties with contacts, purpose, legal authority, validity, classification, impact "
            "level, categories of data and a day of review."
        ),
        accepted="A package and an agreement with each of these; a review that is not overdue.",
        passing="agreement: {purpose: Decide on appeals against tax assessments.}",
        failing="agreement: {purpose: null}",
    ),
    Rule(
        id="DRM-4",
        citation="FEA DRM 2.0, section 6.2 Data Schema, Entity and Attribute; NIEM NDR 6.0 rule 7-38",
        severity=Severity.REFUSE,
        basis=Basis.PROFILE,
        profile=Profile.CORE,
        moments=(Moment.REGISTRATION,),
        explanation="Every record, enum, fixed and field of a payload schema says in doc what it is.",
        accepted="A doc of at least one word on every named type and every field.",
        passing="""\
schema:
  {type: record, name: Assessment, namespace: tax, doc: A tax assessment.,
   fields: [{name: amount, type: string, doc: Amount in US dollars.}]}
body: {amount: "10.00", case_id: null, reason: null}
""",
        failing="""\
schema:
  {type: record, name: Assessment, namespace: tax, doc: A tax assessment.,
   fields: [{name: amount, type: string}]}
""",
    ),
    Rule(
        id="DRM-5",
        citation="FEA DRM 2.0, section 6.3 Taxonomy and Topic",
        severity=Severity.QUARANTINE,
        basis=Basis.PROFILE,
        profile=Profile.CORE,
        moments=(Moment.REGISTRATION, Moment.DOCUMENT),
        explanation=(
            "A document has at least one topic, each of a registered taxonomy. Topics that the directory itself "
            "names are there, or it is refused."
        ),
        accepted="One or more topics that the directory's taxonomies have.",
        passing="record: {topics: [{taxonomy: example-topics, topic: courts}]}",
        failing="record: {topics: [{taxonomy: example-topics, topic: gardens}]}",
    ),
    Rule(
        id="DRM-6",
        citation="FEA DRM 2.0, section 6.3 Data Asset and Data Steward",
        severity=Severity.QUARANTINE,
        basis=Basis.PROFILE,
        profile=Profile.CORE,
        moments=(Moment.REGISTRATION, Moment.DOCUMENT),
        explanation=(
            "A document is from a registered data asset, for which a registered agency is the steward. A directory "
            "whose package names a data asset that is not registered is refused."
        ),
        accepted="The id of a registered data asset.",
        passing="record: {data_asset: tax.example/assessments}",
        failing="record: {data_asset: tax.example/attic}",
    ),
    Rule(
        id="DRM-8",
        citation="FEA DRM 2.0, section 6.5 Query Point",
        severity=Severity.REFUSE,
        basis=Basis.PROFILE,
        profile=Profile.CORE,
        moments=(Moment.REGISTRATION,),
        explanation="The address of a query point is an absolute URI, and it says in which languages it is asked.",
        accepted="An address such as https://tax.example/query, and at least one language such as HTTP GET.",
        passing="package: {query_points: [{address: https://tax.example/query, languages: [HTTP GET]}]}",
        failing="package: {query_points: [{address: /query, languages: []}]}",
    ),
)
"""The rules of this family."""


def package_breaches(package: Package) -> Iterator[Breach]:
    """Yield what is wrong with an exchange package as it is registered; its schemas are looked at elsewhere."""
    for index, point in enumerate(package.query_points):
        field = f"query_points.{index}"
        if _URI.fullmatch(point.address) is None:
            yield Breach("DRM-8", f"{field}.address", "expected an absolute URI")
        if not point.languages:
            yield Breach("DRM-8", f"{field}.languages", "expected at least one query language")


def agreement_breaches(agreement: Agreement, at_ms: int) -> Iterator[Breach]:
    """Yield what a person should know of an agreement that is registered at a time."""
    if agreement.status is not AgreementStatus.ACTIVE:
        return
    if agreement.valid_to_ms < at_ms:
        detail = f"active, but ended on {time_text(agreement.valid_to_ms)}: its documents are refused"
        yield Breach("DRM-1", "valid_to", detail, Severity.WARN)
    elif agreement.review_due_ms is not None and agreement.review_due_ms < at_ms:
        detail = f"the review was due on {time_text(agreement.review_due_ms)}"
        yield Breach("DRM-3", "review_due", detail, Severity.WARN)


def template_breaches(facts: TemplateFacts) -> Iterator[Breach]:
    """Yield what is wrong with the part that documents of one template share."""
    references = facts.record["topics"]
    if not references:
        yield Breach("DRM-5", "record.topics", "expected at least one topic of a registered taxonomy")
    for index, one in enumerate(references):
        if facts.directory.topic(TopicReference(one["taxonomy"], one["topic"])) is None:
            detail = "expected a topic that a registered taxonomy has"
            yield Breach("DRM-5", f"record.topics.{index}", detail)
    asset = facts.asset
    if asset is None:
        yield Breach("DRM-6", "record.data_asset", "expected the id of a registered data asset")
    elif facts.directory.agency(asset.steward.agency.text) is None:
        yield Breach("DRM-6", "record.data_asset", "the steward of this data asset is not registered")


def document_checks(_facts: TemplateFacts) -> Iterator[DocumentCheck]:
    """Yield nothing: documents of one template share all that this family looks at."""
    yield from ()
