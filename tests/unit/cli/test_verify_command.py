"""``govbus verify``: evidence is checked with nothing but the base install, and exit codes say how it went."""

import subprocess
import sys

import pytest

from govbus.audit.bundle.zip_file import bundle_files, pack
from govbus.message_log.proof import TlogProof
from tests.unit.audit.bundle.conftest import Stage

BLOCKED = ("aiokafka", "pydantic_settings", "confluent_kafka", "aiohttp", "prometheus_client", "structlog")
"""What a machine need not have to check evidence."""
RUN_WITHOUT = f"""
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {BLOCKED!r}:
            raise ImportError("blocked: " + name)
        return None

sys.meta_path.insert(0, Blocker())
from govbus.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def stage():
    """Keys and witnesses of this module."""
    return Stage()


@pytest.fixture(scope="module")
def evidence(stage):
    """Evidence about one document."""
    return stage.evidence()


def _run(*arguments):
    done = subprocess.run(
        [sys.executable, "-c", RUN_WITHOUT, "verify", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_bundle_is_verified_without_kafka_and_settings(evidence, tmp_path):
    """Neither a Kafka client nor settings nor a web client are needed; own keys make it a proof."""
    files = bundle_files(evidence)
    (tmp_path / "one.zip").write_bytes(pack(files))
    (tmp_path / "own").mkdir()
    for name, octets in files.items():
        if name.startswith("trust/"):
            (tmp_path / "own" / name.removeprefix("trust/")).write_bytes(octets)
    code, output, errors = _run(tmp_path / "one.zip", "--trust", tmp_path / "own")
    assert code == 0, errors
    assert "verified; not checked: revocation, time stamps" in output
    assert "it fits together" in _run(tmp_path / "one.zip")[1]


def test_what_does_not_hold_ends_with_one(evidence, tmp_path):
    """A changed value is named, and the exit code says that there is a finding."""
    files = {**bundle_files(evidence), "document/value": b"other"}
    (tmp_path / "one.zip").write_bytes(pack(files))
    code, output, _ = _run(tmp_path / "one.zip")
    assert code == 1
    assert "failed  value" in output
    assert "failed  files: not as listed: document/value" in output


def test_what_cannot_be_read_ends_with_two(tmp_path):
    """No bundle, no verdict."""
    (tmp_path / "one.zip").write_bytes(b"nothing")
    code, _, errors = _run(tmp_path / "one.zip")
    assert code == 2
    assert "no evidence bundle" in errors


def test_a_proof_is_verified_with_its_entry_and_a_policy(stage, evidence, tmp_path):
    """A C2SP proof file, the file that it is about and a policy are enough; another file is not."""
    proof = TlogProof.from_text(evidence.entry_proof)
    origin = proof.checkpoint.origin
    key = stage.log_keys.public.verifiers(origin)[0].to_vkey()
    (tmp_path / "policy").write_text(f"log {key}\nquorum none\n", encoding="utf-8")
    (tmp_path / "one.tlog-proof").write_text(evidence.entry_proof, encoding="utf-8")
    (tmp_path / "entry").write_bytes(evidence.log_entry)
    (tmp_path / "other").write_bytes(evidence.log_entry + b"\x00")
    arguments = (tmp_path / "one.tlog-proof", "--policy", tmp_path / "policy", "--entry")
    code, output, errors = _run(*arguments, tmp_path / "entry")
    assert code == 0, errors
    assert f"number 2 of 6 in {origin}" in output
    code, output, _ = _run(*arguments, tmp_path / "other")
    assert code == 1
    assert "NOT VERIFIED" in output
    assert _run(tmp_path / "one.tlog-proof")[0] == 2
