"""Rehashing archives: the same entries and values under SHA-512, and whatever changed afterwards is found."""

import subprocess
from contextlib import ExitStack

import pytest

from govbus.audit.archive.reader import Archive
from govbus.audit.archive.rehash import mark_of, read_under_both
from govbus.audit.archive.rehash_files import MarkReader, RehashDraft, check_rehash
from govbus.audit.archive.renewals import plan_renewal, read_chain, rehash_numbers, renewal_problems
from govbus.audit.archive.values import frames_of, pack_frame, pack_value
from govbus.errors import LogIntegrityError, MissingPartError, TimestampError
from govbus.message_log.second_tree import (
    MARK_BYTES,
    NO_VALUE,
    RehashStatement,
    SecondTree,
    salted_mark,
    second_leaf,
    value_leaf,
    whole_mark,
)
from govbus.signing.merkle import leaf_hash, root_of
from govbus.testing.example_bus import BASE_AT_MS
from govbus.testing.tsa import FakeTsa, root

DAY_MS = 86_400_000
ENDS_MS = BASE_AT_MS + 365 * DAY_MS
TSA = FakeTsa.make(not_after_ms=ENDS_MS)


async def fill(bus, folder, segments=3, documents=300):
    for _ in range(segments):
        await bus.send(documents)
        await bus.send_junk(2)
        await bus.route()
        await bus.sign()
        await bus.archive(folder)
    return Archive(folder)


def rehash(archive, tsa=TSA, **options):
    draft = RehashDraft(archive)
    statement = draft.read(archive.numbers[-1], progress=options.get("progress", lambda _: None))
    draft.finish(statement, {"tsa-1": tsa.response(statement.to_bytes(), BASE_AT_MS, imprint_hash="sha512")})
    return statement


@pytest.fixture
async def archive(bus, tmp_path):
    return await fill(bus, tmp_path)


def problems(archive, number=3):
    return check_rehash(archive, number, TSA.anchors).problems


async def test_roots_are_those_of_all_entries_and_values(archive):
    """Computed here the slow way: every entry, every value, one tree each."""
    statement = rehash(archive)

    entries = {number: [] for number in range(2)}
    leaves = {number: [] for number in range(2)}
    for segment in archive.segments():
        for one in segment:
            entries[one.partition].append(one.octets)
            leaf = second_leaf(one.octets)
            leaves[one.partition].append(value_leaf(leaf, mark_of(one.value)))
    for number, log in statement.logs.items():
        second, values = SecondTree(), SecondTree()
        second.extend([second_leaf(entry) for entry in entries[number]])
        values.extend(leaves[number])
        assert len(entries[number]) == log.size
        assert root_of([leaf_hash(entry) for entry in entries[number]]) == log.root
        assert (second.root(), values.root()) == (log.second_root, log.values_root)
    assert 900 == statement.logs[0].size
    assert statement.heads[0] == archive.last().manifest.heads.end
    assert statement == RehashStatement.from_bytes(
        (archive.folder / "rehash/00000003/statement").read_bytes()
    )


async def test_an_archive_that_did_not_change_has_no_problems(archive):
    """And the check says when the statement was stamped."""
    seen = []
    rehash(archive, progress=seen.append)

    found = check_rehash(archive, 3, TSA.anchors)

    assert ([], 0, BASE_AT_MS) == (found.problems, found.erased, found.made_ms)
    assert 906 == seen[-1]
    assert [3] == rehash_numbers(archive)


async def test_the_list_of_files_is_what_sha512sum_checks(archive):
    """By hand, without govbus."""
    rehash(archive)
    command = ["sha512sum", "--check", "--strict", "--quiet", "rehash/00000003/files"]

    subprocess.run(command, cwd=archive.folder, check=True)  # noqa: ASYNC221  # nothing else runs meanwhile


def frames(path):
    return list(frames_of(path.read_bytes()))


def write_frames(path, contents):
    path.write_bytes(b"".join(map(pack_frame, contents)))


async def test_a_value_that_was_erased_since_is_counted(archive):
    """Erasure is lawful: the kept mark stands in for the value, and the root still comes out."""
    rehash(archive)
    path = archive.folder / "segments/00000002/values"
    write_frames(path, [b"", *frames(path)[1:]])

    found = check_rehash(archive, 3, TSA.anchors)

    assert ([], 1) == (found.problems, found.erased)


async def test_a_value_erased_before_has_a_mark_of_its_own(archive):
    """Then there is nothing to hash, and the mark says so; a value that turns up later is no longer that."""
    path = archive.folder / "segments/00000001/values"
    before = frames(path)
    write_frames(path, [b"", *before[1:]])
    rehash(archive)
    marks = (archive.folder / "rehash/00000003/values/0").read_bytes()
    assert NO_VALUE == marks[:MARK_BYTES]
    assert not problems(archive)

    write_frames(path, before)
    assert ["log partition 0: the value of entry 0 is not what was hashed under SHA-512"] == problems(archive)


async def test_a_value_that_changed_is_found(archive):
    """By its log partition and entry."""
    rehash(archive)
    path = archive.folder / "segments/00000002/values"
    contents = frames(path)
    contents[5] = contents[5][:-1] + bytes([contents[5][-1] ^ 1])
    write_frames(path, contents)

    assert ["log partition 0: the value of entry 305 is not what was hashed under SHA-512"] == problems(
        archive
    )


async def test_a_mark_that_changed_is_found(archive):
    """Together with its value, so that they fit each other: the root does not."""
    rehash(archive)
    path = archive.folder / "segments/00000002/values"
    contents = frames(path)
    contents[5] = contents[5][:-1] + bytes([contents[5][-1] ^ 1])
    write_frames(path, contents)
    marks = archive.folder / "rehash/00000003/values/0"
    octets = bytearray(marks.read_bytes())
    octets[305 * MARK_BYTES : 306 * MARK_BYTES] = mark_of(contents[5])
    marks.write_bytes(octets)

    assert ["log partition 0: values_root is not what was hashed under SHA-512"] == problems(archive)


