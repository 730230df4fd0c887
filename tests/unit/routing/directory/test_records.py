"""The signed records of the directory: what a reader believes, and what it refuses."""

import json

import pytest

from govbus.document.record import Record
from govbus.errors import DirectoryError
from govbus.routing.directory.files import DirectoryFiles
from govbus.routing.directory.records import DirectoryReader, directory_records, entry_key
from govbus.schemas.canonical import canonical_json
from govbus.service.sample_directory import CIVIL_REGISTRY, write_sample_directory
from govbus.signing.algorithms import Algorithm
from govbus.signing.certificates import Certificate
from govbus.signing.issuing import CertificateAuthority
from govbus.signing.jws import DIRECTORY_TYP, STATEMENT_TYP, sign_detached
from govbus.signing.signer import KeySigner

AT_MS = 1_795_466_700_000
DAY_MS = 86_400_000


class Bus:
    """A topic in memory, and an authority that publishes to it."""

    def __init__(self, folder, algorithm=Algorithm.ED25519):
        self.sample = write_sample_directory(folder, at_ms=AT_MS, algorithm=algorithm)
        self.files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
        self.signer = KeySigner.from_pem(
            self.sample.authority_key.read_bytes(),
            self.sample.authority_certificate.read_bytes(),
            kid="authority",
        )
        self.reader = self.new_reader()
        self.records = []

    def new_reader(self):
        return DirectoryReader([self.signer.certificate])

    def rename(self, name):
        """Changes one agency."""
        file = "agencies/civil-registry.example.yaml"
        self.files[file] = self.files[file].replace(b"Civil registry", name.encode())

    def next(self, *, at_ms=AT_MS, head="current", **changes):
        """Records of the next version, its manifest changed and signed again."""
        out = directory_records(
            DirectoryFiles(self.files, at_ms=AT_MS).content,
            signer=self.signer,
            head=self.reader.head if head == "current" else head,
            at_ms=at_ms,
            expires_ms=at_ms + DAY_MS,
        )
        if changes:
            manifest = json.loads(out[-1].value) | changes
            out[-1] = self.signed(out[-1], canonical_json(manifest))
        return out

    def signed(self, record, value, *, signer=None, typ=DIRECTORY_TYP):
        signature = sign_detached(signer or self.signer, value, typ=typ, at_ms=AT_MS)
        return record._replace(value=value, headers=(("gb-sig", signature),))

    def publish(self, out):
        """Appends records, and lets the reader read them."""
        reached = None
        for one in out:
            self.records.append(one)
            reached = self.reader.apply(read(one, len(self.records) - 1)) or reached
        return reached


def read(out, offset=0):
    return Record(out.topic, 0, offset, 0, out.key, out.value, out.headers)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Bus(tmp_path_factory.mktemp("bus") / "directory")


@pytest.fixture
def bus(made):
    """A fresh topic with the sample's keys."""
    files, made.reader, made.records = dict(made.files), made.new_reader(), []
    yield made
    made.files = files


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_first_version(tmp_path, algorithm):
    """The first version is complete with its manifest, under every signature algorithm."""
    bus = Bus(tmp_path / "directory", algorithm)
    out = bus.next()

    assert [None] * (len(out) - 1) == [bus.publish([one]) for one in out[:-1]]
    directory = bus.publish(out[-1:])

    assert (1, AT_MS, AT_MS + DAY_MS) == (directory.version, directory.issued_ms, directory.expires_ms)
    assert directory is bus.reader.current
    assert directory.agency(CIVIL_REGISTRY.text) is not None


def test_next_version(bus):
    """The next version sends what is new and the manifest; both versions stay known."""
    bus.publish(bus.next())
    bus.rename("Registry")
    out = bus.next()
    bus.publish(out)

    assert ["agency", "version"] == [one.key.decode().split("/")[0] for one in out]
    assert ("Civil registry", "Registry") == tuple(
        bus.reader.at(version).agency(CIVIL_REGISTRY.text).name for version in (1, 2)
    )
    assert 2 == bus.reader.current.version
    assert bus.reader.at(3) is None


