"""What documents of one kind share in their headers is known once."""

from govbus.document.header_kind import KIND_BYTES_MAX, kind_of

SIGNED = {"ce_type": b"example.v1", "ce_id": b"1", "ce_time": b"2026-11-23T20:45:00Z", "ce_source": b"s"}


def test_documents_that_differ_in_their_own_headers_are_of_one_kind():
    """Id, time and subject do not make a kind; anything else does."""
    assert kind_of(SIGNED) is kind_of(SIGNED | {"ce_id": b"2", "ce_time": b"later", "ce_subject": b"x"})
    assert kind_of(SIGNED) is not kind_of(SIGNED | {"ce_type": b"example.v2"})
    assert (("ce_type", b"example.v1"), ("ce_source", b"s")) == kind_of(SIGNED).pairs


def test_a_kind_beyond_the_bound_is_made_again_each_time():
    """So nobody fills the memory with headers that no other document has."""
    long = SIGNED | {"ce_long": bytes(KIND_BYTES_MAX)}

    assert kind_of(SIGNED).is_remembered
    assert not kind_of(long).is_remembered
    assert kind_of(long) is not kind_of(long)
