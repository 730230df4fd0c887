"""`decide()`: what happens to one document, as a pure function of record, directory, history and time.

The steps stand in the order in which they run, cheapest first. The first rule that refuses ends them, because what
follows would judge bytes that are not proven. The auditor runs the same function over the same inputs and expects
the same decision.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from govbus.document import topics
from govbus.document.decision import SourcePosition
from govbus.document.finding import Finding, Outcome, Severity
from govbus.document.header_kind import DOCUMENT_HEADERS
from govbus.document.ids import AgencyId
from govbus.document.record import Envelope, Record, unframe
from govbus.document.statement import Statement
from govbus.errors import DocumentError, MetadataError, RuleError
from govbus.routing.directory.model import Directory
from govbus.routing.entry_bounds import FIELD_CHARACTERS_MAX
from govbus.routing.exchange_place import find_place, require_in_force
from govbus.routing.history import History, Prior
from govbus.routing.rules import cloudevents
from govbus.routing.rules.catalogue import DETAIL_CHARACTERS_MAX, RULES
from govbus.routing.rules.facts import ProvenDocument
from govbus.routing.rules.judge import judge
from govbus.routing.trust.check import check_status
from govbus.routing.trust.status import NOTHING_KNOWN, RevocationState
from govbus.signing.verifier import (
    VerifiedSignatures,
    Verifier,
    check_headers,
    check_outbox_place,
    check_value,
)

REQUIRED_ATTRIBUTES = (
    "ce_specversion",
    "ce_id",
    "ce_source",
    "ce_type",
    "ce_time",
    "ce_dataschema",
    "ce_agreementid",
    "ce_dataclassification",
    "ce_datacategory",
    "ce_accesslevel",
)


@dataclass(frozen=True, slots=True)
class Decision:
    """What `decide` found about one record."""

    outcome: Outcome
    findings: tuple[Finding, ...]
    source: SourcePosition
    envelope: Envelope | None
    """None where the headers could not be read."""
    statement: Statement | None
    """None where it could not be parsed, or is about another place than this record's."""
    document_id: str | None
    is_proven: bool
    """Whether a signature of the origin's agency holds over the statement and the record's bytes."""
    is_in_sequence: bool
    """Whether the document uses up its index."""
    recipients: tuple[str, ...]
    """Topics to deliver to."""
    prior: Prior | None
    """For a duplicate, the first decision, whose receipt answers it."""
    agreement: str | None = None
    """Id of the agreement that an accepted document was sent under."""

    @property
    def agency(self) -> AgencyId | None:
        """The agency whose outbox the record lies on, or None where the topic is no outbox."""
        try:
            return topics.agency_of_outbox(self.source.topic)
        except MetadataError:
            return None


class _Duplicate(Exception):  # noqa: N818  # not an error: the steps end because the answer is known
    """The same document again."""

    def __init__(self, prior: Prior) -> None:
        super().__init__()
        self.prior = prior


