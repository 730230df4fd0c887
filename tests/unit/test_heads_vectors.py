"""The frozen records of a checkpoints topic give the frozen head tree, by the rule and by the audit's code."""

import base64
import importlib.util
import json
import subprocess
from pathlib import Path

import pytest

from govbus.audit.checkpoints import Checkpoints
from govbus.audit.report import AuditReport, Check
from govbus.document import topics
from govbus.document.ids import AgencyId
from govbus.document.record import Record
from govbus.errors import NoteError
from govbus.message_log.checkpoint import open_checkpoint
from govbus.message_log.heads import HeadTree, head_origin, partition_of_key
from govbus.message_log.keys import LogPublicKeys, log_origin
from govbus.message_log.note import Note
from govbus.message_log.policy import Policy

FOLDER = Path(__file__).parents[2] / "schemas" / "vectors"
VECTORS = json.loads((FOLDER / "heads-v1.json").read_text(encoding="utf-8"))
BUS = AgencyId(VECTORS["bus"])
KEYS = LogPublicKeys.from_pem(*(pem.encode() for pem in VECTORS["log_pem"]))
RECORDS = [
    Record(topics.CHECKPOINTS, 0, offset, 0, one["key"].encode(), one["value"].encode(), ())
    for offset, one in enumerate(VECTORS["records"])
]
NOT_OURS = 4
"""Offset of the record that other keys signed."""


def test_head_tree_by_the_rule():
    """Signed checkpoints of partitions that are larger than the last of their log, in order, make the roots."""
    heads, entries, roots = HeadTree(), [], []
    for record in RECORDS:
        number = partition_of_key(record.key)
        if number is None:
            continue
        origin = log_origin(BUS, number)
        try:
            checkpoint = open_checkpoint(record.value, KEYS.verifiers(origin))
        except NoteError:
            assert NOT_OURS == record.offset
            continue
        if heads.take(checkpoint):
            entries.append(checkpoint.to_text())
            roots.append(base64.b64encode(heads.tree.root()).decode())
    assert (VECTORS["entries"], VECTORS["roots"]) == (entries, roots)


def test_head_checkpoints_state_the_roots():
    """Each head checkpoint states the root of the entries before it; only the last has its quorum."""
    policy = Policy.from_text(VECTORS["policy"])
    verifiers = KEYS.verifiers(head_origin(BUS))
    assert VECTORS["log"] == [verifier.to_vkey() for verifier in verifiers]
    opened = [
        policy.open(record.value, log_verifiers=verifiers) for record in RECORDS if record.key == b"heads"
    ]
    stated = [base64.b64encode(one.checkpoint.root).decode() for one in opened]
    assert [VECTORS["roots"][1], VECTORS["roots"][2], VECTORS["roots"][2]] == stated
    assert [False, False, True] == [one.is_quorum for one in opened]


def test_audit_reads_them():
    """The audit finds the one strange note and nothing else in the head tree."""
    report = AuditReport()
    checkpoints = Checkpoints(BUS, KEYS, report, policy=Policy.from_text(VECTORS["policy"]))
    for record in RECORDS:
        checkpoints.take(record)
    checkpoints.heads.finish()
    assert [(Check.CHECKPOINT, NOT_OURS)] == [(one.check, one.offset) for one in report.findings]
    assert (3, 3) == (report.heads, report.heads_witnessed)
    assert VECTORS["roots"][2] == base64.b64encode(bytes.fromhex(report.head_root)).decode()


@pytest.mark.parametrize("offset", [0, 1, 7])
def test_without_an_entry_the_head_checkpoint_is_wrong(offset):
    """Each entry counts: left out, the next head checkpoint contradicts the rest."""
    report = AuditReport()
    checkpoints = Checkpoints(BUS, KEYS, report)
    for record in RECORDS:
        # A note that is there again would come in later, at another place.
        if record.value != RECORDS[offset].value:
            checkpoints.take(record)
    assert Check.HEADS in {one.check for one in report.findings}


def test_script_writes_what_is_frozen():
    """The script makes the same entries and roots, and the same signatures but for the randomized ones."""
    spec = importlib.util.spec_from_file_location("generate_heads", FOLDER / "generate_heads.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    again = script.partition_note(0, 3)
    frozen = Note.from_text(RECORDS[0].value.decode())
    assert Note.from_text(again).text == frozen.text == VECTORS["entries"][0]
    assert Note.from_text(again).signatures[0] == frozen.signatures[0]


def test_example_by_hand(tmp_path):
    """The commands of the specification's page print what stands there, the root of the first two entries."""
    page = (FOLDER.parents[1] / "docs" / "specs" / "message-log.md").read_text(encoding="utf-8")
    (example,) = [block for block in page.split("```")[1::2] if block.startswith("\n$ ")]
    lines = example.strip().splitlines()
    commands = "\n".join(line.removeprefix("$ ") for line in lines if line.startswith("$ "))
    done = subprocess.run(
        ["sh", "-c", commands], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=20
    )
    assert (
        [VECTORS["roots"][1]] == done.stdout.split() == [line for line in lines if not line.startswith("$ ")]
    )
