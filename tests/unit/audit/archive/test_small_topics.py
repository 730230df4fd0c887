"""Revocation material that a segment holds beside its own: what spoke for its time, and no more."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from govbus.audit.archive import layout
from govbus.audit.archive.reader import Archive
from govbus.document.record import Record
from govbus.service.archive.small_topics import SmallTopics
from govbus.testing import example_keys

HOUR_MS = 3_600_000
START = datetime(2026, 11, 23, tzinfo=UTC)
START_MS = int(START.timestamp() * 1000)


def _record(offset, hours):
    """Return a record with a revocation list that speaks for some hours, or for good."""
    authority = example_keys.authority()
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(x509.load_pem_x509_certificate(authority.certificate_pem).subject)
        .last_update(START)
        .next_update(START + timedelta(hours=hours))
    )
    key = serialization.load_pem_private_key(authority.key_pem, None)
    value = builder.sign(key, None).public_bytes(serialization.Encoding.DER)
    return Record("govbus.revocations", 0, offset, START_MS, b"%d" % offset, value, ())


@pytest.fixture
def small_topics(tmp_path):
    """Of an archive that holds nothing."""
    return SmallTopics(Archive(tmp_path), None)


def test_what_speaks_for_a_time(small_topics):
    """A list that ended before is left out; one that ends later stays, also in segments after the one it came with."""
    one, other = _record(0, 1), _record(1, 24)
    small_topics.take(layout.REVOCATIONS, [one, other])

    assert [one, other] == small_topics.in_force(START_MS)
    assert [one, other] == small_topics.pop(layout.REVOCATIONS)[1]
    assert [other] == small_topics.in_force(START_MS + 2 * HOUR_MS)


def test_what_is_no_revocation_material(small_topics):
    """A record that is no revocation material is archived where it stands, and speaks for nothing."""
    junk = Record("govbus.revocations", 0, 0, START_MS, b"junk", b"junk", ())
    empty = junk._replace(offset=1, key=b"empty", value=None)
    small_topics.take(layout.REVOCATIONS, [junk, empty])

    assert [] == small_topics.in_force(START_MS)
    assert [junk, empty] == small_topics.pop(layout.REVOCATIONS)[1]


def test_ranges(small_topics):
    """Each segment takes what is new; where nothing is, its range is empty."""
    small_topics.take(layout.REVOCATIONS, [_record(3, 1), _record(5, 1)])

    assert (0, 6) == small_topics.pop(layout.REVOCATIONS)[0]
    assert ((6, 6), []) == small_topics.pop(layout.REVOCATIONS)
    assert ((0, 0), []) == small_topics.pop(layout.DIRECTORY)
