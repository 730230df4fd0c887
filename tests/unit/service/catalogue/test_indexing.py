"""Documents in the index: only accepted ones, only what was decided about, never a body, each once."""

import json

from govbus.document import topics
from govbus.document.finding import Outcome
from govbus.service.catalogue.database import CatalogueDatabase
from govbus.service.catalogue.items import Kind
from govbus.service.catalogue.query import Query
from govbus.transport.base import TopicPartition

LOG = TopicPartition(topics.MESSAGE_LOG, 0)


def _documents(database, words=""):
    return database.search(Query(words, kinds=(Kind.DOCUMENT,)))


def test_accepted_documents_are_found_by_their_metadata(bus, database):
    """An accepted document is found by a word of its title; its detail names origin, index and place in the log."""
    decisions = bus.send({"record": {"title": "Zebra assessment"}}, {"headers": {"ce_subject": "s-17"}})
    done = bus.index(database)

    assert [Outcome.ACCEPTED] * 2 == [one.outcome for one in decisions]
    assert (2, 2, 0) == done
    (found,) = _documents(database, "zebra").items
    assert "Zebra assessment" == found.title
    assert "confidential" == found.classification
    assert ("tax.example/main", 0, "govbus.log/0@0", "govbus.out.tax.example/0@0") == tuple(
        found.detail[name] for name in ("origin", "index", "log", "outbox")
    )
    assert "Zebra assessment" == found.detail["record"]["title"]
    assert "1.0" == found.detail["headers"]["ce_specversion"]


def test_refused_documents_are_not_in_the_index(bus, database):
    """A document that was refused cannot be found."""
    (decision,) = bus.send({"record": {"sc": {"c": "HIGH", "i": "HIGH", "a": "HIGH"}}})

    assert Outcome.REFUSED is decision.outcome
    assert (1, 0, 0) == bus.index(database)
    assert 0 == _documents(database).matches


def test_the_body_is_never_kept(bus, database):
    """No value of the payload stands anywhere in the index, and no word of it finds anything."""
    bus.send({"body": {"case_id": "SECRETCASE", "amount": "9876543.21", "reason": "veryprivate"}})
    bus.index(database)

    dump = "\n".join(database._connection.iterdump())
    assert 1 == _documents(database).matches
    assert not [word for word in ("SECRETCASE", "9876543.21", "veryprivate") if word in dump]
    assert 0 == _documents(database, "veryprivate").matches


def test_indexing_goes_on_where_it_was(bus, directory, tmp_path):
    """A second run reads only what has come since, also in another process; nothing is there twice."""
    file = tmp_path / "index.sqlite"
    first = CatalogueDatabase(file)
    bus.send({})
    assert (1, 1, 0) == bus.index(first)
    first.close()

    second = CatalogueDatabase(file)
    bus.send({}, {})
    assert (2, 2, 0) == bus.index(second)
    assert (0, 0, 0) == bus.index(second)
    assert 3 == _documents(second).matches
    assert 3 == second.next_offset(LOG)
    second.close()


def test_a_record_that_is_not_what_was_decided_is_left_out(bus, database):
    """Where the outbox holds other bytes than the statement names, nothing of them enters the index."""
    bus.send({"record": {"title": "Forged"}}, tampered=True)
    bus.send({"record": {"title": "Genuine"}})

    assert (2, 1, 1) == bus.index(database)
    assert ["Genuine"] == [one.title for one in _documents(database).items]


def test_topics_agencies_and_time_of_documents(bus, database):
    """A document has the agencies of its agreement, its topics with those above, and its own time."""
    bus.send({"record": {"topics": [{"taxonomy": "example-topics", "topic": "rates"}]}})
    bus.index(database)

    for query in (
        Query(agency="tax.example", kinds=(Kind.DOCUMENT,)),
        Query(agency="court.example", kinds=(Kind.DOCUMENT,)),
        Query(topic="example-topics/rates", kinds=(Kind.DOCUMENT,)),
        Query(topic="taxes", kinds=(Kind.DOCUMENT,)),
    ):
        assert 1 == database.search(query).matches, query
    assert 0 == database.search(Query(topic="courts", kinds=(Kind.DOCUMENT,))).matches
    (found,) = _documents(database).items
    later = Query(kinds=(Kind.DOCUMENT,), from_ms=found.from_ms + 1)
    assert [0, 1] == [database.search(one).matches for one in (later, later._replace(from_ms=found.from_ms))]


def test_everything_in_the_index_is_json(bus, database):
    """Days in record metadata are written as texts."""
    bus.send(
        {
            "headers": {"ce_cuibanner": "CUI//SP-TAX"},
            "record": {
                "designation": {"controlled_by": "Example Tax Office", "decontrol_date": "2030-01-31"}
            },
        }
    )
    bus.index(database)

    (found,) = _documents(database).items
    assert "2030-01-31" == found.detail["record"]["designation"]["decontrol_date"]
    assert json.dumps(found.detail)


def test_an_erased_document_is_forgotten_in_every_octet(bus, directory, tmp_path):
    """After an erasure no word of its title stands in the index's files, not even in free pages; others stay."""
    file = tmp_path / "index.sqlite"
    database = CatalogueDatabase(file)
    bus.send({"record": {"title": "Quetzalcoatl assessment"}}, {"headers": {"ce_subject": "s-17"}})
    bus.index(database)
    assert 1 == _documents(database, "quetzalcoatl").matches
    bus.erase(0)
    bus.index(database)
    assert 0 == _documents(database, "quetzalcoatl").matches
    assert 1 == _documents(database).matches
    database.close()
    octets = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"uetzalcoatl" not in octets


def test_a_document_erased_before_it_was_indexed_never_gets_in(bus, database):
    """The record may still be in the outbox: the fact in the log is enough to leave it out."""
    bus.send({"record": {"title": "Quetzalcoatl assessment"}})
    bus.erase(0)
    assert (2, 0, 0) == bus.index(database)
    assert 0 == _documents(database).matches
