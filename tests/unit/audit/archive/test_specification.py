"""``docs/specs/archive.md`` shows what the code reads and writes."""

import re
import subprocess
from pathlib import Path

from govbus.audit.archive.documents import pack_document, record_of, unpack_document
from govbus.audit.archive.manifest import Manifest, Range
from govbus.audit.archive.records import pack_record
from govbus.audit.archive.values import pack_frame, unpack_value
from govbus.document.decision import LogEntry, SourcePosition
from govbus.document.finding import Outcome
from govbus.document.record import Record

PAGE = (Path(__file__).parents[4] / "docs/specs/archive.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(sh)?\n(.*?)```", PAGE, re.DOTALL)


def _octets(start):
    """Return the bytes of the example whose first line begins so."""
    block = next(text for _, text in BLOCKS if text.startswith(start))
    return bytes.fromhex("".join(block.split("\n", 1)[1].split()))


def test_manifest():
    """The manifest on the page reads as what it says, and is written just so."""
    text = BLOCKS[0][1]
    manifest = Manifest.from_bytes(text.encode())

    assert text == manifest.to_text()
    assert (1, 2, Range(0, 9)) == (manifest.segment, manifest.entries, manifest.directory)


def test_record():
    """The record on the page is written just so."""
    headers = (("content-type", b"application/pkix-crl"),)
    record = Record("govbus.revocations", 0, 5, 1_795_466_700_123, b"crl/ca", b"\x30\0", headers)

    assert _octets("key crl/ca") == pack_frame(pack_record(record))


def test_document_and_value():
    """The document and the value on the page are written just so, and give the record back."""
    headers = (
        ("content-type", b"application/avro"),
        ("ce_id", b"42"),
        ("gb-stmt", b"govbus/statement/v1\n"),
        ("gb-salt", bytes(range(16))),
        ("gb-sig", b"e30..AA"),
        ("traceparent", b"00-1-2-00"),
    )
    record = Record(
        "govbus.out.tax.example", 1, 7, 1_795_466_700_123, b"tax.example/main", b"\0\0\0\0davro", headers
    )
    source = SourcePosition(record.topic, record.partition, record.offset)
    entry = LogEntry(
        Outcome.ACCEPTED,
        0,
        source,
        "42",
        b"govbus/statement/v1\n",
        (b"e30..AA",),
        None,
        b"",
        None,
        1,
        (),
        (),
        None,
    )
    document, value = pack_document(record, entry)

    assert _octets("key tax.example/main") == pack_frame(document)
    assert _octets("salt") == pack_frame(value)
    assert record == record_of(entry, unpack_document(document), unpack_value(value))


async def test_by_hand(bus, tmp_path):
    """The commands on the page find the files, the chain and the leaf as they are."""
    for _ in range(2):
        await bus.go_on(documents=1)
        await bus.archive(tmp_path)
    commands = next(text for kind, text in BLOCKS if kind == "sh").rsplit("sed '/^$/", 1)[0]
    lines = _shell(commands, tmp_path).splitlines()

    assert 4 == len(lines), lines
    assert lines[0].split()[0] == lines[1].removeprefix("previous ")
    assert lines[2].split()[0] == lines[3]


def _shell(commands, folder):
    return subprocess.run(
        ["sh", "-e", "-c", commands], cwd=folder, check=True, capture_output=True, text=True
    ).stdout
