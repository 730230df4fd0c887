"""Real processes killed with SIGKILL while they put, seal and publish: what the spool holds afterwards."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time

import pytest

from govbus.adapters.spool import Spool
from govbus.document.record import Envelope
from govbus.document.statement import Statement
from govbus.signing.signature_policy import NO_POLICY, SignatureMode, SignaturePolicy

AT_MS = 1_795_466_700_123
KILLS = 6
POLICIES = (
    NO_POLICY,
    SignaturePolicy(is_officer_required=True),
    SignaturePolicy(is_officer_required=True, mode=SignatureMode.SINGLE),
)

PUTTER = """
import sys
from govbus.adapters.outgoing import EncodedDocument
from govbus.adapters.spool import Spool
from govbus.document.ids import Origin
spool = Spool.open(sys.argv[1], Origin.from_text("tax.example/main"))
number = int(spool.cursor("counter") or 0)
print("ready", flush=True)
while True:
    count = 1 + number % 90
    documents = [
        EncodedDocument(str(n), {"ce_id": b"%d" % n}, 100, "0" * 64, b"document %d" % n)
        for n in range(number, number + count)
    ]
    number += count
    spool.put(documents, at_ms=1795466700123, adapter="counter", cursor=str(number))
"""

PUBLISHER = """
import sys
from pathlib import Path
from govbus.adapters.spool import Spool
from govbus.document.ids import Origin
from govbus.signing.signer import FixedSigners, KeySigner
spool = Spool.open(sys.argv[1], Origin.from_text("tax.example/main"))
key, certificate = (Path(name).read_bytes() for name in sys.argv[2:4])
signer = KeySigner.from_pem(key, certificate, kid="seal")
signers = FixedSigners([signer], signer)
print("ready", flush=True)
with open(sys.argv[4], "a") as sent:
    while True:
        spool.seal(signers, at_ms=1795466700123, batch_max=16, documents_max=100)
        first = spool.published_next
        records = spool.unpublished(70)
        for index, record in enumerate(records, first):
            salt = dict(record.headers)["gb-salt"].hex()
            signatures = b",".join(value for name, value in record.headers if name == "gb-sig").decode()
            print(index, signatures, salt, record.value.hex(), file=sent)
        sent.flush()
        if records:
            spool.mark_published(first + len(records) - 1)
"""


def _run_and_kill(script, *arguments, seed):
    with subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE) as child:
        assert b"ready\n" == child.stdout.readline()
        time.sleep(random.Random(seed).uniform(0.02, 0.25))
        child.send_signal(signal.SIGKILL)
        assert -signal.SIGKILL == child.wait()


@pytest.mark.crash
def test_killed_while_putting(spool_path, origin, signer):
    """Indexes stay dense and the cursor agrees with the documents, however often the process is killed."""
    Spool.open(spool_path, origin, next_index=0).close()
    for seed in range(KILLS):
        _run_and_kill(PUTTER, spool_path, seed=seed)
    with Spool.open(spool_path, origin) as spool:
        while spool.seal([signer], at_ms=AT_MS):
            pass
        end = spool.stats(AT_MS).next_index
        assert str(end) == spool.cursor("counter")
        assert end > KILLS
        found = []
        while records := spool.unpublished(500):
            for record in records:
                envelope = Envelope.from_headers(record.headers)
                index = Statement.from_bytes(envelope.statement).index
                assert b"document %d" % index == record.value[5:]
                found.append(index)
            spool.mark_published(found[-1])
        assert list(range(end)) == found


@pytest.mark.crash
def test_killed_while_publishing(spool_path, tmp_path, origin, encoded, authority):
    """Whatever is sent twice because of a kill is sent as the same bytes, and nothing is left out."""
    issued = authority.issue("tax.example", not_before_ms=AT_MS - 1000, not_after_ms=AT_MS + 1000)
    key, certificate, sent = tmp_path / "key", tmp_path / "certificate", tmp_path / "sent"
    key.write_bytes(issued.key_pem)
    certificate.write_bytes(issued.certificate_pem)
    with Spool.open(spool_path, origin, next_index=0) as spool:
        for number in range(40):
            signing = POLICIES[number % len(POLICIES)].to_bits()
            spool.put([one._replace(signing=signing) for one in encoded(200)], at_ms=AT_MS)
        for seed in range(KILLS):
            _run_and_kill(PUBLISHER, spool_path, key, certificate, sent, seed=seed)
        published_next = spool.published_next
    assert published_next > 0
    by_index = {}
    for line in sent.read_text().splitlines():
        index, *rest = line.split()
        if len(rest) == 3 and len(rest[2]) >= 2:
            by_index.setdefault(int(index), []).append(rest)
    assert set(range(published_next)) <= set(by_index)
    for sends in by_index.values():
        # A line that a kill cut off is a beginning of the whole one.
        longest = max(sends, key=lambda rest: len(rest[2]))
        assert all(rest[:2] == longest[:2] and longest[2].startswith(rest[2]) for rest in sends)