def test_removed_agreement(bus):
    """What the next manifest does not list is gone from the next version alone."""
    bus.publish(bus.next())
    agreement = "civil.person.health-fund.example"
    del bus.files[f"agreements/{agreement}.yaml"]
    bus.publish(bus.next())

    assert bus.reader.at(1).agreement(agreement) is not None
    assert bus.reader.current.agreement(agreement) is None


def test_compacted(bus):
    """A reader that finds entries after the manifests that name them, as compaction may leave them, gets the same."""
    bus.publish(bus.next())
    bus.rename("Registry")
    bus.publish(bus.next())
    manifests = [one for one in bus.records if one.key.startswith(b"version/")]
    entries = [one for one in bus.records if not one.key.startswith(b"version/")]
    reader = bus.new_reader()
    for offset, one in enumerate(manifests[:1] + entries[3:] + manifests[1:]):
        reader.apply(read(one, offset))

    assert (None, "3 entries of version 1") == (reader.current, reader.waiting.partition(",")[0])
    for offset, one in enumerate(entries[:3]):
        reader.apply(read(one, offset))
    assert ("", bus.reader.current) == (reader.waiting, bus.reader.current)
    assert bus.reader.head == reader.head
    assert 2 == reader.current.version


def test_sent_twice(bus):
    """Records that are sent twice change nothing."""
    out = bus.next()
    bus.publish(out)

    assert bus.publish(out) is None
    assert 1 == bus.reader.current.version


def test_same_files_same_keys(bus):
    """An entry's key is the hash of its value, so that the same files give the same entries."""
    first, second = bus.next(), bus.next(at_ms=AT_MS + 1)

    assert [one.key for one in first] == [one.key for one in second]
    assert [entry_key(one.value, one.key.decode().rpartition("/")[0]) for one in first[:-1]] == [
        one.key.decode() for one in first[:-1]
    ]


def refused(bus, out, words):
    """The last record is refused and the reader stays where it was."""
    before = (bus.reader.head, bus.reader.current)
    bus.publish(out[:-1])
    with pytest.raises(DirectoryError, match=words):
        bus.publish(out[-1:])
    assert before == (bus.reader.head, bus.reader.current)


def test_rollback(bus):
    """An old version that is signed again with other content is refused; the authority's key does not help."""
    bus.publish(bus.next())
    bus.rename("Registry")
    bus.publish(bus.next())
    bus.rename("Old registry")

    refused(bus, bus.next(head=None), "another manifest of this version was signed before")


def test_old_manifest_again(bus):
    """An old manifest that is put at the end of the topic again changes nothing."""
    first = bus.next()
    bus.publish(first)
    bus.rename("Registry")
    bus.publish(bus.next())

    assert bus.publish(first) is None
    assert 2 == bus.reader.current.version


def test_gap(bus):
    """A version without the one before it is reported, and taken once that one comes."""
    first = bus.next()
    ahead = bus.new_reader()
    for one in first:
        ahead.apply(read(one))
    bus.rename("Registry")
    second = bus.next(head=ahead.head)

    refused(bus, second, "version 1 is missing before it")
    assert "the manifest of version 1, before that of version 2" == bus.reader.waiting
    assert 2 == bus.publish(first).version


def test_wrong_previous(bus):
    """A version that names another manifest before it is refused, and a correct one may still follow."""
    bus.publish(bus.next())
    bus.rename("Registry")

    refused(bus, bus.next(previous="A" * 43), "does not follow the version before it")
    assert 2 == bus.publish(bus.next()).version


def test_first_with_previous(bus):
    """Version 1 has none before it."""
    refused(bus, bus.next(previous="A" * 43), "does not follow the version before it")


