"""Renewing archives: what is due, what is written, and what a check of it finds."""

import shutil

import pytest

from govbus.audit.archive.reader import Archive
from govbus.audit.archive.renewals import (
    next_statement,
    plan_renewal,
    read_chain,
    renewal_problems,
    write_renewal,
)
from govbus.document import topics
from govbus.errors import ConfigError, LogIntegrityError, MissingPartError, TimestampError
from govbus.message_log.heads import TIMESTAMP_KEY
from govbus.testing.example_bus import BASE_AT_MS, BUS
from govbus.testing.tsa import YEAR_MS, FakeTsa, root

DAY_MS = 86_400_000
ROOT = root(not_after_ms=99 * YEAR_MS)
ANCHORS = [ROOT.certificate]
ENDS_MS = BASE_AT_MS + 365 * DAY_MS


def authority(ends_ms):
    return FakeTsa.make(issuer=ROOT, not_after_ms=ends_ms)


async def stamp(bus, tsa, text):
    headers = [("gb-checkpoint", text.encode()), ("gb-tsa", b"tsa-1")]
    await bus.put(topics.CHECKPOINTS, 0, TIMESTAMP_KEY, tsa.response(text.encode(), BASE_AT_MS), headers)


@pytest.fixture
async def archive(bus, tmp_path):
    """Two segments, each under a timestamp whose certificate ends after a year."""
    tsa = authority(ENDS_MS)
    for _ in range(2):
        await bus.send(3)
        await bus.route()
        await stamp(bus, tsa, await bus.sign())
        await bus.archive(tmp_path)
    return Archive(tmp_path)


def plan(archive, *, now_ms=BASE_AT_MS, days=30, **options):
    chain = read_chain(archive, ANCHORS)
    return plan_renewal(archive, chain, ANCHORS, horizon_ms=now_ms + days * DAY_MS, now_ms=now_ms, **options)


def renew(archive, tsa, *, now_ms, **options):
    planned = plan(archive, now_ms=now_ms, **options)
    statement = next_statement(read_chain(archive, ANCHORS), planned, BUS)
    response = tsa.response(statement.to_bytes(), now_ms, imprint_hash="sha512")
    write_renewal(archive, statement, {"tsa-1": response})
    return statement


def problems(archive, at_ms, anchors=ANCHORS):
    return list(renewal_problems(archive, read_chain(archive, anchors), anchors, at_ms=at_ms))


async def test_nothing_is_due_before_its_time(archive):
    """A month before the certificate ends evidence is due, and not a day sooner."""
    early = plan(archive, now_ms=ENDS_MS - 31 * DAY_MS)
    due = plan(archive, now_ms=ENDS_MS - 29 * DAY_MS)

    assert early.is_empty
    assert ENDS_MS // 1000 * 1000 + 999 == early.next_due_ms
    assert (2, 0, []) == (due.segments, due.renewals, due.lapsed)
    with pytest.raises(ConfigError, match="nothing"):
        next_statement(read_chain(archive, ANCHORS), early, BUS)


async def test_a_renewal_lists_what_proves_a_segment(archive):
    """Manifest, checkpoints, head checkpoint and timestamp of each segment."""
    size = archive.segment(1).manifest.evidence.size
    names = ["checkpoints", f"evidence/{size}.1.tsr", f"evidence/{size}.note", "manifest"]

    found = sorted(path for path in plan(archive, is_all=True).items if path.startswith("segments/00000001/"))

    assert [f"segments/00000001/{name}" for name in names] == found


async def test_more_than_one_statement_holds_is_planned_in_parts(archive, monkeypatch):
    """A statement that is half full is not made fuller; the rest comes into the next one."""
    monkeypatch.setattr("govbus.audit.archive.renewals.RENEWAL_ITEMS_MAX", 4)

    first = renew(archive, authority(ENDS_MS + 365 * DAY_MS), now_ms=ENDS_MS - DAY_MS)
    second = renew(archive, authority(ENDS_MS + 365 * DAY_MS), now_ms=ENDS_MS - DAY_MS)

    assert (4, 4) == (len(first.items), len(second.items))
    assert plan(archive, now_ms=ENDS_MS - DAY_MS).is_empty


async def test_renewals_carry_each_other_on(archive):
    """The second renewal lists only the first one's timestamp, and all evidence is good until the third is due."""
    second_end, third_end = ENDS_MS + 365 * DAY_MS, ENDS_MS + 730 * DAY_MS
    renew(archive, authority(second_end), now_ms=ENDS_MS - DAY_MS)
    assert plan(archive, now_ms=ENDS_MS).is_empty
    assert not problems(archive, second_end)
    assert 3 == len(problems(archive, second_end + 1000))

    second = renew(archive, authority(third_end), now_ms=second_end - DAY_MS)

    assert ["renewals/00000001/statement", "renewals/00000001/tsa-1.tsr"] == sorted(second.items)
    assert not problems(archive, third_end)
    assert problems(archive, third_end + 1000)


