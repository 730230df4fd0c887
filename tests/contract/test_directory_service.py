"""The directory on a broker, in memory and on Kafka: published, followed, and never set back unnoticed."""

import asyncio
import json
import time

import pytest
from structlog.testing import capture_logs

from govbus.document import topics
from govbus.errors import DirectoryError, FencedError, TransportConfigError, TransportError
from govbus.service.directory.follower import DirectoryFollower
from govbus.service.directory.publishing import (
    TRANSACTIONAL_ID,
    publish_directory,
    read_certificates,
    read_directory,
    read_folder,
)
from govbus.service.sample_directory import CIVIL_REGISTRY, write_sample_directory
from govbus.signing.signer import KeySigner
from govbus.transport.base import OutRecord, TopicSpec
from govbus.transport.kafka import KafkaConnection, KafkaTransport
from govbus.transport.memory import MemoryTransport

NOW_MS = time.time_ns() // 1_000_000
DAY_MS = 86_400_000


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
def empty_transport(request):
    """A broker; Kafka is shared, so it may hold other tests' versions, which are another authority's."""
    if request.param == "memory":
        return MemoryTransport()
    return KafkaTransport(
        KafkaConnection(request.getfixturevalue("kafka_bootstrap"), client_id="test-directory")
    )


@pytest.fixture
async def transport(empty_transport):
    """A broker with the directory's topic."""
    administrator = empty_transport.administrator()
    await administrator.start()
    await administrator.create_topics([TopicSpec(topics.DIRECTORY, 1, 1, {"cleanup.policy": "compact"})])
    await administrator.stop()
    return empty_transport


class Authority:
    """A folder, and the key to publish it with."""

    def __init__(self, folder, transport):
        self.sample = write_sample_directory(folder, at_ms=NOW_MS)
        self.transport = transport
        self.certificates = read_certificates(self.sample.authority_certificate)
        self.signer = KeySigner.from_pem(
            self.sample.authority_key.read_bytes(),
            self.sample.authority_certificate.read_bytes(),
            kid="authority",
        )

    async def publish(self, at_ms=NOW_MS):
        files = read_folder(self.sample.folder)
        return await publish_directory(self.transport, files, self.signer, authority=(), at_ms=at_ms)

    def rename(self, name):
        file = self.sample.folder / "agencies" / f"{CIVIL_REGISTRY}.yaml"
        file.write_text(file.read_text().replace("Civil registry", name))

    def follower(self, *, clock_ms=lambda: NOW_MS, seen_file=None):
        return DirectoryFollower(self.transport, self.certificates, clock_ms=clock_ms, seen_file=seen_file)


@pytest.fixture
def authority(tmp_path, transport):
    return Authority(tmp_path / "directory", transport)


async def until(condition, timeout_s=20):
    """Waits until something is so."""
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s, "it did not happen in time"
        await asyncio.sleep(0.05)


async def test_publish_and_read(authority, transport):
    """What is published is read back; the same again publishes nothing; a change publishes what is new."""
    first = await authority.publish()
    again = await authority.publish(NOW_MS + DAY_MS)
    authority.rename("Registry")
    second = await authority.publish(NOW_MS + DAY_MS)
    reader = await read_directory(transport, authority.certificates)

    assert [(1, 11, True), (1, 0, False), (2, 1, True)] == [
        (one.directory.version, one.entries_new, one.is_new) for one in (first, again, second)
    ]
    assert ("Civil registry", "Registry") == tuple(
        reader.at(version).agency(CIVIL_REGISTRY.text).name for version in (1, 2)
    )


async def test_renewal(authority):
    """Once half of its validity is over, a version is published again even if nothing has changed."""
    await authority.publish()
    renewed = await authority.publish(NOW_MS + 183 * DAY_MS)

    assert (2, 0, True) == (renewed.directory.version, renewed.entries_new, renewed.is_new)
    assert NOW_MS + (183 + 365) * DAY_MS == renewed.directory.expires_ms


async def test_hot_reload(authority):
    """A follower has the new version soon after it is published, and keeps the old one for the auditor."""
    await authority.publish()
    follower = authority.follower()
    await follower.start()
    try:
        assert 1 == follower.current.version
        authority.rename("Registry")
        await authority.publish()
        await until(lambda: follower.current.version == 2)
        assert "Civil registry" == follower.at(1).agency(CIVIL_REGISTRY.text).name
        assert follower.at(3) is None
    finally:
        await follower.stop()
    assert 2 == follower.current.version


async def test_rogue_records(authority, transport):
    """Records that others put on the topic change nothing, and later versions still arrive."""
    await authority.publish()
    follower = authority.follower()
    await follower.start()
    publisher = transport.publisher()
    await publisher.start()
    try:
        await publisher.publish(
            [
                OutRecord(topics.DIRECTORY, 0, key, value, (), None)
                for key, value in [(b"version/2", b"{}"), (b"x", None), (b"", b"x"), (b"agency/x/00", b"")]
            ]
        )
        authority.rename("Registry")
        await authority.publish()
        await until(lambda: follower.current.version == 2)
    finally:
        await publisher.stop()
        await follower.stop()


