"""The demo's evidence without a broker: what is outside, what is chosen, and what becomes a problem."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from govbus.cli.demo import bundle, covering, evidence, outside
from govbus.cli.demo.bundle import Script, run_script
from govbus.cli.demo.covering import wait_until_covered
from govbus.cli.demo.evidence import Evidence, EvidenceOutcome, trust_options
from govbus.cli.demo.evidence_summary import evidence_lines, evidence_report
from govbus.cli.demo.outside import AUTHORITY, WITNESSES, Outside, TrustFolder, outside_of
from govbus.cli.demo.processes import Commands, Done
from govbus.cli.demo.run import erasable
from govbus.cli.demo.stage import Stage
from govbus.cli.demo.traffic import Seen
from govbus.document import topics
from govbus.document.decision import SourcePosition
from govbus.document.finding import Outcome
from govbus.message_log.keys import LogKeys
from govbus.message_log.policy import Policy
from govbus.routing.directory.build import build_directory
from govbus.service.auditing.verifying import Request
from govbus.service.directory.publishing import read_folder
from govbus.service.processes import clock_ms
from govbus.service.sample_directory import HEALTH_FUND, write_sample_directory
from govbus.transport.base import TopicSpec
from govbus.transport.memory import MemoryTransport

EXAMPLE = "example"
CLEAN_AUDIT = {
    "log_verified": True,
    "log_entries": 9,
    "timestamps": 2,
    "findings": [],
    "coverage": [
        {"material": "cosignature", "time": "2026-11-24T10:00:00.000Z", "entries": 9, "by": "court-ed25519"},
        {"material": "quorum", "time": "2026-11-24T10:00:00.000Z", "entries": 9, "by": "both"},
        {"material": "timestamp", "time": "2026-11-24T10:00:01.000Z", "entries": 9, "by": "tsa"},
        {"material": "timestamp", "time": "2026-11-24T09:00:00.000Z", "entries": 4, "by": "older"},
    ],
}
CLEAN_ARCHIVE = {"archive_verified": True, "bytes": 1_500_000, "values_erased": 1, "findings": []}
WRITTEN = {"segments": 1, "skipped": 0}
FINDING = {"check": "value", "topic": "segments/1/values", "expected": "one value", "found": "another"}


@pytest.fixture
def stage(tmp_path):
    """A stage with directory and log keys, without a broker."""
    at_ms = clock_ms()
    sample = write_sample_directory(tmp_path / "directory", at_ms=at_ms)
    content = read_folder(sample.folder, at_ms=at_ms).content
    directory = build_directory(content, version=1, issued_ms=at_ms, expires_ms=at_ms + 86_400_000)
    keys = LogKeys.generate()
    (tmp_path / "log-keys").mkdir()
    (tmp_path / "logs").mkdir()
    for name, pem in zip(("log-ed25519.pub.pem", "log-ml-dsa-44.pub.pem"), keys.public.to_pem(), strict=True):
        (tmp_path / "log-keys" / name).write_bytes(pem)
    transport = MemoryTransport()
    return Stage(tmp_path, "", transport, sample, directory, keys)


class Answers:
    """Stands for the commands: answers by the first two words, and tells what was run."""

    def __init__(self, answers):
        self.answers = answers
        self.run_with = []

    def __call__(self, *_):
        return self

    async def run(self, *arguments, without_bus=False):
        self.run_with.append((arguments[:2], without_bus))
        code, answer = self.answers.get(arguments[:2], self.answers.get(arguments[:1], (0, {})))
        return Done(code, answer if isinstance(answer, str) else json.dumps(answer))


def _evidence(stage, monkeypatch, answers):
    commands = Answers(answers)
    monkeypatch.setattr(evidence, "Commands", commands)
    trust = TrustFolder(stage.folder / "trust")
    steps = []
    return Evidence(stage, Outside((), trust, "", None), lambda: steps.append(1)), commands, steps


def test_both_witnesses_have_to_cosign_with_both_of_their_keys(stage):
    """The auditor's policy knows the log of heads, and asks for all four keys of the two witnesses."""
    with outside_of(stage) as made:
        for number, witness in enumerate(made.witnesses):
            witness.url = f"http://127.0.0.1:{7000 + number}"
        made.write_policy()
        request = made.trust.request()

    policy = Policy.from_bytes(made.trust.policy_file.read_bytes())
    assert WITNESSES == tuple(one.name for one in made.witnesses)
    assert {"http://127.0.0.1:7000", "http://127.0.0.1:7001"} == {one.url for one in policy.witnesses}
    assert 2 * len(WITNESSES) == len(policy.witnesses)
    assert ("both", 2) == (policy.quorum, len(policy.logs))
    assert policy == request.policy


