"""The frozen requests to a witness get the answers that their names say, and the frozen results verify."""

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

from govbus.message_log.cosignature import CosignatureSigner, Ed25519CosignatureSigner
from govbus.message_log.keys import LogKeys
from govbus.message_log.policy import Policy
from govbus.message_log.proof import TlogProof
from govbus.message_log.witness import AddCheckpoint, Answer, Witness, parse_signature_lines
from govbus.signing.merkle import leaf_hash

FOLDER = Path(__file__).parents[2] / "schemas" / "vectors" / "witness"
ORIGIN = "bus.example/log/heads"
LOGS = Policy.from_bytes((FOLDER / "log.policy").read_bytes())
POLICY = Policy.from_bytes((FOLDER / "witness.policy").read_bytes())


def _requests(call):
    return sorted((FOLDER / call).iterdir())


def _new_witness():
    keys = LogKeys.generate()
    name = "new.example/witness"
    return Witness(
        CosignatureSigner(name, keys.ml_dsa_44),
        Ed25519CosignatureSigner(name, keys.ed25519),
        LOGS.log_verifiers,
    )


def test_add_checkpoint():
    """A new witness answers each request in turn with the status in its name; only 200 moves it."""
    witness, latest, answers = _new_witness(), None, {}
    for path in _requests("add-checkpoint"):
        before = latest
        received = witness.receive(path.read_bytes())
        answer = received
        if not isinstance(received, Answer):
            answer, new, _ = witness.decide(received, latest, at_s=1_795_466_701)
            latest = new or latest
        answers[path.name] = answer.status
        if answer.status == 409:
            assert f"{before.size if before else 0}\n" == answer.body
        assert (answer.status == 200) is (latest is not before)

    assert {name: int(name.rpartition(".")[2]) for name in answers} == answers
    assert {200, 400, 403, 404, 409, 422} == set(answers.values())
    assert 13 == latest.size


@pytest.mark.parametrize("path", _requests("add-checkpoint"), ids=lambda path: path.name)
def test_requests_read_and_write(path):
    """Every request that is no grammar error is written as it was read."""
    if path.name != "11-leading-zero.400":
        assert path.read_text("utf-8") == AddCheckpoint.from_bytes(path.read_bytes()).to_text()


def test_answers_are_signature_lines():
    """The answer to the first good request is one line for each key of the witness."""
    witness = _new_witness()
    received = witness.receive((FOLDER / "add-checkpoint" / "07-first.200").read_bytes())
    answer = witness.decide(received, None, at_s=5).answer

    assert 2 == len(parse_signature_lines(answer.body.encode()))


def test_checkpoint_under_the_policy():
    """The cosigned checkpoint meets the quorum; without the log's or a witness's line it would not."""
    opened = POLICY.require((FOLDER / "checkpoint").read_bytes(), ORIGIN, is_every_log_key_required=True)

    assert (13, 1_795_466_701) == (opened.checkpoint.size, opened.cosignatures[0].time_s)
    assert ["court-ml-dsa-44", "court-ed25519"] == [cosigned.name for cosigned in opened.cosignatures]


def test_proof():
    """The proof of logging shows entry 6, and no other."""
    proof = TlogProof.from_bytes((FOLDER / "entry-6.tlog-proof").read_bytes())

    assert 6 == proof.index
    assert proof.verify(leaf_hash(b"entry 6\n"), POLICY, ORIGIN).is_quorum


def test_sign_subtree():
    """The example witness answers each request for a subtree with the status in its name."""
    signers = _example_signers()
    witness = Witness(*signers, LOGS.log_verifiers)
    assert {witness_key.verifier.to_vkey() for witness_key in POLICY.witnesses} == {
        signer.verifier.to_vkey() for signer in signers
    }
    for path in _requests("sign-subtree"):
        assert int(path.suffix[1:]) == witness.sign_subtree(path.read_bytes()).status, path.name


def _example_signers():
    specification = importlib.util.spec_from_file_location("generate", FOLDER.parent / "generate_witness.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module.witness_signers()


PAGE = (Path(__file__).parents[2] / "docs" / "specs" / "witness.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("begin", "name"),
    [
        ("old ", "add-checkpoint/15-grown.200"),
        ("log ", "witness.policy"),
        ("c2sp.org/", "entry-6.tlog-proof"),
    ],
)
def test_page_shows_the_vectors(begin, name):
    """The examples in the page are the files, line by line; a line that is too long is cut at an ellipsis."""
    (shown,) = [block for language, block in BLOCKS if not language and block.startswith(begin)]
    lines = (FOLDER / name).read_text("utf-8").splitlines()

    assert len(lines) == len(shown.splitlines())
    for line, cut in zip(lines, shown.splitlines(), strict=True):
        assert line.startswith(cut.removesuffix("\u2026")) if cut.endswith("\u2026") else line == cut


def test_cosignature_by_openssl(tmp_path):
    """The page's commands verify the Ed25519 cosignature, and not one over another time."""
    (commands,) = [block for language, block in BLOCKS if language == "sh" and "openssl" in block]
    for name in ("checkpoint", "witness.policy"):
        (tmp_path / name).write_bytes((FOLDER / name).read_bytes())

    assert "Verified Successfully" in _shell(commands, tmp_path, code=0)
    assert "Failure" in _shell(commands.replace("cosignature/v1", "cosignature/v2"), tmp_path, code=1)


def _shell(commands, folder, *, code):
    done = subprocess.run(["sh", "-c", commands], cwd=folder, capture_output=True, text=True, check=False)
    assert code == done.returncode, done.stderr
    return done.stdout + done.stderr
