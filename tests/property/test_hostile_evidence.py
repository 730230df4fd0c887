"""Attacks on evidence, one a test: archives, bundles, timestamps, key references, checkpoints and their HTTP servers.

Each was found by a campaign of ``tests/fuzz`` or bounds what a campaign cannot reach with inputs of 4 KiB.
"""

import io
import os
import zipfile

import pytest

from govbus.audit.archive.checkpoint_records import timestamped_size
from govbus.audit.archive.manifest import MANIFEST_BYTES_MAX, Manifest
from govbus.audit.archive.reader import parse_positions, read_part
from govbus.audit.bundle.contents import FILES_MAX, evidence_of
from govbus.audit.bundle.zip_file import read_bundle
from govbus.audit.heads import Heads
from govbus.audit.report import AuditReport
from govbus.document import topics
from govbus.document.record import Record
from govbus.errors import (
    ConfigError,
    GovbusError,
    LogIntegrityError,
    MissingPartError,
    NoteError,
    TimestampError,
    UntrustedKeyError,
)
from govbus.message_log.heads import TIMESTAMP_KEY, TIMESTAMPED_HEADER, head_origin
from govbus.message_log.keys import LogKeys
from govbus.message_log.note import NOTE_BYTES_MAX, Note
from govbus.message_log.policy import Policy
from govbus.message_log.tiles import parse_path
from govbus.message_log.timestamp import Timestamp
from govbus.routing.trust.reading import MATERIAL_BYTES_MAX, read_material
from govbus.service.evidence.checkpoints import Checkpoints
from govbus.service.log.status import LogStatus, _take_timestamp
from govbus.signing.key_uri import URI_CHARS_MAX, parse_key_reference
from tests.fuzz import evidence
from tests.property.test_hostile_input import peak_bytes, refused

DEEP_DER = b"\x30\x80" * 30_000
"""Thirty thousand sequences, each in the one before, without an end."""
TIMESTAMP_WITHOUT_TEXT = Record(
    topics.CHECKPOINTS, 0, 0, 0, TIMESTAMP_KEY, b"x", ((TIMESTAMPED_HEADER, None), ("gb-tsa", None))
)


# Key references.


@pytest.mark.parametrize("text", ["//keys/a.pem", "file:////keys/a.pem", "///a"])
def test_a_path_with_two_slashes_is_named_again(text):
    """The text of a file reference names the same file, not a machine."""
    reference = parse_key_reference(text)

    assert reference == parse_key_reference(str(reference))


def test_a_reference_that_grows_when_it_is_written_is_refused():
    """A reference that would be too long in its own spelling is too long."""
    text = "pkcs11:id=" + "a" * 1000 + "?module-path=/lib/a.so"

    assert len(text) < URI_CHARS_MAX
    refused(lambda: parse_key_reference(text), ConfigError)


# Archives.


def test_a_segment_number_of_five_thousand_digits():
    """Python converts no such number, so the grammar has to refuse it."""
    octets = evidence.manifest_seed().replace(b"segment 1\n", b"segment " + b"1" * 5_000 + b"\n")

    refused(lambda: Manifest.from_bytes(octets), LogIntegrityError)


@pytest.mark.parametrize(
    "octets",
    [b"t 0 1_0\n", b"t 0 +1\n", b"t 00 1\n", b"b 0 1\na 0 1\n", b"a 0 1\na 0 2\n", b"a 0 1\r\n", b"a 0 1"],
)
def test_positions_have_one_spelling(octets):
    """Numbers that only Python reads, another order and another end of line are refused."""
    refused(lambda: parse_positions(octets), LogIntegrityError)


def test_a_manifest_of_a_million_lines():
    """Its length is looked at before its lines."""
    octets = evidence.manifest_seed() + b"%s  tiles/a\n" % (b"0" * 64) * 1_000_000

    assert len(octets) > MANIFEST_BYTES_MAX
    assert 100_000 > peak_bytes(lambda: refused(lambda: Manifest.from_bytes(octets), LogIntegrityError))


@pytest.mark.parametrize(
    "digits", ["x999/" * 4_000 + "999", "9" * 100_000, "x000/" * 9 + "001", "x999/" * 7 + "999"]
)
def test_numbers_of_tiles_beyond_every_tree(digits):
    """A path with a huge number, or with more digits than it needs, names no tile."""
    refused(lambda: parse_path(f"tile/0/{digits}"), LogIntegrityError)


# Timestamps.


@pytest.mark.parametrize("name", ["message_imprint", "policy"])
def test_an_object_identifier_of_sixty_kilobytes_is_not_repeated(name):
    """An authority may name hash and policy by an OID as long as its token; errors keep the beginning."""
    oid = "1.2" + ".5" * 20_000

    def edit(info):
        info[name] = (
            oid if name == "policy" else {"hash_algorithm": {"algorithm": oid}, "hashed_message": bytes(32)}
        )

    der = evidence.tsa().response(b"text", evidence.AT_MS, edit_info=edit)

    refused(
        lambda: Timestamp.from_response(der).verify(b"text", evidence.tsa().anchors, policies={"1.2.3"}),
        TimestampError,
    )


def test_deeply_nested_asn1():
    """What is nested without end is no timestamp and no revocation material, and costs no recursion."""
    refused(lambda: Timestamp.from_response(DEEP_DER), TimestampError)
    refused(lambda: read_material(DEEP_DER), UntrustedKeyError)