class _Steps:
    """The steps of one decision and what they have established so far."""

    __slots__ = (
        "_directory",
        "_history",
        "_record",
        "agreement",
        "document_id",
        "envelope",
        "findings",
        "is_in_sequence",
        "is_proven",
        "recipients",
        "statement",
    )

    def __init__(self, record: Record, directory: Directory, history: History) -> None:
        self._record = record
        self._directory = directory
        self._history = history
        self.envelope: Envelope | None = None
        self.statement: Statement | None = None
        self.document_id: str | None = None
        self.is_proven = False
        self.is_in_sequence = False
        self.recipients: tuple[str, ...] = ()
        self.agreement: str | None = None
        self.findings: tuple[Finding, ...] = ()
        """Of the rules that are judged all together, once everything before them holds."""

    def run(self, verified: VerifiedSignatures, revocations: RevocationState, at_ms: int) -> None:
        """Run every step; raise `RuleError` at the first that refuses, `_Duplicate` where it is one."""
        record, directory = self._record, self._directory
        # Step 1: sizes and headers (LIM-1, LIM-2, CE-2, CE-6, SEC-3).
        envelope = self.envelope = Envelope.from_headers(record.headers)
        _check_texts(envelope)
        self.document_id = envelope.attribute("id") or None
        frame_id, _ = unframe(record.value)
        # Step 2: the statement parses and is about this place (SEC-3).
        statement = Statement.from_bytes(envelope.statement)
        check_outbox_place(record, statement)
        self.statement = statement
        # Step 3: the agency is registered (ID-1), required attributes are there (CE-1).
        _check_agency(statement, directory)
        _check_required(envelope)
        # Step 4: the index is the next of its origin (SEQ-1, CE-4).
        self._check_sequence(envelope, statement)
        # Step 5: the headers and the value are the ones in the statement (SEC-3).
        check_headers(envelope, statement)
        avro = check_value(record, envelope, statement)
        # Step 6: certificates and signatures (SEC-3, SEC-4, SEC-6, SEC-10).
        signatures = Verifier(directory, verified).check_signatures(envelope, statement)
        # Step 7: none of the certificates was revoked, and that is known well enough (SEC-6, SEC-11).
        warnings = check_status(
            signatures, directory.revocation, revocations, time_ms=statement.time_ms, at_ms=at_ms
        )
        self.is_proven = True
        # Step 8: one registered schema (CE-5, AVR-4), an agreement in force for these parties (ID-1, DRM-1, DRM-2),
        # and so the recipients.
        place = find_place(frame_id, envelope, statement, directory)
        agreement = place.agreement
        require_in_force(agreement, at_ms)
        # Step 9: the value decodes (AVR-1).
        value = place.schema.codec.decode(avro)
        self.agreement, self.recipients = agreement.id, agreement.recipients
        # Step 10: every other rule that is switched on, all of them, so that the sender can mend all at once.
        found = judge(
            ProvenDocument(envelope.signed, value, avro, signatures, envelope.kind),
            place,
            directory,
            self._history,
            time_ms=cloudevents.time_ms_of(envelope.signed["ce_time"], at_ms),
            at_ms=at_ms,
        )
        self.findings = (*warnings, *found) if warnings else found

    def _check_sequence(self, envelope: Envelope, statement: Statement) -> None:
        """Compare index and id with the past of the origin.

        Four cases: the next index; one further on (a gap, held); one that was decided about before, by the same
        statement (a duplicate if it was accepted, a new try if not) or by another (refused, unless nothing proved
        that the agency ever used it).
        """
        history, origin, index = self._history, statement.origin, statement.index
        expected = history.next_index(origin)
        if index > expected:
            raise DocumentError(
                f"index {index} leaves a gap, expected {expected}; send the missing ones, then this again",
                rule="SEQ-1",
                field="index",
            )
        document_id = self.document_id or ""
        if index < expected:
            prior = history.at_index(origin, index)
            if prior is None:
                raise _reused(f"index {index} was used too long ago to compare, expected {expected}")
            if prior.statement_hash == envelope.statement_hash:
                if prior.outcome is Outcome.ACCEPTED:
                    raise _Duplicate(prior)
            elif prior.outcome is Outcome.ACCEPTED or prior.is_proven:
                raise _reused(f"index {index} belongs to another document, expected {expected}")
        self.is_in_sequence = True
        first = history.of_document(origin, document_id)
        if first is not None:
            raise DocumentError(
                f"this id was accepted under index {first.number} with other content",
                rule="CE-4",
                field="ce_id",
            )


def decide(
    record: Record,
    directory: Directory,
    history: History,
    *,
    at_ms: int,
    verified: VerifiedSignatures | None = None,
    revocations: RevocationState = NOTHING_KNOWN,
) -> Decision:
    """Decide about one outbox record.

    Pure, total and deterministic: the same arguments give the same decision, and no record makes it raise.

    Args:
        record: as read from an outbox.
        directory: the version in force.
        history: the past of the record's origin.
        at_ms: time of the decision, milliseconds since 1970.
        verified: signatures already checked, to be shared between calls; it changes speed, never the decision.
        revocations: what is known about the status of certificates.
    """
    steps = _Steps(record, directory, history)
    prior: Prior | None = None
    findings: tuple[Finding, ...] = ()
    try:
        steps.run(verified if verified is not None else VerifiedSignatures(), revocations, at_ms)
        findings = steps.findings
        outcome = _outcome(findings)
    except _Duplicate as duplicate:
        outcome, prior = Outcome.DUPLICATE, duplicate.prior
    except RuleError as err:
        findings = (_finding(err),)
        outcome = _outcome(findings)
    except Exception as err:  # noqa: BLE001  # total: a defect of ours must not stop the bus or lose a document
        findings = (Finding("INT-1", Severity.QUARANTINE, "record", f"not judged: {type(err).__name__}"),)
        outcome = Outcome.QUARANTINED
    return Decision(
        outcome=outcome,
        findings=findings,
        source=SourcePosition(record.topic, record.partition, record.offset),
        envelope=steps.envelope,
        statement=steps.statement,
        document_id=steps.document_id,
        is_proven=steps.is_proven,
        is_in_sequence=steps.is_in_sequence,
        recipients=steps.recipients if outcome is Outcome.ACCEPTED else (),
        prior=prior,
        agreement=steps.agreement if outcome is Outcome.ACCEPTED else None,
    )


