"""Orders to erase: the fact in the message log that a document's content was taken away, and by whose order.

Content is value and salt. What stays, statement, signatures and log, still verifies, and says nothing that the value
could be recomputed from (``docs/specs/erasure.md``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from govbus.document import topics
from govbus.document.decision import LogEntry, SourcePosition
from govbus.document.encoding import base64url, from_base64url, time_ms_from_text, time_text
from govbus.document.finding import Outcome
from govbus.document.ids import AgencyId
from govbus.document.statement import statement_hash
from govbus.errors import MetadataError, SignatureError, UntrustedKeyError
from govbus.signing.certificates import CertificateRole, TrustedCertificate
from govbus.signing.jws import DetachedSignature, sign_detached
from govbus.signing.signer import Signer

ERASURE_TYP: Final = "govbus-erasure"
AUTHORITY_CHARACTERS_MAX: Final = 300
NO_DOCUMENT_ID: Final = "-"
_GRAMMAR: Final = re.compile(
    r"govbus/erasure/v1\n"
    r"bus ([a-z0-9.-]{1,100})\n"
    r"document ([\x21-\x7e]{1,200})\n"
    r"(statement|record) ([A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])\n"
    r"source (govbus\.out\.[a-z0-9.-]{1,100})/(0|[1-9][0-9]{0,8})@(0|[1-9][0-9]{0,18})\n"
    r"time ([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z)\n"
    rf"authority ([^\x00-\x20\x7f-\x9f][^\x00-\x1f\x7f-\x9f]{{0,{AUTHORITY_CHARACTERS_MAX - 1}}})\n"
)


class ErasureOrder(NamedTuple):
    """What is to be erased, and by which order or law."""

    bus: str
    document_id: str
    """``-`` where the record's headers could not be read."""
    names: str
    """What the digest is of: ``statement``, or ``record`` where the record carried none."""
    digest: bytes
    """Statement hash, or the entry's record hash."""
    source: SourcePosition
    """Where the document stands in the outbox."""
    time_ms: int
    authority: str
    """One line, such as a court's order with its date; no personal data, because it stays for good."""

    def to_bytes(self) -> bytes:
        """Return the text that is signed.

        Raises:
            MetadataError: if a field does not fit into a line.
        """
        octets = (
            f"govbus/erasure/v1\nbus {self.bus}\ndocument {self.document_id}\n"
            f"{self.names} {base64url(self.digest)}\nsource {self.source}\ntime {time_text(self.time_ms)}\n"
            f"authority {self.authority}\n"
        ).encode()
        if ErasureOrder.from_bytes(octets) != self:
            raise _malformed("a field does not fit into its line")
        return octets

    @classmethod
    def from_bytes(cls, octets: bytes) -> ErasureOrder:
        """Parse an order.

        Raises:
            MetadataError: if the octets break the grammar.
        """
        try:
            match = _GRAMMAR.fullmatch(octets.decode("utf-8"))
        except UnicodeDecodeError as err:
            raise _malformed("expected UTF-8") from err
        if match is None:
            raise _malformed("the lines do not follow the grammar of docs/specs/erasure.md")
        bus, document_id, names, digest, topic, partition, offset, time, authority = match.groups()
        return cls(
            bus,
            document_id,
            names,
            from_base64url(digest),
            SourcePosition(topic, int(partition), int(offset)),
            time_ms_from_text(time),
            authority,
        )


def order_for(entry: LogEntry, bus: AgencyId, *, time_ms: int, authority: str) -> ErasureOrder:
    """Return the order to erase the document of a log entry.

    Raises:
        MetadataError: if the entry names no bytes at all.
    """
    digest = statement_hash(entry.statement) if entry.statement is not None else entry.record_hash
    if digest is None:
        raise _malformed("the entry names no record")
    names = "statement" if entry.statement is not None else "record"
    return ErasureOrder(
        bus.text, entry.document_id or NO_DOCUMENT_ID, names, digest, entry.source, time_ms, authority
    )


class Trust(Protocol):
    """Where an order's certificates are looked up: the directory of the time of the entry."""

    def certificate(self, thumbprint: str) -> TrustedCertificate | None:
        """Return the trusted certificate with this ``x5t#S256``, or None."""
        ...


def erasure_entry(
    order: ErasureOrder,
    original: LogEntry,
    signers: Sequence[Signer],
    *,
    directory_version: int,
    revocations: int,
) -> LogEntry:
    """Return the log entry of an erasure.

    Args:
        order: what is erased.
        original: the entry about the document.
        signers: of the bus, or of the document's agency; at least one.
        directory_version: that their certificates are in.
        revocations: records of ``govbus.revocations`` that were known.

    Raises:
        MetadataError: if a field of the order does not fit.
    """
    text = order.to_bytes()
    return LogEntry(
        decision=Outcome.ERASED,
        time_ms=order.time_ms,
        source=original.source,
        document_id=original.document_id,
        statement=original.statement,
        signatures=tuple(
            sign_detached(signer, text, typ=ERASURE_TYP, at_ms=order.time_ms) for signer in signers
        ),
        batch=None,
        path=b"",
        record_hash=original.record_hash,
        directory_version=directory_version,
        findings=(),
        recipients=original.recipients,
        receipt_first=None,
        agreement=original.agreement,
        revocations=revocations,
        erasure=text,
    )


def verify_erasure(entry: LogEntry, trust: Trust, bus: AgencyId) -> ErasureOrder:
    """Check that an entry of an erasure is what it says, and that somebody who may ordered it.

    Steps: (1) the order follows its grammar, (2) it is about this entry's document, on this bus, at the entry's time,
    (3) every signature holds and is by a certificate of the bus or of the document's agency that was valid when it was
    ordered, (4) one of them is a seal: a person alone does not speak for an agency.

    Raises:
        MetadataError: if the order or the statement breaks its grammar, or they are not about the same.
        SignatureError: if there is no signature, or one does not hold.
        UntrustedKeyError: if a certificate is unknown, somebody else's, or was not valid then.
    """
    # Step 1.
    order = ErasureOrder.from_bytes(entry.erasure or b"")
    # Step 2.
    agency = topics.agency_of_outbox(entry.source.topic)
    if order != order_for(entry, bus, time_ms=order.time_ms, authority=order.authority):
        raise _malformed("the order is about another document than the entry")
    if entry.decision is not Outcome.ERASED or entry.time_ms != order.time_ms:
        raise _malformed("the order is of another time than the entry")
    # Step 3.
    if not entry.signatures:
        raise SignatureError("an order to erase without a signature", rule="SEC-3", field="erasure")
    seals = 0
    for octets in entry.signatures:
        signature = DetachedSignature.from_bytes(octets)
        if signature.typ != ERASURE_TYP:
            raise SignatureError(f"typ must be {ERASURE_TYP}", rule="SEC-3", field="erasure")
        trusted = trust.certificate(signature.thumbprint)
        if trusted is None or trusted.agency not in {bus, agency}:
            raise UntrustedKeyError(
                f"only {bus} and {agency} may order it, certificate {signature.thumbprint} is neither's",
                rule="SEC-6",
                field="erasure",
            )
        trusted.require_valid_at(order.time_ms)
        signature.verify(trusted.certificate, entry.erasure or b"")
        seals += trusted.role is CertificateRole.SEAL
    # Step 4.
    if not seals:
        raise UntrustedKeyError("an officer alone may not order it", rule="SEC-6", field="erasure")
    return order


def _malformed(detail: str) -> MetadataError:
    return MetadataError(f"erasure: {detail}", rule="SEC-3", field="erasure")
