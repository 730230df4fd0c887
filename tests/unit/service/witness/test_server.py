"""The witness over HTTP: what is answered to whom, its bounds, and what it remembers."""

import asyncio
import hashlib
import sqlite3

import aiohttp
import pytest

from govbus import telemetry
from govbus.errors import ConfigError, WitnessConflictError, WitnessError
from govbus.message_log.cosignature import cosigned_at_s
from govbus.message_log.note import Note, verify_note
from govbus.message_log.policy import Policy
from govbus.message_log.witness import REQUEST_BYTES_MAX, AddCheckpoint
from govbus.service.witness import server as server_module
from govbus.service.witness.client import WitnessClient
from govbus.service.witness.server import HttpPlace, running_witness
from govbus.signing.merkle import root_of

NOW_MS = 1_900_000_000_123
ANY_PORT = HttpPlace("127.0.0.1", 0)


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
async def url(keys, store, log):
    async with running_witness(keys, store, log.policy, ANY_PORT, clock_ms=lambda: NOW_MS) as found:
        yield found


@pytest.fixture
def client(url, session, keys):
    return WitnessClient(url + "/", session, [keys.ml_dsa_44.verifier, keys.ed25519.verifier])


async def _post(session, url, body, path="/add-checkpoint"):
    async with session.post(url + path, data=body) as response:
        return response.status, response.headers.get("Content-Type"), await response.text()


def _body(log, old_size, size, proof=None):
    found = log.proof(old_size, size) if proof is None else proof
    return AddCheckpoint(old_size, tuple(found), log.note(size)).to_text()