async def test_only_new_segments_are_due_after_a_renewal(bus, archive, tmp_path):
    """What an earlier renewal carries is not listed again."""
    renew(archive, authority(ENDS_MS + 365 * DAY_MS), now_ms=ENDS_MS - DAY_MS)
    await bus.send(3)
    await bus.route()
    await stamp(bus, authority(ENDS_MS), await bus.sign())
    await bus.archive(tmp_path)

    planned = plan(archive, now_ms=ENDS_MS - DAY_MS)

    assert (1, 0) == (planned.segments, planned.renewals)
    assert all(path.startswith("segments/00000003/") for path in planned.items)


async def test_a_late_renewal_does_not_close_the_gap(archive):
    """Evidence whose certificate had ended is renewed with a warning, and a check goes on reporting it."""
    late = ENDS_MS + DAY_MS
    planned = plan(archive, now_ms=late)
    renew(archive, authority(ENDS_MS + 365 * DAY_MS), now_ms=late)
    found = problems(archive, late)

    assert 2 == len(planned.lapsed)
    assert 2 == len(found)
    assert all("no renewal was made by then" in one and ".tsr" in one for one in found)


async def test_everything_can_be_renewed_at_any_time(archive):
    """When an algorithm weakens, nobody waits for certificates to end."""
    renew(archive, authority(ENDS_MS + 365 * DAY_MS), now_ms=BASE_AT_MS, is_all=True)

    assert plan(archive).is_empty
    again = plan(archive, is_all=True)
    assert (0, 1) == (again.segments, again.renewals)
    assert plan(archive, is_all=True, with_renewals=False).is_empty


async def test_segments_under_no_timestamp_wait_for_one(bus, tmp_path):
    """A later segment's timestamp covers the ones before it; renewing all does not wait."""
    await bus.send(3)
    await bus.route()
    await bus.sign()
    await bus.archive(tmp_path)
    archive = Archive(tmp_path)
    assert (True, 1) == (plan(archive).is_empty, plan(archive).unproven)
    assert 1 == plan(archive, is_all=True).segments

    await bus.send(3)
    await bus.route()
    await stamp(bus, authority(ENDS_MS), await bus.sign())
    await bus.archive(tmp_path)

    due = plan(archive, now_ms=ENDS_MS)
    assert (2, 0) == (due.segments, due.unproven)


@pytest.mark.parametrize("name", ["manifest", "checkpoints"])
async def test_a_file_that_changed_after_its_renewal_is_found(archive, name):
    """Every file that a statement lists is hashed again."""
    renew(archive, authority(ENDS_MS + 365 * DAY_MS), now_ms=ENDS_MS - DAY_MS)
    file = archive.folder / "segments" / "00000001" / name
    before = file.read_bytes()

    file.write_bytes(before + b"x") if name == "checkpoints" else file.unlink()

    if name == "manifest":
        with pytest.raises(MissingPartError):
            problems(archive, ENDS_MS)
    else:
        assert [f"segments/00000001/{name} is not what renewal 1 was made over"] == problems(archive, ENDS_MS)
        file.unlink()
        assert [f"segments/00000001/{name} is missing, and renewal 1 lists it"] == problems(archive, ENDS_MS)


async def test_a_renewal_taken_out_is_found(archive):
    """The next one says what came before it."""
    renew(archive, authority(ENDS_MS + 365 * DAY_MS), now_ms=ENDS_MS - DAY_MS)
    renew(archive, authority(ENDS_MS + 730 * DAY_MS), now_ms=ENDS_MS, is_all=True)
    shutil.rmtree(archive.folder / "renewals" / "00000001")

    with pytest.raises(TimestampError, match="found another"):
        read_chain(archive, ANCHORS)


async def test_a_renewal_is_never_overwritten(archive):
    """Whole or not at all, and once."""
    tsa = authority(ENDS_MS + 365 * DAY_MS)
    statement = renew(archive, tsa, now_ms=ENDS_MS - DAY_MS)

    with pytest.raises(LogIntegrityError, match="is there already"):
        write_renewal(archive, statement, {})


async def test_timestamps_that_do_not_verify_are_not_renewed(archive):
    """Nothing is stamped over evidence that the anchors do not vouch for."""
    with pytest.raises(TimestampError, match="no timestamp of segment 1 verifies"):
        plan_renewal(
            archive,
            read_chain(archive, []),
            [root().certificate],
            horizon_ms=ENDS_MS,
            now_ms=ENDS_MS,
        )
    assert 2 == len(problems(archive, BASE_AT_MS, [root().certificate]))


def test_a_folder_without_segments_is_told(tmp_path):
    """There is nothing to renew."""
    with pytest.raises(MissingPartError, match="holds no segment"):
        read_chain(Archive(tmp_path), [])