def test_the_log_service_is_told_of_the_authority(stage):
    """Name, place and root of the authority are in the log service's settings, and the auditor has the root too."""
    if shutil.which("openssl") is None:
        pytest.skip("the authority is the openssl command")
    with outside_of(stage) as made:
        (authority,) = json.loads(made.log_settings()["GOVBUS_MESSAGE_LOG__TIMESTAMP_AUTHORITIES"])
        assert (AUTHORITY, made.tsa.url) == (authority["name"], authority["url"])
        assert Path(authority["ca_file"]).read_bytes() == made.trust.tsa_file.read_bytes()
    assert "--tsa-ca" in trust_options(stage.folder)


def test_a_machine_without_openssl_has_no_authority(stage, monkeypatch):
    """Everything else goes on, and the summary says in one line what is not there."""
    monkeypatch.setattr(outside, "has_openssl", lambda: False)
    with outside_of(stage) as made:
        made.write_policy()
        request = made.trust.request()

    assert (None, {}, ()) == (made.tsa, made.log_settings(), request.timestamp_anchors)
    assert "--tsa-ca" not in trust_options(stage.folder)
    lines = evidence_lines(EvidenceOutcome(has_authority=False))
    assert ["no time stamps: they need the openssl command, which this machine lacks"] == [
        line for line in lines if "time stamp" in line
    ]


async def test_a_log_that_nobody_cosigns_is_not_covered(stage, monkeypatch):
    """Once patience ends, each kind of material is named with how far it goes."""
    monkeypatch.setattr(covering, "PATIENCE_S", 0.05)
    await stage.transport.administrator().create_topics([TopicSpec(topics.CHECKPOINTS, 1, 1, {})])
    request = Request((), stage.log_keys.public, timestamp_anchors=(SimpleNamespace(),))

    missing = await wait_until_covered(stage, request, 1_234)

    assert [
        "the witnesses' quorum vouches for 0 of 1,234 log entries",
        "time stamps vouch for 0 of 1,234 log entries",
    ] == missing


def test_the_erased_document_is_an_early_one_of_the_health_fund_away_from_the_example():
    """Little leaves the broker with it, nothing of it was sent again, and the example stays whole."""
    seen, outbox = Seen(), topics.outbox(HEALTH_FUND)
    for offset, (topic, name, decision, place) in enumerate(
        [
            ("govbus.out.civil-registry.example", EXAMPLE, Outcome.ACCEPTED, (0, 0)),
            ("govbus.out.civil-registry.example", "of another agency", Outcome.ACCEPTED, (1, 0)),
            (outbox, "beside the example", Outcome.ACCEPTED, (0, 1)),
            (outbox, "late", Outcome.ACCEPTED, (1, 9)),
            (outbox, "early", Outcome.ACCEPTED, (2, 3)),
            (outbox, "refused", Outcome.REFUSED, (2, 0)),
        ]
    ):
        entry = SimpleNamespace(document_id=name, decision=decision)
        seen.decisions[SourcePosition(topic, 0, offset)] = entry
        seen.places[name.encode()] = SourcePosition("inbox", *place)

    assert "early" == erasable(seen, EXAMPLE)


