"""``govbus witness`` as a process: frozen requests, a race, kills between requests, and a witness by somebody else.

``GOVBUS_TEST_LITEWITNESS`` names the program ``litewitness`` (filippo.io/torchwood); without it, and without one on
the path, the tests against it are skipped.
"""

import asyncio
import contextlib
import hashlib
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from govbus.errors import WitnessConflictError, WitnessError
from govbus.message_log.checkpoint import Checkpoint, sign_checkpoint
from govbus.message_log.cosignature import Ed25519CosignatureSigner
from govbus.message_log.keys import LogKeys
from govbus.message_log.note import Note
from govbus.message_log.policy import Policy
from govbus.message_log.witness import AddCheckpoint
from govbus.service.witness.client import WitnessClient, witness_clients
from govbus.signing.merkle import consistency_proof, leaf_hash, root_of

from .commands import commands_in
from .tokens import tokens_or_skip

VECTORS = Path(__file__).parents[2] / "schemas" / "vectors" / "witness"
ORIGIN = "bus.example/log/heads"
LEAVES = [leaf_hash(f"{number}".encode()) for number in range(400)]
START_TIMEOUT_S, STOP_TIMEOUT_S = 30, 20
LITEWITNESS = os.environ.get("GOVBUS_TEST_LITEWITNESS") or shutil.which("litewitness")
needs_litewitness = pytest.mark.skipif(
    LITEWITNESS is None or shutil.which("ssh-agent") is None,
    reason="litewitness and ssh-agent are not installed",
)


class WitnessProcess:
    """A folder with a witness's keys, and the process that serves it."""

    def __init__(self, folder, policy, *options, key_options=()):
        self.folder, self.policy, self.options = folder / "witness", policy, (*options, *key_options)
        self.govbus = commands_in(folder, timeout_s=START_TIMEOUT_S)
        self.lines = self.govbus(
            *("witness", "keys", str(self.folder), "--name", "court.example/witness", *key_options)
        )
        self.process = None
        self.url = ""

    def start(self):
        command = [
            "witness",
            "serve",
            "--keys",
            str(self.folder),
            "--logs",
            str(self.policy),
            "--http",
            "127.0.0.1:0",
        ]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "govbus", *command, *self.options], stdout=subprocess.PIPE, text=True
        )
        said = self.process.stdout.readline()
        assert said.startswith("witness court.example/witness at http://127.0.0.1:"), said
        self.url = said.split(" at ")[1].strip()
        return self

    def kill(self):
        self.process.kill()
        self._ended()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self._ended()

    def _ended(self):
        code = self.process.wait(STOP_TIMEOUT_S)
        self.process.stdout.close()
        self.process = None
        return code

    def show(self, code=0):
        return json.loads(self.govbus("witness", "show", str(self.folder), "--json", code=code))


@pytest.fixture
def witness_factory(tmp_path):
    made = []

    def make(policy, *options, key_options=()):
        made.append(WitnessProcess(tmp_path, policy, *options, key_options=key_options))
        return made[-1].start()

    yield make
    for one in made:
        if one.process is not None:
            one.kill()


@pytest.fixture
def log_keys():
    return LogKeys.generate()


@pytest.fixture
def log_policy(tmp_path, log_keys):
    path = tmp_path / "log.policy"
    lines = [f"log {verifier.to_vkey()}\n" for verifier in log_keys.public.verifiers(ORIGIN)]
    path.write_text("".join(lines) + "quorum none\n")
    return path


def _note(keys, size, leaves=LEAVES):
    return sign_checkpoint(Checkpoint(ORIGIN, size, root_of(leaves[:size])), keys.signers(ORIGIN), at_s=1)


def _body(keys, old_size, size, leaves=LEAVES):
    proof = consistency_proof(leaves[:size], old_size) if 0 < old_size < size else ()
    return AddCheckpoint(old_size, tuple(proof), _note(keys, size, leaves)).to_text()


