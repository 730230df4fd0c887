"""The long way through the checks of one entry: step by step, naming what is wrong and where."""

from __future__ import annotations

import hashlib
from typing import Final

from govbus.audit.archive.documents import record_of, unpack_document
from govbus.audit.archive.values import unpack_value
from govbus.audit.evidence.batches import WHOLE_DOCUMENTS_MAX, OpenBatch
from govbus.audit.evidence.entry_reader import EntryFields, NotCommonError, read_batch, read_entry
from govbus.audit.evidence.known import Known, OriginState, known_of
from govbus.audit.evidence.material import Material, Selection, Trust, TrustAt
from govbus.audit.evidence.result import PartitionPart, SourceEdges, Try, UnitResult
from govbus.audit.evidence.sequence import OriginSequence
from govbus.audit.evidence.signatures import SignatureCheck, Span, UnknownDirectoryError
from govbus.audit.report import AuditFinding, Check
from govbus.document import topics
from govbus.document.decision import LogEntry, SourcePosition
from govbus.document.encoding import base64url
from govbus.document.finding import Outcome
from govbus.document.record import SALT_BYTES, Record, unframe
from govbus.document.statement import Statement, statement_hash, value_hash
from govbus.errors import LogIntegrityError, MetadataError, RuleError, UntrustedKeyError
from govbus.message_log.erasure import verify_erasure
from govbus.routing.decide import record_hash
from govbus.schemas.core import decode_log_entry
from govbus.signing.batch import BatchText
from govbus.signing.jws import DetachedSignature
from govbus.signing.signature_policy import ProvenSignature

_BATCH_FIELDS: Final = frozenset({"gb-batch", "gb-path"})
ABSENT_MAX: Final = 100_000
"""Values that are gone, kept to be explained one by one."""


