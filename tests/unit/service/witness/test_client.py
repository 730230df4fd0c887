"""The client of a witness: whatever the other side answers, only verified cosignatures come out."""

import asyncio

import aiohttp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from structlog.testing import capture_logs

from govbus.errors import WitnessConflictError, WitnessError
from govbus.message_log.checkpoint import Checkpoint
from govbus.message_log.cosignature import CosignatureSigner
from govbus.message_log.note import NOTE_BYTES_MAX, Note
from govbus.message_log.policy import Policy
from govbus.message_log.witness import AddCheckpoint
from govbus.service.witness.client import WitnessClient, witness_clients

STRANGER = CosignatureSigner("stranger.example", MLDSA44PrivateKey.from_seed_bytes(bytes([9]) * 32))
AT_S = 1_900_000_000


class OtherSide:
    """Answers as it is told, and remembers what it was asked."""

    def __init__(self):
        self.answers = []
        self.requests = []
        self.pause_s = 0.0

    async def handle(self, request):
        self.requests.append((request.path, await request.read()))
        await asyncio.sleep(self.pause_s)
        status, text = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return web.Response(status=status, body=text.encode("utf-8"), headers={"Location": "/elsewhere"})


@pytest.fixture
async def other_side():
    side = OtherSide()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", side.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    side.url = f"http://127.0.0.1:{runner.addresses[0][1]}/prefix"
    yield side
    await runner.cleanup()


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
def client(other_side, session, keys):
    return WitnessClient(other_side.url, session, [keys.ml_dsa_44.verifier, keys.ed25519.verifier])


@pytest.fixture
def lines(keys, log):
    """Right cosignatures on the log's checkpoint of size 5: ML-DSA-44, Ed25519, and a stranger's."""
    text = Note.from_text(log.note(5)).text
    return [signer.sign(text, at_s=AT_S) for signer in (keys.ml_dsa_44, keys.ed25519, STRANGER)]


def _text(lines):
    return "".join(f"{line.to_text()}\n" for line in lines)


async def test_asks_as_specified(client, other_side, log, lines):
    """The request goes to the submission prefix and is what the specification says."""
    other_side.answers = [(200, _text(lines))]
    note = log.note(5)
    await client.add_checkpoint(3, log.proof(3, 5), note)
    body = AddCheckpoint(3, tuple(log.proof(3, 5)), note).to_text().encode()

    assert [("/prefix/add-checkpoint", body)] == other_side.requests


async def test_known_keys_only(client, other_side, log, lines):
    """Lines of unknown keys are ignored, in any order; one known key is enough."""
    for order in (lines, lines[::-1]):
        other_side.answers = [(200, _text(order))]
        assert set(lines[:2]) == set(await client.add_checkpoint(0, [], log.note(5)))
    other_side.answers = [(200, _text(lines[1:]))]
    assert (lines[1],) == await client.add_checkpoint(0, [], log.note(5))


async def test_lies(client, other_side, log, keys, lines):
    """No line of a known key, a wrong one, one over another tree or one without a time is refused."""
    text = Note.from_text(log.note(5)).text
    wrong = lines[0]._replace(signature=lines[0].signature[:-1] + bytes([lines[0].signature[-1] ^ 1]))
    other_tree = keys.ml_dsa_44.sign(Checkpoint(log.origin, 5, bytes(32)).to_text(), at_s=AT_S)
    for answer, reason in (
        (_text([lines[2]]), "no signature by a known key"),
        (_text([lines[1], wrong]), "does not hold"),
        (_text([other_tree]), "does not hold"),
        (_text([keys.ml_dsa_44.sign(text, at_s=0)]), "states no time"),
        (log.note(5), "no signature lines"),
        ("", "no signature lines"),
        ("x" * (NOTE_BYTES_MAX + 1), "an answer of over"),
    ):
        other_side.answers = [(200, answer)]
        with pytest.raises(WitnessError, match=reason) as caught:
            await client.add_checkpoint(0, [], log.note(5))
        assert not isinstance(caught.value, WitnessConflictError)


@pytest.mark.parametrize("status", [204, 301, 307, 400, 403, 404, 422, 500, 503])
async def test_other_statuses(client, other_side, log, lines, status):
    """Every status but 200 and 409 is a refusal, whatever stands in the body; redirects are not followed."""
    other_side.answers = [(status, _text(lines) if status != 204 else "")]
    with pytest.raises(WitnessError, match=f"status {status}"):
        await client.add_checkpoint(0, [], log.note(5))
    assert 1 == len(other_side.requests)


