"""Who but the operator vouches for each segment of an archive, and until when."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from govbus.audit.archive.outside import NO_ANCHORS, NO_POLICY
from govbus.audit.archive.reader import Archive
from govbus.audit.archive.verify import verify_archive
from govbus.document import topics
from govbus.document.encoding import time_text
from govbus.message_log.checkpoint import Checkpoint, sign_checkpoint
from govbus.message_log.cosignature import Ed25519CosignatureSigner
from govbus.message_log.heads import HEADS_KEY, TIMESTAMP_KEY, head_origin
from govbus.message_log.note import Note
from govbus.message_log.policy import Policy
from govbus.service.archive.checking import check_evidence
from govbus.testing.example_bus import BASE_AT_MS, BUS
from govbus.testing.tsa import YEAR_MS, FakeTsa, root

ROOT = root(not_after_ms=99 * YEAR_MS)
ENDS_MS = BASE_AT_MS + 365 * 86_400_000
WITNESS = Ed25519CosignatureSigner("witness.example/1", Ed25519PrivateKey.from_private_bytes(bytes(32)))
OTHER = Ed25519CosignatureSigner("witness.example/1", Ed25519PrivateKey.from_private_bytes(b"1" * 32))


def policy(signer=WITNESS):
    return Policy.from_text(f"witness court {signer.verifier.to_vkey()}\nquorum court\n")


async def cosign(bus, *, is_broken=False):
    """Publish the head checkpoint once more, with a cosignature."""
    origin = head_origin(BUS)
    checkpoint = Checkpoint(origin, bus.heads.tree.size, bus.heads.tree.root())
    note = Note.from_text(sign_checkpoint(checkpoint, bus.keys.signers(origin), at_s=bus.at_ms // 1000))
    signed = Checkpoint(origin, checkpoint.size, bytes(32)) if is_broken else checkpoint
    line = WITNESS.sign(signed.to_text(), at_s=bus.at_ms // 1000)
    await bus.put(
        topics.CHECKPOINTS, 0, HEADS_KEY, Note(note.text, (*note.signatures, line)).to_text().encode()
    )


async def step(bus, folder, *, is_stamped=False, is_cosigned=False):
    """Let something happen, and archive it as a segment."""
    await bus.send(3)
    await bus.route()
    text = await bus.sign()
    if is_cosigned:
        await cosign(bus)
    if is_stamped:
        tsa = FakeTsa.make(issuer=ROOT, not_after_ms=ENDS_MS)
        headers = [("gb-checkpoint", text.encode()), ("gb-tsa", b"tsa-1")]
        await bus.put(topics.CHECKPOINTS, 0, TIMESTAMP_KEY, tsa.response(text.encode(), BASE_AT_MS), headers)
    await bus.archive(folder)


def check(bus, folder, *, witnesses=None, anchors=(), at_ms=BASE_AT_MS):
    report = verify_archive(folder, keys=bus.keys.public, authority=bus.authority, processes=1)
    assert report.is_clean, report.to_text()
    check_evidence(
        Archive(folder), report, keys=bus.keys.public, policy=witnesses, anchors=anchors, at_ms=at_ms
    )
    return report


@pytest.fixture
async def archive(bus, tmp_path):
    """Four segments: nothing, cosigned, stamped, nothing."""
    await step(bus, tmp_path)
    await step(bus, tmp_path, is_cosigned=True)
    await step(bus, tmp_path, is_stamped=True)
    await step(bus, tmp_path)
    return tmp_path


async def test_who_vouches_for_what(bus, archive):
    """Each segment stands under the next that has something, and the newest under the operator's word alone."""
    report = check(bus, archive, witnesses=policy(), anchors=[ROOT.certificate])

    assert report.is_clean, report.to_text()
    assert [(2, 3), (2, 3), (None, 3), (None, None)] == [
        (one.witnessed_by, one.stamped_by) for one in report.covers
    ]
    assert ("court",) == report.covers[0].witnesses
    assert ENDS_MS // 1000 * 1000 + 999 == report.covers[2].until_ms
    text = report.to_text()
    assert f"timestamp in segment 3, proven until {time_text(ENDS_MS // 1000 * 1000 + 999)}" in text
    assert "segment 4: only the operator signed it" in text
    assert '"operator_alone": true' in report.to_json()


async def test_what_was_not_checked_is_said(bus, archive):
    """Without a policy no cosignature counts, without anchors no timestamp, and the report says so."""
    neither = check(bus, archive)
    stamps = check(bus, archive, anchors=[ROOT.certificate])

    assert ([], [NO_POLICY, NO_ANCHORS]) == (neither.covers, neither.notes)
    assert [NO_POLICY] == stamps.notes
    assert {None} == {one.witnessed_by for one in stamps.covers}


async def test_another_witness_does_not_count(bus, archive):
    """A cosignature by a key that the policy does not name vouches for nothing."""
    report = check(bus, archive, witnesses=policy(OTHER))

    assert report.is_clean
    assert all(one.is_operator_alone for one in report.covers)


async def test_a_cosignature_that_does_not_hold(bus, tmp_path):
    """A line by the witness's name and key over something else is found."""
    await bus.send(3)
    await bus.route()
    await bus.sign()
    await cosign(bus, is_broken=True)
    await bus.archive(tmp_path)
    report = check(bus, tmp_path, witnesses=policy())

    assert {"cosignature"} == set(report.by_check)
    assert report.covers[0].is_operator_alone


async def test_an_authority_that_nobody_trusts(bus, archive):
    """Timestamps that lead to none of the anchors are found, and vouch for nothing."""
    report = check(bus, archive, anchors=[root().certificate])

    assert {"timestamp"} == set(report.by_check)
    assert all(one.is_operator_alone for one in report.covers)


async def test_evidence_that_ended(bus, archive):
    """A timestamp whose certificate ended and that nobody renewed in time is found."""
    report = check(bus, archive, anchors=[ROOT.certificate], at_ms=ENDS_MS + 1000)

    assert {"timestamp"} == set(report.by_check)
