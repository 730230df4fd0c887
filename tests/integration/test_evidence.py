"""One document's evidence on a real bus with witnesses and time stamps: proven, handed over, replayed, erased."""

import json
import subprocess
import zipfile

import pytest

from govbus.document import topics
from govbus.document.finding import Outcome
from govbus.document.ids import AgencyId
from govbus.document.record import SALT, unframe
from govbus.service.sample_directory import BUS, CIVIL_REGISTRY

from .evidence_bus import EvidenceBus

pytestmark = pytest.mark.kafka

ROWS = 40
AGENCY = str(CIVIL_REGISTRY)
WAIT_S = 120
ORDER = "Example Court, order 12 O 345/26 of 2026-11-20"


@pytest.fixture
def bus(embedded_kafka_factory, tmp_path):
    """A bus on which forty documents were decided about, cosigned and stamped."""
    bus = EvidenceBus(embedded_kafka_factory(), tmp_path / "bus")
    bus.add_router("router-1")
    bus.add_log_service()
    bus.add_register()
    bus.add_agency(AGENCY)
    with bus.tsa:
        try:
            bus.append(AGENCY, 0, ROWS)
            bus.start()
            bus.wait(lambda: _accepted(bus) == ROWS, WAIT_S, "a decision about every row")
            bus.wait(lambda: _is_stamped(bus), WAIT_S, "a stamped head over all entries")
            yield bus
        finally:
            bus.kill_all()


def _accepted(bus):
    return sum(entry.decision is Outcome.ACCEPTED for entry in bus.entries())


def _is_stamped(bus):
    """Whether a cosigned and stamped head came after the last checkpoint of every partition that has entries."""
    _, stamped = bus.stamped_sizes()
    digits = [record for record in bus.records(topics.CHECKPOINTS) if record.key.isdigit()]
    newest = {record.key: int(record.value.split(b"\n")[1]) for record in digits}
    return bool(stamped) and sum(newest.values()) == len(bus.entries()) and max(stamped) >= len(newest)


def _own_keys(bus, folder):
    """Lay out the auditor's own keys like trust/ in a bundle."""
    folder.mkdir()
    (folder / "authority.pem").write_bytes(bus.authority.read_bytes())
    (folder / "policy").write_bytes(bus.policy_file.read_bytes())
    (folder / "tsa.pem").write_bytes((bus.folder / "tsa" / "ca.pem").read_bytes())
    for name in ("log-ed25519.pub.pem", "log-ml-dsa-44.pub.pem"):
        (folder / name).write_bytes((bus.keys / name).read_bytes())
    return folder


def _trust(bus):
    return ("--authority", bus.authority, "--log-keys", bus.keys)


def test_evidence_is_proven_handed_over_replayed_and_erased(bus, tmp_path):
    """The whole way of evidence, each step by the command that its user types."""
    own = _own_keys(bus, tmp_path / "own")
    entry = next(entry for entry in bus.entries() if entry.decision is Outcome.ACCEPTED)
    chosen = entry.document_id
    witnesses = ("--policy", bus.policy_file)

    # A bundle from the bus holds under the auditor's own keys, by program and by script.
    bundle = tmp_path / "one.zip"
    tsa = ("--tsa-ca", bus.folder / "tsa" / "ca.pem")
    bus.run("audit", "export", chosen, *_trust(bus), *witnesses, *tsa, "--output", bundle)
    _check_bundle(bus, bundle, own, tmp_path / "unpacked")

    # The proof files hold under a policy alone.
    bus.run("audit", "prove", chosen, *_trust(bus), *witnesses, "--output", tmp_path / "proofs")
    assert (tmp_path / "proofs" / f"{chosen}.heads.tlog-proof").exists()

    # The archive gives the same bundle without any bus, and replays the same.
    bus.stop(AGENCY)
    bus.write_archive()
    bus.verify_archive()
    archived = tmp_path / "two.zip"
    bus.run(
        *("audit", "export", chosen, *_trust(bus), *witnesses, *tsa),
        *("--archive", bus.archive, "--output", archived),
        without_bus=True,
    )
    report = json.loads(bus.run("verify", archived, "--trust", own, "--json", without_bus=True))
    assert report["verified"]
    not_ok = [step["step"] for step in report["steps"] if step["result"] != "ok"]
    assert not_ok == ["revocation"], "this bus publishes no revocation material"
    _check_replay(bus)

    # Erased: nobody finds its value or salt again, and everything still verifies.
    record = next(
        one
        for one in bus.records(entry.source.topic)
        if one.offset == entry.source.offset and one.partition == entry.source.partition
    )
    _erase(bus, chosen)
    _check_erased(bus, record, chosen)
    bus.run(
        *(
            "audit",
            "export",
            chosen,
            *_trust(bus),
            *witnesses,
            "--archive",
            bus.archive,
            "--output",
            archived,
        ),
        without_bus=True,
    )
    report = json.loads(bus.run("verify", archived, "--trust", own, "--json", without_bus=True))
    assert report["verified"]
    assert {step["step"] for step in report["steps"] if step["result"] == "skipped"} == {
        "value",
        "revocation",
    }


