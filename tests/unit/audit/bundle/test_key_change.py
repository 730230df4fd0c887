"""Bundles of a log whose keys were changed: each checkpoint is held against the pair that was the log's at its size."""

from dataclasses import replace

import pytest

from govbus.audit.bundle.check import Result, check_evidence
from govbus.audit.bundle.contents import evidence_of
from govbus.audit.bundle.zip_file import bundle_files
from govbus.message_log.checkpoint import Checkpoint
from govbus.message_log.key_handover import LogSize
from govbus.message_log.keys import LogKeys
from govbus.message_log.note import Note
from govbus.message_log.proof import TlogProof
from govbus.testing.example_bus import BASE_AT_MS, BUS

OTHER_ROOT = b"\x01" * 32
SCRIPT_HELD = 0


def stated(proof_text):
    """Return what a proof's checkpoint states."""
    checkpoint = Checkpoint.from_text(Note.from_text(TlogProof.from_text(proof_text).note).text)
    return LogSize(checkpoint.size, checkpoint.root)


@pytest.fixture
def changed(stage, evidence):
    """Return what gives evidence and trust where the keys were changed at some sizes."""

    def change(partition, heads, *, old=None, new=None):
        old, new = old or stage.log_keys, new or LogKeys.generate()
        note = old.hand_over(
            new, old.public, bus=BUS, partitions={0: partition}, heads=heads, at_ms=BASE_AT_MS + 2000
        )
        ed25519, ml_dsa_44 = new.public.to_pem()
        trust = replace(
            stage.trust(), log_ed25519_pem=ed25519, log_ml_dsa_44_pem=ml_dsa_44, handovers=(note,)
        )
        return replace(evidence, trust=trust)

    return change


@pytest.fixture
def results(run_script, tmp_path):
    """Return what gives the failed steps by program, and whether verify.sh fails with its output."""

    def run(one):
        files = bundle_files(one)
        report = check_evidence(evidence_of(files), one.trust, is_own_trust=True)
        failed = {step.name for step in report.steps if step.result is Result.FAILED}
        trust = tmp_path / "trust"
        for name, octets in files.items():
            if name.startswith("trust/"):
                path = tmp_path / name
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(octets)
        code, output = run_script(files, trust)
        return failed, code, output

    return run


def test_an_old_document_verifies_with_the_newest_pair(evidence, changed, results):
    """A bundle whose checkpoints the first pair signed verifies for one who holds the newest pair and the hand-over."""
    one = changed(stated(evidence.entry_proof), stated(evidence.head_proof))
    failed, code, output = results(one)
    assert not failed
    assert code == SCRIPT_HELD, output
    assert "ok      hand-over 1 of the log's keys" in output


def test_a_new_document_verifies_with_the_first_pair(stage, evidence, changed, results):
    """One who holds the first pair and the hand-over verifies what the new pair signed."""
    first = LogKeys.generate()
    one = changed(LogSize(2, OTHER_ROOT), LogSize(1, OTHER_ROOT), old=first, new=stage.log_keys)
    ed25519, ml_dsa_44 = first.public.to_pem()
    one = replace(one, trust=replace(one.trust, log_ed25519_pem=ed25519, log_ml_dsa_44_pem=ml_dsa_44))
    failed, code, output = results(one)
    assert not failed
    assert code == SCRIPT_HELD, output
    assert evidence.log_entry == one.log_entry


def test_beyond_its_bound_the_old_pair_is_refused(evidence, changed, results):
    """A longer log under a pair that was given up fails, by program and by script."""
    size = stated(evidence.entry_proof).size
    failed, code, output = results(changed(LogSize(size - 1, OTHER_ROOT), stated(evidence.head_proof)))
    assert failed
    assert code == 1
    assert "at which its key was not the log's" in output


def test_a_handover_signed_by_one_side_is_refused(stage, evidence, changed, results):
    """A hand-over without the old pair's signatures opens nothing."""
    one = changed(stated(evidence.entry_proof), stated(evidence.head_proof))
    note = Note.from_text(one.trust.handovers[0])
    forged = Note(note.text, note.signatures[2:]).to_text()
    failed, code, output = results(replace(one, trust=replace(one.trust, handovers=(forged,))))
    assert failed
    assert code == 1
    assert "FAILED  hand-over 1 of the log's keys" in output
    assert stage.log_keys


def test_handovers_of_other_keys_are_refused(evidence, changed, results):
    """A hand-over that does not lead to the pair that the reader holds opens nothing."""
    one = changed(stated(evidence.entry_proof), stated(evidence.head_proof))
    ed25519, ml_dsa_44 = LogKeys.generate().public.to_pem()
    one = replace(one, trust=replace(one.trust, log_ed25519_pem=ed25519, log_ml_dsa_44_pem=ml_dsa_44))
    failed, code, output = results(one)
    assert failed
    assert code == 1
    assert "about other keys" in output