def _curl(url, *options):
    """Return status and body as curl sees them."""
    done = subprocess.run(
        ["curl", "-s", "-w", "\n%{http_code}", *options, url],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def _policy_of(witness, log_policy, quorum="court.example/witness"):
    logs = log_policy.read_text().removesuffix("quorum none\n")
    return Policy.from_text(f"{logs}{witness.lines}quorum {quorum}\n")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_frozen_requests_by_curl(witness_factory):
    """Each request by curl gets the status in its name; in the end the witness shows what it cosigned and refused."""
    witness = witness_factory(VECTORS / "log.policy")
    place = f"{witness.url}/{hashlib.sha256(ORIGIN.encode()).hexdigest()}/checkpoint"
    assert 404 == _curl(place)[0]
    for path in sorted((VECTORS / "add-checkpoint").iterdir()):
        status, body = _curl(f"{witness.url}/add-checkpoint", "--data-binary", f"@{path}")
        assert path.suffix == f".{status}", (path.name, body)
    policy = _policy_of(witness, VECTORS / "log.policy")
    status, note = _curl(place)

    assert (200, 13) == (status, policy.require(note, is_every_log_key_required=True).checkpoint.size)
    shown = witness.show(code=1)  # a log has two histories
    assert [(ORIGIN, 13, note)] == [(log["origin"], log["size"], log["note"]) for log in shown["logs"]]
    assert [0, 5] == [one["size"] for one in shown["refused"] if one["is_fork"]]
    assert 0 == witness.stop()
    text = witness.govbus("witness", "show", str(witness.folder), code=1)
    assert f"{ORIGIN}: size 13, root" in text
    assert f"FORK of {ORIGIN}: size 5" in text


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_commands_of_the_page(tmp_path):
    """The commands in docs/specs/witness.md, on another port, print what the page says."""
    page = (VECTORS.parents[2] / "docs" / "specs" / "witness.md").read_text("utf-8")
    (commands,) = [
        block for block in re.findall(r"(?ms)^```sh\n(.*?)^```$", page) if "govbus witness serve" in block
    ]
    changed = commands.replace("7380", str(_free_port())).replace("schemas/", f"{VECTORS.parents[1]}/")
    changed = changed.replace("govbus witness", f"{sys.executable} -m govbus witness")
    done = subprocess.run(
        ["sh", "-c", f"{changed}\nkill $!; wait $!"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    names = [f"add-checkpoint/{path.name}" for path in sorted((VECTORS / "add-checkpoint").iterdir())]
    lines = [line for line in done.stdout.splitlines() if line.startswith("add-checkpoint/")]

    assert 0 == done.returncode, done.stderr
    assert [f"{name} {name.rpartition('.')[2]}" for name in names] == lines
    note = done.stdout[done.stdout.index(f"{ORIGIN}\n13\n") :]
    policy = (
        (VECTORS / "log.policy")
        .read_text()
        .replace("quorum none\n", (tmp_path / "requests" / "court.policy").read_text())
    )
    assert Policy.from_text(policy + "quorum court.example/witness\n").require(note).is_quorum


async def _post(session, url, body):
    async with session.post(f"{url}/add-checkpoint", data=body) as response:
        return response.status, await response.text()


async def test_race(witness_factory, log_policy, log_keys):
    """Of two requests from one size at once exactly one gets a cosignature, every time; the state never goes back."""
    witness = witness_factory(log_policy)
    async with aiohttp.ClientSession() as session:
        assert 200 == (await _post(session, witness.url, _body(log_keys, 0, 1)))[0]
        size, seen = 1, [1]
        for _ in range(25):
            bodies = [_body(log_keys, size, size + 1), _body(log_keys, size, size + 7)]
            answers = await asyncio.gather(*(_post(session, witness.url, body) for body in bodies))
            (winner,) = [grown for (status, _), grown in zip(answers, (1, 7), strict=True) if status == 200]
            size += winner
            assert [f"{size}\n"] == [text for status, text in answers if status == 409]
            seen.append(size)
    assert sorted(set(seen)) == seen
    assert [size] == [log["size"] for log in witness.show()["logs"]]


async def test_two_processes_on_one_memory(witness_factory, log_policy, log_keys, tmp_path):
    """A second process on the same folder, started by mistake, does not make the witness sign two histories."""
    first = witness_factory(log_policy)
    second = WitnessProcess.__new__(WitnessProcess)
    second.__dict__.update(first.__dict__)
    second.start()
    try:
        async with aiohttp.ClientSession() as session:
            for number in range(15):
                size = 2 * number
                bodies = [_body(log_keys, size, size + 1), _body(log_keys, size, size + 2)]
                answers = await asyncio.gather(
                    *(
                        _post(session, one.url, body)
                        for one, body in zip((first, second), bodies, strict=True)
                    )
                )
                assert [200, 409] == sorted(status for status, _ in answers)
                if answers[0][0] == 200:
                    assert 200 == (await _post(session, second.url, _body(log_keys, size + 1, size + 2)))[0]
    finally:
        assert 0 == second.stop()


@pytest.mark.crash
async def test_kills_between_and_during_requests(witness_factory, log_policy, log_keys, record_property):
    """Whatever was cosigned before a kill is remembered after it: no rollback, and no fork gets a cosignature."""
    seed = int(os.environ.get("GOVBUS_TEST_SEED", random.SystemRandom().randrange(10**6)))
    record_property("GOVBUS_TEST_SEED", seed)
    sys.stderr.write(f"GOVBUS_TEST_SEED={seed}\n")
    chance = random.Random(seed)
    witness = witness_factory(log_policy)
    policy = _policy_of(witness, log_policy)
    forked = [leaf_hash(b"other"), *LEAVES[1:]]
    cosigned = 0
    for _ in range(6):
        async with aiohttp.ClientSession() as session:
            asked = asyncio.ensure_future(_grow(session, witness.url, policy, log_keys, cosigned))
            await asyncio.sleep(chance.uniform(0.05, 0.4))
            witness.process.kill()
            cosigned = max(cosigned, await asked)
        witness.kill()
        witness.start()
        async with aiohttp.ClientSession() as session:
            (client,) = _clients(policy, witness.url, session)
            with pytest.raises(WitnessConflictError) as caught:
                await client.add_checkpoint(399, (), _note(log_keys, 400))
            known = caught.value.size
            # One more may have been stored whose answer did not arrive.
            assert cosigned <= known <= cosigned + 1
            with pytest.raises(WitnessError):
                await client.add_checkpoint(known, (), _note(log_keys, known, forked))
            cosigned = known
    assert cosigned > 1


def _clients(policy, url, session):
    return [WitnessClient(url, session, [witness.verifier for witness in policy.witnesses])]


async def _grow(session, url, policy, keys, size):
    """Have one checkpoint after the other cosigned until the witness is gone; return the last size cosigned."""
    (client,) = _clients(policy, url, session)
    with contextlib.suppress(WitnessError):
        while size < 398:
            proof = consistency_proof(LEAVES[: size + 1], size) if size else ()
            note = _note(keys, size + 1)
            lines = await client.add_checkpoint(size, proof, note)
            parsed = Note.from_text(note)
            policy.require(Note(parsed.text, (*parsed.signatures, *lines)).to_text())
            size += 1
    return size


def test_keep_alive_and_a_quiet_end(witness_factory, log_policy, log_keys):
    """Many requests use one connection, and SIGTERM ends the process in peace although it is still open."""
    witness = witness_factory(log_policy)
    connection = http.client.HTTPConnection(witness.url.removeprefix("http://"), timeout=START_TIMEOUT_S)
    connection.connect()
    opened = connection.sock
    for size in range(5):
        connection.request("POST", "/add-checkpoint", _body(log_keys, size, size + 1).encode())
        response = connection.getresponse()
        response.read()
        assert 200 == response.status
        assert opened is connection.sock
    assert 0 == witness.stop()
    connection.close()


async def test_key_on_a_token(witness_factory, log_policy, log_keys, tmp_path, monkeypatch):
    """A witness whose Ed25519 key is on a token and whose other key is encrypted cosigns like any other."""
    monkeypatch.setenv("SOFTHSM2_CONF", "")  # puts it back at the end
    tokens = tokens_or_skip(tmp_path)
    tokens.create("court")
    uri = tokens.uri("court", "witness", "%01")
    request = str(tmp_path / "unused.csr.pem")
    commands_in(tmp_path, timeout_s=START_TIMEOUT_S)(
        "keys", "generate", uri, "--subject", "w", "--csr", request
    )
    witness = witness_factory(
        log_policy, key_options=("--ed25519", uri, "--password-file", str(tokens.pin_file))
    )
    policy = _policy_of(witness, log_policy)

    assert ["witness-ml-dsa-44.key.pem"] == [path.name for path in witness.folder.glob("*.pem")]
    async with aiohttp.ClientSession() as session:
        (client,) = _clients(policy, witness.url, session)
        for size in (3, 9):
            note = Note.from_text(_note(log_keys, size))
            proof = consistency_proof(LEAVES[:9], 3) if size == 9 else ()
            lines = await client.add_checkpoint(0 if size == 3 else 3, proof, note.to_text())
            assert policy.require(Note(note.text, (*note.signatures, *lines)).to_text()).is_quorum
    assert [9] == [log["size"] for log in witness.show()["logs"]]
    assert 0 == witness.stop()


def test_lost_memory(witness_factory, log_policy):
    """A witness whose memory is gone does not start, and says why."""
    witness = witness_factory(log_policy)
    assert 0 == witness.stop()
    (witness.folder / "witness.db").unlink()
    done = subprocess.run(
        [sys.executable, "-m", "govbus", "witness", "serve", "--keys", witness.folder, "--logs", log_policy],
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        check=False,
    )

    assert 1 == done.returncode
    assert "one that forgot must not sign again" in done.stderr


class LiteWitness:
    """A witness by others, with one log in its database."""

    name = "other.example/witness"

    def __init__(self, folder, vkey):
        self.folder, self.processes = folder, []
        self.key = Ed25519PrivateKey.generate()
        pem = folder / "key.pem"
        pem.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        pem.chmod(0o600)
        self.agent = folder / "agent"
        self._run("ssh-agent", "-D", "-a", self.agent)
        _wait(self.agent.exists)
        environment = {**os.environ, "SSH_AUTH_SOCK": str(self.agent)}
        subprocess.run(["ssh-add", "-q", pem], env=environment, check=True, timeout=10)
        listed = subprocess.run(
            ["ssh-add", "-l"], env=environment, check=True, capture_output=True, text=True
        )
        self.port = _free_port()
        self.options = ("-key", re.search(r"SHA256:\S+", listed.stdout).group(), "-name", self.name)
        database = folder / "litewitness.db"
        self._serve(database)  # it makes its tables
        first = self.processes.pop()
        first.kill()
        first.wait(STOP_TIMEOUT_S)
        with contextlib.closing(sqlite3.connect(database)) as connection, connection:
            root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
            connection.execute(
                "INSERT INTO log (origin, tree_size, tree_hash) VALUES (?, 0, ?)", (ORIGIN, root)
            )
            connection.execute("INSERT INTO key (origin, key) VALUES (?, ?)", (ORIGIN, vkey))
        self._serve(database)
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def verifier(self):
        return Ed25519CosignatureSigner(self.name, self.key).verifier

    def _serve(self, database):
        listen = ("-listen", f"127.0.0.1:{self.port}")
        self._run(LITEWITNESS, "-db", database, "-ssh-agent", self.agent, *self.options, *listen)
        _wait(lambda: _listens(self.port))

    def _run(self, *command):
        self.processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def stop(self):
        for process in reversed(self.processes):
            process.kill()
            process.wait(STOP_TIMEOUT_S)


def _free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def _listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _wait(is_there):
    until_s = time.monotonic() + START_TIMEOUT_S
    while not is_there():
        assert time.monotonic() < until_s
        time.sleep(0.02)


@pytest.fixture
def litewitness(tmp_path, log_keys):
    other = LiteWitness(tmp_path, log_keys.public.verifiers(ORIGIN)[0].to_vkey())
    yield other
    other.stop()


@needs_litewitness
async def test_our_client_against_litewitness(litewitness, log_keys, log_policy):
    """Our client gets checkpoints cosigned by litewitness, catches up, and is told of conflicts and refusals."""
    logs = log_policy.read_text().removesuffix("quorum none\n")
    line = f"witness other {litewitness.verifier.to_vkey()} {litewitness.url}/\n"
    policy = Policy.from_text(f"{logs}{line}quorum other\n")

    def proof_to(size):
        async def proof_of(old_size):
            return consistency_proof(LEAVES[:size], old_size)

        return proof_of

    async with aiohttp.ClientSession() as session:
        (client,) = witness_clients(policy, session)
        for size, known in ((3, 0), (17, 3), (130, 0), (130, 130)):
            note = _note(log_keys, size)
            lines = await client.cosign(note, size, known, proof_to(size))
            parsed = Note.from_text(note)
            opened = policy.require(Note(parsed.text, (*parsed.signatures, *lines)).to_text(), ORIGIN)
            assert ("other", size) == (opened.cosignatures[0].name, opened.checkpoint.size)
        with pytest.raises(WitnessConflictError) as caught:
            await client.add_checkpoint(17, consistency_proof(LEAVES[:140], 17), _note(log_keys, 140))
        assert 130 == caught.value.size
        forked = [leaf_hash(b"other"), *LEAVES[1:]]
        with pytest.raises(WitnessError, match="status 422"):
            await client.add_checkpoint(
                130, consistency_proof(forked[:140], 130), _note(log_keys, 140, forked)
            )


@needs_litewitness
async def test_both_witnesses_answer_alike(litewitness, witness_factory, log_keys, log_policy):
    """Our witness and litewitness answer one sequence of requests with the same statuses and sizes."""
    witness = witness_factory(log_policy)
    forked = [leaf_hash(b"other"), *LEAVES[1:]]
    others = LogKeys.generate()
    bodies = [
        _body(log_keys, 0, 5).replace(ORIGIN, "unknown.example"),
        _body(others, 0, 5),
        _body(log_keys, 3, 5),
        _body(log_keys, 0, 5),
        _body(log_keys, 5, 5),
        _body(log_keys, 6, 5),
        _body(log_keys, 5, 5, forked),
        _body(log_keys, 5, 9, forked),
        _body(log_keys, 5, 9).replace("old 5", "old x"),
        _body(log_keys, 3, 9),
        _body(log_keys, 5, 9),
        _body(log_keys, 5, 9),
        _body(log_keys, 0, 9),
    ]
    async with aiohttp.ClientSession() as session:
        for number, body in enumerate(bodies):
            ours, theirs = [await _post(session, one.url, body) for one in (witness, litewitness)]
            assert ours[0] == theirs[0], number
            if ours[0] == 409:
                assert ours == theirs