def test_earlier_than_the_one_before(bus):
    """A version that was issued before the one before it is refused."""
    bus.publish(bus.next())
    with pytest.raises(DirectoryError, match="later than this machine's clock"):
        bus.next(at_ms=AT_MS - 1)

    refused(bus, bus.next(issued="2026-11-23T20:44:59.999Z"), "issued before the version before it")


def test_other_bus(bus):
    """A manifest for another bus is refused."""
    bus.publish(bus.next())

    refused(bus, bus.next(bus="evil.example"), "is for evil.example, not for bus.example")


def test_foreign_signature(bus):
    """A manifest that another key signed is refused, even one of the same root."""
    key = KeySigner.from_pem(
        bus.sample.key(CIVIL_REGISTRY).read_bytes(),
        bus.sample.certificate(CIVIL_REGISTRY).read_bytes(),
        kid="authority",
    )
    out = bus.next()
    out[-1] = bus.signed(out[-1], out[-1].value, signer=key)

    refused(bus, out, "not signed by the governing authority's certificate")


@pytest.mark.parametrize("at", [20, 300, -30])
def test_altered_manifest(bus, at):
    """A manifest with one altered byte is refused."""
    out = bus.next()
    value = bytearray(out[-1].value)
    value[at] ^= 1
    out[-1] = out[-1]._replace(value=bytes(value))

    refused(bus, out, "signature")


def test_signature_for_something_else(bus):
    """A signature that was made for a statement is none for a manifest."""
    out = bus.next()
    out[-1] = bus.signed(out[-1], out[-1].value, typ=STATEMENT_TYP)

    refused(bus, out, "the signature is for a govbus-statement")


@pytest.mark.parametrize("count", [0, 2])
def test_signature_count(bus, count):
    """A manifest has one signature."""
    out = bus.next()
    out[-1] = out[-1]._replace(headers=out[-1].headers * count)

    refused(bus, out, f"expected one signature, found {count}")


def test_expired_authority(tmp_path):
    """A manifest that is issued after the authority's certificate expired is refused."""
    bus = Bus(tmp_path / "directory")

    refused(bus, bus.next(at_ms=AT_MS + 731 * DAY_MS), "the authority's certificate was not valid")


def test_altered_entry(bus):
    """An entry whose content is not what its key names is refused, and the version never completes."""
    out = bus.next()
    value = out[0].value.replace(b"bus.example", b"bus.evilple", 1)
    with pytest.raises(DirectoryError, match="not the one that the key names"):
        bus.publish([out[0]._replace(value=value)])

    assert bus.publish(out[1:]) is None
    assert bus.reader.current is None
    assert "1 entries of version 1" in bus.reader.waiting


def test_altered_entry_under_its_own_key(bus):
    """An altered entry under the key that fits it is in no manifest, so nobody ever sees it."""
    out = bus.next()
    value = out[0].value.replace(b"Bus", b"Sub")
    bus.publish([out[0]._replace(key=entry_key(value, "agency/bus.example").encode(), value=value)])
    bus.publish(out)

    assert "Bus" == bus.reader.current.agency("bus.example").name


def test_manifest_under_another_number(bus):
    """A manifest under the key of another version is refused."""
    out = bus.next()
    out[-1] = out[-1]._replace(key=b"version/2")

    refused(bus, out, "it is of version 1")


@pytest.mark.parametrize("key", [None, b"", b"hello", b"version/0", b"version/01", b"agency/x/00", b"\xff"])
def test_other_keys(bus, key):
    """A record that is neither entry nor manifest is refused."""
    refused(bus, [bus.next()[-1]._replace(key=key)], "its key is neither")


@pytest.mark.parametrize("value", [b"", b"[]", b"{", b'{"a":1}', b"[" * 100_000])
def test_manifest_that_is_none(bus, value):
    """Signed bytes that are no manifest are refused."""
    out = bus.next()
    out[-1] = bus.signed(out[-1], value)

    refused(bus, out, "version/1")


