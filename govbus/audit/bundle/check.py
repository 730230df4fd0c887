"""Checking an evidence bundle: the same steps as ``verify.sh``, and those that a shell cannot take everywhere.

The keys are the caller's. Every step says what it found; none is left out silently.
"""

from __future__ import annotations

import enum
import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from cryptography import x509

from govbus.audit.bundle.contents import Evidence, SignaturePart, TrustPart, path_of
from govbus.document.encoding import base64url, time_text
from govbus.document.finding import Outcome
from govbus.document.statement import Statement, statement_hash
from govbus.errors import GovbusError, RuleError
from govbus.message_log.checkpoint import Checkpoint
from govbus.message_log.keys import LogPublicKeys
from govbus.message_log.note import Note
from govbus.message_log.policy import NO_QUORUM, Policy
from govbus.message_log.proof import TlogProof
from govbus.message_log.timestamp import Timestamp
from govbus.routing.trust.material import Saying
from govbus.routing.trust.reading import read_material
from govbus.schemas.core import decode_log_entry
from govbus.signing.batch import BatchText
from govbus.signing.certificates import Certificate
from govbus.signing.jws import BATCH_TYP, DIRECTORY_TYP, STATEMENT_TYP, DetachedSignature
from govbus.signing.merkle import leaf_hash, root_from_path

HEADS: Final = "heads"
_PARTITION: Final = "(0|[1-9][0-9]{0,8})"
_ID: Final = b"ce_id:"
_DECISIONS: Final = (Outcome.ACCEPTED, Outcome.REFUSED, Outcome.QUARANTINED, Outcome.DUPLICATE)