def _check_bundle(bus, bundle, own, folder):
    report = json.loads(bus.run("verify", bundle, "--trust", own, "--json", without_bus=True))
    assert report["verified"]
    assert {step["step"]: step["result"] for step in report["steps"]}["time stamps"] == "ok"
    assert {step["step"]: step["result"] for step in report["steps"]}["witnesses"] == "ok"
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(folder)
    done = subprocess.run(
        ["sh", str(folder / "verify.sh"), str(own)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for text in ("time stamp tsa: the head existed on", "witness court", "directory: signed", "verified"):
        assert text in done.stdout


def _check_replay(bus):
    """Every decision is the same again, from the bus and from the archive."""
    for source in ((), ("--archive", bus.archive)):
        lines = bus.run(
            "audit", "replay", "--authority", bus.authority, *source, "--json", without_bus=bool(source)
        ).splitlines()
        replayed = [json.loads(line) for line in lines]
        assert len(replayed) == len(bus.entries())
        assert all(one["decided_again"] and not one["differences"] for one in replayed)
        times = [one["time"] for one in replayed]
        assert times == sorted(times)


def _erase(bus, chosen):
    """Erase on the word of the bus; copies that nobody has read yet have to wait, and are gone once they have."""
    sample = bus.stage.sample
    arguments = (
        *("erase", chosen, "--authority", ORDER, "--directory-authority", bus.authority, "--yes", "--json"),
        *("--archive", bus.archive, "--key", sample.key(BUS), "--certificate", sample.certificate(BUS)),
    )
    report = json.loads(bus.run(*arguments))
    assert report["complete"], report
    again = json.loads(bus.run(*arguments))
    assert again["facts"] == report["facts"], "a second run finds what the first did"
    assert {place["state"] for place in again["places"]} == {"absent"}


def _check_erased(bus, record, chosen):
    """Value and salt are in no file of the archive and on no topic; the log says by whose order."""
    avro = unframe(record.value)[1]
    salt = dict(record.headers)[SALT]
    for path in bus.archive.rglob("*"):
        if path.is_file():
            octets = path.read_bytes()
            assert avro not in octets, path
            assert salt not in octets, path
    names = [record.topic, topics.inbox(AgencyId(AGENCY)), *_recipients(bus, chosen)]
    for one in bus.records(*names):
        assert one.value != record.value
    erased = [entry for entry in bus.entries() if entry.decision is Outcome.ERASED]
    assert [entry.document_id for entry in erased] == [chosen]
    assert ORDER.encode() in erased[0].erasure
    bus.wait(lambda: _is_stamped(bus), WAIT_S, "a head over the erasure")
    bus.write_archive()
    assert "values erased    1" in bus.verify_archive()
    for level in ("evidence", "full"):
        report = json.loads(bus.run("audit", "verify", *_trust(bus), "--level", level, "--json"))
        assert report["log_verified"], report
        assert any("left the broker with one that was erased" in note for note in report["notes"])
    assert "erased" in bus.run("trace", chosen)


def _recipients(bus, chosen):
    return {name for entry in bus.entries() if entry.document_id == chosen for name in entry.recipients}