@pytest.mark.parametrize(
    "change",
    [
        {"format": "govbus/directory/v2"},
        {"entries": []},
        {"entries": ["agency/x"]},
        {"version": 0},
        {"expires": 5},
        {"more": 1},
    ],
)
def test_manifest_fields(bus, change):
    """A signed manifest with a field out of its form is refused."""
    refused(bus, bus.next(**change), "version/1")


def test_manifest_in_another_form(bus):
    """A signed manifest is in RFC 8785 form, so that it has one hash."""
    out = bus.next()
    out[-1] = bus.signed(out[-1], out[-1].value + b"\n")

    refused(bus, out, "RFC 8785")


def test_signed_but_wrong(bus):
    """A version that is signed but does not fit together is refused; the last good one stays, the next one counts."""
    bus.publish(bus.next())
    bus.rename("Registry")
    out = bus.next()
    entries = [key for key in json.loads(out[-1].value)["entries"] if not key.startswith("package/")]
    bus.publish(out[:-1])
    manifest = json.loads(out[-1].value) | {"entries": entries}
    with pytest.raises(DirectoryError, match=r"package civil\.person is not in the directory"):
        bus.publish([bus.signed(out[-1], canonical_json(manifest))])

    assert (1, 2) == (bus.reader.current.version, bus.reader.head.version)
    assert bus.reader.at(2) is None
    assert 3 == bus.publish(bus.next()).version


def test_entry_that_is_none(bus):
    """A version that lists an entry which is none is refused."""
    out = bus.next()
    value = b'{"id":"x"}'
    key = entry_key(value, "agency/x")
    manifest = json.loads(out[-1].value)
    manifest["entries"] = sorted([*manifest["entries"], key])
    bus.publish([*out[:-1], out[0]._replace(key=key.encode(), value=value)])
    with pytest.raises(DirectoryError, match="name: this field is required"):
        bus.publish([bus.signed(out[-1], canonical_json(manifest))])
    assert bus.reader.current is None


def test_entry_under_anothers_name(bus):
    """A version that lists one agency's entry under the name of another is refused."""
    out = bus.next()
    first = out[0]
    key = entry_key(first.value, "agency/evil.example")
    manifest = json.loads(out[-1].value)
    manifest["entries"] = sorted([key, *(e for e in manifest["entries"] if e != first.key.decode())])
    bus.publish([*out[:-1], first._replace(key=key.encode())])
    with pytest.raises(DirectoryError, match=r"is about agency/bus\.example"):
        bus.publish([bus.signed(out[-1], canonical_json(manifest))])


def test_two_certificates_of_the_authority(bus):
    """After a change of key, a reader that knows both certificates follows the chain across it."""
    root = CertificateAuthority.create("New root", at_ms=AT_MS)
    issued = root.issue("authority", not_before_ms=AT_MS, not_after_ms=AT_MS + DAY_MS)
    new = KeySigner.from_pem(issued.key_pem, issued.certificate_pem, kid="new")
    bus.reader = DirectoryReader([bus.signer.certificate, Certificate.from_pem(issued.certificate_pem)])
    bus.publish(bus.next())
    out = bus.next()
    out[-1] = bus.signed(out[-1], out[-1].value, signer=new)

    assert 2 == bus.publish(out).version


def test_publishing_for_another_bus(bus):
    """The files of one bus are never published as the next version of another's."""
    bus.publish(bus.next())
    head = bus.reader.head

    other = {name: octets.replace(b"bus.example", b"sub.example") for name, octets in bus.files.items()}
    other["certificates/sub.example.pem"] = other["certificates/bus.example.pem"]
    content = DirectoryFiles(other, at_ms=AT_MS).content

    with pytest.raises(DirectoryError, match=r"holds the directory of bus\.example, not of"):
        directory_records(content, signer=bus.signer, head=head, at_ms=AT_MS, expires_ms=AT_MS + 1)
