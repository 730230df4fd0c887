"""Security: FIPS 199, signatures, keys, and what an agreement lets flow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from govbus.document.decision import LogEntry
from govbus.document.finding import Breach, Outcome, Severity
from govbus.errors import LogIntegrityError
from govbus.routing.directory.model import Impact, SecurityCategory
from govbus.routing.exchange_place import signature_policy
from govbus.routing.rules.cloudevents import CLASSIFICATIONS
from govbus.routing.rules.cui import cui_marking
from govbus.routing.rules.facts import DocumentCheck, DocumentFacts, TemplateFacts
from govbus.routing.rules.rule import Basis, Moment, Profile, Rule
from govbus.signing.algorithms import Algorithm
from govbus.signing.certificates import Certificate
from govbus.signing.signature_policy import NO_POLICY, POLICY_RULE, ProvenSignature, SignaturePolicy

ENCRYPTION_ATTRIBUTE: Final = "encryption"
"""CloudEvents attribute of a document whose payload is encrypted end to end."""
NSS_ALGORITHMS: Final = frozenset({Algorithm.ML_DSA_87})
"""Signature algorithms of CNSA 2.0 for everything but firmware."""
CLASSICAL_ALGORITHMS: Final = frozenset({Algorithm.ED25519, Algorithm.ES256, Algorithm.PS256})
"""Algorithms that a quantum computer would break."""
CLASSICAL_UNTIL_MS: Final = 2_082_758_400_000
"""2036-01-01: NIST IR 8547 (draft) disallows quantum-vulnerable signatures after 2035."""
DECISIONS: Final = frozenset(Outcome)
OBJECTIVES: Final = (("c", "confidentiality"), ("i", "integrity"), ("a", "availability"))

RULES = (
    Rule(
        id="SEC-1",
        citation="FIPS 199, section 3",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.CORE,
        moments=(Moment.REGISTRATION, Moment.DOCUMENT),
        explanation="A security category says the impact of a loss of confidentiality, integrity and availability; "
        "'not applicable' is lawful for the confidentiality of public information alone.",
        accepted="LOW, MOD or HIGH for each objective, and NA for confidentiality only where the access level is "
        "public.",
        passing="record: {sc: {c: LOW, i: HIGH, a: LOW}}",
        failing="record: {sc: {c: NA, i: LOW, a: LOW}}",
    ),
    Rule(
        id="SEC-2",
        citation="NIST SP 800-53 CA-3 b, AC-4",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.CORE,
        moments=(Moment.FLOW,),
        explanation="No objective of a document's security category is above the impact level that the parties agreed "
        "on for the exchange.",
        accepted="A security category at or below the agreement's impact level, objective by objective.",
        passing="agreement: {impact: {c: MOD, i: MOD, a: LOW}}\nrecord: {sc: {c: MOD, i: LOW, a: LOW}}",
        failing="agreement: {impact: {c: MOD, i: MOD, a: LOW}}\nrecord: {sc: {c: MOD, i: HIGH, a: LOW}}",
    ),
    Rule(
        id="SEC-3",
        citation="NIST SP 800-53 AU-10; CloudEvents verifiability",
        severity=Severity.REFUSE,
        basis=Basis.PROFILE,
        profile=Profile.CORE,
        moments=(Moment.DOCUMENT,),
        explanation="A signature by a key of the origin's agency covers a well-formed statement about exactly these "
        "bytes, headers, topic and key. SP 800-53 asks it of HIGH systems; for all others it is govbus's choice.",
        accepted="The statement and its signatures as the spool makes them, over the record as it is sent.",
        passing="body: {reason: signed as it stands}",
        failing='raw: {value_append: "00"}',
    ),
    Rule(
        id="SEC-4",
        citation="FIPS 186-5, FIPS 204, NIST SP 800-57, NIST SP 800-131A, NIST IR 8547 (draft)",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.CORE,
        moments=(Moment.REGISTRATION, Moment.DOCUMENT),
        explanation="The algorithm is one of the pinned ones and fits the certificate's key. All of them give 128 bits "
        "of strength or more, so the end of 112-bit signatures in 2030 touches none; shared keys, DSA, SHA-1 and "
        "short RSA keys are not on the list. A certificate for a key that a quantum computer would break earns a "
        "warning where it is to be used beyond 2035.",
        accepted="Ed25519, ES256, PS256 with RSA of 3072 bits or more, ML-DSA-44, ML-DSA-65 or ML-DSA-87.",
        passing="raw: {algorithm: ES256}",
        failing="raw: {signature_header: {alg: HS256}}",
    ),
    Rule(
        id="SEC-5",
        citation="CNSA 2.0; FIPS 204",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.NSS,
        moments=(Moment.DOCUMENT,),
        explanation="On national security systems every document is signed with ML-DSA-87, by itself or beside other "
        "signatures. Everywhere else ML-DSA-44 and ML-DSA-65 serve as well.",
        accepted="A signature by an ML-DSA-87 key beside or instead of others.",
        passing="bus: {profiles: [core, us-federal, nss]}\nraw: {algorithm: ML-DSA-87}",
        failing="bus: {profiles: [core, us-federal, nss]}",
    ),
    Rule(
        id="SEC-6",
        citation="NIST SP 800-53 SC-17, SC-12",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.CORE,
        moments=(Moment.REGISTRATION, Moment.DOCUMENT),
        explanation="The certificate is in the directory, issued by an approved anchor, bound to the agency, and valid "
        "and unrevoked at the statement's time.",
        accepted="A signature by a certificate that the directory lists for the sending agency, valid when the "
        "document was signed.",
        passing="body: {reason: signed by the agency's own key}",
        failing="raw: {signer: other-agency}",
    ),
    Rule(
        id="SEC-7",
        citation="NIST SP 800-53 AU-3, AU-8, AU-9(3)",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.CORE,
        moments=(Moment.FLOW,),
        explanation="Every decision writes a record that says what happened, when (UTC), where, from which source, "
        "with which outcome and on whose account, with the rules that decided, in a hash tree. A decision that "
        "cannot be recorded so is not made: the router stops.",
        accepted="Nothing that a sender could do: the bus stops before it decides without a record.",
        passing="body: {reason: decided and recorded}",
        failing="scenario: entry-without-outcome",
    ),
    Rule(
        id="SEC-8",
        citation="NIST SP 800-53 AC-4, AC-21",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.CORE,
        moments=(Moment.REGISTRATION, Moment.FLOW),
        explanation="The agreement allows this classification, and these CUI categories and dissemination controls, to "
        "its consumers.",
        accepted="A classification at or below the agreement's, and only CUI categories and controls that it names.",
        passing="agreement: {classification: confidential}\nheaders: {ce_dataclassification: confidential}",
        failing="agreement: {classification: internal}\nheaders: {ce_dataclassification: confidential}",
    ),
    Rule(
        id="SEC-9",
        citation="NIST SP 800-53 AC-4(4)",
        severity=Severity.REFUSE,
        basis=Basis.NORM,
        profile=Profile.CORE,
        moments=(Moment.FLOW,),
        explanation="A payload that is encrypted end to end passes only where the agreement permits it, because nobody "
        "on the way can look inside; everything else about the document is checked all the same.",
        accepted="No ce_encryption header, or an agreement with encryption: true.",
        passing="agreement: {encryption: true}\nheaders: {ce_encryption: hpke}",
        failing="headers: {ce_encryption: hpke}",
    ),
    Rule(
        id="SEC-10",
        citation="NIST SP 800-53 AU-10; Regulation (EU) 910/2014 (eIDAS), articles 25 and 35",
        severity=Severity.REFUSE,
        basis=Basis.PROFILE,
        profile=Profile.CORE,
        moments=(Moment.REGISTRATION, Moment.DOCUMENT),
        explanation="A document carries the signatures that its package and its agreement ask for, each by a "
        "certificate of its own: always the agency's seal; where asked, an officer's, who is a person and answers for "
        "this document, so it is over the statement and never over a batch; where asked, a twin, which is a second "
        "seal by an ML-DSA key. The mode says whether seals are over the statement or over a batch. That an officer's "
        "signature is asked for is a choice of the parties; what it means is law: a seal says from whom, a signature "
        "says who answers for it.",
        accepted="The seal in the package's mode, and beside it every signature that package or agreement ask for: "
        "name officer and twin in the agency profile.",
        passing="package: {signatures: {officer: required}}\nraw: {signed_by: [seal, officer]}",
        failing="package: {signatures: {officer: required}}",
    ),
    Rule(
        id="SEC-11",
        citation="NIST SP 800-53 SC-17, IA-5(2)(a); RFC 5280 section 6.3; RFC 6960",
        severity=Severity.REFUSE,
        basis=Basis.PROFILE,
        profile=Profile.CORE,
        moments=(Moment.REGISTRATION, Moment.DOCUMENT),
        explanation="Whether a certificate is revoked is known when a document is decided on: its authority has said "
        "so in a revocation list or an OCSP response whose nextUpdate is not past. Past it, documents are accepted "
        "with a warning for as long as the bus's grace lasts, then refused, until the authority is heard of again. The "
        "directory says of which certificates it must be known: of those that declare where it is to be had, of all, "
        "or of none.",
        accepted="Fresh revocation material for the certificate and those above it; the operator runs `govbus "
        "revocations watch`. A refused document can be sent again as it is.",
        passing="bus: {revocation: {mode: required}}\nrevocation_list: {next_update: 2026-11-24T00:00:00Z}",
        failing="bus: {revocation: {mode: required}}\nrevocation_list: {next_update: 2026-11-20T00:00:00Z}",
    ),
)
"""The rules of this family."""


def template_breaches(facts: TemplateFacts) -> Iterator[Breach]:
    """Yield what is wrong with the part that documents of one template share."""
    attributes, agreement = facts.attributes, facts.agreement
    category = facts.record["sc"]
    if category["c"] == Impact.NA.name and attributes["accesslevel"] != "public":
        yield Breach("SEC-1", "record.sc.c", "NA is lawful only where ce_accesslevel is public")
    yield from _above(category, agreement.impact, agreement.id)
    classification = attributes["dataclassification"]
    if classification in CLASSIFICATIONS and _rank(classification) > _rank(agreement.classification):
        yield Breach(
            "SEC-8",
            "ce_dataclassification",
            f"agreement {agreement.id} lets nothing above {agreement.classification} pass",
        )
    yield from _beyond_agreement(facts)
    if ENCRYPTION_ATTRIBUTE in attributes and not agreement.is_encryption_allowed:
        yield Breach("SEC-9", "ce_encryption", f"agreement {agreement.id} does not permit encrypted payloads")


def document_checks(facts: TemplateFacts) -> Iterator[DocumentCheck]:
    """Yield what is left to look at in every document of the template."""
    if Profile.NSS in facts.profiles:
        yield _nss_breaches
    policy = signature_policy(facts.package, facts.agreement)
    if policy != NO_POLICY:
        yield signature_check(policy)


def signature_check(policy: SignaturePolicy) -> DocumentCheck:
    """Return the check of a policy, which remembers the signatures that met it last.

    They are the very same for documents of one sender (`VerifiedSignatures.shared`), and cannot change.
    """
    met: tuple[ProvenSignature, ...] | None = None

    def check(document: DocumentFacts) -> Iterable[Breach]:
        nonlocal met
        signatures = document.signatures
        if signatures is met:
            return ()
        breaches = list(signature_breaches(policy, signatures))
        if not breaches:
            met = signatures
        return breaches

    return check


def signature_breaches(policy: SignaturePolicy, signatures: Sequence[ProvenSignature]) -> Iterator[Breach]:
    """Yield which signatures a document lacks (rule SEC-10); what holds whatever is asked for, the verifier checked."""
    for detail in policy.lacks(signatures):
        yield Breach(POLICY_RULE, "gb-sig", detail)


def certificate_breaches(certificate: Certificate, field: str) -> Iterator[Breach]:
    """Yield what is wrong with the algorithm of a certificate, when it is registered (rule SEC-4)."""
    if certificate.algorithm in CLASSICAL_ALGORITHMS and certificate.not_after_ms >= CLASSICAL_UNTIL_MS:
        detail = f"{certificate.algorithm} signatures are not to be made after 2035, and it is valid beyond"
        yield Breach("SEC-4", field, detail, Severity.WARN)


def audit_record_breaches(entry: LogEntry) -> list[Breach]:
    """Return which of the six contents of AU-3 a log entry lacks (rule SEC-7).

    Type and outcome are the decision; when is its time; where and source are the place in the outbox and, once a
    statement was read, its origin; identity is the signed statement, or the hash of a record without one. A decision
    against the document names at least one rule.
    """
    found: list[Breach] = []
    if entry.decision not in DECISIONS:
        found.append(Breach("SEC-7", "decision", "type and outcome of the event are missing"))
    if entry.time_ms <= 0:
        found.append(Breach("SEC-7", "time", "when it happened is missing"))
    if not entry.source.topic or entry.source.offset < 0:
        found.append(Breach("SEC-7", "source", "where it happened is missing"))
    if entry.statement is None and entry.record_hash is None:
        found.append(Breach("SEC-7", "statement", "nothing says whose document it was, or which"))
    decision = entry.decision
    is_against = decision is Outcome.REFUSED or decision is Outcome.QUARANTINED
    if is_against and not entry.findings:
        found.append(Breach("SEC-7", "findings", "no rule is named that the decision rests on"))
    return found


def require_audit_record(entry: LogEntry) -> None:
    """Check that a log entry says what an audit record must say; fail closed where it does not.

    Raises:
        LogIntegrityError: naming what is missing; the router halts, and nothing is decided without a record.
    """
    for breach in audit_record_breaches(entry):
        raise LogIntegrityError(f"log entry about {entry.source}: {breach.field}: {breach.detail} (SEC-7)")


def _above(category: dict[str, str], most: SecurityCategory, agreement: str) -> Iterator[Breach]:
    for objective, words in OBJECTIVES:
        limit = getattr(most, objective)
        if Impact[category[objective]] > limit:
            detail = f"agreement {agreement} lets nothing above {limit.name} in {words} pass"
            yield Breach("SEC-2", f"record.sc.{objective}", detail)


def _rank(classification: str) -> int:
    return CLASSIFICATIONS.index(classification)


def _beyond_agreement(facts: TemplateFacts) -> Iterator[Breach]:
    """Yield the CUI categories and controls that the agreement does not name."""
    banner = cui_marking(facts)
    if banner is None:
        return
    agreement = facts.agreement
    for category in banner.categories:
        if category not in agreement.cui_categories:
            yield Breach(
                "SEC-8", "ce_cuibanner", f"agreement {agreement.id} does not name category {category}"
            )
    for control in banner.controls:
        if control not in agreement.cui_dissemination:
            yield Breach("SEC-8", "ce_cuibanner", f"agreement {agreement.id} does not name control {control}")


def _nss_breaches(facts: DocumentFacts) -> Iterable[Breach]:
    if any(signature.algorithm in NSS_ALGORITHMS for signature in facts.signatures):
        return ()
    return (Breach("SEC-5", "gb-sig", "expected a signature by an ML-DSA-87 key"),)