class LongWay:
    """Checks entries of one log partition one by one."""

    def __init__(self, part: PartitionPart, trust: Trust, result: UnitResult, selection: Selection) -> None:
        """Take what the engine has."""
        self.origins: dict[bytes, OriginState] = {}
        self.signatures = SignatureCheck(trust)
        self._trust = trust
        self._part = part
        self._result = result
        self._selection = selection
        self._agencies: dict[str, str] = {}
        self._failed = False
        self._number = 0
        self._offset: int | None = None
        self._fields: EntryFields | None = None

    def take(self, number: int, material: Material) -> None:
        """Check one entry."""
        self._number, self._offset, self._failed = number, material.offset, False
        self._fields = None
        counts = self._result.counts
        counts["long_way"] += 1
        # Step 2: the entry reads.
        try:
            fields = self._fields = read_entry(material.entry)
        except RuleError as err:
            self._find(Check.ENTRY, "a log entry", f"something else: {err.message}")
            return
        self._result.outcomes[fields.decision.value] += 1
        if not self._is_selected(fields):
            counts["hashed"] += 1
            return
        counts["entries"] += 1
        if fields.decision is Outcome.ERASED:
            self._check_erasure(material)
            return
        # Step 3: records of one outbox partition come in their order.
        source = self._check_source(fields)
        # Step 4: the statement.
        statement = self._statement(fields)
        if fields.record_hash is not None or statement is None:
            self._check_record(fields, material)
            if statement is not None:
                self._take_index(fields, statement, None)
            return
        # Steps 5 to 8.
        self._check_document(fields, statement, material, source)

    def finish(self) -> None:
        """Check the batches that wait for more, and give the edges of every origin to the part."""
        for origin, state in self.origins.items():
            self.close_batch(state)
            self._part.origins[origin.decode("ascii")] = state.sequence.runs

    def close_batch(self, state: OriginState) -> None:
        """Check a batch: once it is whole, or where another begins before."""
        batch, state.batch = state.batch, None
        if batch is not None and not batch.close():
            for index, entry in batch.astray():
                self._find_astray(batch.batch.origin, index, entry)
                self._result.counts["verified"] -= 1

    def next_batch(self, state: OriginState, entry: bytes, start: int, end: int) -> Known | None:
        """Begin the next batch of an origin, of whose entry nothing else is other than before.

        Args:
            state: of the origin, whose batch before is whole.
            entry: about the first statement of the batch.
            start: where its statement ends.
            end: where its path begins.

        Returns:
            What the entries of the batch look like; None where anything is not as before or does not hold.
        """
        known = state.known
        if known is None or known.batch_thumbprint is None or state.batch is not None:
            return None
        try:
            signature, text, path_bytes = read_batch(entry, start, end)
            batch = self.signatures.batch(text)
        except (NotCommonError, MetadataError):
            return None
        edges = known.edges
        if (
            path_bytes != known.varying_bytes
            or batch.start != edges.next
            or edges.batch_end != edges.next
            or batch.end - batch.start > WHOLE_DOCUMENTS_MAX
            or known.origin != b"govbus/statement/v1\norigin %b\n" % batch.origin.encode("ascii")
            or not self.signatures.holds_over_batch(signature, text, known.batch_thumbprint)
        ):
            return None
        state.batch = OpenBatch(text, batch)
        edges.batch_text, edges.batch_end = text, batch.end
        middle = entry[start - 1 : end]
        known.middle, known.middle_bytes, known.course = middle, len(middle), None
        return known

    def _is_selected(self, fields: EntryFields) -> bool:
        selection = self._selection
        if not selection.has_time(fields.time_ms):
            return False
        return not selection.agencies or self._agency(fields.topic) in selection.agencies

    def _agency(self, topic: str) -> str:
        agency = self._agencies.get(topic)
        if agency is None:
            try:
                agency = topics.agency_of_outbox(topic).text
            except MetadataError:
                agency = ""
            self._agencies[topic] = agency
        return agency

    def _check_erasure(self, material: Material) -> None:
        """Check that somebody who may ordered that content was erased; the entry is about no new record."""
        entry = decode_log_entry(material.entry)
        try:
            trusted = self.signatures.trusted((entry.directory_version, entry.revocations))
            order = verify_erasure(
                entry, trusted, self._trust.bus or topics.agency_of_outbox(entry.source.topic)
            )
            trusted.require_unrevoked(_proven(entry, trusted), time_ms=order.time_ms)
        except RuleError as err:
            self._find(Check.ERASURE, "an order by the bus or the document's agency", err.message)
            return
        self._result.counts["erasures"] += 1
        if entry.statement is not None:
            self._result.erased.add((str(entry.source), statement_hash(entry.statement)))

    def _check_source(self, fields: EntryFields) -> SourceEdges:
        place = fields.topic, fields.partition
        source = self._part.sources.get(place)
        if source is None:
            source = self._part.sources[place] = SourceEdges(fields.offset, self._number, fields.offset)
        elif fields.offset <= source.last:
            self._find(
                Check.DECIDED,
                f"a record of the outbox after offset {source.last}, about which the entry before is",
                f"one at offset {fields.offset}: a second entry, or one out of order",
            )
        else:
            source.last = fields.offset
        return source

    def _statement(self, fields: EntryFields) -> Statement | None:
        if fields.statement is None:
            if fields.record_hash is None:
                self._find(Check.STATEMENT, "a statement, or the hash of the record", "neither")
            return None
        try:
            statement = Statement.from_bytes(fields.statement)
        except MetadataError as err:
            self._find(Check.STATEMENT, "the grammar of a statement", err.message)
            return None
        if statement.topic != fields.topic:
            self._find(Check.STATEMENT, f"a statement for topic {fields.topic}", f"one for {statement.topic}")
        return statement

    def _check_record(self, fields: EntryFields, material: Material) -> None:
        """Compare a record that no signature speaks for with the hash that the entry has."""
        counts = self._result.counts
        counts["records"] += 1
        record = self._whole(material)
        if record is None:
            counts["records_not_kept"] += 1
        elif fields.record_hash is not None and record_hash(record) != fields.record_hash:
            self._find(
                Check.RECORD,
                f"the record with hash {fields.record_hash.hex()}",
                f"one with hash {record_hash(record).hex()}",
            )

    def _whole(self, material: Material) -> Record | None:
        if material.whole is None or isinstance(material.whole, Record):
            return material.whole
        document, value = material.whole
        try:
            return record_of(decode_log_entry(material.entry), unpack_document(document), unpack_value(value))
        except LogIntegrityError as err:
            self._find(Check.ARCHIVE, "the record that the entry is about", err.message)
            return None

    def _check_document(
        self, fields: EntryFields, statement: Statement, material: Material, source: SourceEdges
    ) -> None:
        selected = self._selection.agreements
        if selected is not None and fields.agreement not in selected:
            self._result.counts["order_only"] += 1
            # What is not selected still says which documents its batch covers.
            self._take_index(fields, statement, self._batch(fields))
            return
        self._result.counts["documents"] += 1
        # Step 5: headers and value.
        self._check_content(statement, material)
        # Step 6: signatures.
        span = self._check_signatures(fields, statement)
        # Steps 7 and 8: place in the batch, number of the origin.
        batch = self._batch(fields) if span is not None else None
        state = self._take_index(fields, statement, batch, is_trusted=span is not None)
        if batch is not None and state is not None:
            self._take_leaf(fields, statement, batch, state)
        if not self._failed:
            self._result.counts["verified"] += 1
        if state is not None:
            is_like = not self._failed and statement.index + 1 == state.sequence.edges.next
            state.known = (
                known_of(
                    fields,
                    statement,
                    material,
                    span=span,
                    source=source,
                    edges=state.sequence.edges,
                    signatures=self.signatures,
                )
                if is_like and span is not None
                else None
            )

    def _check_content(self, statement: Statement, material: Material) -> None:
        if material.lines is None:
            self._result.counts["documents_not_kept"] += 1
            return
        found = base64url(hashlib.sha256(material.lines).digest())
        if found != statement.headers:
            self._find(Check.HEADERS, f"headers with hash {statement.headers}", f"headers with hash {found}")
        if material.value is None or material.salt is None:
            self._result.counts["values_absent"] += 1
            if len(self._result.absent) < ABSENT_MAX:
                source = str(read_entry(material.entry).source)
                place = (statement.origin.text, statement.index, self._part.partition, self._number)
                self._result.absent.append((*place, source, statement_hash(statement.to_bytes())))
            return
        try:
            _, avro = unframe(material.value)
        except MetadataError as err:
            self._find(Check.VALUE, "a framed value", err.message)
            return
        if len(avro) != statement.length or len(material.salt) != SALT_BYTES:
            self._find(
                Check.VALUE,
                f"{statement.length} bytes and a salt of {SALT_BYTES}",
                f"{len(avro)} bytes and a salt of {len(material.salt)}",
            )
            return
        hashed = value_hash(material.salt, avro)
        if hashed != statement.value:
            self._find(Check.VALUE, f"a value with hash {statement.value}", f"one with hash {hashed}")

    def _check_signatures(self, fields: EntryFields, statement: Statement) -> Span | None:
        version = fields.directory_version, fields.revocations
        try:
            return self.signatures.check(
                fields.signatures,
                fields.statement or b"",
                fields.batch,
                fields.path,
                statement,
                version=version,
            )
        except UntrustedKeyError as err:
            self._find(Check.CERTIFICATE, "a certificate that was good then", err.message)
        except UnknownDirectoryError as err:
            self._find(
                Check.DIRECTORY,
                "a directory version that the governing authority signed, and known material",
                err.message,
            )
        except RuleError as err:
            check = Check.BATCH if err.field in _BATCH_FIELDS else Check.SIGNATURE
            self._find(
                check, "a signature by the agency over the statement, or over a batch with it", err.message
            )
        return None

    def _batch(self, fields: EntryFields) -> tuple[bytes, BatchText] | None:
        if fields.batch is None:
            return None
        try:
            return fields.batch, self.signatures.batch(fields.batch)
        except MetadataError:
            return None

    def _take_index(
        self,
        fields: EntryFields,
        statement: Statement,
        batch: tuple[bytes, BatchText] | None,
        *,
        is_trusted: bool = True,
    ) -> OriginState | None:
        """Step 8; None where the document used up no index.

        Args:
            fields: of the entry.
            statement: its statement.
            batch: that it stands in.
            is_trusted: whether the signatures hold where the entry says so; what does not hold says nothing of batches.
        """
        is_proven = fields.record_hash is None
        if fields.receipt_first is None or fields.decision is Outcome.DUPLICATE:
            if is_proven:
                self._find(Check.SEQUENCE, "an index that is used up by a proven document", "none")
            return None
        key = statement.origin.text.encode("ascii")
        state = self.origins.get(key)
        if state is None:
            state = self.origins[key] = OriginState(OriginSequence(statement.index, self._number))
        if not is_proven:
            state.known = None
        decided = Try(
            statement.index,
            statement_hash(fields.statement or b""),
            fields.decision is Outcome.ACCEPTED,
            is_proven and is_trusted,
            self._number,
        )
        state.sequence.take(decided, batch, self._find_at)
        return state

    def _take_leaf(
        self, fields: EntryFields, statement: Statement, batch: tuple[bytes, BatchText], state: OriginState
    ) -> None:
        """Step 7 is done for this document; where a batch begins, the ones to come may wait until it is whole."""
        waiting, index = state.batch, statement.index
        if waiting is not None and waiting.text != batch[0]:
            self.close_batch(state)
            waiting = None
        size = batch[1].end - batch[1].start
        if waiting is None and index == batch[1].start and size <= WHOLE_DOCUMENTS_MAX:
            waiting = state.batch = OpenBatch(*batch)
        if waiting is not None and waiting.next == index:
            waiting.add(statement_hash(fields.statement or b""), fields.path, self._number)
            if waiting.next == batch[1].end:
                self.close_batch(state)

    def _find_astray(self, origin: str, index: int, entry: int) -> None:
        self._result.found.add(
            AuditFinding(
                Check.BATCH,
                topics.MESSAGE_LOG,
                self._part.partition,
                None,
                "a path to the root of the batch",
                "one that does not lead there",
                origin=origin,
                index=index,
                entry=entry,
            )
        )

    def _find(self, check: Check, expected: str, found: str) -> None:
        fields = self._fields
        origin = index = None
        if fields is not None and fields.statement is not None:
            try:
                statement = Statement.from_bytes(fields.statement)
                origin, index = statement.origin.text, statement.index
            except MetadataError:
                pass
        self._failed = True
        source = SourcePosition(fields.topic, fields.partition, fields.offset) if fields is not None else None
        self._result.found.add(
            AuditFinding(
                check,
                topics.MESSAGE_LOG,
                self._part.partition,
                self._offset,
                expected,
                found,
                origin=origin,
                index=index,
                source=source,
                entry=self._number,
            )
        )

    def _find_at(self, check: Check, expected: str, found: str, index: int, entry: int) -> None:  # noqa: ARG002
        self._find(check, expected, found)


def _proven(entry: LogEntry, trusted: TrustAt) -> list[ProvenSignature]:
    """Return the signatures of an order, which hold."""
    named = [trusted.certificate(DetachedSignature.from_bytes(one).thumbprint) for one in entry.signatures]
    return [ProvenSignature(one, is_over_batch=False) for one in named if one is not None]