def test_revocation_material_of_forty_megabytes():
    """A list of a million certificates is refused by its length, before it is parsed."""
    der = b"\x30\x84\x02\x62\x5a\x00" + bytes(40_000_000)

    assert len(der) > MATERIAL_BYTES_MAX
    assert 100_000 > peak_bytes(lambda: refused(lambda: read_material(der), UntrustedKeyError))


# Checkpoints and what is in front of them.


def test_a_timestamp_whose_headers_are_null_stops_nobody():
    """A record with null in place of the note text and the authority's name is a timestamp over nothing."""
    bus, keys = evidence.BUS, LogKeys.generate().public
    report = AuditReport()
    heads = Heads(head_origin(bus), keys.verifiers(head_origin(bus)), report)
    status = LogStatus(bus=bus, source="test")

    heads.take_timestamp(TIMESTAMP_WITHOUT_TEXT)
    _take_timestamp(status, TIMESTAMP_WITHOUT_TEXT)
    Checkpoints.of([TIMESTAMP_WITHOUT_TEXT], bus=bus, keys=keys, policy=None)

    assert timestamped_size(TIMESTAMP_WITHOUT_TEXT, bus) is None
    assert 1 == len(report.findings)
    assert {} == status.timestamps


@pytest.mark.parametrize(
    "text",
    [
        b"\xff",
        b"bus.example/log/heads\r\nX: y\n",
        b"\x1b[2J\n1\n",
        b"bus.example/log/heads\n" + b"9" * 5000 + b"\nA\n",
    ],
)
def test_header_injection_in_a_note_text(text):
    """A note text with line ends, escapes or giant numbers is no checkpoint."""
    record = TIMESTAMP_WITHOUT_TEXT._replace(headers=((TIMESTAMPED_HEADER, text),))

    assert timestamped_size(record, evidence.BUS) is None


def test_a_policy_of_ten_megabytes():
    """A policy is refused by its length."""
    octets = b"# comment\n" * 1_000_000

    assert 1_000_000 > peak_bytes(lambda: refused(lambda: Policy.from_bytes(octets), GovbusError))


def test_a_note_with_sixty_four_signatures_of_ml_dsa():
    """So many lines of 2,420 bytes fit no note that a reader takes, or are read as what they are."""
    line = "\u2014 bus.example/log/0 " + "A" * 3_236 + "\n"
    octets = ("bus.example/log/0\n7\n" + "A" * 43 + "=\n\n" + line * 64).encode()

    if len(octets) > NOTE_BYTES_MAX:
        refused(lambda: Note.from_bytes(octets), NoteError)
    else:
        assert 64 == len(Note.from_bytes(octets).signatures)


# Bundles.


def _zip(path, names, *, method=zipfile.ZIP_DEFLATED, content=b""):
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w", method) as archive:
        for name in names:
            archive.writestr(name, content)
    path.write_bytes(octets.getvalue())
    return path


def test_an_entry_without_a_name(tmp_path):
    """The library looks at the last letter of a name that has none."""
    path = tmp_path / "bundle.zip"
    octets = bytearray(_zip(path, ["a"]).read_bytes())
    start = octets.index(b"PK\x01\x02")
    octets[start + 28 : start + 30] = b"\x00\x00"  # length of the name
    octets[start + 32 : start + 34] = b"\x01\x00"  # length of the comment, so that all lengths still fit
    path.write_bytes(octets)

    refused(lambda: read_bundle(path), ConfigError)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_of_packing(tmp_path, method):
    """Only what bundles are packed by is unpacked."""
    path = _zip(tmp_path / "bundle.zip", ["bundle.json"], method=method, content=b"{}")

    refused(lambda: read_bundle(path), ConfigError)


def test_a_bomb(tmp_path):
    """A file of a gigabyte in a megabyte is given up at its bound."""
    path = tmp_path / "bundle.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("document/value", "w") as file,
    ):
        for _ in range(300):
            file.write(bytes(1 << 20))

    assert path.stat().st_size < 1 << 20
    assert 200_000_000 > peak_bytes(lambda: refused(lambda: read_bundle(path), ConfigError))


def test_a_flood_of_files(tmp_path):
    """More files than a bundle has are refused by their number."""
    path = _zip(tmp_path / "bundle.zip", [f"a/{number}" for number in range(FILES_MAX + 1)])

    refused(lambda: read_bundle(path), ConfigError)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "null", "[]", '{"format": ' + "1" * 5_000 + "}", '{"format": []}']
)
def test_a_bundle_that_describes_itself_oddly(text):
    """Nesting, other kinds of JSON and giant numbers are a bundle of another form."""
    refused(lambda: evidence_of({"bundle.json": text.encode()}), ConfigError)


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_a_part_of_an_archive_that_is_no_plain_file(tmp_path, kind):
    """A link leads out of the archive and a pipe never ends: neither is a file of it."""
    part = tmp_path / "manifest"
    (tmp_path / "secret").write_bytes(b"secret")
    {
        "link": lambda: part.symlink_to(tmp_path / "secret"),
        "pipe": lambda: os.mkfifo(part),
        "folder": part.mkdir,
    }[kind]()

    refused(lambda: read_part(part), MissingPartError)
