"""One document's proof, searched in an archive."""

import pytest

from govbus.audit.archive.reader import Archive
from govbus.document import topics
from govbus.message_log.keys import log_origin
from govbus.message_log.policy import Policy
from govbus.message_log.proof import TlogProof
from govbus.schemas.core import decode_log_entry
from govbus.service.evidence.archive import search_archive
from govbus.signing.merkle import leaf_hash
from govbus.testing.example_bus import BUS


@pytest.mark.parametrize("first", [1, 2, 3])
async def test_a_checkpoint_within_a_segment_proves_its_entries(bus, tmp_path, first):
    """The first checkpoint over an entry is chosen, and its proof holds, at whatever size the segment ends."""
    await bus.go_on(documents=first)
    await bus.go_on(documents=2)
    await bus.archive(tmp_path / "archive")
    entries = [decode_log_entry(one.value) for one in await bus.records(topics.MESSAGE_LOG)]

    found = search_archive(
        Archive(tmp_path / "archive"), entries[0].document_id, keys=bus.keys.public, policy=None
    )

    logs = "".join(f"log {one.to_vkey()}\n" for one in bus.keys.public.verifiers(log_origin(BUS, 0)))
    proof = TlogProof.from_text(found.logged.proof)
    seen = proof.verify(leaf_hash(found.logged.value), Policy.from_text(f"{logs}quorum none\n"))
    assert (first, 0) == (seen.checkpoint.size, proof.index)