class Result(enum.StrEnum):
    """How a step ended."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"
    """There was nothing to check, and the text says what that means."""


class Step(NamedTuple):
    """One thing that was checked."""

    name: str
    result: Result
    text: str


@dataclass(slots=True)
class BundleReport:
    """What checking a bundle came to."""

    document_id: str
    is_own_trust: bool
    """Whether the keys came from the caller and not from the bundle."""
    steps: list[Step] = field(default_factory=list)

    @property
    def is_verified(self) -> bool:
        """Whether no step failed."""
        return all(step.result is not Result.FAILED for step in self.steps)

    def to_json(self) -> str:
        """Return the report as a JSON text."""
        return json.dumps(
            {
                "document": self.document_id,
                "verified": self.is_verified,
                "own_trust": self.is_own_trust,
                "steps": [
                    {"step": step.name, "result": step.result.value, "text": step.text} for step in self.steps
                ],
            },
            indent=2,
        )

    def to_text(self) -> str:
        """Return the report for people."""
        lines = [_one_line(f"{step.result.value:<8}{step.name}: {step.text}") for step in self.steps]
        skipped = ", ".join(step.name for step in self.steps if step.result is Result.SKIPPED)
        if not self.is_verified:
            verdict = "NOT VERIFIED"
        elif self.is_own_trust:
            verdict = f"verified; not checked: {skipped or 'nothing'}"
        else:
            verdict = "it fits together; to prove it, give keys of your own with --trust FOLDER, laid out like trust/"
        lines += ["", verdict]
        return "\n".join(lines)


def _one_line(text: str) -> str:
    """Return a text without what could look like a result of its own on a terminal: evidence holds foreign names."""
    return "".join(character if character.isprintable() else "?" for character in text)


def check_evidence(
    evidence: Evidence, trust: TrustPart, *, is_own_trust: bool, changed: Sequence[str] = ()
) -> BundleReport:
    """Check every part of a bundle.

    Args:
        evidence: as read from the bundle.
        trust: the keys to rely on.
        is_own_trust: whether they are the caller's own; only said in the report.
        changed: files that are not as the bundle lists them.
    """
    report = BundleReport(evidence.document_id, is_own_trust)
    if changed:
        report.steps.append(Step("files", Result.FAILED, f"not as listed: {', '.join(changed)[:400]}"))
    checker = _Checker(evidence, trust, is_own_trust=is_own_trust)
    for name, check in checker.checks():
        try:
            for text in check():
                report.steps.append(Step(name, Result.OK, text))
        except _Skipped as skipped:
            report.steps.append(Step(name, Result.SKIPPED, str(skipped)))
        except GovbusError as err:
            report.steps.append(Step(name, Result.FAILED, err.message))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError) as err:
            report.steps.append(Step(name, Result.FAILED, f"not in its form: {type(err).__name__}"))
    return report


class _Skipped(Exception):  # noqa: N818  # not an error: there is nothing to check
    """There is nothing to check."""


def _require(condition: bool, text: str) -> None:  # noqa: FBT001  # reads as the sentence that it is
    if not condition:
        raise RuleError(text)


class _Checker:
    """The steps, in the order of what they rest on."""

    def __init__(self, evidence: Evidence, trust: TrustPart, *, is_own_trust: bool) -> None:
        self._evidence = evidence
        self._trust = trust
        self._is_own_trust = is_own_trust
        self._checkpoint_text: str | None = None
        self._head_text: str | None = None

    def checks(self) -> Iterator[tuple[str, Callable[[], Iterator[str]]]]:
        """Yield every step by its name."""
        yield "statement", self._statement
        yield "value", self._value
        yield "headers", self._headers
        yield "schema", self._schema
        if self._evidence.batch is not None:
            yield "batch", self._batch
        for number, part in enumerate(self._evidence.signatures, 1):
            yield f"signature {number}", lambda part=part: self._signature(part)  # type: ignore[misc]
            yield f"chain {number}", lambda part=part: self._chain(part)  # type: ignore[misc]
        yield "revocation", self._revocation
        yield "seal", self._seal
        yield "directory", self._directory
        yield "log entry", self._log_entry
        yield "log", self._log
        yield HEADS, self._heads
        yield "witnesses", self._witnesses
        yield "time stamps", self._timestamps

    @property
    def _parsed(self) -> Statement:
        return Statement.from_bytes(self._evidence.statement)

    def _statement(self) -> Iterator[str]:
        statement = self._parsed
        yield f"index {statement.index} of {statement.origin}, sent {time_text(statement.time_ms)}"

    def _value(self) -> Iterator[str]:
        evidence, statement = self._evidence, self._parsed
        if evidence.value is None:
            raise _Skipped("it is not here, erased or left out; everything else does not depend on it")
        digest = base64url(hashlib.sha256((evidence.salt or b"") + evidence.value).digest())
        _require(
            digest == statement.value and len(evidence.value) == statement.length,
            "the value is not the one that was signed",
        )
        yield f"{statement.length:,} bytes, with the hash that was signed"

    def _headers(self) -> Iterator[str]:
        digest = base64url(hashlib.sha256(self._evidence.headers).digest())
        _require(digest == self._parsed.headers, "the headers are not the ones that were signed")
        ids = [line[len(_ID) :] for line in self._evidence.headers.splitlines() if line.startswith(_ID)]
        _require(
            ids == [base64url(self._evidence.document_id.encode("utf-8")).encode("ascii")],
            "the bundle names another document than the signed headers",
        )
        yield f"the ones that were signed, of document {self._evidence.document_id}"

    def _schema(self) -> Iterator[str]:
        digest = hashlib.sha256(self._evidence.schema).hexdigest()
        _require(digest == self._parsed.schema, "the schema is not the one that was signed")
        yield f"the one that was signed, SHA-256 {digest}"

    def _batch(self) -> Iterator[str]:
        evidence, statement = self._evidence, self._parsed
        batch = BatchText.from_bytes(evidence.batch or b"")
        _require(batch.origin == str(statement.origin), "the batch is of another origin")
        _require(batch.start <= statement.index < batch.end, "the index lies outside the batch")
        index, size = statement.index - batch.start, batch.end - batch.start
        root = root_from_path(statement_hash(evidence.statement), index, size, evidence.path)
        _require(root == batch.root, "the path does not lead to the root that was signed")
        yield f"number {index} of {size} under one signature"

    def _signature(self, part: SignaturePart) -> Iterator[str]:
        evidence = self._evidence
        signature = DetachedSignature.from_bytes(part.jws)
        certificate = Certificate.from_der(part.certificate)
        _require(signature.typ in {STATEMENT_TYP, BATCH_TYP}, f"it is for a {signature.typ}")
        _require(certificate.thumbprint == signature.thumbprint, "it names another certificate")
        payload = evidence.statement if signature.typ == STATEMENT_TYP else evidence.batch
        _require(payload is not None, "it is over a batch, and there is none")
        signature.verify(certificate, payload or b"")
        part_of = self._bound(certificate)
        yield f"{signature.algorithm} by {certificate.subject}, {part_of}"

    def _bound(self, certificate: Certificate) -> str:
        """Return what the agency's entry binds the certificate for."""
        agency = self._parsed.origin.agency.text
        entry = json.loads(self._evidence.directory.entries["agency"])
        _require(entry["id"] == agency, f"the directory's entry is not that of {agency}")
        for one in entry["certificates"]:
            if Certificate.from_pem(one["pem"]).thumbprint == certificate.thumbprint:
                revoked = one.get("revoked")
                _require(
                    revoked is None or time_text(self._parsed.time_ms) < revoked,
                    f"its certificate was revoked on {revoked}",
                )
                return f"{one.get('role', 'seal')} of {agency}"
        raise RuleError(f"the directory does not bind its certificate to {agency}")

    def _chain(self, part: SignaturePart) -> Iterator[str]:
        at_ms = self._parsed.time_ms
        bus = json.loads(self._evidence.directory.entries["bus"])
        anchors = {Certificate.from_pem(pem).thumbprint for pem in bus["anchors"]}
        path = path_of(part)
        _require(path[-1].thumbprint in anchors, "it does not lead to an anchor of the bus")
        for certificate, issuer in itertools.pairwise(path):
            certificate.verify_issued_by(issuer)
        for certificate in path:
            _require(
                certificate.not_before_ms <= at_ms <= certificate.not_after_ms,
                f"the certificate of {certificate.subject} was not valid on {time_text(at_ms)}",
            )
        yield f"leads to {path[-1].subject} and was valid on {time_text(at_ms)}"

    def _revocation(self) -> Iterator[str]:
        """Revocation counts from its date: what was signed before it stands."""
        if not self._evidence.revocations:
            raise _Skipped("no revocation list and no OCSP response is in the bundle")
        at_ms = self._parsed.time_ms
        count = 0
        for part in self._evidence.signatures:
            for subject, issuer in itertools.pairwise(path_of(part)):
                for der in self._evidence.revocations:
                    material = read_material(der)
                    status = material.status_of(subject, issuer) if material.is_about(issuer) else None
                    if status is None:
                        continue
                    material.verify(issuer)
                    count += 1
                    _require(
                        status.saying is Saying.GOOD
                        or (status.revoked_ms > at_ms and not status.is_compromised),
                        f"the certificate of {subject.subject} was revoked on {time_text(status.revoked_ms)}",
                    )
        _require(count > 0, "what is there is about other certificates")
        yield f"{count} authorities' words about these certificates hold, and none revoked one before"

    def _seal(self) -> Iterator[str]:
        """Evidence without a signature by the agency itself proves nothing about it."""
        typ = BATCH_TYP if self._evidence.batch is not None else STATEMENT_TYP
        seals = [
            part
            for part in self._evidence.signatures
            if DetachedSignature.from_bytes(part.jws).typ == typ
            and self._bound(Certificate.from_der(part.certificate)).startswith("seal")
        ]
        _require(bool(seals), "no signature by the agency itself is over the statement or its batch")
        yield f"{len(seals)} over the {'batch' if self._evidence.batch is not None else 'statement'}"

    def _directory(self) -> Iterator[str]:
        part = self._evidence.directory
        signature = DetachedSignature.from_bytes(part.jws)
        _require(signature.typ == DIRECTORY_TYP, f"its signature is for a {signature.typ}")
        authority = [Certificate.from_der(der) for der in self._trust.authority]
        known = [one for one in authority if one.thumbprint == signature.thumbprint]
        _require(bool(known), "it is not signed by the governing authority")
        signature.verify(known[0], part.manifest)
        manifest: dict[str, Any] = json.loads(part.manifest)
        _require(manifest["bus"] == self._evidence.bus, f"it is that of {str(manifest['bus'])[:80]}")
        for kind, octets in part.entries.items():
            identifier = json.loads(octets)["id"]
            key = f"{kind}/{identifier}/{hashlib.sha256(octets).hexdigest()}"
            _require(key in manifest["entries"], f"version {manifest['version']} does not list {key[:120]}")
        _require({"agency", "bus"} <= part.entries.keys(), "the entries of agency and bus are not there")
        about = json.loads(part.entries["bus"])["id"]
        _require(about == self._evidence.bus, f"the bus's entry is that of {str(about)[:80]}")
        yield f"version {manifest['version']}, signed by the governing authority, lists what is shown of it"

    def _log_entry(self) -> Iterator[str]:
        evidence = self._evidence
        entry = decode_log_entry(evidence.log_entry)
        _require(entry.decision in _DECISIONS, f"it is no decision about a document: {entry.decision.value}")
        _require(entry.statement == evidence.statement, "it is about another statement")
        _require(
            entry.document_id == evidence.document_id and entry.source.topic == self._parsed.topic,
            "it names another document or outbox than the statement",
        )
        _require(
            entry.signatures == tuple(part.jws for part in evidence.signatures)
            and entry.batch == evidence.batch
            and (evidence.batch is None or entry.path == evidence.path),
            "it holds other signatures",
        )
        version = json.loads(evidence.directory.manifest)["version"]
        _require(
            entry.directory_version == version, f"it rests on directory version {entry.directory_version}"
        )
        rules = ", ".join(sorted({one.rule for one in entry.findings}))
        yield f"{entry.decision.value} on {time_text(entry.time_ms)}" + (
            f", by rules {rules}" if rules else ""
        )

    def _keys(self) -> LogPublicKeys:
        known = LogPublicKeys.from_pem(self._trust.log_ed25519_pem, self._trust.log_ml_dsa_44_pem)
        return known.with_handovers(self._trust.handovers)

    def _proven(self, proof_text: str, leaf: bytes, name: str) -> tuple[TlogProof, Checkpoint]:
        """Return a proof and its checkpoint, once both log keys signed it and the path leads to its root."""
        proof = TlogProof.from_text(proof_text)
        origin = Checkpoint.from_text(Note.from_text(proof.note).text).origin
        pattern = f"{re.escape(self._evidence.bus)}/log/{name}"
        _require(re.fullmatch(pattern, origin) is not None, f"it is in the log {origin[:80]}")
        checkpoint = self._keys().open(proof.note, origin)
        root = root_from_path(leaf, proof.index, checkpoint.size, b"".join(proof.path))
        _require(root == checkpoint.root, "the proof does not lead to the root of its checkpoint")
        return proof, checkpoint

    def _log(self) -> Iterator[str]:
        evidence = self._evidence
        leaf = leaf_hash(evidence.log_entry)
        proof, checkpoint = self._proven(evidence.entry_proof, leaf, _PARTITION)
        self._checkpoint_text = checkpoint.to_text()
        yield f"number {proof.index} of {checkpoint.size} in {checkpoint.origin}, signed by the log's keys"

    def _heads(self) -> Iterator[str]:
        evidence = self._evidence
        if evidence.head_proof is None:
            self._require_no_quorum()
            raise _Skipped("no head checkpoint: only the operator has signed the log")
        _require(self._checkpoint_text is not None, "the checkpoint under it does not hold")
        leaf = leaf_hash((self._checkpoint_text or "").encode("utf-8"))
        proof, checkpoint = self._proven(evidence.head_proof, leaf, HEADS)
        self._head_text = checkpoint.to_text()
        yield f"the checkpoint is number {proof.index} of {checkpoint.size} in {checkpoint.origin}"

    def _require_no_quorum(self) -> None:
        """A reader whose own policy asks for witnesses is not content with none."""
        if self._is_own_trust and self._trust.policy is not None:
            quorum = Policy.from_text(self._trust.policy).quorum
            _require(quorum == NO_QUORUM, f"the policy asks for {quorum}, and there is no head checkpoint")

    def _witnesses(self) -> Iterator[str]:
        if self._trust.policy is None:
            raise _Skipped("no policy is given: which witnesses count is not known")
        head_proof = self._evidence.head_proof
        if head_proof is None or self._head_text is None:
            raise _Skipped("no head checkpoint that holds")
        origin = Checkpoint.from_text(self._head_text).origin
        policy = Policy.from_text(self._trust.policy)
        note = TlogProof.from_text(head_proof).note
        seen = policy.require(note, origin, log_verifiers=self._keys().signing(note, origin))
        names = ", ".join(f"{one.name} ({time_text(one.time_s * 1000)})" for one in seen.cosignatures)
        if policy.quorum == NO_QUORUM:
            raise _Skipped(f"the policy asks for none; cosigned by: {names or 'none'}")
        yield f"the quorum is met: {names}"

    def _timestamps(self) -> Iterator[str]:
        if not self._evidence.timestamps:
            raise _Skipped("none")
        if self._head_text is None:
            raise _Skipped("no head checkpoint that holds")
        if not self._trust.tsa:
            raise _Skipped("no certificate of a time-stamping authority is given")
        anchors = [x509.load_der_x509_certificate(der) for der in self._trust.tsa]
        for name, der in sorted(self._evidence.timestamps.items()):
            at_ms = Timestamp.from_response(der).verify(self._head_text.encode("utf-8"), anchors)
            yield f"{name}: the head existed on {time_text(at_ms)}"