async def test_none_yet(authority):
    """A follower waits for a first version, and says so where none comes."""
    follower = authority.follower()
    with pytest.raises(DirectoryError, match="no directory has been published"):
        await follower.start(timeout_s=0.3)
    await follower.stop()

    follower = authority.follower()
    starting = asyncio.create_task(follower.start())
    await authority.publish()
    await starting
    assert 1 == follower.current.version
    await follower.stop()


async def test_expired(authority):
    """A follower gives no directory that has expired, neither at the start nor later."""
    await authority.publish()
    now_ms = NOW_MS
    follower = authority.follower(clock_ms=lambda: now_ms)
    await follower.start()
    await follower.stop()
    now_ms = NOW_MS + 366 * DAY_MS

    with pytest.raises(DirectoryError, match="expired"):
        _ = follower.current
    late = authority.follower(clock_ms=lambda: now_ms)
    with pytest.raises(DirectoryError, match="expired"):
        await late.start()
    await late.stop()


async def test_set_back(authority, tmp_path):
    """A topic that has lost or replaced a version that was seen before is refused after a restart."""
    seen = tmp_path / "state" / "directory.json"
    await authority.publish()
    follower = authority.follower(seen_file=seen)
    await follower.start()
    await follower.stop()
    again = authority.follower(seen_file=seen)
    await again.start()
    await again.stop()

    remembered = json.loads(seen.read_text())
    assert 1 == remembered["version"]
    for change in ({"version": 2}, {"manifest": "A" * 43}):
        seen.write_text(json.dumps(remembered | change))
        refused = authority.follower(seen_file=seen)
        with pytest.raises(DirectoryError, match="lost or replaced version"):
            await refused.start()
        await refused.stop()


async def break_topic(transport):
    """Makes every attempt to read fail, as a broker that is down does."""

    def administrator():
        raise TransportError("the broker does not answer")

    kept = transport.administrator
    transport.administrator = administrator
    return kept


async def test_start_without_the_broker(authority, transport, tmp_path):
    """A process that starts while the broker is down takes its copy, and the newer version once it is back."""
    seen = tmp_path / "state" / "directory.json"
    await authority.publish()
    first = authority.follower(seen_file=seen)
    await first.start()
    await first.stop()
    administrator = await break_topic(transport)
    follower = authority.follower(seen_file=seen)
    with capture_logs() as logs:
        await follower.start()
    try:
        assert (1, "Civil registry") == (
            follower.current.version,
            follower.current.agency(CIVIL_REGISTRY.text).name,
        )
        assert [("warning", 1)] == [
            (one["log_level"], one["version"]) for one in logs if "copy" in one["event"]
        ]
        transport.administrator = administrator
        authority.rename("Registry")
        await authority.publish()
        await until(lambda: follower.current.version == 2)
    finally:
        await follower.stop()
    assert 2 == json.loads(seen.read_text())["version"]


async def test_no_copy_no_start(authority, transport, tmp_path):
    """Without a copy, and without a place for one, a broker that is down is an error."""
    await authority.publish()
    await break_topic(transport)
    for seen in (None, tmp_path / "directory.json"):
        follower = authority.follower(seen_file=seen)
        with pytest.raises(TransportError, match="does not answer"):
            await follower.start()
        await follower.stop()


async def test_copy_that_has_expired(authority, transport, tmp_path):
    """A copy is good no longer than the version that it is of."""
    seen = tmp_path / "directory.json"
    await authority.publish()
    first = authority.follower(seen_file=seen)
    await first.start()
    await first.stop()
    await break_topic(transport)
    late = authority.follower(seen_file=seen, clock_ms=lambda: NOW_MS + 366 * DAY_MS)
    with pytest.raises(DirectoryError, match="expired"):
        await late.start()
    await late.stop()


async def test_set_back_while_away(authority, transport, tmp_path):
    """A topic that comes back without what the copy has is not believed: the copy stays in force."""
    seen = tmp_path / "directory.json"
    await authority.publish()
    first = authority.follower(seen_file=seen)
    await first.start()
    await first.stop()
    remembered = json.loads(seen.read_text())
    administrator = await break_topic(transport)
    follower = authority.follower(seen_file=seen)
    await follower.start()
    try:
        seen.write_text(json.dumps(remembered | {"manifest": "A" * 43}))
        with capture_logs() as logs:
            transport.administrator = administrator
            await until(lambda: any("lost or replaced" in str(one.get("reason")) for one in logs))
        assert 1 == follower.current.version
    finally:
        await follower.stop()


async def test_two_at_once(authority, transport):
    """Of two who publish at the same moment one is fenced, so that no two versions get one number."""
    other = transport.transactional_publisher(TRANSACTIONAL_ID)
    await other.start()
    await authority.publish()

    with pytest.raises((FencedError, TransportError)):
        await other.transact([OutRecord(topics.DIRECTORY, 0, b"x", b"y", (), None)], offsets={}, group="")
    await other.stop()


async def test_no_topic():
    """Without the topic the error says how to make it."""
    with pytest.raises(TransportConfigError, match="govbus topics apply"):
        await read_directory(MemoryTransport(), [])
