"""What a machine keeps of the directory: a copy that is verified again, and never older than what was seen."""

import json

import pytest

from govbus.document.record import Record
from govbus.errors import DirectoryError
from govbus.routing.directory.files import DirectoryFiles
from govbus.routing.directory.records import DirectoryReader, directory_records
from govbus.service.directory.copy import DirectoryMemory
from govbus.service.directory.publishing import read_folder
from govbus.service.sample_directory import BUS, write_sample_directory
from govbus.signing.jws import DIRECTORY_TYP, sign_detached
from govbus.signing.signer import KeySigner

AT_MS = 1_795_466_700_000
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return write_sample_directory(tmp_path_factory.mktemp("sample") / "directory", at_ms=AT_MS)


def signer_of(sample, agency=None):
    key = sample.authority_key if agency is None else sample.key(agency)
    certificate = sample.authority_certificate if agency is None else sample.certificate(agency)
    return KeySigner.from_pem(key.read_bytes(), certificate.read_bytes(), kid="x")


def publish(reader, content, signer):
    """Lets a reader read the next version."""
    out = directory_records(
        content, signer=signer, head=reader.head, at_ms=AT_MS, expires_ms=AT_MS + 365 * DAY_MS
    )
    for one in out:
        reader.apply(Record(one.topic, 0, 0, 0, one.key, one.value, one.headers))


@pytest.fixture
def kept(sample, tmp_path):
    """Two versions, kept on this machine."""
    signer = signer_of(sample)
    reader = DirectoryReader([signer.certificate])
    content = read_folder(sample.folder, at_ms=AT_MS).content
    publish(reader, content, signer)
    publish(reader, content, signer)
    memory = DirectoryMemory(tmp_path / "state" / "directory.json")
    memory.remember(reader)
    return memory, reader, signer


def test_copy(kept):
    """The copy has every version, and whoever loads it comes to the same head."""
    memory, reader, signer = kept
    loaded = memory.load([signer.certificate])

    assert reader.head == loaded.head
    assert [1, 2] == [loaded.at(version).version for version in (1, 2)]
    assert reader.current.agencies == loaded.current.agencies


def test_no_copy(tmp_path, kept):
    """Where nothing was kept there is nothing to load."""
    assert DirectoryMemory(tmp_path / "other.json").load([kept[2].certificate]) is None


def test_copy_under_another_authority(kept, sample):
    """A copy that another authority signed is not believed."""
    memory, _, _ = kept
    with pytest.raises(DirectoryError, match="lost or replaced version 2"):
        memory.load([signer_of(sample, BUS).certificate])


@pytest.mark.parametrize("change", [b"Civil registry", b"govbus/directory/v1"])
def test_altered_copy(kept, change):
    """A copy with one altered word is refused: its signatures are verified again."""
    memory, _, signer = kept
    octets = memory.copy_file.read_bytes()
    assert change in octets
    memory.copy_file.write_bytes(octets.replace(change, change[:-1] + b"x"))

    with pytest.raises(DirectoryError, match="lost or replaced"):
        memory.load([signer.certificate])


def test_older_copy(kept):
    """A copy from before what was seen is refused."""
    memory, _, signer = kept
    lines = memory.copy_file.read_bytes().splitlines(keepends=True)
    memory.copy_file.write_bytes(b"".join(lines[:-1]))

    with pytest.raises(DirectoryError, match="lost or replaced version 2"):
        memory.load([signer.certificate])


@pytest.mark.parametrize("octets", [b"{", b"[]", b"[1, 2, 3]", b'["a", null, null]', b"\xff", b"[" * 100_000])
def test_damaged_copy(kept, octets):
    """A copy that is none is refused with what to do."""
    memory, _, signer = kept
    memory.copy_file.write_bytes(octets)

    with pytest.raises(DirectoryError, match="damaged; delete it"):
        memory.load([signer.certificate])


def test_copy_beyond_the_limit(kept, monkeypatch):
    """A copy that is too large is not read."""
    memory, _, signer = kept
    monkeypatch.setattr("govbus.service.directory.copy.COPY_BYTES_MAX", 10)

    with pytest.raises(DirectoryError, match="over 10 bytes"):
        memory.load([signer.certificate])


def test_version_that_did_not_hold(kept, sample):
    """A version that was signed but does not fit together is kept as well, because the next one names it."""
    memory, reader, signer = kept
    files = {
        path.relative_to(sample.folder).as_posix(): path.read_bytes()
        for path in sample.folder.rglob("*")
        if path.is_file()
    }
    content = DirectoryFiles(files, at_ms=AT_MS).content
    out = directory_records(
        content, signer=signer, head=reader.head, at_ms=AT_MS, expires_ms=AT_MS + 365 * DAY_MS
    )[-1]
    manifest = json.loads(out.value)
    manifest["entries"] = [key for key in manifest["entries"] if not key.startswith("package/")]
    octets = json.dumps(manifest, separators=(",", ":"), sort_keys=True).encode()
    signature = sign_detached(signer, octets, typ=DIRECTORY_TYP, at_ms=AT_MS)
    with pytest.raises(DirectoryError, match="is not in the directory"):
        reader.apply(Record(out.topic, 0, 0, 0, out.key, octets, (("gb-sig", signature),)))
    memory.remember(reader)
    loaded = memory.load([signer.certificate])

    assert (3, 2) == (loaded.head.version, loaded.current.version)


def test_topic_without_an_entry_of_what_was_seen(kept):
    """A topic that has every manifest but has lost one entry would set the bus back, and is refused."""
    memory, reader, signer = kept
    records = [Record(one.topic, 0, 0, 0, one.key, one.value, one.headers) for one in reader.records()]
    poorer = DirectoryReader([signer.certificate])
    for record in records:
        if not record.key.startswith(b"bus/"):
            poorer.apply(record)

    assert poorer.digest(2) == reader.digest(2)
    memory.check(reader)
    with pytest.raises(DirectoryError, match="lost or replaced version 2"):
        memory.check(poorer)