async def test_cosigns_and_remembers(client, store, log):
    """Each checkpoint that grew is cosigned by both keys at the time of the machine, and remembered."""
    for old_size, size in ((0, 3), (3, 3), (3, 17)):
        lines = await client.add_checkpoint(old_size, log.proof(old_size, size), log.note(size))

        assert [NOW_MS // 1000] * 2 == [cosigned_at_s(line.signature) for line in lines]
        assert size == store.latest(log.origin).size


async def test_monitors_get_the_latest_checkpoint(client, url, session, keys, log):
    """Under the hash of the origin stands the latest checkpoint with the signatures of log and witness."""
    place = f"{url}/{hashlib.sha256(log.origin.encode()).hexdigest()}/checkpoint"
    async with session.get(place) as response:
        assert 404 == response.status
    lines = await client.add_checkpoint(0, [], log.note(5))
    async with session.get(place) as response:
        assert (200, "text/plain; charset=utf-8") == (response.status, response.headers["Content-Type"])
        note = Note.from_text(await response.text())
    verifiers = [*log.keys.public.verifiers(log.origin), keys.ml_dsa_44.verifier, keys.ed25519.verifier]

    assert verifiers == verify_note(note, verifiers)
    assert lines == note.signatures[2:]


async def test_statuses(client, url, session, log):
    """Over HTTP a request gets the status that the decision is about, and 409 its media type."""
    await client.add_checkpoint(0, [], log.note(5))
    unknown = _body(log, 0, 5).replace(log.origin, "unknown.example")

    assert 400 == (await _post(session, url, "old x\n\n"))[0]
    assert 404 == (await _post(session, url, unknown))[0]
    assert 403 == (await _post(session, url, _body(log, 5, 9).replace("\n9\n", "\n8\n")))[0]
    assert (409, "text/x.tlog.size", "5\n") == await _post(session, url, _body(log, 4, 9))
    assert 422 == (await _post(session, url, _body(log, 5, 9, [])))[0]
    assert 400 == (await _post(session, url, "subtree x\n\n", "/sign-subtree"))[0]
    async with session.get(f"{url}/add-checkpoint") as response:
        assert 405 == response.status
    async with session.get(f"{url}/{'0' * 63}/checkpoint") as response:
        assert 404 == response.status


async def test_body_that_is_too_large(url, session):
    """More than the largest request is not read."""
    assert 413 == (await _post(session, url, b"x" * (REQUEST_BYTES_MAX + 1)))[0]
    assert 400 == (await _post(session, url, b"x" * REQUEST_BYTES_MAX))[0]


async def test_body_that_does_not_arrive(url, session, monkeypatch):
    """A client that stops in the middle of its request is told so and let go."""
    monkeypatch.setattr(server_module, "BODY_TIMEOUT_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]))
    writer.write(b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 10\r\n\r\nold")
    await writer.drain()

    assert b"408" in await reader.readline()
    writer.close()
    await writer.wait_closed()


async def test_too_many_at_once(url, session, log, monkeypatch):
    """Over so many requests at once, one more is told to come back."""
    monkeypatch.setattr(server_module, "IN_FLIGHT_MAX", 0)
    async with session.post(f"{url}/add-checkpoint", data=_body(log, 0, 5)) as response:
        assert (503, "1") == (response.status, response.headers["Retry-After"])


async def test_race(url, session, store, log):
    """Of many requests from one size at once exactly one is cosigned; the others are told where the witness is."""
    assert 200 == (await _post(session, url, _body(log, 0, 5)))[0]
    sizes = [6, 30, 7, 29, 8, 28, 9, 27]
    answers = await asyncio.gather(*(_post(session, url, _body(log, 5, size)) for size in sizes))

    assert [200] + [409] * 7 == sorted(status for status, _, _ in answers)
    winner = sizes[[status for status, _, _ in answers].index(200)]
    assert {f"{winner}\n"} == {text for status, _, text in answers if status == 409}
    assert (winner, log.root(winner)) == (store.latest(log.origin).size, store.latest(log.origin).root)


async def test_memory_that_cannot_be_written(url, session, store, log, monkeypatch):
    """Where the new checkpoint cannot be stored there is no cosignature, and the next one is from where it was."""

    def fail(*_arguments):
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(store, "decide", fail)
        status, _, text = await _post(session, url, _body(log, 0, 5))

    assert (500, "the witness cannot use its memory\n") == (status, text)
    assert 200 == (await _post(session, url, _body(log, 0, 5)))[0]


async def test_fork_is_kept_as_evidence(client, url, session, store, log, forked_log):
    """Two trees of one size are kept beside each other, both signed by the log; a failed proof is kept apart."""
    labels = {"origin": log.origin}
    forks = telemetry.METRICS.get_sample_value("govbus_witness_forks_total", labels) or 0
    await client.add_checkpoint(0, [], log.note(5))
    with pytest.raises(WitnessError, match="status 422"):
        await client.add_checkpoint(5, forked_log.proof(5, 9), forked_log.note(9))
    with pytest.raises(WitnessError, match="status 422"):
        await client.add_checkpoint(5, [], forked_log.note(5))
    unproven, fork = sorted(store.refused(), key=lambda entry: entry.is_fork)

    assert (9, False) == (unproven.size, unproven.is_fork)
    assert (5, True, forked_log.root(5)) == (fork.size, fork.is_fork, fork.root)
    for note in (fork.note, fork.cosigned):
        assert 5 == log.policy.require(note, is_every_log_key_required=True).checkpoint.size
    assert forks + 1 == telemetry.METRICS.get_sample_value("govbus_witness_forks_total", labels)


async def test_metrics(client, log):
    """Size and time of each log are exported, and requests by their answer."""

    def count():
        labels = {"call": "add-checkpoint", "status": "200"}
        return telemetry.METRICS.get_sample_value("govbus_witness_requests_total", labels)

    before = count() or 0
    await client.add_checkpoint(0, [], log.note(5))

    assert before + 1 == count()
    assert 5 == telemetry.METRICS.get_sample_value("govbus_witness_log_size", {"origin": log.origin})
    assert NOW_MS // 1000 == telemetry.METRICS.get_sample_value(
        "govbus_witness_cosigned_time_seconds", {"origin": log.origin}
    )


async def test_subtree(client, log):
    """The cosigned checkpoint buys a signature over a subtree of it."""
    note = Note.from_text(log.note(14))
    cosigned = Note(note.text, await client.add_checkpoint(0, [], log.note(14))).to_text()
    leaves = log.leaves
    proof = (leaves[12], leaves[13], root_of(leaves[8:12]), root_of(leaves[:8]))
    (line,) = await client.sign_subtree(8, 13, root_of(leaves[8:13]), proof, cosigned)

    assert 0 == cosigned_at_s(line.signature)
    with pytest.raises(WitnessError, match="status 422"):
        await client.sign_subtree(8, 13, root_of(leaves[8:13]), proof[:-1], cosigned)


async def test_strict_witness(keys, store, session, log):
    """A witness that asks for every key of the log refuses what one of them signed."""
    note = Note.from_text(log.note(5))
    one_key = Note(note.text, note.signatures[:1]).to_text()
    async with running_witness(
        keys, store, log.policy, ANY_PORT, clock_ms=lambda: NOW_MS, is_every_log_key_required=True
    ) as url:
        assert 403 == (await _post(session, url, AddCheckpoint(0, (), one_key).to_text()))[0]
        assert 200 == (await _post(session, url, _body(log, 0, 5)))[0]


async def test_catching_up(client, log):
    """A client that knows nothing is told where the witness is, and proves from there; not if that is ahead."""

    async def proof_to(size, old_size):
        return log.proof(old_size, size)

    for size, known in ((5, 0), (9, 0), (17, 3), (17, 17)):
        lines = await client.cosign(log.note(size), size, known, lambda old, size=size: proof_to(size, old))
        assert 2 == len(lines)
    with pytest.raises(WitnessConflictError) as caught:
        await client.cosign(log.note(12), 12, 5, lambda old: proof_to(12, old))
    assert 17 == caught.value.size


async def test_without_logs(keys, store):
    """A witness of no log is not started."""
    with pytest.raises(ConfigError, match="knows no log"):
        async with running_witness(
            keys, store, Policy.from_text("quorum none\n"), ANY_PORT, clock_ms=lambda: NOW_MS
        ):
            pass


async def test_port_that_is_taken(keys, store, log, url):
    """A port that another process has is named in the error."""
    with pytest.raises(ConfigError, match="cannot listen on 127.0.0.1 port"):
        async with running_witness(
            keys, store, log.policy, HttpPlace.from_text(url.removeprefix("http://")), clock_ms=lambda: NOW_MS
        ):
            pass


def test_places():
    """Host and port are read, an IPv6 address in brackets; everything else is refused."""
    assert ("127.0.0.1", 7380) == HttpPlace.from_text("127.0.0.1:7380")
    assert ("::1", 0) == HttpPlace.from_text("[::1]:0")
    for text in ("", "7380", ":7380", "host:", "host:65536", "host:-1", "host:\u0661"):
        with pytest.raises(ConfigError, match="expected host:port"):
            HttpPlace.from_text(text)
