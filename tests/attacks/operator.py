"""The operator as adversary: he rewrites any topic and signs again whatever his own keys sign."""

import re

from govbus.audit.expectations import Expectations
from govbus.document import topics
from govbus.document.finding import Outcome
from govbus.document.ids import Origin
from govbus.document.record import BATCH, FRAME_BYTES, PATH, ROUTE, SIGNATURE, STATEMENT
from govbus.message_log.heads import HEADS_KEY, TIMESTAMP_KEY, TIMESTAMPED_HEADER
from govbus.message_log.note import Note
from govbus.schemas.core import decode_log_entry, decode_receipt, encode_log_entry
from govbus.service.router.batch import RECEIPT_TYPE
from govbus.signing.jws import RECEIPT_TYP, sign_detached
from govbus.testing import example_keys
from govbus.testing.example_bus import BUS, COURT, TAX
from govbus.transport.base import TopicPartition

from .bus import COUNTS, DECIDED_MS, LAND, PARTITIONS, Bus, Signed

ROUTED_MS = 1_000
"""A checkpoint covers what was decided up to the second in which it was signed."""
_DECISION = re.compile(rb"decision=(\S+)/(\d+)@(\d+)")


def is_receipt(record):
    """Whether a record of an inbox is a receipt."""
    return dict(record.headers).get("ce_type") == RECEIPT_TYPE.encode()


class _Receipts:
    """Takes the receipts that must follow from entries, as the audit works them out."""

    def __init__(self):
        self.found = []

    def receipt(self, topic, key, value):
        self.found.append((topic, key, value))
        return b""

    def document(self, *_):
        return b""

    def expect(self, *_):
        pass

    repeat = see = expect