async def test_a_file_that_changed_is_found(archive):
    """Directory, checkpoints, evidence: each listed file is hashed again, and none may be left out of the list."""
    rehash(archive)
    path = archive.folder / "segments/00000002/directory"
    before = path.read_bytes()
    path.write_bytes(before + b"x")
    assert ["segments/00000002/directory is not what was hashed under SHA-512"] == problems(archive)

    path.unlink()
    assert ["segments/00000002/directory is missing, and was hashed under SHA-512"] == problems(archive)

    path.write_bytes(before)
    listing = archive.folder / "rehash/00000003/files"
    lines = listing.read_text().splitlines(keepends=True)
    listing.write_text("".join(line for line in lines if "00000002/directory" not in line))
    assert [
        "segments/00000002/directory was not hashed under SHA-512",
        "files: not what was hashed under SHA-512",
    ] == problems(archive)


async def test_an_entry_that_changed_is_never_hashed_again(archive):
    """What the SHA-256 root does not cover gets no SHA-512 root either, and a check stops there."""
    rehash(archive)
    bundle = next((archive.folder / "tiles/bus.example/log/0/tile/entries").rglob("000"))
    octets = bytearray(bundle.read_bytes())
    octets[100] ^= 1
    bundle.write_bytes(octets)

    with pytest.raises(LogIntegrityError, match="another SHA-256 root"):
        problems(archive)
    with pytest.raises(LogIntegrityError, match="there already"):
        RehashDraft(archive).read(3, progress=lambda _: None)


async def test_a_forged_collision_under_sha256_is_found_by_sha512(archive, monkeypatch):
    """The day that this is for: entries with the same SHA-256 and another content."""
    rehash(archive)
    bundle = next((archive.folder / "tiles/bus.example/log/0/tile/entries").rglob("000"))
    octets = bytearray(bundle.read_bytes())
    octets[100] ^= 1
    true_leaf = leaf_hash
    entry, forged = bundle.read_bytes()[2:], bytes(octets)[2:]
    length = int.from_bytes(bundle.read_bytes()[:2], "big")
    bundle.write_bytes(octets)
    monkeypatch.setattr(
        "govbus.audit.archive.rehash.leaf_hash",
        lambda one: true_leaf(entry[:length] if one == forged[:length] else one),
    )

    assert [
        "log partition 0: second_root is not what was hashed under SHA-512",
        "log partition 0: values_root is not what was hashed under SHA-512",
    ] == problems(archive)


async def test_the_timestamp_must_hold(archive):
    """Of a trusted authority, over this statement."""
    rehash(archive)
    with pytest.raises(TimestampError, match="no chain leads"):
        check_rehash(archive, 3, [root().certificate])

    statement = archive.folder / "rehash/00000003/statement"
    statement.write_bytes(statement.read_bytes().replace(b"files ", b"files 1"))
    with pytest.raises(TimestampError, match="another text"):
        check_rehash(archive, 3, TSA.anchors)

    (archive.folder / "rehash/00000003/tsa-1.tsr").unlink()
    with pytest.raises(TimestampError, match="under no timestamp"):
        check_rehash(archive, 3, TSA.anchors)


async def test_a_rehash_is_renewed_too(archive):
    """Its timestamp ends like any other."""
    rehash(archive)
    chain = read_chain(archive, TSA.anchors)

    planned = plan_renewal(archive, chain, TSA.anchors, now_ms=ENDS_MS, horizon_ms=ENDS_MS + DAY_MS)

    assert (1, 0) == (planned.rehashes, planned.segments)
    assert ["rehash/00000003/statement", "rehash/00000003/tsa-1.tsr"] == sorted(planned.items)
    late = list(renewal_problems(archive, chain, TSA.anchors, at_ms=ENDS_MS + DAY_MS))
    assert 1 == len(late)
    assert late[0].startswith("rehash/00000003/tsa-1.tsr is proven up to")


def test_an_archive_without_segments_is_told(tmp_path):
    """There is nothing to hash."""
    with ExitStack() as files, pytest.raises(MissingPartError, match="no segment"):
        read_under_both(Archive(tmp_path), 0, MarkReader(tmp_path, files), (0, ""))


SALT, AVRO = bytes(range(16)), b"avro bytes"


@pytest.mark.parametrize(
    ("content", "mark"),
    [
        (b"", NO_VALUE),
        (pack_value([SALT], b"\x00\x00\x00\x00\x07" + AVRO), salted_mark(SALT, AVRO)),
        (pack_value([SALT], b"\x00\x00\x00\x00\x07"), salted_mark(SALT, b"")),
        (pack_value([SALT], b"\x00\x00\x00"), None),
        (pack_value([SALT], b"\x01\x00\x00\x00\x07" + AVRO), None),
        (pack_value([SALT], None), None),
        (pack_value([SALT, SALT], b"\x00\x00\x00\x00\x07" + AVRO), None),
        (pack_value([SALT[1:]], b"\x00\x00\x00\x00\x07" + AVRO), None),
        (pack_value([], b"\x00\x00\x00\x00\x07" + AVRO), None),
    ],
    ids=["erased", "document", "empty", "short", "no frame", "null", "two salts", "short salt", "no salt"],
)
def test_marks(content, mark):
    """A document's mark needs salt and Avro bytes only; whatever is not in that form is hashed as it is kept."""
    assert (mark if mark is not None else whole_mark(content)) == mark_of(content)