async def test_a_good_end_gives_the_figures(stage, monkeypatch):
    """Archive and audit are asked without the bus, and what they say becomes figures and no problem."""
    proof, commands, steps = _evidence(
        stage,
        monkeypatch,
        {
            ("archive", "write"): (0, WRITTEN),
            ("archive", "verify"): (0, CLEAN_ARCHIVE),
            ("audit", "verify"): (0, CLEAN_AUDIT),
            ("erase",): (0, {"complete": True}),
        },
    )

    await proof.erase("document-1")
    await proof.close()

    outcome = proof.outcome
    report = evidence_report(outcome)
    assert ([], 2) == (outcome.problems, len(steps))
    assert {"document": "document-1", "erased": True} == report["erasure"]
    assert (9, 9, 9, 2) == (outcome.entries, outcome.cosigned, outcome.stamped, outcome.timestamps)
    assert "2026-11-24T10:00:01.000Z" == report["stamped_until"]
    assert (1, 1_500_000, True) == (
        outcome.archive_segments,
        outcome.archive_bytes,
        outcome.is_archive_verified,
    )
    assert {("archive", "verify"), ("audit", "verify")} == {
        name for name, without_bus in commands.run_with if without_bus
    }


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ({("archive", "write"): (2, "")}, "govbus archive write: exit code 2, see logs/evidence.log"),
        (
            {("archive", "write"): (0, WRITTEN | {"skipped": 3})},
            "archive: 3 outbox records are not in it",
        ),
        (
            {("archive", "verify"): (1, CLEAN_ARCHIVE | {"archive_verified": False, "findings": [FINDING]})},
            "archive: value: segments/1/values: expected one value, found another",
        ),
        (
            {("archive", "verify"): (0, CLEAN_ARCHIVE | {"values_erased": 0})},
            "archive: expected 1 erased value, found 0",
        ),
        (
            {("audit", "verify"): (1, CLEAN_AUDIT | {"log_verified": False, "findings": [FINDING]})},
            "archive: value: segments/1/values: expected one value, found another",
        ),
        ({("audit", "verify"): (2, "")}, "govbus audit verify: exit code 2, see logs/evidence.log"),
        ({("erase",): (3, "")}, "govbus erase document-1: exit code 3, see logs/evidence.log"),
    ],
)
async def test_what_fails_is_a_problem_of_the_demo(stage, monkeypatch, answers, problem):
    """One step that fails is named, and those after it are taken all the same."""
    good = {
        ("archive", "write"): (0, WRITTEN),
        ("archive", "verify"): (0, CLEAN_ARCHIVE),
        ("audit", "verify"): (0, CLEAN_AUDIT),
        ("erase",): (0, {"complete": True}),
    }
    proof, _, steps = _evidence(stage, monkeypatch, good | answers)

    await proof.erase("document-1")
    await proof.close()

    assert ([problem], 2) == (proof.outcome.problems, len(steps))


async def test_a_bundle_that_cannot_be_read_is_a_problem(stage, monkeypatch):
    """An export that writes something else than a bundle does not pass."""
    proof, _, _ = _evidence(stage, monkeypatch, {("archive", "write"): (0, WRITTEN)})
    (stage.folder / "evidence.zip").write_bytes(b"no bundle")

    await proof.hand_over("document-1")

    (problem,) = proof.outcome.problems
    assert problem.startswith("evidence.zip: ")
    assert not proof.outcome.is_bundle_verified
    assert "evidence.zip about one document does not verify" in " ".join(evidence_lines(proof.outcome))


def test_the_script_is_not_run_where_a_tool_is_missing(tmp_path, monkeypatch):
    """A machine without openssl says so instead of failing."""
    monkeypatch.setattr(bundle.shutil, "which", lambda name: None if name == "openssl" else f"/bin/{name}")

    assert Script.NOT_RUN is run_script(tmp_path / "evidence.zip", tmp_path)
    outcome = EvidenceOutcome(is_bundle_verified=True, script=Script.NOT_RUN)
    assert "verify.sh was not run" in " ".join(evidence_lines(outcome))


async def test_a_command_that_fails_leaves_its_words_in_the_log(tmp_path):
    """Its exit code comes back, and the log says what it said."""
    (tmp_path / "logs").mkdir()

    done = await Commands(tmp_path, "").run("archive", "verify", str(tmp_path / "nothing"), without_bus=True)

    assert done.code
    assert (tmp_path / "logs" / "evidence.log").read_text()
