"""A small log of two origins, of which a test changes one thing, as evidence is read."""

import dataclasses
from itertools import islice, pairwise

import pytest

from govbus.audit.checkpoints import Checkpoints
from govbus.audit.evidence.joining import Joining
from govbus.audit.evidence.material import Material, Selection
from govbus.audit.evidence.pool import Work, check_units
from govbus.audit.report import AuditReport
from govbus.document.decision import LogEntry
from govbus.message_log.keys import LogKeys
from govbus.schemas.core import encode_log_entry
from govbus.testing.example_archive import BUS, decided, senders
from govbus.testing.example_log import MadeDocument, header_lines


@dataclasses.dataclass(frozen=True)
class ListUnit:
    """Materials of one log partition in a list."""

    partition: int
    start: int
    materials: tuple

    @property
    def name(self):
        return f"list from {self.start}"

    @property
    def entries(self):
        return len(self.materials)

    @property
    def ranges(self):
        return ((self.partition, self.start, self.start + len(self.materials)),)

    def stretches(self):
        from govbus.audit.evidence.material import Stretch

        for at in range(0, len(self.materials), 7):
            yield Stretch(self.partition, self.start + at, self.materials[at : at + 7])


@dataclasses.dataclass
class Kept:
    """One entry with its document."""

    entry: LogEntry
    made: MadeDocument
    lines: bytes
    octets: bytes | None = None
    whole: object = None

    def change(self, **fields):
        """Change fields of the entry."""
        self.entry = self.entry._replace(**fields)

    def material(self):
        octets = self.octets if self.octets is not None else encode_log_entry(self.entry)
        return Material(octets, self.lines, self.made.salt, self.made.value, self.whole, None)


class Log:
    """Entries of one partition."""

    def __init__(self, who, count, batch, first_offset=8170):
        """Make entries; the offsets from `first_offset` on get a third octet on the way."""
        makers = [dataclasses.replace(maker, next=0) for maker in who.makers[:2]]
        pairs = islice(decided(makers, batch), count)
        self.kept = [Kept(entry, made, header_lines(made.signed)) for entry, made in pairs]
        for one in self.kept:
            one.change(source=one.entry.source._replace(offset=first_offset + one.entry.source.offset))
        self.table = who.table
        self.keys = LogKeys.generate()

    def __getitem__(self, number):
        return self.kept[number]

    def revoke(self, revoked_ms):
        """Revoke every certificate in the directory."""
        policy, bindings = self.table.versions[1]
        revoked = tuple(binding._replace(revoked_ms=revoked_ms) for binding in bindings)
        self.table = dataclasses.replace(self.table, versions={1: (policy, revoked)})

    def unit(self, start=0, stop=None):
        return ListUnit(0, start, tuple(one.material() for one in self.kept[start:stop]))

    def results(self, *, cuts=(), selection=None):
        """Check the log in parts that begin at the cuts."""
        edges = [0, *cuts, len(self.kept)]
        units = [self.unit(start, stop) for start, stop in pairwise(edges)]
        work = Work(self.table, {}, selection or Selection())
        return list(check_units(units, work, processes=1))

    def audit(self, *, cuts=(), selection=None, checkpoints=()):
        """Return the report of an audit; `checkpoints` are notes that the auditor brings."""
        report = AuditReport()
        stated = Checkpoints(BUS, self.keys.public, report)
        stated.take_known(checkpoints)
        joining = Joining(report, selection or Selection(), {})
        for result in self.results(cuts=cuts, selection=selection):
            joining.take(result)
        joining.finish(stated, [0])
        self.joining = joining
        return report

    def findings(self, **options):
        """Return check, entry number and index of every finding but that no checkpoint was brought."""
        return [
            (one.check, one.entry, one.index)
            for one in self.audit(**options).findings
            if not (one.check == "tree" and one.found.startswith("none"))
        ]


@pytest.fixture(scope="session")
def who():
    """Senders of documents."""
    return senders()


@pytest.fixture(params=[16, 1], ids=["batches", "single"])
def log(request, who):
    """80 documents of two origins that take turns, in batches of 16 or each signed alone."""
    return Log(who, 80, request.param)


@pytest.fixture
def batches(who):
    """80 documents of two origins that take turns, in batches of 16."""
    return Log(who, 80, 16)
