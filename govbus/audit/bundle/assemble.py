"""Putting an evidence bundle together from what an auditor has read, wherever he read it."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from govbus.adapters.outgoing import header_lines
from govbus.audit.bundle.contents import DirectoryPart, Evidence, SignaturePart, TrustPart, path_of
from govbus.document.decision import LogEntry
from govbus.document.record import SIGNATURE, Envelope, Record, unframe
from govbus.document.statement import Statement
from govbus.errors import MissingPartError, RuleError, UntrustedKeyError
from govbus.routing.trust.reading import read_material
from govbus.schemas.canonical import canonical_json
from govbus.signing.certificates import Certificate
from govbus.signing.jws import DetachedSignature


@dataclass(frozen=True, slots=True)
class DocumentParts:
    """What was sent besides the statement and its signatures, which the log entry has."""

    headers: bytes
    """The signed header lines as the statement covers them."""
    value: bytes | None
    """Avro octets without the frame; None where they were erased."""
    salt: bytes | None

    @classmethod
    def of_record(cls, record: Record) -> DocumentParts:
        """Return the parts of an outbox record.

        Raises:
            MetadataError: if its headers or frame cannot be read.
        """
        envelope = Envelope.from_headers(record.headers)
        return cls(header_lines(envelope.signed), unframe(record.value)[1], envelope.salt)


@dataclass(frozen=True, slots=True)
class LoggedEntry:
    """An entry of the message log as it stands there, with its proofs."""

    entry: LogEntry
    value: bytes
    """As stored, frame included."""
    proof: str
    head_proof: str | None = None
    timestamps: Mapping[str, bytes] = field(default_factory=dict)


class DirectoryRecords:
    """The records of the directory's topic, as far as bundles need them; what they say is verified by whoever reads."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        """Take records in."""
        self._values: dict[str, bytes] = {}
        self._signatures: dict[str, bytes] = {}
        for record in records:
            self.take(record)

    def take(self, record: Record) -> None:
        """Take one record in; a key that comes again is the same, because keys name their content."""
        key = (record.key or b"").decode("utf-8", "replace")
        self._values[key] = record.value or b""
        for name, value in record.headers:
            if name == SIGNATURE:
                self._signatures[key] = value

    def manifest(self, version: int) -> tuple[bytes, bytes]:
        """Return a manifest and its signature.

        Raises:
            MissingPartError: if it was not read.
        """
        key = f"version/{version}"
        if key not in self._values or key not in self._signatures:
            raise MissingPartError(f"version {version} of the directory was not found")
        return self._values[key], self._signatures[key]

    def entry(self, manifest: bytes, kind: str, identifier: str) -> bytes | None:
        """Return the octets of an entry that a manifest lists, or None where it lists none of that id."""
        for key in json.loads(manifest)["entries"]:
            if key.startswith(f"{kind}/{identifier}/"):
                return self._values.get(key)
        return None


def assemble(
    logged: LoggedEntry,
    parts: DocumentParts,
    directory: DirectoryRecords,
    *,
    bus: str,
    trust: TrustPart,
    revocations: Iterable[bytes] = (),
) -> Evidence:
    """Return the evidence about the document of a log entry.

    Raises:
        MissingPartError: if the entry has no statement, or the directory that it names was not read.
        MetadataError: if the statement cannot be read.
    """
    entry = logged.entry
    if entry.statement is None:
        raise MissingPartError("the record carried no statement, so there is nothing that anybody signed")
    statement = Statement.from_bytes(entry.statement)
    manifest, jws = directory.manifest(entry.directory_version)
    entries = _entries(directory, manifest, bus, statement, entry)
    signatures = tuple(_signature(octets, entries) for octets in entry.signatures)
    return Evidence(
        bus=bus,
        document_id=entry.document_id or "",
        statement=entry.statement,
        headers=parts.headers,
        schema=_schema(directory, manifest, statement),
        signatures=signatures,
        directory=DirectoryPart(manifest, jws, entries),
        log_entry=logged.value,
        entry_proof=logged.proof,
        trust=trust,
        value=parts.value,
        salt=parts.salt if parts.value is not None else None,
        batch=entry.batch,
        path=entry.path,
        head_proof=logged.head_proof,
        timestamps=logged.timestamps,
        revocations=_relevant(revocations, signatures),
    )


