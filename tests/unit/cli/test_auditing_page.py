"""The shell lines of ``docs/auditing/README.md`` do what the page says, over files as govbus writes them."""

import dataclasses
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from asn1crypto import tsp
from cryptography.hazmat.primitives.serialization import Encoding

from govbus.audit.bundle.check import Result, check_evidence
from govbus.audit.bundle.zip_file import bundle_files
from govbus.message_log.note import Note
from govbus.message_log.proof import TlogProof
from govbus.message_log.timestamp import timestamp_request
from govbus.service.openssl_tsa import OpensslTsa
from tests.unit.audit.bundle.conftest import Stage

PAGE = Path(__file__).parents[3] / "docs/auditing/README.md"


def _block(heading):
    """Return the shell lines below a heading."""
    return re.search(rf"## {heading}.*?```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[1]


@pytest.fixture(scope="module")
def stage():
    """Keys and witnesses of this module."""
    return Stage()


@pytest.fixture(scope="module")
def tsa(tmp_path_factory):
    """A real authority."""
    with OpensslTsa(tmp_path_factory.mktemp("tsa")) as authority:
        yield authority


@pytest.fixture(scope="module")
def evidence(stage, tsa):
    """Evidence about a document in a batch of one, with a time stamp over its head."""
    evidence = stage.evidence({"raw": {"mode": "batch"}})
    head = Note.from_text(TlogProof.from_text(evidence.head_proof).note).text.encode()
    response = tsa.reply(timestamp_request(head, nonce=1))
    anchors = tuple(one.public_bytes(Encoding.DER) for one in tsa.anchors)
    trust = dataclasses.replace(evidence.trust, tsa=anchors)
    return dataclasses.replace(evidence, timestamps={"one": response}, trust=trust)


def _unpack(files, folder):
    for name, octets in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(octets)
    return folder


def _shell(lines, folder, **environment):
    return subprocess.run(
        ["sh", "-c", lines],
        cwd=folder,
        env={"PATH": f"{folder}/bin:/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_document_by_hand(evidence, tmp_path):
    """Two pairs of equal hashes, a signature, a chain and a time stamp, each by a line of the page."""
    done = _shell(_block("A document by hand"), _unpack(bundle_files(evidence), tmp_path))
    value, stated, leaf, root, *rest = done.stdout.splitlines()
    assert value == stated
    assert leaf == root
    assert "Signature Verified Successfully" in rest
    assert "signatures/1/certificate.pem: OK" in rest
    assert "Verification: OK" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "is_equal"), [("document/value", (False, True)), ("document/statement", (True, False))]
)
def test_by_hand_a_change_is_seen(evidence, tmp_path, name, is_equal):
    """A changed value gives another hash than the statement has, a changed statement another root."""
    files = bundle_files(evidence)
    octets = files[name].replace(b"20:45:00", b"20:45:01") if name.endswith("statement") else b"other"
    done = _shell(_block("A document by hand"), _unpack({**files, name: octets}, tmp_path))
    value, stated, leaf, root, *_ = done.stdout.splitlines()
    assert (value == stated, leaf == root) == is_equal


def _govbus(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "govbus", *arguments], capture_output=True, text=True, check=True
    ).stdout


def _proofs(stage, evidence, folder):
    """Write what `govbus audit prove ID` writes, and two policies."""
    (folder / "ID.entry").write_bytes(evidence.log_entry)
    (folder / "ID.tlog-proof").write_text(evidence.entry_proof, encoding="utf-8")
    (folder / "ID.heads.tlog-proof").write_text(evidence.head_proof, encoding="utf-8")
    keys = folder / "keys"
    keys.mkdir()
    for name, pem in zip(
        ("log-ed25519.pub.pem", "log-ml-dsa-44.pub.pem"), stage.log_keys.public.to_pem(), strict=True
    ):
        (keys / name).write_bytes(pem)
    vkeys = ("log", "vkeys", str(keys), "--bus", "bus.example")
    (folder / "log.policy").write_text(
        _govbus(*vkeys, "--partition", "0") + "quorum none\n", encoding="utf-8"
    )
    (folder / "witnesses.policy").write_text(_govbus(*vkeys) + stage.policy, encoding="utf-8")
    (folder / "bin").mkdir()
    (folder / "bin/govbus").write_text(f'#!/bin/sh\nexec {sys.executable} -m govbus "$@"\n', encoding="utf-8")
    (folder / "bin/govbus").chmod(0o755)


def test_a_proof_in_two_steps(stage, evidence, tmp_path):
    """The page's two commands verify what `prove` writes, the second under the quorum of witnesses."""
    _proofs(stage, evidence, tmp_path)
    done = _shell("set -e\n" + _block("A proof in two steps"), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = done.stdout.splitlines()
    assert "verified: number 2 of 6 in bus.example/log/0" in first
    assert "verified: number 1 of 2 in bus.example/log/heads; witnesses: archive, court" in second


def test_the_second_step_is_about_the_checkpoint_of_the_first(stage, evidence, tmp_path):
    """A proof of another checkpoint does not follow on the first."""
    _proofs(stage, evidence, tmp_path)
    shutil.copy(tmp_path / "ID.heads.tlog-proof", tmp_path / "ID.tlog-proof")
    done = _shell(_block("A proof in two steps").splitlines()[1], tmp_path)
    assert done.returncode == 1
    assert "NOT VERIFIED" in done.stdout


def _reworded(response, text):
    """Return a response with another text in its status, which no signature covers."""
    read = tsp.TimeStampResp.load(response)
    status = {"status": read["status"]["status"].native, "status_string": [text]}
    return tsp.TimeStampResp({"status": status, "time_stamp_token": read["time_stamp_token"]}).dump()


def test_words_around_a_time_stamp_do_not_set_its_time(stage, evidence, tmp_path):
    """The status is not signed: a time that is written into it is neither shown nor used, by script and program."""
    forged = _reworded(evidence.timestamps["one"], "granted\nTime stamp: Jan  1 00:00:00 2020 GMT")
    changed = dataclasses.replace(evidence, timestamps={"one": forged})
    _unpack(bundle_files(changed), tmp_path)
    done = _shell("sh verify.sh", tmp_path)
    assert "2020" not in done.stdout
    report = check_evidence(changed, evidence.trust, is_own_trust=False)
    (step,) = (one for one in report.steps if one.name == "time stamps")
    assert step.result is not Result.OK or "2020" not in step.text


def test_time_stamps_verify_by_script(evidence, tmp_path):
    """A whole bundle with a time stamp by a real authority holds."""
    _unpack(bundle_files(evidence), tmp_path)
    done = _shell("sh verify.sh", tmp_path)
    assert done.returncode == 0, done.stdout
    assert "ok      time stamp one: the head existed on" in done.stdout