async def test_refusal_is_told_without_control_characters(client, other_side, log):
    """What the other side says is shortened and made printable before it gets into a log."""
    other_side.answers = [(422, "bad\x1b[31m\n" + "x" * 1000)]
    with pytest.raises(WitnessError) as caught:
        await client.add_checkpoint(0, [], log.note(5))
    assert caught.value.message.endswith("status 422: bad[31m" + "x" * 191)


async def test_conflict(client, other_side, log):
    """A conflict tells the size; one without a size is an answer that does not hold."""
    other_side.answers = [(409, "17\n")]
    with pytest.raises(WitnessConflictError) as caught:
        await client.add_checkpoint(0, [], log.note(5))
    assert 17 == caught.value.size
    other_side.answers = [(409, "seventeen\n")]
    with pytest.raises(WitnessError, match="names no size"):
        await client.add_checkpoint(0, [], log.note(5))


async def test_conflicts_end(client, other_side, log, lines):
    """A witness that names another size each time, or the same again, is not asked for ever."""

    async def proof_of(size):
        return log.proof(size, 5)

    other_side.answers = [(409, "3\n"), (409, "4\n"), (200, _text(lines))]
    assert 2 == len(await client.cosign(log.note(5), 5, 0, proof_of))
    for answers in ([(409, "1\n"), (409, "2\n"), (409, "3\n"), (409, "4\n")], [(409, "3\n")], [(409, "6\n")]):
        other_side.requests.clear()
        other_side.answers = answers
        with pytest.raises(WitnessConflictError):
            await client.cosign(log.note(5), 5, 0, proof_of)
        assert len(other_side.requests) <= 3


async def test_a_witness_that_went_back_is_told(client, other_side, log, lines):
    """A witness that stands at less than it is known to have cosigned is proven to from there, and is told about."""

    async def proof_of(size):
        return log.proof(size, 5)

    other_side.answers = [(409, "3\n"), (200, _text(lines))]
    with capture_logs() as told:
        assert 2 == len(await client.cosign(log.note(5), 5, 4, proof_of))
    assert [("error", 3, 4)] == [(one["log_level"], one["size"], one["known_size"]) for one in told]
    other_side.answers = [(409, "4\n"), (200, _text(lines))]
    with capture_logs() as told:
        await client.cosign(log.note(5), 5, 3, proof_of)
    assert [] == told


async def test_no_answer(client, other_side, session, keys, log, lines):
    """A witness that is slow, or not there, is an error that passes."""
    other_side.answers, other_side.pause_s = [(200, _text(lines))], 1.0
    slow = WitnessClient(other_side.url, session, [keys.ml_dsa_44.verifier], timeout_s=0.05)
    gone = WitnessClient("http://127.0.0.1:1", session, [keys.ml_dsa_44.verifier])
    for one in (slow, gone):
        with pytest.raises(WitnessError, match="cannot be reached"):
            await one.add_checkpoint(0, [], log.note(5))


async def test_subtree_answers(client, other_side, log, keys):
    """A subtree's signature must be by ML-DSA-44 over that very range."""
    root = log.root(4)
    right = keys.ml_dsa_44.sign_subtree(log.origin, 0, 4, root)
    other_side.answers = [(200, _text([right]))]
    assert (right,) == await client.sign_subtree(0, 4, root, [], log.note(5))
    text = Note.from_text(log.note(4)).text
    for line in (
        keys.ml_dsa_44.sign_subtree(log.origin, 4, 8, root),
        keys.ml_dsa_44.sign_subtree("other.example", 0, 4, root),
        keys.ed25519.sign(text, at_s=0),
        keys.ml_dsa_44.sign(text, at_s=AT_S),
    ):
        other_side.answers = [(200, _text([line]))]
        with pytest.raises(WitnessError, match="the answer of the witness at"):
            await client.sign_subtree(0, 4, root, [], log.note(5))


async def test_clients_of_a_policy(session, keys):
    """A policy gives one client for each URL, with every key listed there; witnesses without one are left out."""
    policy = Policy.from_text(
        keys.policy_lines("court", "https://court.example/")
        + f"witness archive {STRANGER.verifier.to_vkey()}\nquorum court\n"
    )
    (client,) = witness_clients(policy, session)

    assert ("https://court.example", (keys.ml_dsa_44.verifier, keys.ed25519.verifier)) == (
        client.url,
        client.verifiers,
    )