def _relevant(revocations: Iterable[bytes], signatures: Iterable[SignaturePart]) -> tuple[bytes, ...]:
    """Return of what authorities said the newest word of each about a certificate that the evidence rests on."""
    links = [link for part in signatures for link in itertools.pairwise(path_of(part))]
    newest: dict[tuple[str, str, str], bytes] = {}
    for der in revocations:
        try:
            material = read_material(der)
        except UntrustedKeyError:
            continue  # whoever wrote it to the topic was no authority; every decider leaves it out
        for subject, issuer in links:
            if material.is_about(issuer) and material.status_of(subject, issuer) is not None:
                newest[material.content_type, subject.thumbprint, issuer.thumbprint] = der
    return tuple(dict.fromkeys(newest.values()))


def _entries(
    directory: DirectoryRecords, manifest: bytes, bus: str, statement: Statement, entry: LogEntry
) -> dict[str, bytes]:
    """Return the entries of agency, bus, agreement and package, as far as the version has them."""
    found = {
        "agency": directory.entry(manifest, "agency", statement.origin.agency.text),
        "bus": directory.entry(manifest, "bus", bus),
    }
    if entry.agreement is not None:
        found["agreement"] = directory.entry(manifest, "agreement", entry.agreement)
    agreement = found.get("agreement")
    if agreement is not None:
        found["package"] = directory.entry(manifest, "package", json.loads(agreement)["package"])
    if found["agency"] is None or found["bus"] is None:
        raise MissingPartError("the directory of that time does not know the agency or the bus")
    return {kind: octets for kind, octets in found.items() if octets is not None}


def _schema(directory: DirectoryRecords, manifest: bytes, statement: Statement) -> bytes:
    """Return the RFC 8785 JSON of the schema that the statement names."""
    for key in json.loads(manifest)["entries"]:
        if not key.startswith("package/"):
            continue
        package: dict[str, Any] = json.loads(directory.entry(manifest, "package", key.split("/")[1]) or b"{}")
        for one in package.get("schemas", ()):
            octets = canonical_json(one["definition"])
            if _sha256_hex(octets) == statement.schema:
                return octets
    raise MissingPartError("the directory of that time does not have the schema that the statement names")


def _sha256_hex(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()


def _signature(jws: bytes, entries: Mapping[str, bytes]) -> SignaturePart:
    """Return a signature with the certificates that lead to an anchor of the bus."""
    thumbprint = DetachedSignature.from_bytes(jws).thumbprint
    anchors = [Certificate.from_pem(pem) for pem in json.loads(entries["bus"])["anchors"]]
    for one in json.loads(entries["agency"]).get("certificates", ()):
        certificate = Certificate.from_pem(one["pem"])
        if certificate.thumbprint != thumbprint:
            continue
        between = [Certificate.from_pem(pem) for pem in one.get("chain", ())]
        chain = _chain(certificate, between, anchors)
        return SignaturePart(jws, certificate.der, chain[-1].der, tuple(link.der for link in chain[:-1]))
    raise MissingPartError(f"the directory of that time does not have certificate {thumbprint}")


def _chain(
    certificate: Certificate, between: list[Certificate], anchors: list[Certificate]
) -> list[Certificate]:
    """Return the issuers of a certificate up to an anchor."""
    chain: list[Certificate] = []
    current = certificate
    while True:
        anchor = next((one for one in anchors if _is_issued(current, one)), None)
        if anchor is not None:
            return [*chain, anchor]
        issuer = next((one for one in between if one not in chain and _is_issued(current, one)), None)
        if issuer is None:
            raise MissingPartError(f"no chain leads from certificate {certificate.thumbprint} to an anchor")
        chain.append(issuer)
        current = issuer


def _is_issued(certificate: Certificate, issuer: Certificate) -> bool:
    try:
        certificate.verify_issued_by(issuer)
    except RuleError:
        return False
    return True