class Operator:
    """Has every topic and the keys of log and router, and nobody else's."""

    def __init__(self, bus):
        self.bus = bus
        self._texts = {}
        for record in bus.at(topics.CHECKPOINTS):
            if record.key == HEADS_KEY:
                self._texts.setdefault(Note.from_bytes(record.value).text, []).append(record)
            elif record.key == TIMESTAMP_KEY:
                text = dict(record.headers)[TIMESTAMPED_HEADER].decode()
                self._texts.setdefault(text, []).append(record)

    # What he can do to the log.

    def entry(self, number, partition=0):
        """Return an entry of the log, decoded."""
        return decode_log_entry(self.bus.entries(partition)[number].value)

    def number_of(self, agency, index, partition=0, decision=Outcome.ACCEPTED):
        """Return the number of the entry about a document of an agency's main outbox."""
        for number in range(len(self.bus.entries(partition))):
            entry = self.entry(number, partition)
            statement = entry.statement or b""
            is_about = f"origin {agency}/".encode() in statement and b"\nindex %d\n" % index in statement
            if is_about and entry.decision is decision:
                return number
        raise AssertionError(f"no entry about {agency} {index}")

    def alter(self, number, partition=0, **fields):
        """Change fields of an entry."""
        records = self.bus.entries(partition)
        value = encode_log_entry(self.entry(number, partition)._replace(**fields))
        records[number] = records[number]._replace(value=value)

    def delete(self, number, partition=0, *, with_record=True):
        """Take an entry out of the log, and its record out of the outbox."""
        source = self.entry(number, partition).source
        del self.bus.entries(partition)[number]
        self.renumber(topics.MESSAGE_LOG, partition)
        if with_record:
            outbox = self.bus.at(*source[:2])
            outbox[:] = [record for record in outbox if record.offset != source.offset]

    def swap(self, number, partition=0):
        """Swap an entry with the next one."""
        records = self.bus.entries(partition)
        first, second = records[number : number + 2]
        records[number] = second._replace(offset=first.offset)
        records[number + 1] = first._replace(offset=second.offset)

    def renumber(self, topic, partition=0):
        """Write a partition of the bus's own topics anew, without gaps but the markers'."""
        records = self.bus.at(topic, partition)
        records[:] = [record._replace(offset=2 * number) for number, record in enumerate(records)]

    def truncate(self, rounds):
        """Forget the last rounds altogether: outboxes, log, deliveries, checkpoints."""
        last_ms = sorted({signed.at_ms for signed in self.bus.signings})[-rounds - 1]
        for (topic, _), records in self.bus.records.items():
            if topic not in (topics.DIRECTORY, topics.REVOCATIONS, topics.CHECKPOINTS):
                records[:] = [record for record in records if record.timestamp_ms <= last_ms]
        self.bus.signings = [signed for signed in self.bus.signings if signed.at_ms <= last_ms]

    def go_on_from_here(self):
        """Let the router forget what is not there any more, so that senders and he go on from what is."""
        bus = self.bus
        bus.histories.clear()
        bus.sent.clear()
        for place, records in bus.records.items():
            if place.topic.startswith(topics.OUT_PREFIX):
                bus.routed[place] = len(records)
                bus.decide(place, records)
                for record in records:
                    origin = Origin.from_text(record.key.decode())
                    bus.sent[origin] = bus.sent.get(origin, 0) + 1

    def drop_tail(self, agency, rounds=1):
        """Forget what one agency sent in the last rounds, as if it had not."""
        last_ms = sorted({signed.at_ms for signed in self.bus.signings})[-rounds - 1]
        outbox = topics.outbox(agency)
        for partition in range(PARTITIONS):
            kept = []
            for number, record in enumerate(self.bus.entries(partition)):
                if self.entry(number, partition).source.topic != outbox or record.timestamp_ms <= last_ms:
                    kept.append(record)
            self.bus.entries(partition)[:] = kept
            self.renumber(topics.MESSAGE_LOG, partition)
            records = self.bus.at(outbox, partition)
            records[:] = [record for record in records if record.timestamp_ms <= last_ms]

    def forge(self, origin, *, signer, at_ms=None, decided_ms=None):
        """Add a document at the end of an outbox, and an entry that says that it was accepted, and deliver it.

        Args:
            origin: whose document it is to be.
            signer: seals it.
            at_ms: of the statement; the time of the origin's last document unless told.
            decided_ms: of the entry, likewise.
        """
        bus, outbox = self.bus, topics.outbox(origin.agency)
        index = bus.sent[origin]
        model = self.entry(self.number_of(origin.agency, index - 1))
        at_ms = at_ms or model.time_ms - DECIDED_MS
        (document,) = bus.stage.documents(origin, index, 1, at_ms=at_ms, signers=[signer])
        record = bus.append(outbox, 0, *document)
        bus.routed[TopicPartition(outbox, 0)] += 1
        headers = dict(record.headers)
        entry = model._replace(
            time_ms=decided_ms or model.time_ms,
            source=model.source._replace(offset=record.offset),
            statement=headers[STATEMENT],
            signatures=(headers[SIGNATURE],),
            batch=headers[BATCH],
            path=headers[PATH],
            document_id=headers["ce_id"].decode(),
            receipt_first=index,
        )
        bus.append(topics.MESSAGE_LOG, 0, record.key, encode_log_entry(entry))
        self.deliver(len(bus.entries()) - 1)
        return record

    def deliver(self, number):
        """Put a copy of an entry's document on the court's inbox."""
        source = self.entry(number).source
        record = next(one for one in self.bus.at(*source[:2]) if one.offset == source.offset)
        copy = next(one for one in self.bus.at(topics.inbox(COURT)) if not is_receipt(one))
        place = f"decision={source.topic}/{source.partition}@{source.offset}".encode()
        route = _DECISION.sub(lambda _: place, dict(copy.headers)[ROUTE])
        headers = (*record.headers, (ROUTE, route))
        self.bus.append(topics.inbox(COURT), None, dict(headers)["ce_id"], record.value, headers)

    # What he makes right again.

    def sign_again(self):
        """Make everything follow from the log as it is now; material of others stays where it still fits."""
        self._deliver_again()
        self.answer_again()
        self.sign_checkpoints_again()

    def sign_checkpoints_again(self):
        """Sign every checkpoint again, over what the log has from before its time."""
        bus, signings = self.bus, self.bus.signings
        bus.signings, bus.at(topics.CHECKPOINTS)[:] = [], []
        for signed in signings:
            if signed.partition is None:
                note = bus.sign_head(at_ms=signed.at_ms)
                for record in self._texts.get(Note.from_text(note).text, [])[1:]:
                    bus.append(topics.CHECKPOINTS, 0, record.key, record.value, record.headers)
            else:
                bus.sign_partition(signed.partition, self._size(signed), at_ms=signed.at_ms)

    def _size(self, signed: Signed):
        size = 0
        for number in range(len(self.bus.entries(signed.partition))):
            if self.entry(number, signed.partition).time_ms <= signed.at_ms + ROUTED_MS:
                size = number + 1
        return size

    def _deliver_again(self):
        """Take back the copies of documents that the log does not have as accepted any more."""
        sources = set()
        for partition in range(PARTITIONS):
            for number in range(len(self.bus.entries(partition))):
                entry = self.entry(number, partition)
                sources |= {(entry.source, recipient) for recipient in entry.recipients}
        inbox = topics.inbox(COURT)
        for partition in range(COUNTS[inbox]):
            kept = []
            for record in self.bus.at(inbox, partition):
                topic, number, offset = _DECISION.search(dict(record.headers)[ROUTE]).groups()
                if ((topic.decode(), int(number), int(offset)), inbox) in sources:
                    kept.append(record)
            self.bus.at(inbox, partition)[:] = kept

    def answer_again(self):
        """Issue every receipt again, over what the log has now."""
        taker = _Receipts()
        for partition in range(PARTITIONS):
            expectations = Expectations(taker, taker, {1: self.bus.stage.directory}, partition)
            for number in range(len(self.bus.entries(partition))):
                expectations.take(self.entry(number, partition), None, None)
            expectations.finish()
        for agency in (TAX, LAND):
            inbox = topics.inbox(agency)
            for partition in range(COUNTS[inbox]):
                records = self.bus.at(inbox, partition)
                records[:] = [record for record in records if not is_receipt(record)]
        for topic, key, value in sorted(taker.found, key=lambda one: decode_receipt(one[2]).time_ms):
            self.send_receipt(topic, key, value)

    def send_receipt(self, topic, key, value):
        """Sign a receipt and put it on an inbox."""
        at_ms = decode_receipt(value).time_ms
        signature = sign_detached(
            example_keys.signer(BUS.text), value[FRAME_BYTES:], typ=RECEIPT_TYP, at_ms=at_ms
        )
        headers = [("ce_type", RECEIPT_TYPE.encode()), (SIGNATURE, signature)]
        self.bus.append(topic, None, key, value, headers)


def checks(report):
    """Return the names of the checks that found something."""
    return {one.check.value for one in report.findings}


def places(report, check):
    """Return topic and offset of the findings of one check."""
    return [(one.topic, one.offset) for one in report.findings if one.check == check]


def receipts_of(bus: Bus, agency):
    """Return every receipt on an agency's inbox: what the agency has read."""
    inbox = topics.inbox(agency)
    return [
        record
        for partition in range(COUNTS[inbox])
        for record in bus.at(inbox, partition)
        if is_receipt(record)
    ]
