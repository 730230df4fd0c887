"""Value types of a registry."""

import pytest

from govbus.errors import MetadataError
from govbus.registry.record import EntityId, Identifier, Link, SourceRecordId

X = Identifier("national-id", "4711")


def test_a_link_has_one_form():
    """The order in which the ends are given does not matter."""
    one, other = SourceRecordId("a", "2"), SourceRecordId("a", "10")

    assert Link.between(one, other, X) == Link.between(other, one, X)
    assert Link.between(one, other, X).left == other


def test_a_record_is_not_linked_to_itself():
    """A link needs two records."""
    with pytest.raises(ValueError, match="itself"):
        Link.between(SourceRecordId("a", "1"), SourceRecordId("a", "1"), X)


def test_an_entity_id_is_its_text():
    """Reading the text of an entity id gives the id."""
    assert EntityId(17) == EntityId.from_text(str(EntityId(17)))


@pytest.mark.parametrize("text", ["", "17", "E-", "E-0", "E-x", "e-17", "E--1", "E-\u0667"])
def test_texts_that_are_no_entity_id(text):
    """Anything but E- and a number from 1 is refused."""
    with pytest.raises(MetadataError):
        EntityId.from_text(text)


@pytest.mark.parametrize("record_id", [None, 7, "", "x" * 256])
def test_record_ids_that_name_nothing(record_id):
    """A record id is a text of 1 to 255 characters; anything else breaks rule REC-1."""
    with pytest.raises(MetadataError) as caught:
        SourceRecordId.from_parts("civil.example", record_id)

    assert ("REC-1", "record_id") == (caught.value.rule, caught.value.field)


def test_a_record_id_reads_with_its_source():
    """The text names the agency first."""
    assert "civil.example:rec-1" == str(SourceRecordId.from_parts("civil.example", "rec-1"))