def _outcome(findings: tuple[Finding, ...]) -> Outcome:
    """Return what findings do to a document: the gravest decides."""
    if not findings:
        return Outcome.ACCEPTED
    severities = {finding.severity for finding in findings}
    if Severity.REFUSE in severities:
        return Outcome.REFUSED
    return Outcome.QUARANTINED if Severity.QUARANTINE in severities else Outcome.ACCEPTED


def prior_of(decision: Decision, *, time_ms: int, receipt_first: int) -> Prior | None:
    """Return what the history must remember of a decision, or None where it used up no index."""
    if not decision.is_in_sequence or decision.statement is None or decision.envelope is None:
        return None
    return Prior(
        decision.statement.index,
        decision.document_id or "",
        decision.envelope.statement_hash,
        decision.outcome,
        decision.is_proven,
        time_ms,
        receipt_first,
        decision.source.offset,
        decision.agreement,
        decision.findings if decision.outcome is Outcome.ACCEPTED else (),
    )


def record_hash(record: Record) -> bytes:
    """Return a name for a record as received, where no statement verified and so nothing else names its bytes.

    SHA-256 over key, value and headers, each length-prefixed (``docs/specs/message-log.md``).
    """
    digest = hashlib.sha256(_length_prefixed(record.key) + _length_prefixed(record.value))
    for name, value in record.headers:
        digest.update(_length_prefixed(name.encode("utf-8", "surrogateescape")) + _length_prefixed(value))
    return digest.digest()


def _length_prefixed(octets: bytes | None) -> bytes:
    return b"\xff" if octets is None else len(octets).to_bytes(8, "big") + octets


def _finding(err: RuleError) -> Finding:
    rule = RULES[err.rule] if err.rule in RULES else RULES["INT-1"]
    is_gap = rule.id == "SEQ-1" and not isinstance(err, _ReusedIndexError)
    severity = Severity.QUARANTINE if is_gap else rule.severity
    return Finding(rule.id, severity, err.field[:FIELD_CHARACTERS_MAX], err.message[:DETAIL_CHARACTERS_MAX])


class _ReusedIndexError(DocumentError):
    """An index that another document has used."""


def _reused(detail: str) -> _ReusedIndexError:
    return _ReusedIndexError(detail, rule="SEQ-1", field="index")


_NONCHARACTERS = "\ufdd0-\ufdef" + "".join(
    chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF)
)
_UNWANTED = re.compile(f"[\x00-\x1f\x7f-\x9f{_NONCHARACTERS}]")


def _check_texts(envelope: Envelope) -> None:
    """Check that every attribute is UTF-8 (CE-6) without control or non-characters (CE-2)."""
    kind = envelope.kind
    if kind.are_texts_good:
        own = [pair for pair in envelope.signed.items() if pair[0] in DOCUMENT_HEADERS]
        # Of one text after the other, each is UTF-8 where all are, because a space is no part of a character.
        if not _is_text(b" ".join([value for _, value in own])):
            for name, value in own:
                _check_text(name, value)
        return
    for name, value in envelope.signed.items():
        _check_text(name, value)
    kind.are_texts_good = True


def _is_text(octets: bytes) -> bool:
    if octets.isascii():
        return octets.decode("ascii").isprintable()
    try:
        return _UNWANTED.search(octets.decode("utf-8")) is None
    except UnicodeDecodeError:
        return False


def _check_text(name: str, value: bytes) -> None:
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError as err:
        raise MetadataError("the value is not UTF-8", rule="CE-6", field=name) from err
    if _UNWANTED.search(text) is not None:
        raise MetadataError("control and non-characters are not allowed", rule="CE-2", field=name)


def _check_agency(statement: Statement, directory: Directory) -> None:
    if directory.agency(statement.origin.agency.text) is None:
        raise MetadataError(
            f"agency {statement.origin.agency} is not registered", rule="ID-1", field="origin"
        )


def _check_required(envelope: Envelope) -> None:
    signed, kind = envelope.signed, envelope.kind
    if kind.is_complete and signed.get("ce_id") and signed.get("ce_time"):
        return
    for name in REQUIRED_ATTRIBUTES:
        if not signed.get(name):
            raise MetadataError("a required attribute is missing or empty", rule="CE-1", field=name)
    kind.is_complete = True
